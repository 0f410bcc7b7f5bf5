from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.dialects.flexibility.moments import floored, read_moment


@pytest.mark.parametrize(
    ("text", "offset_h", "utc"),
    [
        ("2024-03-01T00:00:00+01:00", 1, "2024-02-29T23:00:00+00:00"),
        ("2024-03-01T00:00:00Z", 0, "2024-03-01T00:00:00+00:00"),
        ("2024-03-01T00:00:00 01:00", 1, "2024-02-29T23:00:00+00:00"),
        ("2024-03-01T00:00:00.25 0100", 1, "2024-02-29T23:00:00.250000+00:00"),
        ("2024-03-01 00:00-05:30", -5.5, "2024-03-01T05:30:00+00:00"),
    ],
)
def test_a_moment_keeps_the_offset_it_was_given_with(text: str, offset_h: float, utc: str) -> None:
    found = read_moment(text)
    assert found.utcoffset() == timedelta(hours=offset_h)
    assert found == datetime.fromisoformat(utc)


@pytest.mark.parametrize("text", ["2024-03-01T00:00:00", "2024-03-01", "2024-03-01 00:00"])
def test_a_moment_without_an_offset_is_told_as_such(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Not a valid aware datetime\.$"):
        read_moment(text)


@pytest.mark.parametrize("given", ["soon", "", "2024-13-01T00:00:00Z", 5, None, ["x"], "0001-01-01T00:00:00+05:00"])
def test_what_is_no_moment_is_told_as_such(given: object) -> None:
    with pytest.raises(ValueError, match=r"^Not a valid datetime\.$"):
        read_moment(given)


@pytest.mark.parametrize(
    ("moment", "step", "expected"),
    [
        ("2024-03-01T00:07:30+01:00", timedelta(minutes=15), "2024-03-01T00:00:00+01:00"),
        ("2024-03-01T00:15:00+01:00", timedelta(minutes=15), "2024-03-01T00:15:00+01:00"),
        ("2024-03-01T00:20:00+05:30", timedelta(hours=1), "2024-03-01T00:00:00+05:30"),
        ("2024-03-01T13:00:00+02:00", timedelta(days=1), "2024-03-01T00:00:00+02:00"),
        ("1969-12-31T23:59:00+00:00", timedelta(hours=1), "1969-12-31T23:00:00+00:00"),
    ],
)
def test_steps_are_counted_by_the_clock_that_a_moment_was_given_with(
    moment: str, step: timedelta, expected: str
) -> None:
    assert floored(datetime.fromisoformat(moment), step) == datetime.fromisoformat(expected)


def test_flooring_keeps_microseconds_out_and_utc_in() -> None:
    given = datetime(2024, 3, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert floored(given, timedelta(minutes=1)) == datetime(2024, 3, 1, tzinfo=UTC)
