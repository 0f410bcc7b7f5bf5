"""Network documents: every rule with a document that keeps it and one that does not, and the normalised form."""

from __future__ import annotations

import json
import math
import re
import time

import numpy as np
import pytest

from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.power_grid import read_power_grid, write_power_grid
from services.optimizer.reconfiguration.network import BusKind, ConsumerCategory, Line, Node, PowerGrid
from tests.unit.optimizer.documents.variations import DROP, NETWORK, TRANSFORMER, Json, changed, encoded, network

DAM, FORK, MILL, FARM = "nodes[0].", "nodes[1].", "nodes[2].", "nodes[3]."
A, B, C = "lines[0].", "lines[1].", "lines[2]."
HALVES: Json = [
    {"consumer_type": "industry", "power_fraction": 0.5},
    {"consumer_type": "public", "power_fraction": 0.5},
]
MIXED = {MILL + "consumer_type": DROP, MILL + "consumer_type_fractions": HALVES}
FRACTIONS = MILL + "consumer_type_fractions"


def test_values_are_in_si_units() -> None:
    grid = read_power_grid(network())
    assert grid == PowerGrid(
        name="Sørvik",
        nodes=(
            Node("Dam", BusKind.PROVIDER, 0, math.inf, 22e3, 1e6, 40e6, -5e6, 20e6),
            Node("Fork", BusKind.TRANSITION, 20e3, 24e3, coordinates=(2.5, -1.0)),
            Node("Mill", BusKind.CONSUMER, 19.8e3, 24.2e3, category_fractions={ConsumerCategory.INDUSTRY: 1.0}),
            Node("Farm", BusKind.CONSUMER),
        ),
        lines=(
            Line("a", 0, 1, 0.25, 0.5, 400, 24e3),
            Line("b", 1, 2, is_switch=True, switching_cost=12.5),
            Line("c", 3, 1, is_switch=True, is_breaker=True),
        ),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": [], "lines": []},
        {"lines": []},
        {"name": None},
        {"name": ""},
        {"name": DROP},
        {"transformers": None},
        {"transformers": []},
        {"@schema_version": 1.0},
        {"@schema_version": "1"},
        {"colour": [[["red"]]], A + "length": 3},
        {DAM + "type": "Provider"},
        {DAM + "v_min": 0, DAM + "v_max": "Infinity", DAM + "consumer_type": "Undefined"},
        {DAM + "p_gen_min": 40},
        {DAM + "p_gen_min": 0, DAM + "p_gen_max": 0},
        {DAM + "q_gen_min": -9, DAM + "q_gen_max": -3},
        {DAM + "q_gen_min": "-Infinity", DAM + "q_gen_max": "Infinity"},
        {DAM + "p_gen_max": None, DAM + "q_gen_max": DROP},
        {DAM + "p_gen_max": 1e99},
        {FORK + "v_gen": 0, FORK + "p_gen_min": 0, FORK + "p_gen_max": "Infinity", FORK + "q_gen_min": None},
        {FORK + "v_min": 24},
        {FORK + "v_max": None},
        {FORK + "consumer_type": "undefined", FORK + "consumer_type_fractions": None},
        {FORK + "coordinates": None},
        {MILL + "v_min": 0, MILL + "v_max": "+Infinity"},
        {MILL + "v_min": -3},
        {MILL + "consumer_type": "HOUSEHOLD"},
        MIXED,
        {**MIXED, MILL + "consumer_type": "undefined"},
        {**MIXED, FRACTIONS + "[0].power_fraction": 0.5 + 9e-10},
        {**MIXED, FRACTIONS: [{"consumer_type": "elind", "power_fraction": 1}]},
        {A + "r": 0},
        {A + "r": "12.5"},
        {A + "x": -7},
        {A + "imax": 0},
        {A + "imax": "Infinity"},
        {A + "vmax": 0.001},
        {A + "source": "Farm", A + "target": "Mill"},
        {"lines[+]": {"id": "parallel", "source": "Dam", "target": "Fork"}},
        {B + "switching_cost": -1},
        {B + "switchable": False},
        {B + "fault_frequency": 0},
        {B + "fault_frequency": 2, FARM + "consumer_type": "agriculture"},
        {B + "sectioning_time": "PT1H30M", B + "repair_time": "P1DT2H"},
        {B + "breaker": None},
    ],
    ids=str,
)
def test_good_networks_are_read_and_survive_writing_and_reading(changes: dict[str, Json]) -> None:
    grid = read_power_grid(network(changes))
    written = write_power_grid(grid)
    assert read_power_grid(written) == grid
    assert write_power_grid(read_power_grid(written)) == written


BAD: list[tuple[dict[str, Json], str]] = [
    ({"@schema_version": DROP}, r"@schema_version must be 1 and is missing. Path '', line 1"),
    ({"@schema_version": 2}, "@schema_version must be 1 and is 2. Path '@schema_version'"),
    ({"@schema_version": None}, "@schema_version must be 1"),
    ({"@schema_version": True}, "number.* true. Path '@schema_version'"),
    ({"nodes": None}, "'nodes' is null. Path 'nodes'"),
    ({"nodes": DROP}, "'nodes' is missing. Path ''"),
    ({"nodes": {}}, "list.* Path 'nodes'"),
    ({"nodes[+]": None}, r"'nodes'.* null. Path 'nodes\[4\]'"),
    ({"nodes[+]": "Pier"}, r"Path 'nodes\[4\]'"),
    ({"lines": None}, "'lines' is null. Path 'lines'"),
    ({"lines": DROP}, "'lines' is missing. Path ''"),
    ({"lines[+]": None}, r"'lines'.* null. Path 'lines\[3\]'"),
    ({"transformers": [None]}, r"'transformers'.* null. Path 'transformers\[0\]'"),
    ({"transformers": 5}, "list.* Path 'transformers'"),
    ({"name": 5}, "string.* Path 'name'"),
    ({"name": "\0"}, "NUL.* Path 'name'"),
    ({FORK + "id": DROP}, r"'id' is missing. Path 'nodes\[1\]'"),
    ({FORK + "id": None}, r"'id' is null. Path 'nodes\[1\]\.id'"),
    ({FORK + "id": ""}, r"id of a node is empty. Path 'nodes\[1\]\.id'"),
    ({FORK + "id": 7}, r"string.* 7. Path 'nodes\[1\]\.id'"),
    ({FARM + "id": "Mill"}, "Node 'Mill'.* more than one"),
    ({FORK + "type": DROP}, r"'type' is missing. Path 'nodes\[1\]'"),
    ({FORK + "type": "sink"}, r"'sink'.* transition, provider, consumer. Path 'nodes\[1\]\.type'"),
    ({FORK + "coordinates": []}, "Node 'Fork'.* coordinates.* 0"),
    ({FORK + "coordinates": [1, 2, 3]}, "Node 'Fork'.* coordinates.* 3"),
    ({FORK + "coordinates": [1, "Infinity"]}, "Node 'Fork'.* coordinates"),
    ({FORK + "coordinates": [1, None]}, r"Path 'nodes\[1\]\.coordinates\[1\]'"),
    ({DAM + "consumer_type": "industry"}, "Node 'Dam'.* provider.* consumer_type"),
    ({DAM + "consumer_type_fractions": []}, "Node 'Dam'.* provider.* consumer_type_fractions"),
    ({FORK + "consumer_type": "industry"}, "Node 'Fork'.* transition.* consumer_type"),
    ({FORK + "consumer_type_fractions": []}, "Node 'Fork'.* transition.* consumer_type_fractions"),
    (
        {MILL + "consumer_type": "castle"},
        r"'castle'.* agriculture, .*elind, undefined\. Path 'nodes\[2\]\.consumer_type'",
    ),
    ({FRACTIONS: HALVES}, "Node 'Mill'.* together"),
    ({FRACTIONS: []}, "Node 'Mill'.* together"),
    ({**MIXED, FRACTIONS: []}, "Node 'Mill'.* sum .* 0 "),
    ({**MIXED, FRACTIONS: [None]}, r"null. Path 'nodes\[2\]\.consumer_type_fractions\[0\]'"),
    ({**MIXED, FRACTIONS + "[1].consumer_type": "industry"}, "Node 'Mill'.* industry twice"),
    ({**MIXED, FRACTIONS + "[1].consumer_type": "undefined"}, "Node 'Mill'.* undefined"),
    ({**MIXED, FRACTIONS + "[1].consumer_type": DROP}, "Node 'Mill'.* undefined"),
    ({**MIXED, FRACTIONS + "[1].power_fraction": 0}, "Node 'Mill'.* power_fraction 0 .* public"),
    ({**MIXED, FRACTIONS + "[1].power_fraction": DROP}, "Node 'Mill'.* power_fraction 0 .* public"),
    ({**MIXED, FRACTIONS + "[1].power_fraction": -0.5}, "Node 'Mill'.* power_fraction -0.5 .* public"),
    ({**MIXED, FRACTIONS + "[1].power_fraction": 0.7}, "Node 'Mill'.* sum .* 1.2 "),
    ({**MIXED, FRACTIONS + "[1].power_fraction": 0.5 + 2e-9}, "Node 'Mill'.* sum .* 1.000000002 "),
    ({**MIXED, FRACTIONS + "[1].power_fraction": "Infinity"}, "Node 'Mill'.* sum .* inf "),
    ({DAM + "v_min": 1}, "Node 'Dam'.* v_min"),
    ({DAM + "v_max": 30}, "Node 'Dam'.* v_max"),
    ({DAM + "v_gen": DROP}, "Node 'Dam'.* v_gen"),
    ({DAM + "v_gen": 0}, "Node 'Dam'.* v_gen"),
    ({DAM + "v_gen": -22}, "Node 'Dam'.* v_gen.* -22 kV"),
    ({DAM + "v_gen": "Infinity"}, "Node 'Dam'.* v_gen"),
    ({DAM + "v_gen": 1e300}, r"Node 'Dam'.* v_gen is 1e\+300"),
    ({DAM + "p_gen_min": -1}, "Node 'Dam'.* p_gen_min.* -1 MW"),
    ({DAM + "p_gen_min": 41}, "Node 'Dam'.* p_gen_min 41 MW.* p_gen_max 40 MW"),
    ({DAM + "p_gen_max": "-Infinity"}, "Node 'Dam'.* p_gen_max"),
    ({DAM + "p_gen_max": 1e305}, "Node 'Dam'.* p_gen_max"),
    ({DAM + "q_gen_min": 21}, "Node 'Dam'.* q_gen_min 21 MVAr.* q_gen_max 20 MVAr"),
    ({DAM + "q_gen_min": DROP, DAM + "q_gen_max": -3}, "Node 'Dam'.* q_gen_min 0 MVAr.* q_gen_max -3 MVAr"),
    ({DAM + "q_gen_min": "Infinity"}, "Node 'Dam'.* q_gen_min"),
    *(
        ({place + name: 5}, f"Node '{who}'.* {name}.* {kind}")
        for place, who, kind in ((FORK, "Fork", "transition"), (MILL, "Mill", "consumer"))
        for name in ("v_gen", "p_gen_min", "p_gen_max", "q_gen_min", "q_gen_max")
    ),
    ({FORK + "v_min": 25}, "Node 'Fork'.* v_min 25 kV.* v_max 24 kV"),
    ({MILL + "v_min": 25}, "Node 'Mill'.* v_min 25 kV.* v_max 24.2 kV"),
    ({MILL + "v_min": "Infinity"}, "Node 'Mill'.* v_min"),
    ({MILL + "v_max": "NaN"}, r"NaN.* Path 'nodes\[2\]\.v_max'"),
    ({A + "id": DROP}, r"'id' is missing. Path 'lines\[0\]'"),
    ({A + "id": ""}, r"id of a line is empty. Path 'lines\[0\]\.id'"),
    ({A + "id": "b"}, "Line 'b'.* more than one"),
    ({A + "source": None}, r"'source' is null. Path 'lines\[0\]\.source'"),
    ({A + "target": DROP}, r"'target' is missing. Path 'lines\[0\]'"),
    ({A + "source": "Nowhere"}, "Line 'a'.* source 'Nowhere'"),
    ({A + "target": "dam"}, "Line 'a'.* target 'dam'"),
    ({A + "target": "Dam"}, "Line 'a'.* same node"),
    ({A + "r": -0.001}, "Line 'a'.* r is negative"),
    ({A + "r": "Infinity"}, "Line 'a'.* r is inf"),
    ({A + "r": True}, r"number.* true. Path 'lines\[0\]\.r'"),
    ({A + "x": "-Infinity"}, "Line 'a'.* x is -inf"),
    ({A + "imax": -1}, "Line 'a'.* imax is negative"),
    ({A + "vmax": 0}, "Line 'a'.* vmax"),
    ({A + "vmax": -1}, "Line 'a'.* vmax.* -1 kV"),
    ({A + "switchable": "yes"}, r"true or false.* Path 'lines\[0\]\.switchable'"),
    ({A + "switching_cost": "Infinity"}, "Line 'a'.* switching_cost"),
    ({A + "fault_frequency": -1}, "Line 'a'.* fault_frequency is negative"),
    ({C + "fault_frequency": -1}, "Line 'c'.* fault_frequency is negative"),
    ({A + "sectioning_time": "-PT1S"}, "Line 'a'.* sectioning_time is negative"),
    ({A + "repair_time": "-P1D"}, "Line 'a'.* repair_time is negative"),
    ({A + "repair_time": "1 h"}, r"'1 h' of 'repair_time'.* Path 'lines\[0\]\.repair_time'"),
    ({A + "fault_frequency": 1}, "Node 'Farm'.* fault_frequency is given"),
    ({C + "fault_frequency": 1}, "Node 'Farm'.* fault_frequency is given"),
]


@pytest.mark.parametrize(("changes", "needle"), BAD, ids=str)
def test_bad_networks_are_refused_by_name_and_reason(changes: dict[str, Json], needle: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_power_grid(network(changes))
    assert re.search(needle, caught.value.message), caught.value.message


@pytest.mark.parametrize(
    ("first", "second", "needle"),
    [
        ({"nodes": None}, {"@schema_version": 2}, "nodes"),
        ({"transformers": [None]}, {"@schema_version": 2}, "transformers"),
        ({"lines[+]": None}, {FORK + "id": ""}, "lines"),
        ({"@schema_version": 2}, {FORK + "id": ""}, "@schema_version"),
        ({FORK + "v_min": 30}, {MILL + "v_min": 30}, "Fork"),
        ({MILL + "v_min": 30}, {A + "r": -1}, "Mill"),
        ({A + "r": -1}, {B + "r": -1}, "'a'"),
        ({B + "r": -1}, {"transformers": [{"id": ""}]}, "'b'"),
        ({"transformers": [{"id": ""}]}, {A + "fault_frequency": 1}, "transformer"),
    ],
)
def test_the_first_error_in_the_stated_order_wins(first: dict[str, Json], second: dict[str, Json], needle: str) -> None:
    with pytest.raises(DocumentError, match=needle):
        read_power_grid(network({**second, **first}))


def test_positions_count_lines_of_the_uploaded_text() -> None:
    text = json.dumps(changed(NETWORK, {B + "r": "much"}), indent=2)
    line = next(number for number, content in enumerate(text.splitlines(), 1) if '"much"' in content)
    position = text.splitlines()[line - 1].index('"much"') + 1
    with pytest.raises(DocumentError, match=rf"Path 'lines\[1\]\.r', line {line}, position {position}\.\Z"):
        read_power_grid(text.encode())


def test_written_document_has_every_property_in_order_with_defaults_filled_in() -> None:
    document = json.loads(write_power_grid(read_power_grid(network({**MIXED, A + "sectioning_time": "PT90M"}))))
    assert list(document) == ["name", "@schema_version", "nodes", "lines", "transformers"]
    assert (document["name"], document["@schema_version"], document["transformers"]) == ("Sørvik", 1, [])
    dam, fork, mill, farm = document["nodes"]
    assert list(dam.items()) == [
        ("id", "Dam"),
        ("type", "provider"),
        ("consumer_type", "undefined"),
        ("consumer_type_fractions", None),
        ("v_min", 0.0),
        ("v_max", "Infinity"),
        ("v_gen", 22.0),
        ("p_gen_max", 40.0),
        ("p_gen_min", 1.0),
        ("q_gen_max", 20.0),
        ("q_gen_min", -5.0),
        ("coordinates", None),
    ]
    assert (fork["v_min"], fork["v_max"], fork["coordinates"]) == (20.0, 24.0, [2.5, -1.0])
    assert (mill["consumer_type"], mill["consumer_type_fractions"]) == ("undefined", HALVES)
    assert [farm[name] for name in ("v_gen", "p_gen_max", "p_gen_min", "q_gen_max", "q_gen_min")] == [
        0.0,
        "Infinity",
        0.0,
        "Infinity",
        0.0,
    ]
    a, b, c = document["lines"]
    assert list(a.items()) == [
        ("id", "a"),
        ("source", "Dam"),
        ("target", "Fork"),
        ("r", 0.25),
        ("x", 0.5),
        ("imax", 400.0),
        ("vmax", 24.0),
        ("switchable", False),
        ("switching_cost", 0.0),
        ("breaker", False),
        ("fault_frequency", 0.0),
        ("sectioning_time", "PT1H30M"),
        ("repair_time", "PT0S"),
    ]
    assert (b["imax"], b["vmax"], b["switching_cost"], b["switchable"]) == ("Infinity", "Infinity", 12.5, True)
    assert (c["source"], c["target"], c["breaker"], c["fault_frequency"]) == ("Farm", "Fork", True, None)


def test_data_without_effect_are_not_shown() -> None:
    changes: dict[str, Json] = {C + name: "PT1H" for name in ("sectioning_time", "repair_time")}
    changes |= {C + "fault_frequency": 3, FARM + "consumer_type": "public", A + "switching_cost": 5}
    a, _, c = json.loads(write_power_grid(read_power_grid(network(changes))))["lines"]
    assert (c["fault_frequency"], c["sectioning_time"], c["repair_time"]) == (None, "PT0S", "PT0S")
    assert a["switching_cost"] == 0.0


def test_a_single_fraction_is_shown_as_consumer_type() -> None:
    single = {MILL + "consumer_type": DROP, FRACTIONS: [{"consumer_type": "SERVICES", "power_fraction": 1}]}
    mill = json.loads(write_power_grid(read_power_grid(network(single))))["nodes"][2]
    assert (mill["consumer_type"], mill["consumer_type_fractions"]) == ("services", None)


def test_empty_network() -> None:
    grid = read_power_grid(b'{"@schema_version":1,"nodes":[],"lines":[]}')
    assert (grid.nodes, grid.lines, grid.transformers, grid.is_switch.tolist()) == ((), (), (), [])
    assert write_power_grid(grid) == b'{"name":null,"@schema_version":1,"nodes":[],"lines":[],"transformers":[]}'


def test_names_of_properties_match_in_any_case() -> None:
    upper = re.sub(rb'"([@a-z_]+)":', lambda name: name[0].upper(), network())
    assert read_power_grid(upper) == read_power_grid(network())


def test_values_come_back_within_a_few_units_in_the_last_place() -> None:
    values = np.random.default_rng(7).uniform(0.1, 500, size=300)
    nodes = [{"id": f"n{k}", "type": "provider", "v_gen": v, "p_gen_max": v} for k, v in enumerate(values)]
    written = json.loads(
        write_power_grid(read_power_grid(encoded({"@schema_version": 1, "nodes": nodes, "lines": []})))
    )
    for name in ("v_gen", "p_gen_max"):
        np.testing.assert_allclose([node[name] for node in written["nodes"]], values, rtol=1e-15)


def test_long_ids_are_shortened_in_errors() -> None:
    with pytest.raises(DocumentError, match=r"Node 'xxxx.*…'") as caught:
        read_power_grid(network({FORK + "id": "x" * 100_000, FORK + "v_min": 99}))
    assert len(caught.value.message) < 500


def test_transformers_are_written_with_every_property() -> None:
    automatic = {
        "source": "Mill",
        "target": "Fork",
        "operation": "AUTOMATIC",
        "power_factor": 0.9,
        "bidirectional": False,
    }
    one_way = changed(TRANSFORMER, {"modes[0].bidirectional": False, "modes[+]": automatic, "coordinates": [1, 2]})
    document = json.loads(
        write_power_grid(read_power_grid(network({"transformers": [TRANSFORMER, one_way | {"id": "U"}]})))
    )
    first, second = document["transformers"]
    assert list(first.items()) == [
        ("id", "T"),
        ("connections", [{"node_id": "Fork", "end_voltage": 22.0}, {"node_id": "Mill", "end_voltage": 11.0}]),
        (
            "modes",
            [
                {
                    "source": "Fork",
                    "target": "Mill",
                    "operation": "fixed_ratio",
                    "ratio": 2.0,
                    "power_factor": 1.0,
                    "bidirectional": True,
                }
            ],
        ),
        ("coordinates", None),
    ]
    assert second["coordinates"] == [1.0, 2.0]
    assert second["modes"][1] == {
        "source": "Mill",
        "target": "Fork",
        "operation": "automatic",
        "ratio": None,
        "power_factor": 0.9,
        "bidirectional": False,
    }


def test_a_network_of_ten_thousand_nodes_takes_a_moment_and_its_last_error_too() -> None:
    nodes = [NETWORK["nodes"][2] | {"id": f"node {k}"} for k in range(10_000)]
    lines = [
        NETWORK["lines"][1] | {"id": str(k), "source": f"node {k % 9_999}", "target": "node 9999"}
        for k in range(12_000)
    ]
    large = {"@schema_version": 1, "nodes": nodes, "lines": lines}
    document, faulty = encoded(large), encoded(changed(large, {"lines[11999].r": "much"}))
    began = time.process_time()
    grid = read_power_grid(document)
    write_power_grid(grid)
    with pytest.raises(DocumentError, match=r"Path 'lines\[11999\]\.r'"):
        read_power_grid(faulty)
    # A second on an idle machine; what grew with the square of the size would take minutes.
    assert time.process_time() - began < 10
    assert (len(grid.nodes), len(grid.lines)) == (10_000, 12_000)
