"""Groups: their members' sum is bound, also through groups within them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.schedules import BASE, Site, hour

CHARGER = {**BASE, "production-capacity": "0 kW", "prefer-charging-sooner": False}


def site_of(*names: str) -> Site:
    site = Site()
    for name in names:
        site.sensor(name, "kW", 3600, asset_id=site.asset(name), consumption_is_positive=True)
    return site


def charger(name: str, group: str, target_kwh: float) -> dict[str, Any]:
    target = {"soc-targets": [{"value": f"{target_kwh} kWh", "datetime": hour(4)}]}
    return {"sensor": f"${name}", "group": {"sensor": f"${group}"}, **CHARGER, **target}


def test_a_group_within_a_group_counts_in_both() -> None:
    site = site_of("one", "two", "three", "inner", "outer")
    entries = [
        charger("one", "inner", 40),
        charger("two", "inner", 40),
        charger("three", "outer", 60),
        {"sensor": "$inner", "group": {"sensor": "$outer"}, "power-capacity": "20 kW"},
        {"sensor": "$outer", "power-capacity": "35 kW"},
    ]
    planned = site.plan(entries, {"consumption-price": "10 EUR/MWh"})
    inner, outer = (site.output(planned, name).values for name in ("inner", "outer"))
    # 80 kWh through 20 kW takes all four hours, and leaves 15 kW for 60 kWh.
    assert list(inner) == pytest.approx([20] * 4, abs=1e-3)
    assert list(outer) == pytest.approx([35] * 4, abs=1e-3)


def test_a_direction_of_a_group_is_soft_at_a_price_of_its_own() -> None:
    site = site_of("one", "group")
    entries = [
        charger("one", "group", 80),
        {"sensor": "$group", "power-capacity": "90 kW", "consumption-capacity": "15 kW"},
    ]
    planned = site.plan(entries, {"consumption-price": "10 EUR/MWh", "relax-constraints": False})
    name = f"group sensor:{site.names['group']}"
    # 5 kW above in each of four hours: 10 000 per kW once and per hour.
    assert planned.commitment_costs[f"{name} any consumption breach"] == pytest.approx(50_000, rel=1e-6)
    assert planned.commitment_costs[f"{name} all consumption breaches"] == pytest.approx(200_000, rel=1e-6)


def test_a_group_may_be_an_asset_with_outputs() -> None:
    site = site_of("one", "two")
    asset_id = site.asset("group", "building")
    site.sensor("use", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    entries = [
        charger("one", "use", 40) | {"group": {"asset": asset_id}},
        charger("two", "use", 40) | {"group": {"asset": asset_id}},
        {"asset": asset_id, "power-capacity": "20 kW", "consumption": {"sensor": "$use"}},
    ]
    planned = site.plan(entries, {"consumption-price": "10 EUR/MWh"})
    assert list(site.output(planned, "use").stored_values) == pytest.approx([20] * 4, abs=1e-3)


def test_two_groups_on_one_asset_are_told_apart() -> None:
    site = site_of("one", "two")
    asset_id = site.asset("connection", "building")
    site.sensor("meter", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    entries = [
        charger("one", "meter", 40),
        charger("two", "meter", 40) | {"group": {"asset": asset_id}},
        {"sensor": "$meter", "power-capacity": "10 kW"},
        {"asset": asset_id, "power-capacity": "15 kW"},
    ]
    prices = [
        {"value": f"{price} EUR/MWh", "start": hour(number), "duration": "PT1H"}
        for number, price in enumerate((10, 20, 30, 40))
    ]
    planned = site.plan(entries, {"consumption-price": prices})
    one, two = (list(site.output(planned, name).values) for name in ("one", "two"))
    # 40 kWh as early as possible: through 10 kW by the meter, through 15 kW by the asset.
    assert one == pytest.approx([10, 10, 10, 10], abs=1e-3)
    assert two == pytest.approx([15, 15, 10, 0], abs=1e-3)


def test_a_contract_may_be_about_a_group() -> None:
    site = site_of("one", "two", "group")
    entries = [
        charger("one", "group", 40),
        {key: value for key, value in charger("two", "group", 40).items() if key != "group"},
        {"sensor": "$group", "power-capacity": "90 kW"},
    ]
    contract = {"name": "fee", "baseline": "0 kW", "up-price": "100 EUR/MWh", "group": {"sensor": "$group"}}
    planned = site.plan(entries, {"consumption-price": "10 EUR/MWh", "commitments": [contract]})
    # Of the 80 kWh that are charged, 40 are charged in the group.
    assert planned.commitment_costs["fee"] == pytest.approx(4, rel=1e-6)
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(0.8, rel=1e-6)


def test_a_fixed_load_may_belong_to_a_group() -> None:
    site = site_of("one", "group")
    site.sensor("load", "kW", 3600)
    site.store(site.names["load"], [15.0, 5.0, 5.0, 5.0])
    entries = [
        charger("one", "group", 50),
        {"inflexible-consumption": {"sensor": "$load"}, "group": {"sensor": "$group"}},
        {"sensor": "$group", "power-capacity": "20 kW"},
    ]
    planned = site.plan(entries, {"consumption-price": "10 EUR/MWh"})
    assert list(site.output(planned, "one").values) == pytest.approx([5, 15, 15, 15], abs=1e-3)
    assert list(site.output(planned, "group").values) == pytest.approx([20] * 4, abs=1e-3)
