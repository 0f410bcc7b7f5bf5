"""Whatever is posted is read, or refused with texts at places: nothing else can come of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.flexibility.collection import Trigger, collect
from shared.flexibility.errors import ErrorTree, FlexConfigInvalid
from tests.unit.shared.flexibility.places import (
    BATTERY,
    CHARGING,
    GRID,
    OUT,
    POWER,
    PRICE,
    SENSORS,
    SITE,
    SOC,
    START,
    site,
)

NAMES = """
sensor asset commodity consumption production soc-at-start soc-unit soc-min soc-max soc-minima soc-maxima soc-targets state-of-charge
power-capacity consumption-capacity production-capacity charging-efficiency discharging-efficiency roundtrip-efficiency
storage-efficiency soc-gain soc-usage prefer-charging-sooner operation-modes group inflexible-consumption inflexible-production
coupling coupling-coefficient duration power process-type time-restrictions consumption-price production-price site-power-capacity
site-consumption-breach-price relax-constraints relax-soc-constraints inflexible-device-sensors commitments aggregate-power
commodities consumption-price-sensor value datetime start end default sources name baseline up-price sensors consumption-range blub
""".split()  # noqa: SIM905

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 20), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from([POWER, CHARGING, OUT, SOC, PRICE, GRID, SITE, BATTERY]),
    st.sampled_from(["5 kW", "5 kWh", "90%", "1 EUR/MWh", "1 USD/kW", "PT1H", "P1M", "2024-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00",
                     "9999-12-31T23:59:59-12:00", "electricity", "gas", "kWh", "SHIFTABLE"]),
)  # fmt: skip
json = st.recursive(
    leaves,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(NAMES), below, max_size=6),
    max_leaves=25,
)
# Mostly of the right shape, so that more than the outermost check is reached.
models = st.one_of(
    json,
    st.lists(
        st.dictionaries(st.sampled_from(NAMES), json, max_size=6).map(lambda one: {"sensor": POWER} | one), max_size=3
    ),
)
contexts = st.one_of(json, st.dictionaries(st.sampled_from(NAMES), json, max_size=6))


def assert_are_texts(errors: ErrorTree) -> None:
    assert errors
    for below in errors.values():
        if isinstance(below, dict):
            assert_are_texts(below)
        else:
            assert below
            assert all(isinstance(text, str) and text for text in below)


@settings(max_examples=400, deadline=None)
@given(models, contexts, json, st.sampled_from([None, POWER]), st.sampled_from(["battery", "process"]))
def test_any_configuration_is_read_or_refused(
    model: Any, context: Any, stored: Any, sensor_id: int | None, asset_type: str
) -> None:
    documents = stored if isinstance(stored, dict) else {}
    assets = site(
        battery_model=documents, site_context=documents, battery_attributes=documents, battery_type=asset_type
    )
    try:
        found = collect(Trigger(SITE, START, model, context, sensor_id), assets, SENSORS)
    except FlexConfigInvalid as invalid:
        assert_are_texts(invalid.errors)
        assert invalid.message
    else:
        assert len(found.devices) <= len(found.entries)
