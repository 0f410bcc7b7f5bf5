from __future__ import annotations

import asyncio

import pytest

from services.gateway.http import bodies
from services.gateway.http.binding import BindingFailed, BodyTooLarge, UnsupportedMediaType
from services.gateway.http.bodies import JsonBody
from tests.unit.gateway.http.streams import incoming

TRUTH = JsonBody(bool)


@pytest.mark.parametrize("body", [b"true", b" true\n", b"\xef\xbb\xbftrue"])
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "text/json",
        "application/problem+json",
    ],
)
async def test_a_literal_is_read_whatever_its_json_type_is_called(body: bytes, content_type: str) -> None:
    assert await TRUTH.read(incoming([body], content_type)) is True


async def test_a_body_may_arrive_in_pieces() -> None:
    assert await TRUTH.read(incoming([b"fa", b"l", b"se"], "application/json")) is False


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "json"],
)
async def test_another_content_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        await TRUTH.read(incoming([b"true"], content_type))


async def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        await TRUTH.read(incoming([b"true"], "application/json", headers={"Content-Encoding": "gzip"}))


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"1", b"0", b'"true"', b'"perhaps"', b"null", b"[true]", b"True", b"truee", b"{", b"\xff"]
)
async def test_anything_but_a_truth_value_is_a_binding_error(body: bytes) -> None:
    with pytest.raises(BindingFailed) as caught:
        await TRUTH.read(incoming([body], "application/json"))
    assert list(caught.value.errors) == ["$"]
    assert all(text for texts in caught.value.errors.values() for text in texts)


async def test_the_parsers_own_words_are_in_the_errors() -> None:
    with pytest.raises(BindingFailed) as caught:
        await TRUTH.read(incoming([b"{"], "application/json"))
    assert "EOF while parsing an object at line 1 column 1" in caught.value.errors["$"][0]


async def test_a_hundred_thousand_brackets_are_a_binding_error() -> None:
    with pytest.raises(BindingFailed):
        await TRUTH.read(incoming([b"[" * 100_000], "application/json", max_json_bytes=1_000_000))


async def test_a_large_body_is_refused() -> None:
    with pytest.raises(BodyTooLarge, match="1000 bytes"):
        await TRUTH.read(incoming([b" " * 600, b" " * 401], "application/json"))


async def test_a_client_that_sends_nothing_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LONGEST_PAUSE_S", 0.05)
    began = asyncio.get_running_loop().time()
    with pytest.raises(BindingFailed, match="too slowly"):
        await TRUTH.read(incoming([b"tr"], "application/json", is_whole=False))
    assert asyncio.get_running_loop().time() - began < 1


async def test_a_client_that_drips_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.2)
    body = incoming([], "application/json", is_whole=False)

    async def drip() -> None:
        while True:
            body.stream.feed_data(b" ")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    try:
        with pytest.raises(BindingFailed, match="too slowly"):
            async with asyncio.timeout(3):
                await TRUTH.read(body)
    finally:
        dripping.cancel()
