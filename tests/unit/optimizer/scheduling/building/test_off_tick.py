"""Wishes between two moments of the grid: what they mean at the moments beside them."""

from __future__ import annotations

from datetime import timedelta
from math import nan

import numpy as np
import pytest

from services.optimizer.scheduling.building.off_tick import (
    Bounds,
    PointWish,
    Reach,
    bounds_of_known_state,
    bounds_of_maxima,
    bounds_of_minima,
    bounds_of_targets,
    points_between,
)
from services.optimizer.scheduling.building.window import Window
from services.optimizer.scheduling.planning import PlanFailed, Planned, plan
from shared.flexibility.quantities import Segments
from shared.flexibility.reading import read_flex_model
from tests.support.schedules import BASE, START, Site, hour

WINDOW = Window(START, 3600, 4)
# Up to 20 MW in and 10 MW out.
REACH = Reach(np.full(4, 20.0), np.full(4, 10.0))


def wish(hours: float, mwh: float) -> PointWish:
    return PointWish(START + timedelta(hours=hours), mwh)


def check(bounds: Bounds, minima: list[float], maxima: list[float], targets: list[float]) -> None:
    for found, expected in ((bounds.minima, minima), (bounds.maxima, maxima), (bounds.targets, targets)):
        np.testing.assert_allclose(found, expected)


NONE = [nan] * 5


def test_a_target_is_met_at_the_next_moment_and_within_reach_at_the_one_before() -> None:
    check(
        bounds_of_targets((wish(2.25, 40),), WINDOW, REACH),
        [nan, nan, 35, nan, nan],
        [nan, nan, 42.5, nan, nan],
        [nan, nan, nan, 40, nan],
    )


def test_a_minimum_is_within_reach_on_both_sides() -> None:
    check(bounds_of_minima((wish(2.25, 40),), WINDOW, REACH), [nan, nan, 35, 32.5, nan], NONE, NONE)


def test_a_maximum_is_within_reach_on_both_sides() -> None:
    check(bounds_of_maxima((wish(2.25, 40),), WINDOW, REACH), NONE, [nan, nan, 42.5, 55, nan], NONE)


def test_a_state_known_in_the_first_step_bounds_its_end() -> None:
    check(
        bounds_of_known_state(wish(0.25, 40), WINDOW, REACH), [nan, 32.5, nan, nan, nan], [nan, 55, nan, nan, nan], NONE
    )


def test_of_two_bounds_on_one_moment_the_stricter_counts() -> None:
    bounds = bounds_of_minima((wish(2.25, 40), wish(2.5, 50), wish(1.75, 39)), WINDOW, REACH)
    np.testing.assert_allclose(bounds.minima, [nan, 24, 40, 45, nan])


def test_bounds_stay_within_the_limits_of_the_stock() -> None:
    bounds = bounds_of_minima((wish(2.25, 40),), WINDOW, REACH).clamped(0, 33)
    np.testing.assert_allclose(bounds.minima, [nan, nan, 33, 32.5, nan])


def test_only_wishes_that_no_moment_sees_are_between() -> None:
    segments = [
        {"value": "1 MWh", "datetime": hour(1)},
        {"value": "2 MWh", "datetime": hour(1.5)},
        {"value": "3 MWh", "start": hour(0.5), "end": hour(2.5)},
        {"value": "4 MWh", "start": hour(2.25), "end": hour(2.75)},
        {"value": "5 MWh", "datetime": hour(4.5)},
        {"value": "6 MWh", "datetime": hour(-0.5)},
    ]
    quantity = read_flex_model({"soc-minima": segments}).soc_minima
    assert isinstance(quantity, Segments)
    assert points_between(quantity, WINDOW, "UTC") == (wish(1.5, 2), wish(2.25, 4), wish(2.75, 4))


def one_battery(attributes: dict[str, object] | None = None) -> Site:
    site = Site()
    asset_id = site.asset("battery", attributes=attributes or {})
    site.sensor("power", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    return site


MODEL = {
    "sensor": "$power",
    **BASE,
    "power-capacity": "20 kW",
    "soc-minima": [{"value": "70 kWh", "datetime": hour(3.5)}],
}


def test_a_wish_out_of_reach_between_two_steps_is_soft_even_where_nothing_else_is() -> None:
    planned = one_battery().plan([MODEL], {"consumption-price": "10 EUR/MWh", "relax-constraints": False})
    # At three hours 70 kWh less half an hour of 20 kW are wished for, and 60 can be there.
    assert planned.commitment_costs["any soc minima"] == pytest.approx(0, abs=1e-6)
    late = MODEL | {"soc-minima": [{"value": "75 kWh", "datetime": hour(3.5)}]}
    planned = one_battery().plan([late], {"consumption-price": "10 EUR/MWh", "relax-constraints": False})
    assert planned.commitment_costs["any soc minima"] == pytest.approx(5000, rel=1e-6)


def test_it_is_hard_where_that_is_said() -> None:
    late = MODEL | {"soc-minima": [{"value": "75 kWh", "datetime": hour(3.5)}]}
    context = {"consumption-price": "10 EUR/MWh", "relax-constraints": False, "relax-soc-constraints": False}
    assert isinstance(plan(one_battery().request([late], context)), PlanFailed)
    assert isinstance(plan(one_battery().request([MODEL], context)), Planned)


def test_it_is_ignored_with_a_warning_where_times_are_not_floored() -> None:
    site = one_battery({"floor_datetimes_to_resolution": False})
    planned = site.plan([MODEL], {"consumption-price": "10 EUR/MWh", "production-price": "0 EUR/MWh"})
    assert "any soc minima" not in planned.commitment_costs
    assert any("lies between two steps" in warning for warning in planned.warnings)
