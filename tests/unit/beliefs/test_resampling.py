"""Reading at another resolution than a sensor's own; the figures with 1..8 are those of the API's documentation."""

from __future__ import annotations

import random
from array import array

import pytest

from shared.beliefs import Series, dense

MINUTE = 60_000_000
QUARTER = 15 * MINUTE
ONE_TO_EIGHT = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def series(values: list[float], *, first_us: int = 0, step_us: int = QUARTER) -> Series:
    return Series(array("q", [first_us + at * step_us for at in range(len(values))]), array("d", values))


def read(
    of: Series, start_min: float, step_min: float, count: int, *, resolution_us: int = QUARTER
) -> list[float | None]:
    start_us, step_us = round(start_min * MINUTE), round(step_min * MINUTE)
    return dense(of, start_us=start_us, step_us=step_us, count=count, resolution_us=resolution_us)


@pytest.mark.parametrize(
    ("step_min", "expected"),
    [
        (15, ONE_TO_EIGHT),
        (30, [1.5, 3.5, 5.5, 7.5]),
        (60, [2.5, 6.5]),
        (5, [value for value in ONE_TO_EIGHT for _ in range(3)]),
        (45, [2.0, 5.0]),
        (10, [1, 1.5, 2, 3, 3.5, 4, 5, 5.5, 6, 7, 7.5, 8]),
        (20, [1.25, 2.5, 3.75, 5.25, 6.5, 7.75]),
    ],
)
def test_a_slot_has_the_mean_of_what_overlaps_it_by_time(step_min: float, expected: list[float]) -> None:
    assert read(series(ONE_TO_EIGHT), 0, step_min, len(expected)) == pytest.approx(expected, rel=1e-12)


def test_gaps_are_none_and_count_for_nothing_in_a_mean() -> None:
    gappy = Series(array("q", [0, QUARTER, 3 * QUARTER]), array("d", [1.0, 2.0, 4.0]))
    assert read(gappy, -15, 15, 6) == [None, 1, 2, None, 4, None]
    assert read(gappy, 0, 30, 3) == [1.5, 4.0, None]
    assert read(gappy, 0, 60, 1) == [pytest.approx(7 / 3)]
    assert read(gappy, 25, 10, 3) == [2, None, 4]
    assert read(series([]), 0, 15, 3) == [None, None, None]


def test_a_start_off_the_grid_meets_nothing_at_the_sensors_resolution_and_its_parts_at_a_finer_one() -> None:
    assert read(series(ONE_TO_EIGHT), 5, 15, 4) == [None] * 4
    assert read(series(ONE_TO_EIGHT), 5, 5, 6) == [1, 1, 2, 2, 2, 3]
    assert read(series(ONE_TO_EIGHT), 5, 30, 2) == pytest.approx(
        [(1 * 10 + 2 * 15 + 3 * 5) / 30, (3 * 10 + 4 * 15 + 5 * 5) / 30]
    )


def test_a_slot_of_a_sensor_of_moments_has_the_first_value_within_it() -> None:
    moments = Series(array("q", [0, 15 * MINUTE, 22 * MINUTE, 23 * MINUTE]), array("d", [10.0, 11.0, 12.0, 13.0]))
    assert read(moments, 0, 5, 6, resolution_us=0) == [10, None, None, 11, 12, None]
    by_minute = read(moments, 0, 1, 30, resolution_us=0)
    assert {at: value for at, value in enumerate(by_minute) if value is not None} == {0: 10, 15: 11, 22: 12, 23: 13}


def test_the_quick_way_gives_what_the_plain_definition_gives() -> None:
    chance = random.Random(7)
    for _ in range(300):
        values = [chance.uniform(-5, 5) for _ in range(chance.randint(1, 40))]
        keep = (
            range(len(values)) if chance.random() < 0.6 else sorted(chance.sample(range(len(values)), len(values) // 2))
        )
        resolution = chance.choice([5, 15, 60])
        first = chance.choice([0, 0, 5, -15, 60])
        stored = Series(
            array("q", [(first + at * resolution) * MINUTE for at in keep]), array("d", [values[at] for at in keep])
        )
        start, step, count = (
            chance.choice([0, 5, -30, 15, 60]),
            chance.choice([5, 15, 20, 30, 60, 120]),
            chance.randint(1, 20),
        )
        if step == resolution:
            continue
        expected = [by_minute(stored, start + slot * step, step, resolution) for slot in range(count)]
        found = read(stored, start, step, count, resolution_us=resolution * MINUTE)
        assert [value is None for value in found] == [value is None for value in expected]
        assert [v for v in found if v is not None] == pytest.approx([v for v in expected if v is not None])


def by_minute(stored: Series, start: int, step: int, resolution: int) -> float | None:
    """The mean over the minutes of a slot that an event covers, minute by minute."""
    covering = [
        value
        for minute in range(start, start + step)
        for at_us, value in zip(stored.starts_us, stored.values, strict=True)
        if at_us // MINUTE <= minute < at_us // MINUTE + resolution
    ]
    return sum(covering) / len(covering) if covering else None
