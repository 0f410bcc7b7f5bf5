from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import isodate  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.durations import Duration, DurationUnreadable, MomentOutOfRange, format_duration, parse_duration

SECOND = 1_000_000
HOUR = 3600 * SECOND
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
# Its clock changes by half an hour.
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT15M", Duration(0, 0, 900 * SECOND)),
        ("PT0M", Duration()),
        ("P0D", Duration()),
        ("P1D", Duration(0, 1, 0)),
        ("P2W", Duration(0, 14, 0)),
        ("P1Y2M", Duration(14, 0, 0)),
        ("P0.5Y", Duration(6, 0, 0)),
        ("P1Y2M3W4DT5H6M7.5S", Duration(14, 25, 5 * HOUR + 367 * SECOND + 500_000)),
        # As pandas writes them.
        ("P0DT6H0M0S", Duration(0, 0, 6 * HOUR)),
        ("P1DT0H0M0S", Duration(0, 1, 0)),
        ("P0DT0H15M0.5S", Duration(0, 0, 900 * SECOND + 500_000)),
        # Fractions, also with a comma, and of a day's parts.
        ("PT0.5H", Duration(0, 0, 1800 * SECOND)),
        ("PT1,5S", Duration(0, 0, 1_500_000)),
        ("P0.5D", Duration(0, 0, 12 * HOUR)),
        ("P0.5W", Duration(0, 3, 12 * HOUR)),
        ("-PT1H", Duration(0, 0, -HOUR)),
        ("-P1M1D", Duration(-1, -1, 0)),
        ("+PT1H", Duration(0, 0, HOUR)),
        ("PT90M", Duration(0, 0, 5400 * SECOND)),
        ("PT48H", Duration(0, 0, 48 * HOUR)),
    ],
)
def test_a_duration_keeps_its_calendar_parts(text: str, expected: Duration) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "P1", "1D", "PT1", "P1DT", "P1H", "PT1D", "T1H", "P1D1Y", "PT1H ", " PT1H", "p1d", "P-1D",
                                  "PTxH", "PT1H30", "P0.5M", "P1.3Y", "P10000Y", "PT1e5S", "P١D", "P" + "9" * 99 + "D", "PT.5H"])  # fmt: skip
def test_what_is_no_duration_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(DurationUnreadable) as caught:
        parse_duration(text)
    assert text[:90] in caught.value.message
    assert "ISO8601" in caught.value.message


def test_a_fixed_duration_has_a_length() -> None:
    assert parse_duration("P1DT0H0M0S").seconds == 86400
    assert parse_duration("PT0.5S").seconds == 0.5
    assert parse_duration("-PT1H").seconds == -3600
    assert parse_duration("P1M").seconds is None


@given(st.integers(0, 400), st.integers(0, 30), st.integers(0, 48), st.integers(0, 90), st.integers(0, 90))
def test_whole_parts_are_read_as_isodate_reads_them(
    weeks: int, days: int, hours: int, minutes: int, seconds: int
) -> None:
    text = f"P{days}DT{hours}H{minutes}M{seconds}S"
    assert parse_duration(text).seconds == isodate.parse_duration(text).total_seconds()
    assert parse_duration(f"P{weeks}W").seconds == isodate.parse_duration(f"P{weeks}W").total_seconds()


@pytest.mark.parametrize(
    ("start", "duration", "timezone", "end"),
    [
        # The last Sunday of March has 23 hours in Amsterdam, the last of October 25.
        ("2024-03-31T00:00:00+01:00", "P1D", AMSTERDAM, "2024-04-01T00:00:00+02:00"),
        ("2024-03-31T00:00:00+01:00", "PT24H", AMSTERDAM, "2024-04-01T01:00:00+02:00"),
        ("2024-10-27T00:00:00+02:00", "P1D", AMSTERDAM, "2024-10-28T00:00:00+01:00"),
        ("2024-10-27T00:00:00+02:00", "PT24H", AMSTERDAM, "2024-10-27T23:00:00+01:00"),
        ("2024-03-15T12:00:00+01:00", "P1M", AMSTERDAM, "2024-04-15T12:00:00+02:00"),
        # The days are those of the place, wherever the moment is told.
        ("2024-03-30T23:00:00+00:00", "P1D", AMSTERDAM, "2024-03-31T22:00:00+00:00"),
        ("2024-03-30T23:00:00+00:00", "P1D", UTC, "2024-03-31T23:00:00+00:00"),
        # 02:30 is leapt over, and comes twice.
        ("2024-03-30T02:30:00+01:00", "P1D", AMSTERDAM, "2024-03-31T03:30:00+02:00"),
        ("2024-10-26T02:30:00+02:00", "P1D", AMSTERDAM, "2024-10-27T02:30:00+02:00"),
        ("2024-10-27T02:30:00+01:00", "P1D", AMSTERDAM, "2024-10-28T02:30:00+01:00"),
        ("2024-10-27T02:30:00+01:00", "PT0H", AMSTERDAM, "2024-10-27T02:30:00+01:00"),
        # First the days, then the hours.
        ("2024-03-30T12:00:00+01:00", "P1DT12H", AMSTERDAM, "2024-04-01T00:00:00+02:00"),
        # Lord Howe: half an hour, from +11:00 to +10:30 in April and back in October.
        ("2024-04-06T12:00:00+11:00", "P1D", LORD_HOWE, "2024-04-07T12:00:00+10:30"),
        ("2024-10-05T12:00:00+10:30", "P1D", LORD_HOWE, "2024-10-06T12:00:00+11:00"),
        ("2024-10-05T02:15:00+10:30", "P1D", LORD_HOWE, "2024-10-06T02:45:00+11:00"),
        # A month's last day, where the day itself is missing.
        ("2024-01-31T00:00:00+00:00", "P1M", UTC, "2024-02-29T00:00:00+00:00"),
        ("2023-01-31T00:00:00+00:00", "P1M", UTC, "2023-02-28T00:00:00+00:00"),
        ("2024-02-29T00:00:00+00:00", "P1Y", UTC, "2025-02-28T00:00:00+00:00"),
        ("2024-03-31T00:00:00+00:00", "-P1M", UTC, "2024-02-29T00:00:00+00:00"),
        ("2024-01-15T00:00:00+00:00", "-P13M", UTC, "2022-12-15T00:00:00+00:00"),
        ("2024-11-30T00:00:00+00:00", "P1M", UTC, "2024-12-30T00:00:00+00:00"),
        ("2024-12-31T00:00:00+00:00", "P2M", UTC, "2025-02-28T00:00:00+00:00"),
    ],
)
def test_days_and_months_are_counted_on_the_clock_of_the_place(
    start: str, duration: str, timezone: ZoneInfo, end: str
) -> None:
    found = parse_duration(duration).added_to(datetime.fromisoformat(start), timezone)
    assert found == datetime.fromisoformat(end)
    assert found.tzinfo is UTC


@pytest.mark.parametrize("text", ["P9999Y", "-P9999Y", "P3000000D", "PT80000000H"])
def test_nothing_lies_beyond_the_calendar(text: str) -> None:
    with pytest.raises(MomentOutOfRange):
        parse_duration(text).added_to(datetime(2024, 1, 1, tzinfo=UTC), AMSTERDAM)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(900, "PT15M"), (86400, "P1D"), (5400, "PT1H30M"), (129_600, "P1DT12H"), (604_800, "P7D"), (0, "P0D"), (-3600, "-PT1H"),
     (0.5, "PT0.5S"), (90_061, "P1DT1H1M1S"), (2_592_000, "P30D"), (12.25, "PT12.25S")],
)  # fmt: skip
def test_lengths_are_written_in_days_hours_and_minutes(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_no_duration_is_written_as_asked() -> None:
    assert format_duration(0, zero="PT0H") == "PT0H"


@given(st.integers(-(10**15), 10**15))
def test_a_written_length_reads_back(microseconds: int) -> None:
    found = parse_duration(format_duration(microseconds / SECOND))
    assert found.days * 86400 * SECOND + found.microseconds == pytest.approx(microseconds, abs=1)


@given(
    st.timedeltas(timedelta(seconds=1), timedelta(days=3000)).map(
        lambda one: timedelta(seconds=one // timedelta(seconds=1))
    )
)
def test_whole_seconds_are_written_as_isodate_writes_them(length: timedelta) -> None:
    assert format_duration(length.total_seconds()) == isodate.duration_isoformat(length)
