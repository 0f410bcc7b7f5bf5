"""Durations as ISO 8601 writes them, with calendar parts kept: a month is a month, and a day is a day of the place's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from shared.errors import InvalidInput

DAY_S = 86_400
_MAX_LENGTH = 100
_MAX_MONTHS = 12 * 9999
_MAX_DAYS = 366 * 9999
_NUMBER = r"[0-9]{1,20}(?:[.,][0-9]{1,20})?"
_ISO = re.compile(
    rf"(?P<sign>[-+]?)P(?=.)(?:(?P<years>{_NUMBER})Y)?(?:(?P<months>{_NUMBER})M)?(?:(?P<weeks>{_NUMBER})W)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=.)(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?)?"
)


class DurationUnreadable(InvalidInput):
    """The text is no ISO 8601 duration, or one of more than 9999 years."""

    code = "duration_unreadable"

    def __init__(self, text: str) -> None:
        super().__init__(f"Cannot parse '{text[:_MAX_LENGTH]}' as ISO8601 duration.")
        self.text = text


class MomentOutOfRange(InvalidInput):
    """A moment and a duration lead out of the calendar (years 1 to 9999)."""

    code = "moment_out_of_range"


@dataclass(frozen=True)
class Duration:
    """Months and days of the calendar, and a fixed remainder in microseconds; the parts may be negative."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    @property
    def seconds(self) -> float | None:
        """Its length [s] with days of 24 hours; None where months make it depend on when it begins."""
        return None if self.months else self.days * DAY_S + self.microseconds / 1_000_000

    def negated(self) -> Duration:
        """As long, towards the past."""
        return Duration(-self.months, -self.days, -self.microseconds)

    def added_to(self, moment: datetime, timezone: tzinfo = UTC) -> datetime:
        """The moment (aware) that lies this far on, in UTC.

        Months and days are counted on the clock of the place, so that a day there may have 23 or 25 hours; a day that a month
        lacks is its last. A time that the clock leaps over is as much later as the leap, one that it shows twice is the first.
        The fixed remainder is added after that.

        Raises:
            MomentOutOfRange: The result is no date of the calendar.
        """
        try:
            if self.months or self.days:
                local = moment.astimezone(timezone).replace(tzinfo=None)
                moment = (_months_on(local, self.months) + timedelta(days=self.days)).replace(tzinfo=timezone)
            return moment.astimezone(UTC) + timedelta(microseconds=self.microseconds)
        except (OverflowError, ValueError) as error:
            raise MomentOutOfRange(f"{moment.isoformat()} and that duration lead out of the calendar.") from error


def parse_duration(text: str) -> Duration:
    """The duration that the text says: "PT15M", "P1M", "P2W", "P0DT6H0M0S", "PT0.5H", "-PT1H".

    A part of a day (week, hour, …) may be a fraction. A part of a year may be one if it comes to whole months, a part of a month
    may not: its length is not known.

    Raises:
        DurationUnreadable: The text is no such duration.
    """
    found = _ISO.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        raise DurationUnreadable(text)
    part = {name: Decimal((found[name] or "0").replace(",", ".")) for name in found.groupdict() if name != "sign"}
    months = 12 * part["years"] + part["months"]
    days = 7 * part["weeks"] + part["days"]
    seconds = (days % 1) * DAY_S + 3600 * part["hours"] + 60 * part["minutes"] + part["seconds"]
    if months % 1 or months > _MAX_MONTHS or days > _MAX_DAYS or seconds > _MAX_DAYS * DAY_S:
        raise DurationUnreadable(text)
    duration = Duration(int(months), int(days), round(seconds * 1_000_000))
    return duration.negated() if found["sign"] == "-" else duration


def format_duration(seconds: float, *, zero: str = "P0D") -> str:
    """A fixed length [s] in ISO 8601, with days of 24 hours: "PT15M", "P1D", "P1DT12H", "-PT1H", "PT0.5S".

    Args:
        zero: how no duration is written, which differs from place to place.
    """
    microseconds = round(seconds * 1_000_000)
    if microseconds == 0:
        return zero
    sign = "-" if microseconds < 0 else ""
    days, rest = divmod(abs(microseconds), DAY_S * 1_000_000)
    hours, rest = divmod(rest, 3_600_000_000)
    minutes, rest = divmod(rest, 60_000_000)
    whole, fraction = divmod(rest, 1_000_000)
    second = f"{whole}.{fraction:06d}".rstrip("0").rstrip(".") if fraction else str(whole)
    date = f"{days}D" if days else ""
    time = "".join(
        f"{part}{letter}" for part, letter in ((hours, "H"), (minutes, "M"), (second, "S")) if part not in (0, "0")
    )
    return f"{sign}P{date}{'T' + time if time else ''}"


def _months_on(moment: datetime, months: int) -> datetime:
    if not months:
        return moment
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    first = moment.replace(year=year, month=month + 1, day=1)
    return first.replace(day=min(moment.day, _days_in(first)))


def _days_in(first: datetime) -> int:
    if first.month == 12:
        return 31
    return (first.replace(month=first.month + 1) - first).days
