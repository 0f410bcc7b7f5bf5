"""Which sensors and assets free configuration names, and the same with others in their place."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.dialects.flexibility.references import (
    Replacements,
    assets_named,
    replaced,
    replaced_in_graphs,
    sensors_named,
    sensors_shown,
)

# Sensors 1 to 3 and asset 7 have copies; of the others, 5 and 9 stay, and the rest is out of reach.
REPLACEMENTS = Replacements({1: 11, 2: 12, 3: 13, 5: 5}.get, {7: 17, 9: 9}.get)


@pytest.mark.parametrize(
    ("configuration", "sensors", "assets"),
    [
        ({}, set(), set()),
        ({"soc-max": "10 kWh", "prefer-charging-sooner": True, "coupling-coefficient": 3}, set(), set()),
        ({"consumption": {"sensor": 1}, "group": {"asset": 7}}, {1}, {7}),
        ({"soc-gain": [{"sensor": 1}, "2 kW", {"sensor": "2"}]}, {1, 2}, set()),
        ({"inflexible-device-sensors": [1, 2], "consumption-price-sensor": 3}, {1, 2, 3}, set()),
        ({"commodities": [{"commodity": "gas", "consumption-price": {"sensor": 4, "sources": [8]}}]}, {4}, set()),
        ({"commitments": [{"name": "a", "sensors": [1, 2], "up-price": {"sensor": 3}}]}, {1, 2, 3}, set()),
    ],
)
def test_what_a_configuration_names(configuration: dict[str, Any], sensors: set[int], assets: set[int]) -> None:
    assert sensors_named(configuration) == sensors
    assert assets_named(configuration) == assets


@pytest.mark.parametrize(
    ("graphs", "sensors", "assets"),
    [
        ([], set(), set()),
        ([1, [2, 3]], {1, 2, 3}, set()),
        ([{"title": "t", "sensor": 1}, {"title": "t", "sensors": [2, 3]}], {1, 2, 3}, set()),
        ([{"title": "t", "plots": [{"sensor": 1}, {"sensors": [2]}, {"asset": 7, "flex-context": "x"}]}], {1, 2}, {7}),
        ([{"title": "7", "sensor": 1, "function": "sum"}], {1}, set()),
    ],
)
def test_what_graphs_show(graphs: list[Any], sensors: set[int], assets: set[int]) -> None:
    assert sensors_shown(graphs) == sensors
    assert assets_named(graphs) == assets


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"soc-max": "1 kWh"}, {"soc-max": "1 kWh"}),
        ({"consumption": {"sensor": 1}}, {"consumption": {"sensor": 11}}),
        ({"consumption": {"sensor": "1"}}, {"consumption": {"sensor": 11}}),
        ({"consumption": {"sensor": 4}, "soc-max": "1 kWh"}, {"soc-max": "1 kWh"}),
        ({"consumption": {"sensor": 5}}, {"consumption": {"sensor": 5}}),
        ({"group": {"asset": 7}, "x": {"asset": 8}}, {"group": {"asset": 17}}),
        ({"soc-gain": ["1 kW", {"sensor": 4}, {"sensor": 1}]}, {"soc-gain": ["1 kW", {"sensor": 11}]}),
        ({"soc-gain": [{"sensor": 4}]}, {}),
        ({"soc-gain": []}, {"soc-gain": []}),
        ({"inflexible-device-sensors": [4, 2]}, {"inflexible-device-sensors": [12]}),
        ({"consumption-price-sensor": 4, "production-price-sensor": 2}, {"production-price-sensor": 12}),
        (
            {"commodities": [{"commodity": "gas", "consumption-price": {"sensor": 4}}]},
            {"commodities": [{"commodity": "gas"}]},
        ),
    ],
)
def test_a_configuration_with_other_ids(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert replaced(before, REPLACEMENTS) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1, [2, 4], 4, [4]], [11, [12]]),
        ([{"title": "t", "sensor": 4}], []),
        (
            [{"title": "t", "plots": [{"sensor": 4}]}, {"title": "u", "sensors": [4, 3]}],
            [{"title": "u", "sensors": [13]}],
        ),
        (
            [{"title": "t", "plots": [{"asset": 9, "flex-model": "x"}]}],
            [{"title": "t", "plots": [{"asset": 9, "flex-model": "x"}]}],
        ),
    ],
)
def test_graphs_with_other_ids(before: list[Any], after: list[Any]) -> None:
    assert replaced_in_graphs(before, REPLACEMENTS) == after


def test_nothing_changes_where_every_id_stays() -> None:
    stay = Replacements(lambda number: number, lambda number: number)
    configuration = {"commitments": [{"name": "a", "sensors": [1], "up-price": {"sensor": 3}}], "x": [[1], {"y": None}]}
    assert replaced(configuration, stay) == configuration
