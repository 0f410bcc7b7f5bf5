"""How good forecasts are, that they are the same each time, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from services.optimizer.forecasting import Bounds, ForecastImpossible, Regressor, Viewpoint, forecast
from tests.unit.optimizer.forecasting.series import (
    HOUR_S,
    QUARTER_S,
    cloudy,
    daylight,
    mean_error,
    next_events,
    recorded,
)


def test_a_clean_daily_curve_goes_on_and_nights_are_dark() -> None:
    made = forecast(next_events(daylight(480), 24))
    said = made.values[0][0]
    assert mean_error(said, daylight(24)) <= 0.5
    assert np.abs(said[daylight(24) == 0]).max() < 1e-6


def test_recorded_photovoltaics_are_forecast_better_than_by_yesterday() -> None:
    pv = recorded("pv_production_kw")
    errors, naive_errors = [], []
    for day in range(6, 14):
        known, truth = pv.values[: 24 * day], pv.values[24 * day : 24 * (day + 1)]
        task = next_events(known, 24, start_s=pv.start_s, timezone="Europe/Amsterdam", bounds=Bounds(is_positive=True))
        errors.append(mean_error(forecast(task).values[0][0], truth))
        naive_errors.append(mean_error(known[-24:], truth))
    assert np.mean(errors) <= 1.0 * np.mean(naive_errors)


def test_quarters_of_hours_over_two_days_are_forecast_better_than_by_yesterday() -> None:
    series = cloudy(32, 96)
    known, truth = series[: 30 * 96], series[30 * 96 :]
    said = forecast(next_events(known, 192, QUARTER_S)).values[0][0]
    assert mean_error(said, truth) < mean_error(np.tile(known[-96:], 2), truth)


def test_days_follow_the_week() -> None:
    weeks = 10.0 + np.arange(60, dtype=np.float64) % 7
    said = forecast(next_events(weeks, 7, 86_400)).values[0][0]
    np.testing.assert_allclose(said, 10.0 + np.arange(60, 67) % 7, atol=1e-3)


def test_the_same_task_gives_the_same_bytes() -> None:
    task = next_events(cloudy(20, 24), 24, quantiles=(0.1, 0.5, 0.9))
    assert forecast(task).values[0].tobytes() == forecast(task).values[0].tobytes()


def test_quantiles_do_not_cross_and_hold_their_share_of_days() -> None:
    series = cloudy(60, 24)
    inside = []
    for day in range(50, 60):
        low, middle, high = forecast(next_events(series[: 24 * day], 24, quantiles=(0.1, 0.5, 0.9))).values[0]
        assert (low <= middle).all()
        assert (middle <= high).all()
        noon = series[24 * day + 12]
        inside.append(low[12] - 0.2 <= noon <= high[12] + 0.2)
    # Eight of ten are expected; five or fewer happen once in thirty.
    assert sum(inside) >= 6


def test_a_future_regressor_tells_what_the_past_cannot() -> None:
    clouds = cloudy(35, 24)
    blind, seeing = [], []
    for day in range(31, 35):
        known, truth = clouds[: 24 * day] * 2.0, clouds[24 * day : 24 * (day + 1)] * 2.0
        regressors = (Regressor(95, clouds, is_past=False, is_future=True),)
        blind.append(mean_error(forecast(next_events(known, 24)).values[0][0], truth))
        seeing.append(mean_error(forecast(next_events(known, 24, regressors=regressors)).values[0][0], truth))
    assert np.mean(seeing) < 0.25 * np.mean(blind)


def test_a_past_regressor_that_leads_by_a_day_helps() -> None:
    leading = np.random.default_rng(3).uniform(0.0, 10.0, 62).repeat(24)
    series = np.concatenate([np.zeros(24), leading[:-24]])
    known, truth = series[:1440], series[1440:1464]
    blind = mean_error(forecast(next_events(known, 24)).values[0][0], truth)
    regressor = Regressor(96, leading[:1440], is_past=True, is_future=False)
    seeing = mean_error(forecast(next_events(known, 24, regressors=(regressor,))).values[0][0], truth)
    assert seeing < 0.6 * blind


def test_accuracy_is_told_beside_that_of_yesterday() -> None:
    noisy = daylight(1440) + np.random.default_rng(2).normal(size=1440)
    made = forecast(next_events(noisy, 24))
    assert made.accuracy is not None
    assert made.accuracy.event_count == 240
    # The mean error of normal noise is sqrt(2/pi), and that of two such days apart sqrt(2) times as much.
    assert 0.70 < made.accuracy.error < 1.0
    assert made.accuracy.naive_error == pytest.approx(1.13, abs=0.12)


def test_what_is_missing_at_the_end_is_bridged_and_said() -> None:
    known = daylight(480)
    known[-30:] = np.nan
    made = forecast(next_events(known, 24))
    assert mean_error(made.values[0][0], daylight(24)) <= 0.5
    assert any("last 30 values" in warning for warning in made.warnings)


def test_gaps_inside_do_not_spoil_the_forecast() -> None:
    known = daylight(480)
    known[100:140] = np.nan
    known[301] = np.nan
    said = forecast(next_events(known, 24)).values[0][0]
    assert mean_error(said, daylight(24)) <= 0.5


def test_later_viewpoints_know_more() -> None:
    series = cloudy(21, 24)
    task = replace(
        next_events(series[:480], 24), values=series[:492], viewpoints=(Viewpoint(480, 24), Viewpoint(492, 12))
    )
    first, second = forecast(task).values
    assert first.shape == (1, 24)
    assert second.shape == (1, 12)
    assert not np.allclose(first[0, 12:], second[0])


def test_two_days_are_enough_to_begin_with() -> None:
    said = forecast(next_events(daylight(48), 24)).values[0][0]
    np.testing.assert_allclose(said, daylight(24), atol=1e-9)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (np.full(480, np.nan), "nothing to learn from"),
        (np.concatenate([np.full(440, np.nan), daylight(40)]), "known values span 40 hours"),
    ],
)
def test_too_little_history_is_refused_with_what_would_help(known: np.ndarray, said: str) -> None:
    with pytest.raises(ForecastImpossible, match=said) as refused:
        forecast(next_events(known, 24))
    assert "more history" in refused.value.message or "of history" in refused.value.message


def test_more_missing_than_allowed_is_refused_with_the_share() -> None:
    known = daylight(480)
    known[100:220] = np.nan
    assert forecast(next_events(known, 24, missing_threshold=0.25)).values[0].shape == (1, 24)
    with pytest.raises(ForecastImpossible, match=r"25\.0% of the 480 values"):
        forecast(next_events(known, 24, missing_threshold=0.2))


def test_a_regressor_without_values_is_refused_by_its_number() -> None:
    nothing = Regressor(95, np.full(504, np.nan), is_past=True, is_future=False)
    with pytest.raises(ForecastImpossible, match="sensor 95 is known in the training window"):
        forecast(next_events(daylight(480), 24, regressors=(nothing,)))
    past_only = Regressor(97, daylight(480), is_past=False, is_future=True)
    with pytest.raises(ForecastImpossible, match="future regressor sensor 97 is known in the forecast window"):
        forecast(next_events(daylight(480), 24, regressors=(past_only,)))


@pytest.mark.parametrize("change", ["2024-03-31", "2024-10-27"])
def test_habits_keep_to_the_wall_clock_when_it_is_changed(change: str) -> None:
    begin = int(datetime.fromisoformat(f"{change}T00:00:00+00:00").timestamp()) - 20 * 86_400
    # Somebody turns a kettle on from seven to eight, Amsterdam time.
    summer = change.startswith("2024-10")
    before, after = (5, 6) if summer else (6, 5)
    switched = 20 * 24 + 1  # the clock is changed at 01:00 UTC
    hours = np.arange(22 * 24)
    truth = np.where(hours < switched, hours % 24 == before, hours % 24 == after).astype(float)
    task = next_events(truth[: 21 * 24], 24, start_s=begin, timezone="Europe/Amsterdam")
    said = forecast(task).values[0][0]
    assert said.argmax() == after
    assert said[before] < 0.5


def test_a_forecast_may_begin_at_any_hour() -> None:
    said = forecast(next_events(daylight(487), 30)).values[0][0]
    assert mean_error(said, daylight(600)[487:517]) <= 0.5


def test_a_long_window_is_forecast_with_a_year_of_quarters() -> None:
    series = cloudy(367, 96)
    made = forecast(next_events(series[: 365 * 96], 192, QUARTER_S))
    assert made.values[0].shape == (1, 192)
    assert np.isfinite(made.values[0]).all()


def test_hours_of_a_short_horizon_follow_what_was_just_seen() -> None:
    level = np.random.default_rng(5).normal(size=720).cumsum()
    errors, naive = [], []
    for until in range(704, 719, 2):
        said = forecast(next_events(level[:until], 1, HOUR_S)).values[0][0]
        errors.append(abs(said[0] - level[until]))
        naive.append(abs(level[until - 24] - level[until]))
    assert np.mean(errors) < 0.6 * np.mean(naive)
