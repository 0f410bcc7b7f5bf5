"""When an event is known: at its end, unless the sensor's attribute ``knowledge_horizon`` says otherwise. Pure.

A belief from before that moment is a forecast (ex ante), any later one a measurement (ex post).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from shared.durations import DurationUnreadable, parse_duration
from shared.errors import InvalidInput

ATTRIBUTE = "knowledge_horizon"

_MOST_DAYS = 3660
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class KnowledgeHorizonInvalid(InvalidInput):
    """The attribute is neither a duration nor a time of a day before."""

    code = "knowledge_horizon_invalid"

    def __init__(self, given: object) -> None:
        super().__init__(
            f"Attribute {ATTRIBUTE} must be an ISO 8601 duration before the event, such as 'PT24H', or an object such as "
            f"{{'days': 1, 'time': '12:00', 'timezone': 'Europe/Amsterdam'}}, not {str(given)[:100]}."
        )


@dataclass(frozen=True, slots=True)
class KnowledgeHorizon:
    """Known ``after_us`` from the event's start; with ``days`` instead so many days before, at ``time_us`` of that day in ``timezone``."""

    after_us: int
    days: int | None = None
    time_us: int = 0
    timezone: str = "UTC"


def knowledge_horizon(attributes: Mapping[str, object], *, resolution_s: int, timezone: str) -> KnowledgeHorizon:
    """When events of a sensor with these attributes are known.

    Raises:
        KnowledgeHorizonInvalid: the attribute says nothing that can be understood.
    """
    given = attributes.get(ATTRIBUTE)
    if given is None:
        return KnowledgeHorizon(resolution_s * 1_000_000)
    if isinstance(given, str):
        return KnowledgeHorizon(-_fixed_us(given))
    if isinstance(given, Mapping) and given.keys() <= {"days", "time", "timezone"}:
        return _of_a_day(given, timezone)
    raise KnowledgeHorizonInvalid(given)


def _fixed_us(text: str) -> int:
    try:
        seconds = parse_duration(text).seconds
    except DurationUnreadable:
        raise KnowledgeHorizonInvalid(text) from None
    if seconds is None:
        raise KnowledgeHorizonInvalid(text)
    return round(seconds * 1_000_000)


def _of_a_day(given: Mapping[str, object], timezone: str) -> KnowledgeHorizon:
    days, zone = given.get("days"), given.get("timezone", timezone)
    time = _TIME.fullmatch(str(given.get("time", "")))
    if type(days) is not int or not 0 <= days <= _MOST_DAYS or time is None or not isinstance(zone, str):
        raise KnowledgeHorizonInvalid(given)
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        raise KnowledgeHorizonInvalid(given) from None
    return KnowledgeHorizon(0, days, (int(time[1]) * 60 + int(time[2])) * 60_000_000, zone)
