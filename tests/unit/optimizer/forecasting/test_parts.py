"""The parts of a forecast: bounds, parameters, windows, days, gaps."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from services.optimizer.forecasting import Bounds, ForecastImpossible, LearnerParameters, Snap, training_window
from services.optimizer.forecasting.days import Days
from services.optimizer.forecasting.filling import filled
from shared.errors import InvalidInput

DAY_S = 86_400


def test_bounds_are_applied_in_their_order() -> None:
    bounds = Bounds(is_positive=True, lower=1.0, upper=5.0, snaps=(Snap(0.0, 0.5, 1.5), Snap(9.0, 5.0, 6.0)))
    said = bounds.applied_to(np.array([-3.0, 0.0, 1.2, 1.5, 4.0, 7.0]))
    assert said.tolist() == [0.0, 0.0, 0.0, 1.5, 4.0, 9.0]


def test_the_first_of_two_snaps_holds_and_its_end_is_not_in_it() -> None:
    bounds = Bounds(snaps=(Snap(1.0, 0.0, 2.0), Snap(5.0, 1.0, 3.0)))
    assert bounds.applied_to(np.array([1.5, 2.0, 3.0])).tolist() == [1.0, 5.0, 3.0]


def test_parameters_go_by_the_names_of_lightgbm_too() -> None:
    read = LearnerParameters.from_mapping(
        {"n_estimators": 50, "num_leaves": 8, "min_child_samples": 5, "lambda_l2": 0.5}
    )
    assert (read.trees, read.max_leaves, read.leaf_samples, read.l2) == (50, 8, 5, 0.5)
    assert LearnerParameters.from_mapping({}) == LearnerParameters()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"magic": 1}, "Unknown model parameter 'magic'"),
        ({"max_depth": 2.5}, "'max_depth' must be a whole number from 1 to 16, got 2.5"),
        ({"learning_rate": 0}, "'learning_rate' must be a number from 0.0001 to 1, got 0"),
        ({"n_estimators": True}, "got True"),
        ({"n_estimators": "many"}, "got 'many'"),
    ],
)
def test_wrong_parameters_are_refused_by_name(given: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        LearnerParameters.from_mapping(given)


def test_the_training_window_ends_where_the_forecast_begins() -> None:
    start = 100 * DAY_S
    window = training_window(start, 3600)
    assert (window.start_s, window.end_s) == (70 * DAY_S, start)
    assert training_window(start, 3600, period_s=14 * DAY_S).start_s == 86 * DAY_S
    assert training_window(start, 3600, train_start_s=90 * DAY_S, period_s=14 * DAY_S).start_s == 90 * DAY_S
    assert training_window(start, 3600, train_start_s=0, longest_s=50 * DAY_S).start_s == 50 * DAY_S
    assert training_window(start, 7 * 60, period_s=2 * DAY_S + 60).start_s == start - 411 * 7 * 60


@pytest.mark.parametrize("given", [{"train_start_s": 99 * DAY_S}, {"train_start_s": 101 * DAY_S}, {"longest_s": DAY_S}])
def test_a_training_window_below_two_days_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(ForecastImpossible, match="at least 2 days"):
        training_window(100 * DAY_S, 3600, **given)


def test_the_same_time_of_day_is_found_over_a_change_of_the_clock() -> None:
    start = datetime.fromisoformat("2024-03-30T00:00:00+01:00")
    days = Days(int(start.timestamp()), 3600, 72, "Europe/Amsterdam")
    # 12:00 on Sunday the 31st is 35 hours after Saturday's midnight, since the night had one hour less.
    noon, one = np.array([35]), np.array([1])
    assert days.days_before(noon, one, np.array([24])).tolist() == [12]
    phase, weekday = days.phases(noon)
    assert phase.tolist() == [0.5]
    assert weekday.tolist() == [6.0]


def test_what_is_not_known_yet_is_never_looked_at() -> None:
    start = int(datetime.fromisoformat("2024-03-30T00:00:00+01:00").timestamp())
    days = Days(start, 3600, 96, "Europe/Amsterdam")
    for known in range(24, 60):
        events = np.arange(known, known + 30)
        until = np.full_like(events, known)
        assert (days.days_before(events, days.days_to(events, until), until) < known).all()


def test_short_gaps_are_bridged_and_long_ones_take_the_day_before() -> None:
    series = np.tile(np.arange(24.0), 4)
    broken = series.copy()
    broken[30] = np.nan
    broken[48:72] = np.nan
    full = filled(broken, 24)
    np.testing.assert_array_equal(full, series)


def test_before_and_after_what_is_known_nothing_is_made_up() -> None:
    full = filled(np.array([np.nan, 1.0, np.nan, 3.0, np.nan]), 24)
    np.testing.assert_array_equal(full, [np.nan, 1.0, 2.0, 3.0, np.nan])
