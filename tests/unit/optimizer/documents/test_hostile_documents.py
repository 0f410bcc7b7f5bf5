"""Whatever is uploaded, the readers give a value or say what is wrong: no other exception, and no number that is none."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.optimizer.documents.demand import read_demands, write_demands
from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.power_grid import read_power_grid, write_power_grid
from services.optimizer.documents.switch_settings import read_solution, read_start_configuration
from tests.unit.optimizer.documents.patience import patiently
from tests.unit.optimizer.documents.variations import (
    DEMANDS,
    NETWORK,
    SOLUTION,
    START,
    TRANSFORMER,
    Json,
    changed,
    encoded,
    network,
)

GRID = read_power_grid(network())
PERIODS = read_demands(encoded(DEMANDS), GRID, allow_unspecified=False)


def read_and_write_network(document: bytes) -> None:
    grid = read_power_grid(document)
    again = read_power_grid(write_power_grid(grid))
    assert (again.name, again.node_index, again.line_index) == (grid.name, grid.node_index, grid.line_index)
    for values in (*map(dataclasses.astuple, grid.nodes), *map(dataclasses.astuple, grid.lines)):
        assert not any(isinstance(value, float) and math.isnan(value) for value in values)


def read_and_write_demands(document: bytes) -> None:
    demands = read_demands(document, GRID, allow_unspecified=True)
    assert np.isfinite(demands.p_w).all()
    assert np.isfinite(demands.q_var).all()
    assert (demands.hours > 0).all()
    assert read_demands(write_demands(demands, GRID), GRID, allow_unspecified=False).periods == demands.periods


READERS: dict[str, tuple[Callable[[bytes], object], Json]] = {
    "network": (read_and_write_network, changed(NETWORK, {"transformers": [TRANSFORMER]})),
    "demands": (read_and_write_demands, DEMANDS),
    "start": (lambda document: read_start_configuration(document, GRID), START),
    "solution": (lambda document: read_solution(document, GRID, PERIODS), SOLUTION),
}


def survives(read: Callable[[bytes], object], document: bytes) -> None:
    try:
        read(document)
    except DocumentError as error:
        assert error.message
        assert len(error.message) < 5000
        assert "\0" not in error.message.encode().decode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with every key in it."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places(value[key])


ODD_TEXTS = [
    "",
    " ",
    "\0",
    "\ud800",
    "NaN",
    "-Infinity",
    "Infinity",
    "1e999",
    "9" * 5000,
    "PT1H",
    "-PT1H",
    "P99999999DT999999999H",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2024-02-30T00:00:00Z",
    "Dam",
    "Mill",
    "a",
    "night",
    "provider",
    "ﬁxed_ratio",
    "x" * 100_000,
    "\u2028\u202e",
]
ODD_NUMBERS = [0, -0.0, -1, 0.5, 1, 2, 1e15, 1e16, -1e16, 1e300, 1.7e308, 5e-324, 2**53 + 1, 2**64, 10**40]
odd_values = st.one_of(
    st.sampled_from([None, True, False, [], {}, [None], [[]], {"id": "x"}, math.nan, math.inf, -math.inf]),
    st.sampled_from(ODD_TEXTS),
    st.sampled_from(ODD_NUMBERS),
    st.text(max_size=5),
    st.floats(),
    st.integers(),
)


@pytest.mark.parametrize("kind", READERS)
@patiently
@given(data=st.data())
def test_values_of_any_kind_in_any_place(kind: str, data: st.DataObject) -> None:
    read, good = READERS[kind]
    document = changed(good, {})
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(document)) or [({"": None}, "")]))
        match data.draw(st.sampled_from(["replace", "drop", "repeat", "rename"])):
            case "replace":
                container[key] = copy.deepcopy(data.draw(odd_values))
            case "drop":
                del container[key]
            case "repeat" if isinstance(container, list):
                container.append(container[key])
            case "rename" if isinstance(container, dict):
                container[key.upper() if data.draw(st.booleans()) else data.draw(st.text(max_size=3))] = container[key]
    survives(read, json.dumps(document).encode())


@pytest.mark.parametrize("kind", READERS)
@patiently
@given(data=st.data())
def test_bytes_changed_anywhere(kind: str, data: st.DataObject) -> None:
    read, good = READERS[kind]
    document = bytearray(json.dumps(good, indent=data.draw(st.sampled_from([None, 1]))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(document)))
        document[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    survives(read, bytes(document))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\0",
        b"0",
        b'"',
        b"null",
        b"[]",
        b"{}",
        b"\xef\xbb\xbf",
        b"\xff" * 100,
        b"-",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"nodes":' * 100_000,
        b'{"nodes":' + b"[" * 1000 + b"]" * 1000 + b',"lines":[]}',
        b'{"x":' + b"[" * 1000 + b"]" * 1000 + b',"nodes":5,"periods":5,"switch_settings":5,"period_solutions":5}',
        b'{"nodes\\u0000":[\\u0000]}',
        b'{"nodes":"\\u0000","periods":"\\u0000","switch_settings":"\\u0000","period_solutions":"\\u0000"}',
        b'{"name":"' + b"\\ud83d" * 1000 + b'"}',
        b'{"' + b"x" * 1_000_000 + b'":1}',
        b'{"nodes":[' + b"1" * 100_000 + b"]}",
        "{'nodes': []}".encode("utf-16"),
        b'{"@schema_version":1,"@SCHEMA_VERSION":1,"nodes":[],"NODES":[],"lines":[]}',
    ],
    ids=lambda document: repr(document[:20]),
)
def test_texts_of_the_kind_that_break_parsers(kind: str, document: bytes) -> None:
    survives(READERS[kind][0], document)


def test_the_unchanged_documents_are_good() -> None:
    for read, good in READERS.values():
        read(encoded(good))
