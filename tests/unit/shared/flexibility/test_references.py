from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.flexibility.references import referenced_sensors


def test_every_sensor_is_found_with_its_path() -> None:
    model = [
        {"sensor": 1, "power-capacity": {"sensor": 2}, "soc-usage": ["1 kW", {"sensor": "3"}], "group": {"asset": 99}},
        {"consumption": {"sensor": 4}, "soc-minima": [{"value": "1 kWh", "duration": "PT1H"}]},
    ]
    context = {
        "consumption-price": {"sensor": 5, "sources": [77], "source-account": [78]},
        "production-price-sensor": 6,
        "inflexible-device-sensors": [7, 8],
        "commitments": [{"baseline": {"sensor": 9}, "sensors": [10]}],
        "commodities": [{"commodity": "gas", "commitments": [{"up-price": {"sensor": 11}}]}],
    }
    assert referenced_sensors(model, context) == (
        ("flex-model.0.sensor", 1),
        ("flex-model.0.power-capacity.sensor", 2),
        ("flex-model.0.soc-usage.1.sensor", 3),
        ("flex-model.1.consumption.sensor", 4),
        ("flex-context.consumption-price.sensor", 5),
        ("flex-context.production-price-sensor", 6),
        ("flex-context.inflexible-device-sensors.0", 7),
        ("flex-context.inflexible-device-sensors.1", 8),
        ("flex-context.commitments.0.baseline.sensor", 9),
        ("flex-context.commitments.0.sensors.0", 10),
        ("flex-context.commodities.0.commitments.0.up-price.sensor", 11),
    )


def test_a_model_of_one_sensor_and_a_list_of_contexts_are_searched_too() -> None:
    assert referenced_sensors({"soc-max": {"sensor": 1}}, [{"consumption-price": {"sensor": 2}}]) == (
        ("flex-model.soc-max.sensor", 1),
        ("flex-context.0.consumption-price.sensor", 2),
    )


def test_what_is_no_id_is_left_to_the_reader() -> None:
    assert (
        referenced_sensors([{"sensor": True}, {"sensor": -1}, {"sensor": "x"}, {"sensor": {"sensor": 2.5}}], "cheap")
        == ()
    )


def test_depth_is_bounded() -> None:
    deep: Any = {"sensor": 1}
    for _ in range(50_000):
        deep = [deep]
    assert referenced_sensors(deep) == ()


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["sensor", "sensors", "group"]), below, max_size=3)
    ),
    max_leaves=10,
)


@given(json, json)
def test_any_json_can_be_searched(model: Any, context: Any) -> None:
    assert all(0 <= sensor_id < 2**63 for _, sensor_id in referenced_sensors(model, context))
