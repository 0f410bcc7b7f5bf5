"""What a device may take and give, from the capacities that are given, and from where they come that are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.building.assembling import BuiltProblem, build_problem
from services.optimizer.scheduling.building.errors import PlanImpossible, PowerCapacityMissing
from services.optimizer.scheduling.building.ground import Ground
from tests.support.schedules import Site

PRICE = {"consumption-price": "100 EUR/MWh"}
CAP = [10.0, 20.0, None, 5.0]


def built(model: dict[str, Any], context: dict[str, Any] | None = None, **facts: Any) -> BuiltProblem:
    site = Site()
    asset_id = site.asset("device", **facts)
    site.sensor("power", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    site.sensor("cap", "kW", 3600)
    site.store(site.names["cap"], CAP)
    request = site.request([{"sensor": "$power", **model}], PRICE | (context or {}))
    return build_problem(
        request.collected, Ground(request.window, request.inputs, request.sensors, request.assets, "EUR")
    )


@pytest.mark.parametrize(
    ("model", "lower", "upper"),
    [
        ({"power-capacity": "9 kW"}, -9, 9),
        ({"power-capacity": "9 kVA", "consumption-capacity": "4 kW"}, 0, 4),
        ({"power-capacity": "9 kW", "consumption-capacity": "4 kW", "production-capacity": "3 kW"}, -3, 4),
        ({"power-capacity": "9 kW", "consumption-capacity": "40 kW", "production-capacity": "30 kW"}, -9, 9),
        ({"power-capacity": "9 kW", "production-capacity": "0 kW"}, 0, 9),
        ({"consumption-capacity": "4 kW"}, 0, 4),
        ({"production-capacity": "3 kW"}, -3, 0),
        ({"consumption-capacity": "4 kW", "production-capacity": "7 kW"}, -7, 4),
        ({"power-capacity": "9 kW", "consumption-capacity": {"sensor": "$cap"}}, 0, [9, 9, 9, 5]),
        ({"consumption-capacity": "0 kW", "production-capacity": {"sensor": "$cap"}}, [-10, -20, 0, -5], 0),
        ({"power-capacity": "9 kW", "production-capacity": {"sensor": "$cap"}}, [-9, -9, -9, -5], 0),
    ],
)
def test_capacities_bound_the_power(model: dict[str, Any], lower: Any, upper: Any) -> None:
    device = built(model).problem.devices[0]
    np.testing.assert_allclose(1000 * device.lower_mw, np.broadcast_to(np.array(lower, dtype=float), 4), atol=1e-12)
    np.testing.assert_allclose(1000 * device.upper_mw, np.broadcast_to(np.array(upper, dtype=float), 4), atol=1e-12)


def test_the_site_bounds_a_device_that_nothing_else_bounds() -> None:
    assert built({}, {"site-power-capacity": "12 kW"}).problem.devices[0].upper_mw[0] == pytest.approx(0.012)
    assert built({}, attributes={"site-power-capacity": "7 kW"}).problem.devices[0].upper_mw[0] == pytest.approx(0.007)


def test_without_any_bound_the_error_names_the_asset() -> None:
    with pytest.raises(PowerCapacityMissing) as missing:
        built({})
    assert missing.value.message == "Power capacity on asset 2 is not defined in the flex-model."


def test_attributes_forbid_a_direction() -> None:
    model = {"power-capacity": "9 kW"}
    assert built(model, attributes={"is_strictly_non_positive": True}).problem.devices[0].lower_mw.tolist() == [0] * 4
    assert built(model, attributes={"is_strictly_non_negative": True}).problem.devices[0].upper_mw.tolist() == [0] * 4


def test_charging_may_store_nothing() -> None:
    device = built({"power-capacity": "9 kW", "charging-efficiency": "0%"}).problem.devices[0]
    assert device.charging_efficiency is not None and device.charging_efficiency.tolist() == [0] * 4


@pytest.mark.parametrize(("direction", "percent"), [("charging", -1), ("discharging", 0)])
def test_an_efficiency_out_of_range_is_refused_with_its_name(direction: str, percent: float) -> None:
    site = Site()
    site.sensor("power", "kW", 3600, asset_id=site.asset("device"))
    site.store(site.sensor("share", "%", 3600), [90, percent, 90, 90])
    model = {"sensor": "$power", "power-capacity": "9 kW", f"{direction}-efficiency": {"sensor": "$share"}}
    request = site.request([model], PRICE)
    with pytest.raises(PlanImpossible, match=f"The {direction}-efficiency on asset 2"):
        build_problem(request.collected, Ground(request.window, request.inputs, request.sensors, request.assets, "EUR"))


def test_a_round_trip_splits_evenly() -> None:
    device = built({"power-capacity": "9 kW", "roundtrip-efficiency": "81%"}).problem.devices[0]
    assert device.charging_efficiency is not None
    assert device.discharging_efficiency is not None
    assert device.charging_efficiency.tolist() == device.discharging_efficiency.tolist() == pytest.approx([0.9] * 4)


@pytest.mark.parametrize(("field", "sign"), [("inflexible-consumption", 1), ("inflexible-production", -1)])
def test_a_fixed_load_without_data_counts_as_nothing_with_a_warning(field: str, sign: int) -> None:
    site = Site()
    site.sensor("power", "kW", 3600, asset_id=site.asset("device"), consumption_is_positive=True)
    site.sensor("cap", "kW", 3600)
    site.store(site.names["cap"], CAP)
    request = site.request([{"sensor": "$power", "power-capacity": "1 kW"}], PRICE | {field: [{"sensor": "$cap"}]})
    ground = Ground(request.window, request.inputs, request.sensors, request.assets, "EUR")
    device = build_problem(request.collected, ground).problem.devices[1]
    assert (1000 * device.lower_mw).tolist() == (1000 * device.upper_mw).tolist() == [10 * sign, 20 * sign, 0, 5 * sign]
    assert list(ground.warnings) == [f"Sensor {site.names['cap']} has no data in 1 of 4 steps: they count as 0."]


@pytest.mark.parametrize(
    ("context", "lower", "upper", "names"),
    [
        ({}, -3, 4, set()),
        ({"relax-capacity-constraints": True}, -9, 9, {"consumption", "production"}),
        ({"consumption-breach-price": "1 EUR/kW"}, -3, 9, {"consumption"}),
        ({"production-breach-price": "1 EUR/kW", "relax-capacity-constraints": True}, -9, 4, {"production"}),
    ],
)
def test_capacities_are_soft_where_breaching_them_has_a_price(
    context: dict[str, Any], lower: float, upper: float, names: set[str]
) -> None:
    model = {"power-capacity": "9 kW", "consumption-capacity": "4 kW", "production-capacity": "3 kW"}
    problem = built(model, context)
    device = problem.problem.devices[0]
    assert (1000 * device.lower_mw[0], 1000 * device.upper_mw[0]) == pytest.approx((lower, upper))
    expected = {f"any {one} breach device 0" for one in names} | {f"all {one} breaches device 0" for one in names}
    assert {name for name in problem.cost_names if "device" in name} == expected


def test_a_capacity_of_nothing_throughout_stays_hard() -> None:
    model = {"power-capacity": "9 kW", "consumption-capacity": "4 kW", "production-capacity": "0 kW"}
    device = built(model, {"relax-capacity-constraints": True}).problem.devices[0]
    assert device.lower_mw.tolist() == [0] * 4
    assert device.upper_mw.tolist() == pytest.approx([0.009] * 4)
