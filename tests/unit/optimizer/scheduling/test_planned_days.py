"""Days whose best schedules are known: contracts, peaks, breaches, converters and bands, with the numbers that were measured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.building.assembling import build_problem
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.planning import Planned, plan
from services.optimizer.scheduling.problem import ScheduleProblem
from services.optimizer.scheduling.solver import solve
from tests.support.schedules import Site, hour, segments

KW = 1e-3
DAY = "PT24H"


def one_battery(step_minutes: int = 60, asset_type: str = "battery") -> Site:
    site = Site()
    asset_id = site.asset("battery", asset_type)
    site.sensor("power", "kW", 60 * step_minutes, asset_id=asset_id, consumption_is_positive=True)
    site.sensor("use", "kW", 60 * step_minutes, asset_id=asset_id, consumption_is_positive=True)
    site.sensor("make", "kW", 60 * step_minutes, asset_id=asset_id)
    return site


def capacity_contract() -> tuple[dict[str, Any], dict[str, Any]]:
    """A battery that has to be full by the end, behind a small contract with prices on everything."""
    model = {
        "sensor": "$power",
        "consumption": {"sensor": "$use"},
        "production": {"sensor": "$make"},
        "soc-at-start": "0.4 MWh",
        "soc-min": "0 MWh",
        "soc-max": "1 MWh",
        "power-capacity": "1 MW",
        "soc-minima": [{"value": "1 MWh", "datetime": hour(24)}],
        "prefer-charging-sooner": False,
    }
    context = {
        "consumption-price": "100 EUR/MWh",
        "production-price": "90 EUR/MWh",
        "site-power-capacity": "2 MW",
        "site-consumption-capacity": "1 kW",
        "site-production-capacity": "1 kW",
        "site-consumption-breach-price": "1000 EUR/kW",
        "site-production-breach-price": "1000 EUR/kW",
        "site-peak-consumption": "20 kW",
        "site-peak-production": "20 kW",
        "site-peak-consumption-price": "260 EUR/MW",
        "site-peak-production-price": "260 EUR/MW",
        "soc-minima-breach-price": "6000 EUR/kWh",
        "commitments": [
            {"name": "of power", "baseline": "0 kW", "up-price": "1 EUR/MW", "down-price": "-1 EUR/MW"},
            {"name": "of energy", "baseline": "0 kW", "up-price": "1 EUR/MWh", "down-price": "-1 EUR/MWh"},
            {"name": "electricity net energy", "baseline": "0 kW", "up-price": "0 EUR/MWh"},
        ],
    }
    return model, context


def test_a_battery_behind_a_small_contract_charges_at_constant_power() -> None:
    site = one_battery(15)
    model, context = capacity_contract()
    planned = site.plan([model], context, DAY)
    np.testing.assert_allclose(site.output(planned, "power").values, 25, atol=KW)
    np.testing.assert_allclose(site.output(planned, "use").stored_values, 25, atol=KW)
    np.testing.assert_allclose(site.output(planned, "make").stored_values, 0, atol=KW)
    expected = {
        "electricity net energy": 60,
        "electricity any consumption breach": 24_000,
        "electricity all consumption breaches": 576_000,
        "electricity consumption peak": 1.3,
        "electricity production peak": 0,
        "of power": 2.4,
        "of energy": 0.6,
        "electricity net energy (custom)": 0,
    }
    for name, cost in expected.items():
        assert planned.commitment_costs[name] == pytest.approx(cost, rel=1e-6, abs=1e-6), name


def test_a_device_passes_a_soft_capacity_of_nothing_where_a_wish_is_worth_more() -> None:
    site = one_battery(15)
    model, context = capacity_contract()
    closed = [
        {"value": "25 kW", "start": hour(0), "end": hour(12)},
        {"value": "0 kW", "start": hour(12), "end": hour(18)},
        {"value": "25 kW", "start": hour(18), "end": hour(24)},
    ]
    model |= {
        "power-capacity": "25 kVA",
        "consumption-capacity": closed,
        "production-capacity": closed,
        "soc-minima": [{"value": "0.8 MWh", "start": hour(12), "duration": "PT6H"}],
    }
    prices = np.full(24, 100.0)
    prices[16], prices[17] = 0, 1000
    context |= {
        "consumption-price": segments(list(prices), "EUR/MWh"),
        "production-price": segments(list(prices - 10), "EUR/MWh"),
        "consumption-breach-price": "100 EUR/kW",
        "production-breach-price": "100 EUR/kW",
    }
    planned = site.plan([model], context, DAY)
    power = site.output(planned, "power").values
    np.testing.assert_allclose(power[:64], 25, atol=KW)
    np.testing.assert_allclose(power[64:72], 0, atol=KW)
    assert planned.commitment_costs["any consumption breach device 0"] == pytest.approx(2500, rel=1e-6)
    assert planned.commitment_costs["all consumption breaches device 0"] == pytest.approx(10_000, rel=1e-6)


def test_the_highest_breach_counts_once_and_every_breach_by_itself() -> None:
    site = one_battery()
    slope = np.linspace(0, 1, 24)
    buying = 100 + slope
    buying[10] = 0.1
    model = {
        "sensor": "$power",
        "soc-at-start": "0.4 MWh",
        "soc-min": "0 MWh",
        "soc-max": "1 MWh",
        "power-capacity": "1 MW",
        "soc-targets": [{"value": "0.6 MWh", "datetime": hour(1)}],
        "prefer-charging-sooner": False,
    }
    context = {
        "consumption-price": segments(list(buying), "EUR/MWh"),
        "production-price": segments(list(np.minimum(buying, 90 + slope)), "EUR/MWh"),
        "site-power-capacity": "2 MW",
        "site-consumption-capacity": "100 kW",
        "site-consumption-breach-price": "1000 EUR/MW",
        "site-production-capacity": "100 kW",
        "site-production-breach-price": "1000 EUR/MW",
        "relax-constraints": False,
    }
    request = site.request([model], context, DAY)
    ground = Ground(request.window, request.inputs, request.sensors, request.assets, "EUR")
    problem = build_problem(request.collected, ground).problem
    both = solve(problem).power_mw[0]
    kept = tuple(one for one in problem.commitments if " all " not in one.name)
    highest = solve(ScheduleProblem(**{**vars(problem), "commitments": kept})).power_mw[0]
    assert highest[[0, 10]] == pytest.approx([0.2, 0.2], abs=1e-6)
    assert both[[0, 10]] == pytest.approx([0.2, 0.1], abs=1e-6)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, np.r_[np.zeros(23), -400]),
        ({"production-capacity": "100 kW"}, np.r_[np.zeros(20), np.full(4, -100)]),
        ({"site-peak-production-price": "80 EUR/MW"}, np.full(24, -400 / 24)),
    ],
)
def test_a_store_empties_when_it_earns_most(more: dict[str, str], expected: np.ndarray[Any, Any]) -> None:
    site = one_battery()
    slope = np.linspace(0, 1, 24)
    model = {
        "sensor": "$power",
        "soc-at-start": "0.4 MWh",
        "soc-min": "0 MWh",
        "soc-max": "1 MWh",
        "power-capacity": "1 MW",
        "consumption-capacity": "1 MW",
        "production-capacity": more.get("production-capacity", "1 MW"),
        "prefer-charging-sooner": False,
    }
    context = {
        "consumption-price": segments(list(100 + slope), "EUR/MWh"),
        "production-price": segments(list(90 + slope), "EUR/MWh"),
    } | {key: value for key, value in more.items() if key.startswith("site")}
    planned = site.plan([model], context, DAY)
    np.testing.assert_allclose(site.output(planned, "power").values, expected, atol=0.1)
    if not more:
        assert planned.commitment_costs["electricity net energy"] == pytest.approx(-36.4, rel=1e-6)


def two_vehicles() -> tuple[Site, list[dict[str, Any]], dict[str, Any]]:
    site = Site()
    entries = []
    for name, hours in (("first", 6), ("second", 3)):
        asset_id = site.asset(name, "one-way_evse")
        site.sensor(name, "MW", 3600, asset_id=asset_id, consumption_is_positive=True)
        entries.append(
            {
                "sensor": f"${name}",
                "soc-at-start": "0 MWh",
                "soc-min": "0 MWh",
                "soc-max": "1 MWh",
                "power-capacity": "1 MW",
                "production-capacity": "0 MW",
                "consumption-capacity": [
                    {"value": "0 MW", "start": hour(0), "end": hour(1)},
                    {"value": "1 MW", "start": hour(1), "end": hour(6)},
                ],
                "soc-targets": [{"value": "1 MWh", "datetime": hour(hours)}],
                "prefer-charging-sooner": False,
            }
        )
    prices = [0.8598, 1.4613, 2430.3887, 3000.1779, 18.6619, 369.3274]
    context = {"consumption-price": segments(prices, "EUR/MWh"), "site-power-capacity": "1 MW"}
    return site, entries, context


def test_two_vehicles_share_a_connection_better_together() -> None:
    site, entries, context = two_vehicles()
    planned = site.plan(entries, context, "PT6H")
    assert site.output(planned, "first").values == pytest.approx([0, 0, 0, 0, 1, 0], abs=1e-6)
    assert site.output(planned, "second").values == pytest.approx([0, 1, 0, 0, 0, 0], abs=1e-6)
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(18.6619 + 1.4613, rel=1e-6)


def test_two_vehicles_one_after_the_other_leave_the_second_what_is_left() -> None:
    site, (first, second), context = two_vehicles()
    planned = site.plan([first], context, "PT6H")
    assert site.output(planned, "first").values == pytest.approx([0, 1, 0, 0, 0, 0], abs=1e-6)
    site.store(site.names["first"], list(site.output(planned, "first").stored_values))
    planned = site.plan([second], context | {"inflexible-device-sensors": ["$first"]}, "PT6H")
    assert site.output(planned, "second").values == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-6)
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(1.4613 + 2430.3887, rel=1e-6)


def test_a_battery_and_a_heat_store_fill_first_and_the_battery_sells_what_is_left() -> None:
    site = Site()
    for name, asset_type in (("battery", "battery"), ("heat", "heat-storage")):
        asset_id = site.asset(name, asset_type)
        site.sensor(name, "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    battery = {
        "sensor": "$battery",
        "soc-at-start": 20,
        "soc-min": 0,
        "soc-max": 100,
        "power-capacity": "20 kW",
        "charging-efficiency": "95%",
        "discharging-efficiency": "95%",
        "soc-targets": [{"value": "80 kWh", "datetime": hour(23)}],
    }
    heat = {
        "sensor": "$heat",
        "soc-at-start": 10,
        "soc-min": 0,
        "soc-max": 50,
        "power-capacity": "10 kW",
        "production-capacity": "0 kW",
        "charging-efficiency": "95%",
        "soc-targets": [{"value": "40 kWh", "datetime": hour(23)}],
    }
    planned = site.plan([battery, heat], {"consumption-price": "100 EUR/MWh"}, DAY)
    # 60 kWh and 30 kWh to be stored at 95 %; 20 kWh sold in the last hour.
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(
        0.1 * (60 / 0.95 + 30 / 0.95 - 20), rel=1e-6
    )
    battery_kw, heat_kw = (site.output(planned, name).values for name in ("battery", "heat"))
    np.testing.assert_allclose(battery_kw, np.r_[20, 20, 20, 60 / 0.95 - 60, np.zeros(19), -20], atol=KW)
    np.testing.assert_allclose(heat_kw, np.r_[10, 10, 10, 30 / 0.95 - 30, np.zeros(20)], atol=KW)


def test_a_converter_keeps_its_ratios() -> None:
    site = Site()
    for name in ("gas", "heat", "power"):
        site.sensor(name, "kW", 3600, asset_id=site.asset(name, "process"), consumption_is_positive=True)
    site.sensor("load", "kW", 3600, consumption_is_positive=True)
    site.store(site.names["load"], [10.0] * 4)
    sides = {"gas": (1, "200 kW", "0 kW"), "heat": (0.5, "0 kW", "200 kW"), "power": (0.3, "0 kW", "200 kW")}
    entries = [
        {
            "sensor": f"${name}",
            "commodity": "electricity" if name == "power" else name,
            "coupling": "chp",
            "coupling-coefficient": coefficient,
            "power-capacity": "200 kW",
            "consumption-capacity": takes,
            "production-capacity": gives,
        }
        for name, (coefficient, takes, gives) in sides.items()
    ]
    context = [
        {"commodity": "electricity", "consumption-price": "100 EUR/MWh", "production-price": "100 EUR/MWh"},
        {"commodity": "gas", "consumption-price": "50 EUR/MWh"},
        {"commodity": "heat", "inflexible-consumption": [{"sensor": "$load"}]},
    ]
    planned = site.plan(entries, context)
    for name, power_kw in (("gas", 20), ("heat", -10), ("power", -6)):
        np.testing.assert_allclose(site.output(planned, name).values, power_kw, atol=KW)


@pytest.mark.parametrize(
    ("modes", "target_kwh", "cost"),
    [
        # By hand: two hours of 20 kW at 50 EUR/MWh; one of 30 kW at 50; two of 10 kW at 100 and 40 kWh at 50.
        ([["0 kW", "0 kW"], ["20 kW", "30 kW"]], 40, 2.0),
        ([["0 kW", "0 kW"], ["30 kW", "30 kW"]], 20, 1.5),
        ([["10 kW", "30 kW"]], 60, 4.0),
    ],
)
def test_bands_bind_in_every_step(modes: list[list[str]], target_kwh: float, cost: float) -> None:
    site = one_battery()
    model = {
        "sensor": "$power",
        "soc-at-start": "0 kWh",
        "soc-min": "0 kWh",
        "soc-max": "500 kWh",
        "power-capacity": "30 kW",
        "production-capacity": "0 kW",
        "operation-modes": [{"consumption-range": mode} for mode in modes],
        "soc-minima": [{"value": f"{target_kwh} kWh", "datetime": hour(4)}],
    }
    context = {"consumption-price": segments([100, 50, 100, 50], "EUR/MWh"), "production-price": "0 EUR/MWh"}
    planned = site.plan([model], context)
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(cost, rel=1e-6)


def test_a_charging_process_of_ten_times_the_power_costs_ten_times_as_much() -> None:
    site = one_battery()
    model = {
        "sensor": "$power",
        "soc-at-start": "0 kWh",
        "soc-min": "0 kWh",
        "soc-max": "5 MWh",
        "power-capacity": "0.5 MW",
        "production-capacity": "0 kW",
        "operation-modes": [{"consumption-range": ["0 kW", "0 kW"]}, {"consumption-range": ["400 kW", "500 kW"]}],
        "soc-targets": [{"value": "1.2 MWh", "datetime": hour(4)}],
    }
    context = {"consumption-price": segments([10, 1, 10, 1], "EUR/MWh"), "production-price": "0 EUR/MWh"}
    assert site.plan([model], context).commitment_costs["electricity net energy"] == pytest.approx(4.8, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "blocked", "running"),
    [
        ("SHIFTABLE", [], [8, 9, 10, 11]),
        ("SHIFTABLE", [8, 9], [10, 11, 12, 13]),
        ("INFLEXIBLE", [], [0, 1, 2, 3]),
        ("BREAKABLE", [9, 11, 13, 15], [8, 10, 12, 14]),
    ],
)
def test_a_process_runs_in_its_cheapest_hours(kind: str, blocked: list[int], running: list[int]) -> None:
    site = Site()
    site.sensor("power", "kW", 3600, asset_id=site.asset("washing", "process"), consumption_is_positive=True)
    site.sensor("price", "EUR/MWh", 3600)
    site.store(site.names["price"], [100.0] * 8 + [10.0] * 8 + [100.0] * 8)
    model = {
        "sensor": "$power",
        "duration": "PT4H",
        "power": 0.004,
        "process-type": kind,
        "time-restrictions": [{"start": hour(one), "duration": "PT1H"} for one in blocked],
    }
    planned = site.plan([model], {"consumption-price": {"sensor": "$price"}}, DAY)
    assert list(site.output(planned, "power").values) == [4.0 if one in running else 0.0 for one in range(24)]


def test_a_process_may_seek_the_dearest_hours() -> None:
    site = Site()
    site.sensor("power", "kW", 3600, asset_id=site.asset("chp", "process"), consumption_is_positive=True)
    model = {"sensor": "$power", "duration": "PT2H", "power": "4 kW", "process-type": "SHIFTABLE"}
    context = {"consumption-price": segments([10, 50, 60, 20], "EUR/MWh")}
    planned = site.plan([model | {"optimization-direction": "MAX"}], context)
    assert list(site.output(planned, "power").values) == [0, 4, 4, 0]
    # A begun step is used whole.
    planned = site.plan([model | {"duration": "PT50M"}], context)
    assert list(site.output(planned, "power").values) == [4, 0, 0, 0]


def test_a_process_without_room_fails_with_a_reason() -> None:
    site = Site(start=datetime(2024, 1, 1, tzinfo=UTC))
    site.sensor("power", "kW", 3600, asset_id=site.asset("washing", "process"), consumption_is_positive=True)
    restrictions = [{"start": hour(1), "duration": "PT1H"}, {"start": hour(3), "duration": "PT1H"}]
    model = {"sensor": "$power", "duration": "PT2H", "power": 0.004, "time-restrictions": restrictions}
    outcome = plan(site.request([model], {"consumption-price": "10 EUR/MWh"}))
    assert not isinstance(outcome, Planned)
    assert "cannot run" in outcome.message
