"""Transformers in network documents: every rule, and which sets of modes make a usable transformer."""

from __future__ import annotations

import re

import pytest

from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.power_grid import read_power_grid, write_power_grid
from services.optimizer.reconfiguration.network import Transformer, TransformerMode, TransformerOperation
from tests.unit.optimizer.documents.variations import DROP, TRANSFORMER, Json, changed, network

END, MODE = "connections[0].", "modes[0]."
THIRD = {"node_id": "Farm", "end_voltage": 0.4}


def with_transformer(changes: dict[str, Json]) -> bytes:
    return network({"transformers": [changed(TRANSFORMER, changes)]})


def test_transformer_is_read_in_si_units() -> None:
    (transformer,) = read_power_grid(with_transformer({"coordinates": [7, 8]})).transformers
    mode = TransformerMode(1, 2, TransformerOperation.FIXED_RATIO, 2.0, power_factor=1.0, is_bidirectional=True)
    assert transformer == Transformer("T", (1, 2), (22e3, 11e3), (mode,), (7.0, 8.0))


@pytest.mark.parametrize(
    "changes",
    [
        {END + "end_voltage": 0.001},
        {MODE + "power_factor": 0.01},
        {MODE + "power_factor": 1},
        {MODE + "operation": "Automatic", MODE + "ratio": None},
        {MODE + "operation": "automatic", MODE + "ratio": DROP},
        {MODE + "bidirectional": False},
        {
            MODE + "bidirectional": False,
            "modes[+]": {"source": "Mill", "target": "Fork", "operation": "automatic"} | {"bidirectional": False},
        },
        {"coordinates": None},
        {"colour": "red"},
        {"id": "a"},
    ],
    ids=str,
)
def test_good_transformers_survive_writing_and_reading(changes: dict[str, Json]) -> None:
    grid = read_power_grid(with_transformer(changes))
    assert read_power_grid(write_power_grid(grid)) == grid


@pytest.mark.parametrize(
    ("changes", "needle"),
    [
        ({"id": DROP}, r"'id' is missing. Path 'transformers\[0\]'"),
        ({"id": ""}, "id of a transformer is empty"),
        ({"id": "Fork"}, "Transformer 'Fork'.* node with this id"),
        ({"connections": DROP}, r"'connections' is missing. Path 'transformers\[0\]'"),
        ({"connections[+]": None}, r"null. Path 'transformers\[0\]\.connections\[2\]'"),
        ({"connections": []}, "Transformer 'T'.* connections.* 0"),
        ({"connections[1]": DROP}, "Transformer 'T'.* connections.* 1"),
        ({"connections": [THIRD] * 4}, "Transformer 'T'.* connections.* 4"),
        ({END + "node_id": None}, r"'node_id' is null. Path 'transformers\[0\]\.connections\[0\]\.node_id'"),
        ({END + "node_id": "Nowhere"}, "Transformer 'T'.* 'Nowhere'"),
        ({END + "node_id": "Mill"}, "Transformer 'T'.* more than one .* 'Mill'"),
        ({END + "end_voltage": DROP}, r"'end_voltage' is missing. Path 'transformers\[0\]\.connections\[0\]'"),
        ({END + "end_voltage": 0}, "Transformer 'T'.* end_voltage.* 0 kV"),
        ({END + "end_voltage": -1}, "Transformer 'T'.* end_voltage.* -1 kV"),
        ({END + "end_voltage": "Infinity"}, "Transformer 'T'.* end_voltage"),
        ({"modes": None}, r"'modes' is null. Path 'transformers\[0\]\.modes'"),
        ({"modes": []}, "Transformer 'T'.* modes"),
        ({"modes[+]": None}, r"null. Path 'transformers\[0\]\.modes\[1\]'"),
        ({MODE + "source": DROP}, "'source' is missing"),
        ({MODE + "source": "Nowhere"}, "Transformer 'T'.* source 'Nowhere'"),
        ({MODE + "target": "Nowhere"}, "Transformer 'T'.* target 'Nowhere'"),
        ({MODE + "source": "Dam"}, "Transformer 'T'.* source 'Dam'"),
        ({MODE + "target": "Farm"}, "Transformer 'T'.* target 'Farm'"),
        ({MODE + "target": "Fork"}, "Transformer 'T'.* 'Fork' as both"),
        ({MODE + "operation": DROP}, r"'operation' is missing. Path 'transformers\[0\]\.modes\[0\]'"),
        ({MODE + "operation": "magic"}, "'magic'.* fixed_ratio, automatic"),
        ({MODE + "operation": "automatic"}, "Transformer 'T'.* automatic.* ratio"),
        ({MODE + "ratio": DROP}, "Transformer 'T'.* fixed_ratio.* ratio"),
        ({MODE + "ratio": 0}, "Transformer 'T'.* ratio.* 0"),
        ({MODE + "ratio": -2}, "Transformer 'T'.* ratio.* -2"),
        ({MODE + "ratio": "Infinity"}, "Transformer 'T'.* ratio"),
        ({MODE + "power_factor": 0}, "Transformer 'T'.* power_factor.* 0"),
        ({MODE + "power_factor": 1.01}, "Transformer 'T'.* power_factor.* 1.01"),
        ({MODE + "bidirectional": "no"}, r"Path 'transformers\[0\]\.modes\[0\]\.bidirectional'"),
        ({"modes[+]": TRANSFORMER["modes"][0]}, "Transformer 'T'.* same source and target"),
        ({"modes[+]": {"source": "Mill", "target": "Fork", "operation": "automatic"}}, "Transformer 'T'.* same source"),
        ({"coordinates": [1]}, "Transformer 'T'.* coordinates.* 1"),
    ],
    ids=str,
)
def test_bad_transformers_are_refused_by_name_and_reason(changes: dict[str, Json], needle: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_power_grid(with_transformer(changes))
    assert re.search(needle, caught.value.message), caught.value.message


def test_ids_of_transformers_are_unique() -> None:
    with pytest.raises(DocumentError, match=r"Transformer 'T'.* more than one"):
        read_power_grid(network({"transformers": [TRANSFORMER, TRANSFORMER]}))


@pytest.mark.parametrize(
    ("modes", "is_bidirectional", "is_usable"),
    [
        (("Mill>Fork", "Farm>Fork"), False, False),
        (("Fork>Mill",), True, False),
        (("Fork>Mill", "Fork>Farm"), False, True),
        (("Fork>Mill", "Fork>Farm"), True, True),
        (("Mill>Fork", "Farm>Fork"), True, True),
        (("Fork>Mill", "Mill>Farm", "Farm>Fork"), False, False),
        (("Fork>Mill", "Mill>Farm", "Farm>Fork"), True, True),
    ],
)
def test_three_windings_need_a_terminal_with_modes_to_both_others(
    modes: tuple[str, ...], is_bidirectional: bool, is_usable: bool
) -> None:
    entries = [
        {"source": source, "target": target, "operation": "automatic", "bidirectional": is_bidirectional}
        for source, target in (mode.split(">") for mode in modes)
    ]
    document = with_transformer({"connections[+]": THIRD, "modes": entries})
    if is_usable:
        assert len(read_power_grid(document).transformers[0].terminals) == 3
    else:
        with pytest.raises(DocumentError, match=r"Transformer 'T'.* input terminal with modes to each of the other"):
            read_power_grid(document)
