"""What has to be read for a schedule: which sensors, of which sources, and from when to when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.optimizer.scheduling.building.input_series import SeriesKey
from services.optimizer.scheduling.building.needed_series import Needs, needs_of
from tests.support.schedules import START, Site, hour

HOUR = timedelta(hours=1)


def site() -> Site:
    one = Site()
    asset_id = one.asset("battery")
    one.sensor("power", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    one.sensor("soc", "kWh", 0, asset_id=asset_id)
    one.sensor("price", "EUR/MWh", 900)
    one.sensor("day", "kW", 86_400)
    return one


def needs(
    model: dict[str, Any], context: dict[str, Any], hours: float = 4, resolution_s: int | None = None
) -> tuple[Site, Needs]:
    one = site()
    collected = one.collected([{"sensor": "$power", "power-capacity": "1 kW"} | model], context)
    return one, needs_of(collected, one.sensors, start=START, end=START + hours * HOUR, resolution_s=resolution_s)


def read(one: Site, found: Needs) -> dict[SeriesKey, tuple[float, float]]:
    """From when to when, in hours of the window."""
    assert len({each.key for each in found.series}) == len(found.series)
    return {each.key: ((each.start - START) / HOUR, (each.end - START) / HOUR) for each in found.series}


def test_a_series_is_read_from_the_event_under_way_at_the_start_to_the_moment_of_the_end() -> None:
    one, found = needs({"production-capacity": {"sensor": "$day"}}, {"consumption-price": {"sensor": "$price"}})
    assert read(one, found) == {
        SeriesKey(one.names["price"]): (-0.25, 5),
        SeriesKey(one.names["day"]): (-24, 5),
    }


def test_sources_are_part_of_what_is_read() -> None:
    price = {"sensor": "$price", "source-types": ["forecaster"], "sources": [3]}
    one, found = needs({}, {"consumption-price": price, "production-price": {"sensor": "$price"}})
    keys = [each.key for each in found.series]
    assert keys == [
        SeriesKey(one.names["price"], source_types=("forecaster",), source_ids=(3,)),
        SeriesKey(one.names["price"]),
    ]


def test_a_state_of_charge_is_looked_up_four_steps_around_the_start() -> None:
    lookup = {"state-of-charge": {"sensor": "$soc"}, "soc-max": "1 kWh"}
    one, found = needs(lookup, {"consumption-price": "1 EUR/MWh"})
    ((start, end),) = read(one, found).values()
    assert start == -4
    assert 4 < end < 4.001
    _, found = needs(lookup | {"soc-at-start": "0 kWh"}, {"consumption-price": "1 EUR/MWh"})
    assert found.series == ()


def test_the_window_has_the_step_asked_for_and_reaches_the_last_target() -> None:
    targets = {"soc-at-start": "0 kWh", "soc-targets": [{"value": "1 kWh", "datetime": hour(6.2)}]}
    _, found = needs(targets, {"consumption-price": "1 EUR/MWh"}, resolution_s=1800)
    assert (found.window.step_s, found.window.end) == (1800, START + 6.5 * HOUR)


def test_everything_that_a_configuration_reads_is_needed() -> None:
    one = site()
    names = [f"sensor {k}" for k in range(20)]
    for name in names:
        one.sensor(name, "kW", 3600)
    prices = [f"price {k}" for k in range(8)]
    for name in prices:
        one.sensor(name, "EUR/MWh" if int(name[6:]) < 4 else "EUR/MW", 3600)
    levels = [f"level {k}" for k in range(3)]
    for name in levels:
        one.sensor(name, "kWh", 0)
    shares = [f"share {k}" for k in range(3)]
    for name in shares:
        one.sensor(name, "%", 3600)
    power, price, level, share = (
        iter([{"sensor": f"${name}"} for name in each]) for each in (names, prices, levels, shares)
    )
    model: dict[str, Any] = {"sensor": "$power", "soc-at-start": "0 kWh", "soc-max": "9 kWh"}
    model |= {field: next(power) for field in ("power-capacity", "consumption-capacity", "production-capacity")}
    model |= {field: next(level) for field in ("soc-minima", "soc-maxima", "soc-targets")}
    model |= {field: next(share) for field in ("charging-efficiency", "discharging-efficiency", "storage-efficiency")}
    model |= {"soc-gain": [next(power)], "soc-usage": [next(power), next(power)]}
    context: dict[str, Any] = {
        field: next(price)
        for field in ("consumption-price", "production-price", "soc-minima-breach-price", "soc-maxima-breach-price")
    }
    context |= {
        field: next(power)
        for field in (
            "site-power-capacity",
            "site-consumption-capacity",
            "site-production-capacity",
            "site-peak-consumption",
            "site-peak-production",
        )
    }
    context |= {
        field: next(price)
        for field in ("site-consumption-breach-price", "site-production-breach-price", "site-peak-consumption-price")
    }
    context |= {"inflexible-consumption": [next(power)], "inflexible-production": [next(power)]}
    context["commitments"] = [{"name": "contract", "baseline": next(power), "up-price": next(price)}]
    collected = one.collected([model], context)
    found = needs_of(collected, one.sensors, start=START, end=START + HOUR)
    expected = {*names[:14], *prices, *levels, *shares}
    assert {one.sensors[each.key.sensor_id].name for each in found.series} == expected
