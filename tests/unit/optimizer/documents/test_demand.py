"""Demand documents: every rule with a document that keeps it and one that does not, and the document written back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest

from services.optimizer.documents.demand import read_demands, write_demands
from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.power_grid import read_power_grid
from services.optimizer.reconfiguration.network import Demands, Period
from tests.unit.optimizer.documents.variations import DEMANDS, DROP, Json, changed, encoded, network

GRID = read_power_grid(network())
NIGHT, DAY, FARM, MILL = "periods[0].", "periods[1].", "loads[0].", "loads[1]."


def read(changes: dict[str, Json], *, allow_unspecified: bool = False) -> Demands:
    return read_demands(encoded(changed(DEMANDS, changes)), GRID, allow_unspecified=allow_unspecified)


def shown_periods(demands: Demands) -> Json:
    return json.loads(write_demands(demands, GRID))["periods"]


def test_demands_are_in_si_units_over_all_nodes() -> None:
    demands = read({})
    assert demands.periods == (
        Period("night", datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 1, 6, tzinfo=UTC)),
        Period("day", datetime(2024, 2, 1, 6, tzinfo=UTC), datetime(2024, 2, 1, 18, tzinfo=UTC)),
    )
    assert demands.hours.tolist() == [6.0, 12.0]
    assert demands.p_w.tolist() == [[0, 0, 2e6, 0.25e6], [0, 0, 3e6, 0.5e6]]
    assert demands.q_var.tolist() == [[0, 0, 1e6, 0], [0, 0, 1.5e6, -0.125e6]]
    assert not demands.p_w.flags.writeable


def test_written_document_has_one_series_for_every_consumer_in_order_of_the_network() -> None:
    document = json.loads(write_demands(read({}), GRID))
    assert list(document) == ["@schema_version", "periods", "loads"]
    assert document["@schema_version"] == 1
    assert list(document["periods"][1].items()) == [
        ("id", "day"),
        ("start_time", "2024-02-01T06:00:00Z"),
        ("end_time", "2024-02-01T18:00:00Z"),
    ]
    assert [list(entry.items()) for entry in document["loads"]] == [
        [("node_id", "Mill"), ("p_loads", [2.0, 3.0]), ("q_loads", [1.0, 1.5])],
        [("node_id", "Farm"), ("p_loads", [0.25, 0.5]), ("q_loads", [0.0, -0.125])],
    ]


def test_loads_that_are_not_given_are_zero_where_that_is_allowed() -> None:
    demands = read({"loads[1]": DROP}, allow_unspecified=True)
    assert demands.p_w.tolist() == [[0, 0, 0, 0.25e6], [0, 0, 0, 0.5e6]]
    assert json.loads(write_demands(demands, GRID))["loads"][0] == {
        "node_id": "Mill",
        "p_loads": [0.0, 0.0],
        "q_loads": [0.0, 0.0],
    }
    assert not read({"loads": []}, allow_unspecified=True).p_w.any()


def test_grid_without_consumers_needs_no_loads() -> None:
    empty = read_power_grid(b'{"@schema_version":1,"nodes":[],"lines":[]}')
    demands = read_demands(encoded(changed(DEMANDS, {"loads": []})), empty, allow_unspecified=False)
    assert demands.p_w.shape == demands.q_var.shape == (2, 0)
    assert json.loads(write_demands(demands, empty))["loads"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {FARM + "p_loads[0]": 0, MILL + "q_loads[0]": -3},
        {FARM + "p_loads[0]": "0.25"},
        {NIGHT + "id": " "},
        {NIGHT + "start_time": "2024-01-31T23:59:59.999999Z"},
        {DAY + "end_time": "2024-02-01T20:00:00+02:00"},
        {DAY + "start_time": "2024-02-01T06:00"},
        {"periods[1]": DROP, FARM + "p_loads[1]": DROP, FARM + "q_loads[1]": DROP, "loads[1]": DROP}
        | {"loads[+]": {"node_id": "Mill", "p_loads": [1], "q_loads": [1]}},
        {"@schema_version": 1.0, "unknown": [None]},
    ],
    ids=str,
)
def test_good_demands_are_read_and_survive_writing_and_reading(changes: dict[str, Json]) -> None:
    demands = read(changes)
    again = read_demands(write_demands(demands, GRID), GRID, allow_unspecified=False)
    assert again.periods == demands.periods
    np.testing.assert_array_equal(again.p_w, demands.p_w)
    np.testing.assert_array_equal(again.q_var, demands.q_var)


@pytest.mark.parametrize(
    ("start", "end", "shown_start", "shown_end"),
    [
        ("2024-02-01T00:00Z", "2024-02-01T06:00Z", "2024-02-01T00:00:00Z", "2024-02-01T06:00:00Z"),
        ("2024-02-01T00:00", "2024-02-01T06:00", "2024-02-01T00:00:00", "2024-02-01T06:00:00"),
        ("2024-02-01T02:00+02:00", "2024-02-01T06:00:00.25Z", "2024-02-01T00:00:00Z", "2024-02-01T06:00:00.25Z"),
        ("2024-02-01T00:00Z", "2024-02-01T06:00", "2024-02-01T00:00:00Z", "2024-02-01T06:00:00"),
    ],
)
def test_times_keep_their_kind(start: str, end: str, shown_start: str, shown_end: str) -> None:
    demands = read({NIGHT + "start_time": start, NIGHT + "end_time": end, DAY + "start_time": end})
    assert shown_periods(demands)[0] == {"id": "night", "start_time": shown_start, "end_time": shown_end}


def test_a_time_without_zone_is_compared_as_it_stands() -> None:
    demands = read({NIGHT + "end_time": "2024-02-01T06:00", DAY + "end_time": "2024-02-01T18:30"})
    assert demands.hours.tolist() == [6.0, 12.5]
    with pytest.raises(DocumentError, match="'night'"):
        read({NIGHT + "end_time": "2024-02-01T00:00"})


@pytest.mark.parametrize(
    ("changes", "needle"),
    [
        ({"@schema_version": DROP}, "@schema_version must be 1"),
        ({"@schema_version": 0}, "@schema_version must be 1 and is 0. Path '@schema_version'"),
        ({"periods": None}, "'periods' is null. Path 'periods'"),
        ({"periods": DROP}, "'periods' is missing"),
        ({"periods": []}, "periods is empty"),
        ({"periods[+]": None}, r"'periods'.* null. Path 'periods\[2\]'"),
        ({"loads": DROP}, "'loads' is missing"),
        ({"loads": None}, "'loads' is null. Path 'loads'"),
        ({"loads[+]": None}, r"'loads'.* null. Path 'loads\[2\]'"),
        ({"loads": {}}, "list.* Path 'loads'"),
        ({DAY + "id": None}, r"'id' is null. Path 'periods\[1\]\.id'"),
        ({DAY + "id": ""}, "index 1 is empty"),
        ({DAY + "id": "night"}, "more than one period .* 'night'"),
        ({DAY + "start_time": DROP}, r"'start_time' is missing. Path 'periods\[1\]'"),
        ({DAY + "start_time": "noon"}, r"'noon' of 'start_time' .* Path 'periods\[1\]\.start_time'"),
        ({DAY + "end_time": 20240201}, r"string.* Path 'periods\[1\]\.end_time'"),
        (
            {DAY + "end_time": "2024-02-01T06:00:00Z"},
            r"'day' \(index 1\).* 2024-02-01T06:00:00Z.* 2024-02-01T06:00:00Z",
        ),
        (
            {DAY + "end_time": "2024-02-01T05:00:00Z"},
            r"'day' \(index 1\).* 2024-02-01T05:00:00Z.* 2024-02-01T06:00:00Z",
        ),
        ({DAY + "end_time": "2024-02-01T06:30:00+01:00"}, r"'day' \(index 1\)"),
        ({DAY + "start_time": "2024-02-01T07:00:00Z"}, "'day'.* 'night'"),
        ({DAY + "start_time": "2024-02-01T05:00:00Z"}, "'day'.* 'night'"),
        ({DAY + "start_time": "2024-02-01T06:00:00+01:00"}, "'day'.* 'night'"),
        ({FARM + "node_id": None}, r"'node_id' is null. Path 'loads\[0\]\.node_id'"),
        ({FARM + "node_id": "Barn"}, "Node 'Barn'.* no such node"),
        ({FARM + "node_id": "Dam"}, "Node 'Dam'.* consumer"),
        ({FARM + "node_id": "Fork"}, "Node 'Fork'.* consumer"),
        ({FARM + "node_id": "Mill"}, "Node 'Mill'.* more than one"),
        ({FARM + "p_loads": None}, r"'p_loads' is null. Path 'loads\[0\]\.p_loads'"),
        ({FARM + "q_loads": DROP}, r"'q_loads' is missing. Path 'loads\[0\]'"),
        ({FARM + "p_loads[+]": 1}, "Node 'Farm'.* p_loads.* period.* 2 .* 3"),
        ({FARM + "q_loads[0]": DROP}, "Node 'Farm'.* q_loads.* period.* 2 .* 1"),
        ({FARM + "q_loads": []}, "Node 'Farm'.* q_loads.* period.* 2 .* 0"),
        ({FARM + "p_loads[1]": None}, r"number.* null. Path 'loads\[0\]\.p_loads\[1\]'"),
        ({FARM + "p_loads[1]": True}, r"Path 'loads\[0\]\.p_loads\[1\]'"),
        ({FARM + "q_loads[1]": "NaN"}, r"Path 'loads\[0\]\.q_loads\[1\]'"),
        ({FARM + "p_loads[1]": -0.5}, "Node 'Farm'.* p_loads.* negative.* -0.5"),
        ({FARM + "p_loads[1]": "Infinity"}, "Node 'Farm'.* p_loads"),
        ({FARM + "q_loads[1]": "-Infinity"}, "Node 'Farm'.* q_loads"),
        ({FARM + "q_loads[1]": 1e303}, "Node 'Farm'.* q_loads"),
        ({"loads[0]": DROP}, "1 of the consumers: Farm"),
        ({"loads": []}, "2 of the consumers: Mill, Farm"),
    ],
    ids=str,
)
def test_bad_demands_are_refused(changes: dict[str, Json], needle: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(changes)
    assert re.search(needle, caught.value.message), caught.value.message


def test_long_lists_of_missing_consumers_are_abbreviated() -> None:
    consumers = [{"id": f"c{k}", "type": "consumer"} for k in range(12)]
    grid = read_power_grid(encoded({"@schema_version": 1, "nodes": consumers, "lines": []}))
    with pytest.raises(DocumentError, match=r"12 of the consumers: c0, .*, c9, …\Z"):
        read_demands(encoded(changed(DEMANDS, {"loads": []})), grid, allow_unspecified=False)


def test_a_consumer_may_be_left_out_only_where_that_is_allowed_but_other_rules_stay() -> None:
    with pytest.raises(DocumentError, match="Node 'Dam'"):
        read({"loads[0]": DROP, "loads[0].node_id": "Dam"}, allow_unspecified=True)
