"""The window of a schedule: its steps, and what late targets make of its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.optimizer.scheduling.building.window import epoch_s, step_of, window_of

START = datetime(2024, 1, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("asked_s", "sensors_s", "step_s"),
    [(1800, [900], 1800), (None, [3600, 900], 900), (None, [0, 3600], 3600), (None, [0], 900), (None, [], 900)],
)
def test_the_step_is_as_asked_else_that_of_the_finest_sensor(
    asked_s: int | None, sensors_s: list[int], step_s: int
) -> None:
    assert step_of(asked_s, sensors_s) == step_s


def test_a_begun_step_counts() -> None:
    window, warnings = window_of(START, at(1) + timedelta(minutes=50), 900, sensor_step_s=900)
    assert (window.count, window.end, warnings) == (8, at(2), ())
    assert list(window.moments_s[[0, 1, -1]]) == [epoch_s(START), epoch_s(START) + 900, epoch_s(at(2))]


def test_a_late_target_moves_the_end_to_the_step_that_reaches_it() -> None:
    window, warnings = window_of(START, at(4), 3600, sensor_step_s=3600, targets=[at(2), at(5.25)])
    assert (window.end, warnings) == (at(6), ())


def test_a_target_that_is_too_late_is_ignored_with_a_warning() -> None:
    window, warnings = window_of(START, at(4), 3600, sensor_step_s=900, targets=[at(631), at(630), at(6)])
    assert window.end == at(630)
    assert len(warnings) == 1
    assert at(631).isoformat() in warnings[0]


def test_a_window_is_cut_at_2520_steps_of_the_finest_sensor() -> None:
    window, warnings = window_of(START, at(10_000), 3600, sensor_step_s=900)
    assert window.end == at(630)
    assert "2520" in warnings[0]


def test_a_window_without_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="ends at"):
        window_of(START, START, 900, sensor_step_s=900)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Amsterdam", (2026, 3, 29), 23),
        ("Europe/Amsterdam", (2026, 10, 25), 25),
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", (2026, 10, 4), 23.5),
    ],
)
def test_a_day_has_as_many_steps_as_its_clock_gives_it(zone: str, day: tuple[int, int, int], hours: float) -> None:
    start = datetime(*day, tzinfo=ZoneInfo(zone))
    end = (start + timedelta(days=1)).astimezone(UTC)  # the same time of the next day
    window, _ = window_of(start.astimezone(UTC), end, 1800, sensor_step_s=1800)
    assert window.count == 2 * hours
    assert window.end == end


def test_moments_are_found_on_and_between_the_steps() -> None:
    window, _ = window_of(START, at(4), 3600, sensor_step_s=3600)
    assert (window.first_moment_from(at(1)), window.last_moment_until(at(1))) == (1, 1)
    assert (window.first_moment_from(at(1.5)), window.last_moment_until(at(1.5))) == (2, 1)
    assert (window.first_moment_from(at(-0.5)), window.last_moment_until(at(-0.5))) == (0, -1)
