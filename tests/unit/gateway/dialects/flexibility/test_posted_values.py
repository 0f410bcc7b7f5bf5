from __future__ import annotations

import math
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from services.gateway.dialects.flexibility.posted_values import MOST_VALUES, Grid, fit, grid_of
from services.gateway.dialects.flexibility.validation import Invalid

START = datetime.fromisoformat("2024-03-01T00:00:00+01:00")
QUARTERS = Grid(900)
HOUR = timedelta(hours=1)


def refusal(values: object, duration: timedelta, grid: Grid = QUARTERS) -> dict[str, Any]:
    with pytest.raises(Invalid) as caught:
        fit(values, START, duration, grid)
    (location,) = caught.value.messages
    assert location == "combined_sensor_data_description"
    found: dict[str, Any] = caught.value.messages[location]
    return found


def test_values_are_packed_as_little_endian_doubles_with_nan_for_null() -> None:
    posted = fit([4.5, 5, None, 6.25], START, HOUR, QUARTERS)
    assert posted.start == datetime(2024, 2, 29, 23, tzinfo=UTC)
    assert posted.step_s == 900
    assert posted.count == 4
    first, second, third, fourth = struct.unpack("<4d", posted.packed)
    assert (first, second, fourth) == (4.5, 5.0, 6.25)
    assert math.isnan(third)


def test_one_number_is_a_list_of_one() -> None:
    assert fit(7, START, timedelta(minutes=30), QUARTERS) == fit([7], START, timedelta(minutes=30), QUARTERS)
    assert fit(7, START, timedelta(minutes=30), QUARTERS).step_s == 1800


@pytest.mark.parametrize(
    ("count", "minutes", "step_s"), [(4, 60, 900), (2, 120, 3600), (6, 30, 300), (7, 15, Fraction(900, 7))]
)
def test_steps_that_are_multiples_or_parts_of_the_resolution_fit(count: int, minutes: int, step_s: Fraction) -> None:
    assert fit([1] * count, START, timedelta(minutes=minutes), QUARTERS).step_s == step_s


def test_other_steps_are_refused_in_the_words_that_clients_know() -> None:
    text = "Resolution of 0:08:45 is incompatible with the sensor's required resolution of 0:15:00."
    assert refusal([1, 2, 3, 4], timedelta(minutes=35)) == {"_schema": [text]}


def test_a_value_over_no_time_is_refused_where_values_are_about_periods() -> None:
    assert "_schema" in refusal([1], timedelta(0))


def test_a_start_off_the_grid_is_floored_unless_the_sensor_says_otherwise() -> None:
    later = START + timedelta(minutes=7)
    assert fit([1], later, timedelta(minutes=15), QUARTERS).start == START
    assert fit([1], later, timedelta(minutes=15), Grid(900, is_floored=False)).start == later


@pytest.mark.parametrize(
    ("given", "grid", "kept"),
    [
        ("2024-02-29T23:00:00Z", Grid(86_400, timezone="Europe/Amsterdam"), "2024-02-29T23:00:00Z"),
        ("2024-06-30T22:00:00Z", Grid(86_400, timezone="Europe/Amsterdam"), "2024-06-30T22:00:00Z"),
        ("2024-03-01T09:00:00+01:00", Grid(86_400, timezone="Europe/Amsterdam"), "2024-02-29T23:00:00Z"),
        ("2024-02-29T18:30:00Z", Grid(3600, timezone="Asia/Kolkata"), "2024-02-29T18:30:00Z"),
        ("2024-02-29T18:00:00Z", Grid(3600, timezone="Asia/Kolkata"), "2024-02-29T18:00:00Z"),
        ("2024-06-30T13:30:00Z", Grid(3600, timezone="Australia/Lord_Howe"), "2024-06-30T13:30:00Z"),
    ],
)
def test_a_step_by_the_sensors_own_clock_stays_where_it_is(given: str, grid: Grid, kept: str) -> None:
    posted = fit([1], datetime.fromisoformat(given), timedelta(seconds=grid.resolution_s), grid)
    assert posted.start == datetime.fromisoformat(kept)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([], "values"),
        (["a"], "values"),
        ([True], "values"),
        ([[1]], "values"),
        ("1", "values"),
        (None, "values"),
        ([10**400], "values"),
        ([float("inf")], "values"),
        ([1] * (MOST_VALUES + 1), "values"),
    ],
)
def test_what_are_no_values_is_refused_at_its_field(values: object, field: str) -> None:
    assert set(refusal(values, HOUR)) == {field}


def test_a_wrong_value_is_told_with_its_position() -> None:
    assert refusal([1, None, "a"], HOUR) == {"values": ["Not a valid number: 'a' at position 2."]}


def test_only_nulls_may_be_stated() -> None:
    assert fit([None], START, timedelta(minutes=15), QUARTERS).count == 1


def test_a_negative_duration_is_refused() -> None:
    assert set(refusal([1], -HOUR)) == {"duration"}


def test_moments_are_kept_exactly() -> None:
    later = START + timedelta(minutes=7, seconds=13)
    for values in ([12], 12):
        posted = fit(values, later, timedelta(0), Grid(0))
        assert posted.step_s == 0
        assert (posted.start, posted.count) == (later, 1)


@pytest.mark.parametrize(("minutes", "rounded"), [(2, 0), (2.5, 0), (2.6, 5), (7.5, 10), (5, 5)])
def test_moments_are_rounded_to_the_frequency_of_the_sensor(minutes: float, rounded: int) -> None:
    posted = fit([5], START + timedelta(minutes=minutes), timedelta(0), Grid(0, frequency_s=300))
    assert posted.start == START + timedelta(minutes=rounded)


def test_several_moments_in_one_slot_are_refused() -> None:
    for duration, grid in ((timedelta(0), Grid(0)), (timedelta(minutes=4), Grid(0, frequency_s=300))):
        (text,) = refusal([1, 2], duration, grid)["_schema"]
        assert text.startswith("Cannot save multiple instantaneous values that overlap")


@pytest.mark.parametrize(
    ("attributes", "grid"),
    [
        ({}, Grid(900)),
        ({"floor_datetimes_to_resolution": False}, Grid(900, is_floored=False)),
        ({"floor_datetimes_to_resolution": True, "frequency": "5min"}, Grid(900, frequency_s=300)),
        ({"frequency": "15T"}, Grid(900, frequency_s=900)),
        ({"frequency": "h"}, Grid(900, frequency_s=3600)),
        ({"frequency": "often"}, Grid(900)),
        ({"frequency": 5}, Grid(900)),
        ({"frequency": "0min"}, Grid(900)),
    ],
)
def test_a_grid_follows_from_attributes(attributes: dict[str, object], grid: Grid) -> None:
    assert grid_of(900, attributes, "Asia/Kolkata") == replace(grid, timezone="Asia/Kolkata")
