"""Series on the steps of a window: time-weighted means, whatever grid they were recorded on."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan, nan
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from services.optimizer.scheduling.building.input_series import (
    InputSeries,
    at_moments,
    nearest_value,
    on_steps,
    resampled,
)
from services.optimizer.scheduling.building.window import Window, epoch_s
from shared.flexibility.quantities import Overlap

START = datetime(2024, 1, 1, tzinfo=UTC)
T0 = epoch_s(START)


def series(minutes: list[float], values: list[float], resolution_min: float) -> InputSeries:
    starts = np.array([T0 + 60 * m for m in minutes], dtype=np.int64)
    return InputSeries(starts, np.array(values, dtype=float), int(60 * resolution_min), "MW")


def window(count: int, step_min: int) -> Window:
    return Window(START, 60 * step_min, count)


@pytest.mark.parametrize(
    ("step_min", "count", "expected"),
    [
        (15, 8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (30, 4, [1.5, 3.5, 5.5, 7.5]),
        (60, 2, [2.5, 6.5]),
        (5, 6, [1, 1, 1, 2, 2, 2]),
        # 15 of 20 minutes of the first, 5 of the second, and so on.
        (20, 6, [1.25, 2.5, 3.75, 5.25, 6.5, 7.75]),
        (45, 3, [2, 5, 7.5]),
    ],
)
def test_quarters_of_an_hour_are_averaged_or_repeated(step_min: int, count: int, expected: list[float]) -> None:
    quarters = series([15 * k for k in range(8)], [1, 2, 3, 4, 5, 6, 7, 8], 15)
    np.testing.assert_allclose(on_steps(quarters, window(count, step_min)), expected, rtol=1e-12)


def test_data_off_the_clock_count_by_the_time_that_they_cover() -> None:
    # From seven minutes past on: the first hour has nothing before, and the second seven minutes of the first value.
    values = on_steps(series([7, 67], [6, 12], 60), window(3, 60))
    np.testing.assert_allclose(values, [6, (7 * 6 + 53 * 12) / 60, 12], rtol=1e-12)


def test_gaps_are_left_out_of_means_and_steps_without_data_are_not_a_number() -> None:
    values = on_steps(series([0, 30, 45, 180], [1, 2, nan, 4], 15), window(4, 60))
    np.testing.assert_allclose(values, [1.5, nan, nan, 4], rtol=1e-12)


def test_equal_values_stay_exactly_what_they_are() -> None:
    tenth = series([5 * k for k in range(36)], [0.1] * 36, 5)
    assert set(on_steps(tenth, window(3, 60))) == {0.1}


def test_a_day_of_23_hours_ends_where_the_next_begins() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    days = [datetime(2026, 3, day, tzinfo=zone) for day in (28, 29, 30)]
    starts = np.array([epoch_s(day) for day in days], dtype=np.int64)
    values = on_steps(
        InputSeries(starts, np.array([1.0, 2.0, 3.0]), 86_400, "MW"), Window(days[0].astimezone(UTC), 3600, 71)
    )
    assert list(values) == [1.0] * 24 + [2.0] * 23 + [3.0] * 24


def test_hours_of_a_clock_that_goes_forward_by_half_an_hour_count_by_the_time_that_they_cover() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    # At two it is half past two, so that the hour from there to three lasts half an hour.
    hours = [datetime(2026, 10, 4, at, minute, tzinfo=zone) for at, minute in ((0, 0), (1, 0), (2, 30), (3, 0), (4, 0))]
    starts = np.array([epoch_s(hour) for hour in hours], dtype=np.int64)
    assert list(np.diff(starts)) == [3600, 3600, 1800, 3600]
    prices = InputSeries(starts, np.array([1.0, 2.0, 4.0, 8.0, 16.0]), 3600, "MW")
    values = on_steps(prices, Window(hours[0].astimezone(UTC), 3600, 4))
    assert list(values) == [1.0, 2.0, 6.0, 12.0]


def test_moments_in_a_step_are_averaged_without_weights() -> None:
    np.testing.assert_allclose(on_steps(series([0, 10, 60], [1, 3, 5], 0), window(3, 60)), [2, 5, nan])


def test_means_agree_with_adding_up_second_by_second() -> None:
    seeds = np.random.default_rng(7)
    for _ in range(20):
        step_min, resolution_min = int(seeds.integers(1, 40)), int(seeds.integers(1, 40))
        starts = np.flatnonzero(seeds.random(12) < 0.8) * resolution_min + int(seeds.integers(-9, 9))
        values = seeds.normal(size=len(starts))
        minutes = np.full(2000, nan)
        for start, value in zip(starts, values, strict=True):
            minutes[500 + start : 500 + start + resolution_min] = value
        expected = [
            np.nan if np.isnan(part).all() else np.nanmean(part)
            for part in (minutes[500 + k * step_min : 500 + (k + 1) * step_min] for k in range(10))
        ]
        found = on_steps(series(list(starts), list(values), resolution_min), window(10, step_min))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [(Overlap.LARGEST, [1, 3, 3, 2, nan]), (Overlap.SMALLEST, [1, 1, 2, 2, nan]), (Overlap.FIRST, [1, 1, 3, 2, nan])],
)
def test_an_event_counts_at_both_of_its_ends(overlap: Overlap, expected: list[float]) -> None:
    values = at_moments(series([0, 60, 120], [1, 3, 2], 60), window(4, 60), overlap)
    np.testing.assert_allclose(values, expected)


def test_a_value_about_a_moment_counts_at_the_nearest_moment() -> None:
    values = at_moments(series([50, 65, 125], [1, 3, 2], 0), window(3, 60), Overlap.LARGEST)
    np.testing.assert_allclose(values, [nan, 3, 2, nan])


def test_of_two_values_as_near_the_later_counts_and_none_beyond_the_radius() -> None:
    around = series([-30, 30], [1, 2], 0)
    assert nearest_value(around, T0, 1800) == 2
    assert nearest_value(around, T0 - 60, 1800) == 1
    assert nearest_value(around, T0 + 3700, 1800) is None
    assert nearest_value(series([], [], 0), T0, 1800) is None


def test_a_schedule_is_repeated_on_a_finer_sensor_and_averaged_on_a_coarser_one() -> None:
    values = np.array([1.0, 2.0, 3.0])
    assert list(resampled(values, window(3, 60), 1800)) == [1, 1, 2, 2, 3, 3]
    assert list(resampled(values, window(3, 60), 7200)) == [1.5, 3]
    assert not any(isnan(one) for one in resampled(values, window(3, 60), 2700))
