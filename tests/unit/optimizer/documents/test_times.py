"""ISO 8601 in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.optimizer.documents.times import read_duration_s, read_moment, write_duration, write_moment
from tests.unit.optimizer.documents.patience import patiently


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2019-10-01T00:00Z", "2019-10-01T00:00:00Z"),
        ("2019-10-01T00:00:00Z", "2019-10-01T00:00:00Z"),
        ("2019-10-01T07:30:15", "2019-10-01T07:30:15"),
        ("2019-10-01T07:30", "2019-10-01T07:30:00"),
        ("2019-10-01T07:30:15.500Z", "2019-10-01T07:30:15.5Z"),
        ("2019-10-01T07:30:15.000", "2019-10-01T07:30:15"),
        ("2019-10-01T07:30:15.1234567", "2019-10-01T07:30:15.123456"),
        ("2019-10-01T00:30:00+02:00", "2019-09-30T22:30:00Z"),
        ("2019-10-01T00:30:00-0530", "2019-10-01T06:00:00Z"),
        ("2019-10-01T00:30+01", "2019-09-30T23:30:00Z"),
        ("0007-01-01T00:00:00", "0007-01-01T00:00:00"),
        ("2020-02-29T23:59:59Z", "2020-02-29T23:59:59Z"),
    ],
)
def test_moment_keeps_its_kind_and_offsets_become_utc(text: str, written: str) -> None:
    assert write_moment(read_moment(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2019-10-01",
        "2019-10-01 00:00:00",
        "20191001T000000",
        "2019-W40-1T00:00",
        "2019-13-01T00:00:00",
        "2019-02-29T00:00:00",
        "2019-10-01T25:00:00",
        "2019-10-01T00:60:00",
        "2019-10-01T00:00:00Zulu",
        "2019-10-01T00:00:00+25:00",
        "2019-10-01T00:00:00.",
        "0000-01-01T00:00:00",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "10000-01-01T00:00:00",
        "２０１９-10-01T00:00:00",
        "2019-10-01T00:00:00\n",
    ],
)
def test_anything_else_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="not a date with a time"):
        read_moment(text)


@patiently
@given(st.datetimes(), st.booleans())
def test_moments_survive_writing_and_reading(moment: datetime, is_aware: bool) -> None:
    moment = moment.replace(tzinfo=UTC) if is_aware else moment
    read = read_moment(write_moment(moment))
    assert (read, read.tzinfo) == (moment, moment.tzinfo)


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("PT0S", 0, "PT0S"),
        ("P0D", 0, "PT0S"),
        ("-PT0S", 0, "PT0S"),
        ("PT1H30M", 5400, "PT1H30M"),
        ("PT90M", 5400, "PT1H30M"),
        ("P1DT2H", 93600, "P1DT2H"),
        ("PT5M25S", 325, "PT5M25S"),
        ("PT6H", 21600, "PT6H"),
        ("P3D", 259200, "P3D"),
        ("PT0.5S", 0.5, "PT0.5S"),
        ("PT59.9999999S", 59.9999999, "PT59.9999999S"),
        ("PT59.99999999S", 59.99999999, "PT1M"),
        ("P99999999DT1S", 8639999913601, "P99999999DT1S"),
    ],
)
def test_duration(text: str, seconds: float, written: str) -> None:
    assert read_duration_s(text) == pytest.approx(seconds, rel=1e-15)
    assert write_duration(read_duration_s(text)) == written


def test_negative_duration_is_read_so_that_the_error_can_say_so() -> None:
    assert read_duration_s("-PT1H") == -3600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "1H",
        "one hour",
        "PT1",
        "P1Y",
        "P1M",
        "P1W",
        "PT1.5H",
        "pt1h",
        "PT1S1H",
        "+PT1H",
        "PT-1H",
        "PT1H ",
        "P1e3D",
        "PT٣H",
        "P999999999D",
        "PT1H\n",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration_s(text)


@patiently
@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3650)))
def test_durations_survive_writing_and_reading(duration: timedelta) -> None:
    seconds = duration.total_seconds()
    assert read_duration_s(write_duration(seconds)) == pytest.approx(seconds, rel=1e-12, abs=1e-9)
