"""Types of the fields of sensors: units that we know, resolutions of whole minutes, time zones."""

from __future__ import annotations

import difflib
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from services.gateway.dialects.flexibility.fields import Attributes, without_nul
from shared.beliefs import KnowledgeHorizonInvalid, knowledge_horizon
from shared.durations import DurationUnreadable, format_duration, parse_duration
from shared.errors import InvalidInput
from shared.identity.rules import check_timezone
from shared.units import UnknownUnit, parse_unit

LONGEST_UNIT = 80
MINUTE_S = 60
# A year of hours, as the coarsest series that anybody keeps.
LONGEST_RESOLUTION_S = 366 * 24 * 3600
SIMILAR_NAMES = 3


def _unit(text: str) -> str:
    unit = text.strip()
    try:
        parse_unit(unit)
    except UnknownUnit as error:
        raise ValueError(error.message) from None
    return unit


def _resolution(text: str) -> str:
    resolution_s(text)
    return text


def resolution_s(text: str) -> int:
    """A resolution in seconds, from an ISO 8601 duration; 0 for values at moments.

    Raises:
        ValueError: it is none of fixed length, no whole number of minutes, or too long.
    """
    try:
        seconds = parse_duration(text).seconds
    except DurationUnreadable as error:
        raise ValueError(error.message) from None
    if seconds is None or not 0 <= seconds <= LONGEST_RESOLUTION_S:
        raise ValueError(f"{text} is no ISO8601 duration between zero and a year of 366 days that has a fixed length.")
    if seconds % MINUTE_S:
        # The grammar of this text is part of what clients compare.
        raise ValueError("FlexMeasures only support multiples of 1 minute.")
    return int(seconds)


def resolution_text(seconds: int) -> str:
    """The resolution of a sensor as this API writes it."""
    return format_duration(seconds)


def _attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    try:
        knowledge_horizon(attributes, resolution_s=0, timezone="UTC")
    except KnowledgeHorizonInvalid as error:
        raise ValueError(error.message) from None
    return attributes


def _timezone(name: str) -> str:
    try:
        check_timezone(name)
    except InvalidInput as error:
        close = difflib.get_close_matches(name, available_timezones(), SIMILAR_NAMES)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(error.message + hint) from None
    return name


UnitText = Annotated[str, Field(max_length=LONGEST_UNIT), AfterValidator(without_nul), AfterValidator(_unit)]
Resolution = Annotated[str, Field(max_length=50), AfterValidator(_resolution)]
Timezone = Annotated[str, Field(max_length=100), AfterValidator(_timezone)]
# Free, but for what says when an event is known.
SensorAttributes = Annotated[Attributes, AfterValidator(_attributes)]
