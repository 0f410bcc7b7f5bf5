"""The forecast task: from stored events to what is to be stored."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.optimizer.tasks.flexibility_values import Events, ForecastInput
from services.optimizer.tasks.forecasts import make, on_grid
from shared.flexibility.forecast_request import ForecastRequest, RegressorReference
from tests.unit.optimizer.forecasting.series import daylight

FIRST = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
US = 1_000_000


def events(values: np.ndarray, *, step_s: int = 3600, shift_s: int = 0) -> Events:
    first_us = int(FIRST.timestamp() + shift_s) * US
    return Events(array("q", range(first_us, first_us + len(values) * step_s * US, step_s * US)), array("d", values))


def given(**more: object) -> ForecastInput:
    start = FIRST + 20 * DAY
    asked = {"horizon_s": 86_400, "frequency_s": 86_400, "retrain_s": 172_800} | more
    request = ForecastRequest(sensor_id=7, start=start, end=start + DAY, window_end=start + DAY, **asked)  # type: ignore[arg-type]
    regressors = tuple(events(daylight(504)) for _ in request.regressors)
    return ForecastInput(request, FIRST, 3600, "kW", "UTC", events(daylight(480)), regressors)


def test_events_find_their_steps_and_gaps_stay_open() -> None:
    stated = Events(array("q", [0, 3600 * US, 3 * 3600 * US]), array("d", [1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(on_grid(stated, 0, 3600, 5), [1.0, 2.0, np.nan, 4.0, np.nan])
    np.testing.assert_array_equal(on_grid(stated, 3600, 3600, 2), [2.0, np.nan])
    assert np.isnan(on_grid(Events(array("q"), array("d")), 0, 3600, 3)).all()


def test_days_that_begin_an_hour_off_the_grid_count_and_several_of_a_step_are_averaged() -> None:
    days = Events(array("q", [0, (86_400 - 3600) * US, 172_800 * US, 172_801 * US]), array("d", [1.0, 2.0, 3.0, 5.0]))
    np.testing.assert_array_equal(on_grid(days, 0, 86_400, 3), [1.0, 2.0, 4.0])


def test_a_forecast_has_the_shape_of_its_window() -> None:
    made = make(given())
    assert made.latest.start == FIRST + 20 * DAY
    assert made.latest.step_s == 3600
    assert list(made.latest.values) == pytest.approx(daylight(24).tolist(), abs=0.5)
    assert [view.belief_time for view in made.views] == [FIRST + 20 * DAY]


def test_limits_hold_after_the_clip_at_nothing_and_before_the_snap() -> None:
    made = make(given(ensure_positive=True, upper=5.0, snaps=()))
    assert max(made.latest.values) <= 5.0


def test_quantiles_stand_beside_the_median() -> None:
    made = make(given(is_probabilistic=True))
    assert [quantile for quantile, _ in made.views[0].quantiles] == [0.1, 0.5, 0.9]


def test_regressors_reach_into_the_window() -> None:
    made = make(given(regressors=(RegressorReference(95, is_past=True, is_future=True),)))
    assert list(made.latest.values) == pytest.approx(daylight(24).tolist(), abs=0.5)


def test_the_last_look_ahead_tells_the_latest() -> None:
    made = make(given(frequency_s=43_200))
    first, second = made.views
    assert list(made.latest.values[:12]) == list(first.quantiles[0][1][:12])
    assert list(made.latest.values[12:]) == list(second.quantiles[0][1])
