"""Finding one text at the top of a large document, however it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.http.json_scan import find_text


def found(document: bytes, size: int = 7) -> str | None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(document), size):
            yield document[start : start + size]

    return asyncio.run(find_text(pieces(), "networkId"))


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "document",
    [
        rb'{"networkId": "net"}',
        b'\xef\xbb\xbf { "NetworkId" : "net" , "x": 1}',
        rb'{"other": {"networkId": "inner", "list": ["networkId", {}]}, "networkId": "net"}',
        rb'{"a": "x\"}", "b": [1, "networkId", ":"], "NETWORKID": "n\u0065t"}',
        rb'{"networkid": "net", "broken": ',
    ],
)
def test_the_text_is_found(document: bytes, size: int) -> None:
    assert found(document, size) == "net"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b'"networkId"',
        b'["networkId", "net"]',
        b'{"x": {"networkId": "net"}}',
        b'{"networkId": null, "x": "net"}',
        b'{"networkId": 5}',
        b'{"networkId": {"networkId": "net"}}',
        b'{"networkId": ["net"]}',
        b'{"x": "networkId", "y": "net"}',
        rb'{"networkId": "\ud800"}',
        rb'{"networkId": "a\u0000b"}',
        b'{"networkId": "\xff"}',
        b'{"networkId": "' + b"x" * 70_000 + b'"}',
    ],
)
def test_where_there_is_none_none_is_found(document: bytes) -> None:
    assert found(document) is None


_NAMES = st.sampled_from(["networkId", "a", 'x"y', "{"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3) | _NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(document=st.dictionaries(_NAMES, _JSON, max_size=4), size=st.integers(1, 20))
def test_it_says_what_a_parser_says(document: dict[str, object], size: int) -> None:
    wanted = document.get("networkId")
    expected = wanted if isinstance(wanted, str) and "\0" not in wanted else None
    assert found(orjson.dumps(document), size) == expected
