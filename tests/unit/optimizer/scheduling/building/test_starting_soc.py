"""The state of charge that a schedule starts from: given, looked up, listed, or none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.optimizer.scheduling.planning import PlanFailed, Planned, plan
from tests.support.schedules import START, Site, hour, segments

MODEL = {"sensor": "$power", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}
ZIGZAG = {"consumption-price": segments([10, 50, 20, 60], "EUR/MWh")}


def site(asset_type: str = "battery", unit: str = "kWh", **facts: Any) -> Site:
    one = Site()
    asset_id = one.asset("device", asset_type, **facts)
    one.sensor("power", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    one.sensor("soc", unit, 0, asset_id=asset_id)
    return one


def started(one: Site, planned: Planned) -> float:
    return float(one.output(planned, "soc").values[0])


REFERENCE = {"state-of-charge": {"sensor": "$soc"}}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({-1: 30, 2: 70}, 30),
        ({-2: 30, 2: 70}, 70),
        ({-4: 30}, 30),
        ({4: 30}, 30),
        ({-0.01: 20, 0.5: 70}, 20),
    ],
)
def test_the_value_nearest_to_the_start_counts_and_of_two_the_later(
    stored: dict[float, float], expected: float
) -> None:
    one = site()
    one.store_at("soc", {START + timedelta(hours=at): value for at, value in stored.items()})
    assert started(one, one.plan([MODEL | REFERENCE], ZIGZAG)) == expected


def test_a_sensor_in_per_cent_tells_a_share_of_soc_max() -> None:
    one = site(unit="%")
    one.store_at("soc", {START: 40})
    planned = one.plan([MODEL | REFERENCE], ZIGZAG)
    assert one.output(planned, "soc").values[0] == 40
    assert one.output(planned, "power").values[0] == pytest.approx(60, abs=1e-4)


@pytest.mark.parametrize("stored", [{}, {-4.01: 30}, {4.01: 30}])
def test_without_a_value_within_four_steps_the_failure_names_sensor_and_radius(stored: dict[float, float]) -> None:
    one = site()
    one.store_at("soc", {START + timedelta(hours=at): value for at, value in stored.items()})
    outcome = plan(one.request([MODEL | REFERENCE], ZIGZAG))
    assert isinstance(outcome, PlanFailed)
    assert outcome.message == (
        f"No recent state-of-charge value found for sensor {one.names['soc']} within 4:00:00 of schedule start "
        "2024-01-01T00:00:00+00:00."
    )


def test_what_is_given_counts_before_what_is_stored() -> None:
    one = site()
    one.store_at("soc", {START: 40})
    assert started(one, one.plan([MODEL | REFERENCE | {"soc-at-start": "10 kWh"}], ZIGZAG)) == 10


@pytest.mark.parametrize(
    ("listed", "energy_cost"),
    [
        # By hand: what is there is sold at 50 and 60, and what was not there is bought at 10 and 20.
        ([{"value": "100 kWh", "start": hour(-1), "end": hour(1)}], -9),
        ([{"value": "100 kWh", "datetime": hour(-2)}, {"value": "0 kWh", "datetime": hour(-3)}], -9),
        ([{"value": "0 kWh", "datetime": hour(0)}, {"value": "100 kWh", "datetime": hour(0.5)}], -8),
        ([{"value": "100 kWh", "datetime": hour(2)}, {"value": "0 kWh", "datetime": hour(-2)}], -9),
        ([{"value": "0 kWh", "datetime": hour(-2)}, {"value": "100 kWh", "datetime": hour(2)}], -9),
    ],
)
def test_a_list_tells_the_start_by_the_period_around_it_or_the_nearest_moment(
    listed: list[dict[str, str]], energy_cost: float
) -> None:
    planned = site().plan([MODEL | {"state-of-charge": listed}], ZIGZAG)
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(energy_cost, rel=1e-6)


def test_a_storage_without_any_word_of_its_start_is_empty_with_a_warning() -> None:
    planned = site().plan([MODEL], ZIGZAG)
    assert planned.commitment_costs["electricity net energy"] == pytest.approx(-8, rel=1e-6)
    assert any("it counts as 0 kWh" in warning for warning in planned.warnings)


def test_what_is_no_storage_has_no_stock_then() -> None:
    one = site("building")
    planned = one.plan([MODEL | {"soc-minima": [{"value": "50 kWh", "datetime": hour(4)}]}], ZIGZAG)
    # Nothing keeps it from discharging for ever.
    assert list(one.output(planned, "power").values) == pytest.approx([-100] * 4, abs=1e-4)
    assert any("are ignored" in warning for warning in planned.warnings)
    assert (planned.resolved, planned.unresolved) == ((), ())
