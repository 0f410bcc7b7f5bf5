"""A site with two batteries, as the tests of flex configurations know it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.flexibility.collection import Collected, Trigger, collect
from shared.flexibility.errors import ErrorTree, FlexConfigInvalid
from shared.flexibility.facts import AssetFacts, SensorFacts

START = datetime(2024, 1, 1, tzinfo=UTC)
SITE, BATTERY, CHARGER, GRANDPARENT, ELSEWHERE = 5, 6, 7, 4, 99
PRICE, POWER, CHARGING, SOC, OUT, GRID, DOLLARS, FAR, LOAD, SOLAR, STEPLESS = 9, 10, 20, 11, 12, 13, 14, 30, 15, 16, 17
SHARE_SOC = 18

SENSORS: Mapping[int, SensorFacts] = {
    facts.sensor_id: facts
    for facts in (
        SensorFacts(PRICE, SITE, "price", "EUR/MWh", 3600),
        SensorFacts(DOLLARS, SITE, "price in dollars", "USD/MWh", 3600),
        SensorFacts(POWER, BATTERY, "power", "kW", 900, timezone="Europe/Amsterdam"),
        SensorFacts(OUT, BATTERY, "feed-in", "kW", 900),
        SensorFacts(SOC, BATTERY, "state of charge", "kWh", 0),
        SensorFacts(SHARE_SOC, BATTERY, "state of charge in %", "%", 0),
        SensorFacts(STEPLESS, BATTERY, "power at moments", "kW", 0),
        SensorFacts(CHARGING, CHARGER, "power", "MW", 300),
        SensorFacts(GRID, SITE, "grid", "kW", 900),
        SensorFacts(LOAD, SITE, "load", "kW", 900),
        SensorFacts(SOLAR, SITE, "sun", "kWh", 900),
        SensorFacts(FAR, ELSEWHERE, "power", "kW", 900),
    )
}


def site(**changes: Any) -> dict[int, AssetFacts]:
    """The assets, with what is stored: ``site(battery_model={…}, site_context={…}, battery_attributes={…})``."""

    def asset(name: str, asset_id: int, parent_id: int | None, asset_type: str) -> AssetFacts:
        stored = {what: changes.pop(f"{name}_{what}", {}) for what in ("attributes", "model", "context")}
        asset_type = changes.pop(f"{name}_type", asset_type)
        return AssetFacts(
            asset_id, parent_id, name, asset_type, stored["attributes"], stored["model"], stored["context"]
        )

    assets = {
        GRANDPARENT: asset("grandparent", GRANDPARENT, None, "building"),
        SITE: asset("site", SITE, GRANDPARENT, "building"),
        BATTERY: asset("battery", BATTERY, SITE, "battery"),
        CHARGER: asset("charger", CHARGER, SITE, "one-way_evse"),
    }
    assert not changes, changes
    return assets


def collected(flex_model: object = None, flex_context: object = None, **more: Any) -> Collected:
    """What a trigger on the site comes to; ``sensor_id`` makes it one on the sensor, ``asset_id`` one on another asset."""
    trigger = Trigger(more.pop("asset_id", SITE), START, flex_model, flex_context, more.pop("sensor_id", None))
    return collect(trigger, site(**more), SENSORS)


def refusal(flex_model: object = None, flex_context: object = None, **more: Any) -> ErrorTree:
    """What is wrong with a trigger on the site."""
    try:
        found = collected(flex_model, flex_context, **more)
    except FlexConfigInvalid as invalid:
        return invalid.errors
    raise AssertionError(f"nothing was refused: {found}")
