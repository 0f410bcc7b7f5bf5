"""Time spans as .NET writes them in its constant format: ``[d.]hh:mm:ss[.fffffff]``; not ISO 8601."""

from __future__ import annotations

import re
from datetime import timedelta

# The longest that .NET can hold; clients could not read a longer one.
LONGEST = timedelta(days=10_675_199, hours=2, minutes=48, seconds=5, microseconds=477_580)

_FORMAT = re.compile(
    r"(?:(?P<days>[0-9]{1,8})\.)?(?P<hours>[01][0-9]|2[0-3]):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9])"
    r"(?:\.(?P<fraction>[0-9]{1,7}))?"
)


def parse_time_span(text: str) -> timedelta:
    """The time span that a text names; .NET's finest digit, of 100 ns, is cut off.

    Raises:
        ValueError: it does not have the format, or is longer than .NET can hold.
    """
    parts = _FORMAT.fullmatch(text)
    if parts is None:
        raise ValueError(f"'{text}' is no time span of the form [d.]hh:mm:ss[.fffffff]")
    span = timedelta(
        days=int(parts["days"] or 0),
        hours=int(parts["hours"]),
        minutes=int(parts["minutes"]),
        seconds=int(parts["seconds"]),
        microseconds=int((parts["fraction"] or "").ljust(7, "0")[:6]),
    )
    if span > LONGEST:
        raise ValueError(f"'{text}' is longer than a time span can be ({format_time_span(LONGEST)})")
    return span


def format_time_span(span: timedelta) -> str:
    """A time span, not negative, as .NET writes it: days and fraction only where they are not zero."""
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{span.days}." if span.days else ""
    fraction = f".{span.microseconds:06}0" if span.microseconds else ""
    return f"{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}"
