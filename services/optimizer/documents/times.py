"""Date-times and durations in their ISO 8601 notation. A text that is none raises ``ValueError``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,20})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_DURATION = re.compile(
    r"(?P<sign>-?)P(?=.)(?:(?P<days>\d{1,8})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,10})M)?(?:(?P<seconds>\d{1,12}(?:\.\d{1,20})?)S)?)?",
    re.ASCII,
)
_SECONDS_OF = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


def read_moment(text: str) -> datetime:
    """A date with a time: aware and in UTC when it has a zone, naive when not. Seconds may be missing."""
    try:
        moment = datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):  # no such day or hour; or in UTC it is before or after the calendar
        raise ValueError("not a date with a time as ISO 8601 writes it") from None


def write_moment(moment: datetime) -> str:
    """The date-time with seconds, a fraction only where there is one, and a ``Z`` only where it is aware."""
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}{fraction}{'Z' if moment.tzinfo else ''}"


@lru_cache(maxsize=1024)  # a network has thousands of durations and few different ones
def read_duration_s(text: str) -> float:
    """A duration of days, hours, minutes and seconds; years and months have no fixed length and are refused."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError("not a duration of days, hours, minutes and seconds as ISO 8601 writes it")
    seconds = sum(float(found[unit]) * length for unit, length in _SECONDS_OF.items() if found[unit])
    return -seconds if found["sign"] and seconds else seconds


def write_duration(seconds: float) -> str:
    """The duration in the largest units that fit; ``PT0S`` for none."""
    carried, ticks = divmod(round(seconds % 1 * 1e7), 10_000_000)
    minutes, second = divmod(int(seconds) + carried, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    fraction = f".{ticks:07d}".rstrip("0") if ticks else ""
    date = f"{days}D" if days else ""
    time = f"{hour}H" * (hour > 0) + f"{minute}M" * (minute > 0) + f"{second}{fraction}S" * (second > 0 or ticks > 0)
    if not date and not time:
        return "PT0S"
    return f"P{date}T{time}" if time else f"P{date}"
