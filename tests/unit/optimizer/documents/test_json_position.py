"""Places in JSON texts: positions written down by hand, and random documents looked through by the standard library."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.optimizer.documents.json_position import JsonPath, line_and_position, offset_of, path_at, path_text
from tests.unit.optimizer.documents.patience import patiently

TEXT = """{
  "nodes": [
    {"id": "a,]b", "x": [1, "q:w" , -3.5,{"y":null}, true]},
    { "ID" :7, "deep": [[[[[[ 1 ], 2]]]]] }
  ], "Nodes2": {"caf\\u00e9 é": 1, "caf\\u00e9 é": 22}
}"""


@pytest.mark.parametrize(
    ("path", "found", "line", "position"),
    [
        ((), "{\n", 1, 1),
        (("nodes",), "[\n", 2, 12),
        (("nodes", 0), '{"id"', 3, 5),
        (("nodes", 0, "id"), '"a,]b"', 3, 12),
        (("nodes", 0, "x", 0), "1,", 3, 26),
        (("nodes", 0, "x", 1), '"q:w"', 3, 29),
        (("nodes", 0, "x", 2), "-3.5", 3, 37),
        (("nodes", 0, "x", 3, "y"), "null", 3, 47),
        (("nodes", 0, "x", 4), "true", 3, 54),
        (("nodes", 1, "id"), "7", 4, 13),
        (("nodes", 1, "deep", 0, 0, 0, 0, 1), "2]", 4, 36),
        (("NODES2",), "{", 5, 16),
        (("nodes2", "café é"), "22", 5, 50),
    ],
)
def test_value_is_found_where_it_stands(path: JsonPath, found: str, line: int, position: int) -> None:
    offset = offset_of(TEXT, tuple(step.lower() if isinstance(step, str) else step for step in path))
    assert TEXT[offset:].startswith(found)
    assert line_and_position(TEXT, offset) == (line, position)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ('{"a": ', "a"),
        ('{"a": 1, ', ""),
        ('{"a": 1, "b', ""),
        ('{"a": {"b": [1, [2], {"c": 3}, ', "a.b[3]"),
        ('[[], {}, "x,y", [1, 2', "[3][1]"),
        ('{"a": "unfinished, [{', "a"),
        ('{"a": "escaped \\", [{', "a"),
        ('{"a b": {"c.d": ', "['a b']['c.d']"),
        ("[" * 5, "[0][0][0][0][0]"),
    ],
)
def test_path_of_the_place_where_a_text_breaks_off(text: str, path: str) -> None:
    assert path_text(path_at(text, len(text))) == path


def test_long_paths_are_shortened() -> None:
    assert len(path_text((0,) * 1000)) < 250


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text('abcdé"\\ {}[],:', max_size=4), inner, max_size=5)
    ),
    max_leaves=40,
)


def everything_in(value: Any, path: JsonPath = ()) -> Iterator[tuple[JsonPath, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from everything_in(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from everything_in(inner, (*path, index))


@patiently
@given(document=documents, indent=st.sampled_from([None, 0, 3]), ascii_only=st.booleans())
def test_every_value_of_any_document_is_found_and_knows_its_path(
    document: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    for path, value in everything_in(document):
        offset = offset_of(text, path)
        assert json.JSONDecoder().raw_decode(text[offset:])[0] == value
        assert path_at(text, offset) == path


# A megabyte each; anything quadratic would take hours, and these take a second on the slowest machine.
HOSTILE = {
    "brackets": "[" * 1_000_000,
    "nested": '{"a":[' * 160_000,
    "backslashes": '["' + "\\" * 1_000_000,
    "quotes": '"' * 1_000_000,
    "ones": "[" + "1," * 500_000,
    "strings": "[" + '"a",' * 250_000,
    "objects": "[" + '{"a":1},' * 125_000,
    "closed towers": "[" + ("[" * 500 + "]" * 500 + ",") * 1000,
    "blanks": '["a"' + " " * 1_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_time_in_proportion_to_its_size(text: str) -> None:
    began = time.process_time()
    path_at(text, len(text))
    assert time.process_time() - began < 15


@pytest.mark.parametrize(
    "filling", ['{"a":1},', "[[[[[[1]]]]]],", '"s",', "1,", '{"a":"\\\\","b":[{"c":{"d":[[]]}}]},']
)
def test_a_value_after_a_large_neighbour_is_found_in_time_in_proportion(filling: str) -> None:
    text = '{"large":[' + filling * (1_000_000 // len(filling)) + '0], "wanted": "here"}'
    began = time.process_time()
    assert text[offset_of(text, ("wanted",)) :] == '"here"}'
    assert time.process_time() - began < 15
