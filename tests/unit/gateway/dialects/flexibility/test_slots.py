"""The numbers are those that were measured of FlexMeasures, but for resolutions that neither divide nor are multiples."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.dialects.flexibility.slots import Slots, converted, sampling_step
from shared.beliefs import Series, microseconds

START = datetime(2024, 3, 1, tzinfo=UTC)
MINUTE_US = 60_000_000
NONE = None


def eight_quarters() -> Series:
    begin = microseconds(START)
    return Series(array("q", [begin + 15 * MINUTE_US * at for at in range(8)]), array("d", range(1, 9)))


def slots(start: int, minutes: int, step: int) -> Slots:
    begin = START + timedelta(minutes=start)
    return Slots.between(begin, begin + timedelta(minutes=minutes), timedelta(minutes=step))


@pytest.mark.parametrize(
    ("start", "minutes", "step", "expected"),
    [
        (0, 120, 15, [1, 2, 3, 4, 5, 6, 7, 8]),
        (0, 120, 30, [1.5, 3.5, 5.5, 7.5]),
        (0, 120, 60, [2.5, 6.5]),
        (0, 30, 5, [1, 1, 1, 2, 2, 2]),
        (0, 120, 45, [2, 5, NONE]),
        (0, 50, 15, [1, 2, 3, 4]),
        (-30, 180, 15, [NONE, NONE, 1, 2, 3, 4, 5, 6, 7, 8, NONE, NONE]),
        (5, 60, 15, [NONE] * 4),
        (5, 30, 5, [1, 1, 2, 2, 2, 3]),
        (0, 120, 10, [1, 1.5, 2, 3, 3.5, 4, 5, 5.5, 6, 7, 7.5, 8]),
        (0, 120, 20, [1.25, 2.5, 3.75, 5.25, 6.5, 7.75]),
        (200, 30, 20, [NONE, NONE]),
        (0, 0, 15, []),
    ],
)
def test_values_come_in_slots_of_any_length(start: int, minutes: int, step: int, expected: list[float | None]) -> None:
    assert slots(start, minutes, step).values(eight_quarters(), 15 * MINUTE_US) == expected


def test_values_at_moments_are_sampled() -> None:
    begin = microseconds(START)
    soc = Series(array("q", [begin, begin + 15 * MINUTE_US, begin + 22 * MINUTE_US]), array("d", [10, 11, 12]))
    found = slots(0, 30, 1).values(soc, 0)
    assert len(found) == 30
    assert {at: value for at, value in enumerate(found) if value is not None} == {0: 10, 15: 11, 22: 12}


@pytest.mark.parametrize(
    ("duration", "step"),
    [
        (timedelta(hours=8), timedelta(minutes=5)),
        (timedelta(hours=8, minutes=1), timedelta(minutes=15)),
        (timedelta(hours=48), timedelta(minutes=15)),
        (timedelta(days=14), timedelta(hours=1)),
        (timedelta(weeks=16), timedelta(hours=24)),
        (timedelta(weeks=17), timedelta(hours=168)),
    ],
)
def test_long_windows_are_sampled_less_often(duration: timedelta, step: timedelta) -> None:
    assert sampling_step(duration) == step


def test_values_are_converted_and_gaps_stay() -> None:
    assert converted([1.0, None, 2.0], 4.0, 0.0) == [4.0, None, 8.0]
    assert converted([0.0, None], 1.8, 32.0) == [32.0, None]
    assert converted([1.0, None], 1.0, 0.0) == [1.0, None]
