"""Planning as a whole: failures in the customer's words, warnings, what may be sent to another process, and how long building takes."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.building.assembling import build_problem
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.planning import PlanFailed, Planned, PlanRequest, plan
from tests.support.schedules import BASE, Site, hour, segments

FLAT = {"consumption-price": "100 EUR/MWh"}


def battery() -> Site:
    site = Site()
    site.sensor("power", "kW", 3600, asset_id=site.asset("battery"), consumption_is_positive=True)
    site.sensor("price", "EUR/MWh", 3600)
    return site


def failure(model: dict[str, Any], context: dict[str, Any]) -> PlanFailed:
    outcome = plan(battery().request([{"sensor": "$power", **BASE, **model}], context))
    assert isinstance(outcome, PlanFailed)
    return outcome


def test_a_missing_price_is_told() -> None:
    failed = failure({}, {})
    assert (failed.error_type, failed.message) == (
        "PriceMissing",
        "Missing consumption price for commodity 'electricity'.",
    )


def test_a_price_without_data_is_told_with_its_sensor() -> None:
    failed = failure({}, {"consumption-price": {"sensor": "$price"}})
    assert failed.message == "Prices unknown for planning window. (sensor 102)"


def test_what_no_schedule_can_keep_is_infeasible_and_the_detail_says_what() -> None:
    model = {"power-capacity": "10 kW", "soc-targets": [{"value": "90 kWh", "datetime": hour(4)}]}
    failed = failure(model, FLAT | {"relax-constraints": False})
    assert (failed.error_type, failed.message) == ("str", "infeasible")
    assert failed.detail is not None
    assert "asset 2" in failed.detail
    assert "in step 4, from 2024-01-01T03:00:00+00:00 to 2024-01-01T04:00:00+00:00" in failed.detail


def test_a_storage_that_keeps_nothing_is_planned() -> None:
    site = battery()
    outcome = plan(site.request([{"sensor": "$power", **BASE, "storage-efficiency": "0%"}], FLAT))
    assert isinstance(outcome, Planned)
    model = {"sensor": "$power", "soc-at-start": "50 kWh", "power-capacity": "10 kW", "storage-efficiency": "0%"}
    assert isinstance(plan(site.request([model], FLAT)), Planned)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (
            {
                "soc-minima": [{"value": "80 kWh", "datetime": hour(2)}],
                "soc-maxima": [{"value": "60 kWh", "datetime": hour(2)}],
            },
            "t=2024-01-01 02:00:00+00:00 | soc-minima [0.08] <= soc-maxima [0.06]",
        ),
        (
            {"soc-targets": [{"value": "120 kWh", "datetime": hour(2)}]},
            "t=2024-01-01 02:00:00+00:00 | soc-targets [0.12] <= soc-max [0.1]",
        ),
        (
            {
                "power-capacity": "10 kW",
                "soc-targets": [{"value": "0 kWh", "datetime": hour(2)}, {"value": "50 kWh", "datetime": hour(3)}],
            },
            "t=2024-01-01 03:00:00+00:00 | soc-targets [0.05] <= ",
        ),
    ],
)
def test_hard_constraints_that_contradict_each_other_are_told_with_time_and_values(
    model: dict[str, Any], line: str
) -> None:
    failed = failure(model, FLAT | {"relax-constraints": False})
    first, *lines = failed.message.split("\n")
    assert first == "The input data yields an infeasible problem. Constraint validation has found the following issues:"
    assert any(one.startswith(line) for one in lines), lines


def test_of_many_contradictions_some_are_told() -> None:
    model = {
        "soc-minima": [{"value": "80 kWh", "start": hour(0), "end": hour(100)}],
        "soc-maxima": [{"value": "60 kWh", "start": hour(0), "end": hour(100)}],
    }
    site = battery()
    request = site.request([{"sensor": "$power", **BASE, **model}], FLAT | {"relax-constraints": False}, "PT100H")
    outcome = plan(request)
    assert isinstance(outcome, PlanFailed)
    assert len(outcome.message.split("\n")) == 52


def test_a_unit_that_cannot_be_converted_is_told() -> None:
    site = battery()
    site.store(site.names["price"], [1, 2, 3, 4])
    request = site.request([{"sensor": "$power", **BASE}], {"consumption-price": {"sensor": "$price"}})
    # The sensor's unit was changed since the configuration was read.
    inputs = {key: replace(one, unit="kW") for key, one in request.inputs.items()}
    outcome = plan(replace(request, inputs=inputs))
    assert isinstance(outcome, PlanFailed)
    assert outcome.message == "Incompatible units: kW cannot be converted to EUR/MWh."


def test_warnings_of_all_parts_come_with_the_schedule_once_each() -> None:
    site = battery()
    site.store(site.names["price"], [10, None, 20, 60])
    request = site.request([{"sensor": "$power", **BASE}], {"consumption-price": {"sensor": "$price"}})
    outcome = plan(replace(request, warnings=("The window was cut.", "The window was cut.")))
    assert isinstance(outcome, Planned)
    assert outcome.warnings == (
        "The window was cut.",
        "The consumption price of electricity has a gap: in 1 of 4 steps the last known value is carried forward.",
    )


def test_requests_and_outcomes_can_be_sent_to_another_process() -> None:
    site = battery()
    request = site.request([{"sensor": "$power", **BASE}], {"consumption-price": segments([10, 50, 20, 60], "EUR/MWh")})
    outcome = pickle.loads(pickle.dumps(plan(pickle.loads(pickle.dumps(request)))))
    assert isinstance(outcome, Planned)
    assert outcome.num_beliefs == 4
    failed = plan(battery().request([{"sensor": "$power", **BASE}], {}))
    assert pickle.loads(pickle.dumps(failed)) == failed


def test_a_schedule_spans_the_change_of_clocks() -> None:
    site = battery()
    begin = "2026-03-29T00:00:00+01:00"
    context = {
        "consumption-price": [
            {"value": "10 EUR/MWh", "start": begin, "duration": "PT12H"},
            {"value": "50 EUR/MWh", "start": "2026-03-29T13:00:00+02:00", "duration": "PT11H"},
        ]
    }
    site.start = site.start.fromisoformat(begin)
    planned = site.plan([{"sensor": "$power", **BASE}], context, "PT23H")
    power = site.output(planned, "power").values
    assert len(power) == 23
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(-4, rel=1e-6)
    assert power[:12].sum() == pytest.approx(100, abs=1e-3)


def test_steps_of_a_day_are_planned() -> None:
    site = Site()
    site.sensor("power", "kW", 86_400, asset_id=site.asset("battery"), consumption_is_positive=True)
    site.sensor("price", "EUR/MWh", 3600)
    site.store(site.names["price"], [10.0] * 24 + [30.0] * 12 + [70.0] * 12 + [20.0] * 24)
    planned = site.plan(
        [{"sensor": "$power", **BASE, "soc-max": "2.4 MWh"}], {"consumption-price": {"sensor": "$price"}}, "P3D"
    )
    assert list(site.output(planned, "power").values) == pytest.approx([100, -100, 0], abs=1e-3)
    # 2.4 MWh, bought at 10 and sold at 50 on average.
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(-96, rel=1e-6)


OLDER: dict[str, Any] = {
    "min_soc_in_mwh": 0,
    "max_soc_in_mwh": 0.1,
    "capacity_in_mw": 0.1,
    "soc_in_mwh": 0.1,
    "soc_datetime": "2024-01-01T01:00:00+01:00",
}
ZIGZAG = {"consumption-price": segments([10, 50, 20, 60], "EUR/MWh")}


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        # Bought at 10, 50 and 20, all is sold at 60.
        ({"site-consumption-capacity": "40 kW"}, [40, 20, 40, -100]),
        # What is bought at 10 is sold in all other hours.
        ({"site-production-capacity": "30 kW"}, [90, -30, -30, -30]),
        ({"site-power-capacity": "20 kW"}, [20, -20, 20, -20]),
        ({"site-power-capacity": "20 kW", "site-production-capacity": "10 kW"}, [20, -10, 0, -10]),
    ],
)
def test_limits_of_the_site_bind_where_nothing_is_relaxed(context: dict[str, str], expected: list[float]) -> None:
    site = battery()
    model = {"sensor": "$power", **BASE, "prefer-charging-sooner": False}
    planned = site.plan([model], ZIGZAG | context | {"relax-constraints": False})
    assert list(site.output(planned, "power").values) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        # What is there at the start is sold at 50 and bought anew at 20, to be sold at 60.
        (OLDER, -9),
        (OLDER | {"soc_datetime": "2024-01-01T01:15:00+01:00"}, -8),
        # 90 kWh in the store for 100 kWh, 72 kWh and 90 kWh out of it.
        (OLDER | {"soc_in_mwh": 0, "roundtrip_efficiency": 0.81}, -6),
    ],
)
def test_of_a_single_sensor_older_attributes_count_as_well(attributes: dict[str, Any], cost: float) -> None:
    site = Site()
    asset_id = site.asset("battery", attributes=attributes)
    site.sensor("power", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    planned = site.plan({}, ZIGZAG)
    assert len(site.output(planned, "power").values) == 4
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(cost, rel=1e-6)


def test_a_flex_model_of_a_single_sensor_is_one_object() -> None:
    site = battery()
    planned = site.plan(BASE, ZIGZAG)
    assert list(site.output(planned, "power").values) == pytest.approx([100, -100, 100, -100], abs=1e-4)


def fifty_chargers() -> PlanRequest:
    """A day of quarters of an hour with more wishes than the site can meet."""
    site = Site()
    seeds = np.random.default_rng(1)
    site.sensor("price", "EUR/MWh", 900)
    site.store(site.names["price"], list(seeds.uniform(10, 100, 96)))
    entries = []
    for number in range(50):
        asset_id = site.asset(f"charger {number}", "one-way_evse")
        site.sensor(f"power {number}", "kW", 900, asset_id=asset_id, consumption_is_positive=True)
        site.sensor(f"cap {number}", "kW", 900, asset_id=asset_id)
        site.store(site.names[f"cap {number}"], list(seeds.uniform(5, 11, 96)))
        minima = [
            {"value": "50 kWh", "datetime": hour(8)},
            {"value": "60 kWh", "start": hour(10.1), "end": hour(12)},
        ]
        entries.append(
            {
                "sensor": f"$power {number}",
                **BASE,
                "roundtrip-efficiency": "85%",
                "consumption-capacity": {"sensor": f"$cap {number}"},
                "production-capacity": "0 kW",
                "storage-efficiency": "99.9%",
                "soc-usage": ["0.1 kW"],
                "soc-minima": minima,
            }
        )
    limits = {"site-consumption-capacity": "300 kW", "site-power-capacity": "500 kW"}
    return site.request(entries, {"consumption-price": {"sensor": "$price"}} | limits, "PT24H")


def test_building_fifty_devices_takes_no_longer_than_a_twentieth_of_a_second() -> None:
    request = fifty_chargers()
    durations_s = []
    for _ in range(5):
        began = time.process_time()
        build_problem(request.collected, Ground(request.window, request.inputs, request.sensors, request.assets, "EUR"))
        durations_s.append(time.process_time() - began)
    assert min(durations_s) <= 0.05


def test_fifty_devices_with_wishes_out_of_reach_are_planned_all_the_same() -> None:
    outcome = plan(replace(fifty_chargers(), time_limit_s=40.0))
    assert isinstance(outcome, Planned)
    assert outcome.is_proven
    assert len(outcome.unresolved) > 10
