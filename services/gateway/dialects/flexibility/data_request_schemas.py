"""What clients send about the data of sensors: values, wishes to read them, and what is to be deleted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.json_schema import WithJsonSchema

from services.gateway.dialects.flexibility.fields import Number, Text
from services.gateway.dialects.flexibility.moments import Moment
from services.gateway.dialects.flexibility.request_schemas import BodyModel
from shared.durations import Duration, parse_duration

# How messages of the first versions called themselves; it changes nothing.
MessageType = Literal[
    "GetSensorDataRequest",
    "PostSensorDataRequest",
    "GetMeterDataRequest",
    "PostMeterDataRequest",
    "GetPrognosisRequest",
    "PostPrognosisRequest",
    "PostPriceDataRequest",
    "PostWeatherDataRequest",
]


def _duration(given: object) -> object:
    return given if isinstance(given, Duration) else parse_duration_text(given)


def parse_duration_text(given: object) -> Duration:
    """The duration that a text says.

    Raises:
        ValueError: it says none.
    """
    if not isinstance(given, str):
        raise ValueError(f"Cannot parse '{str(given)[:100]}' as ISO8601 duration.")  # noqa: TRY004  # pydantic takes no other
    try:
        return parse_duration(given)
    except Exception as error:
        raise ValueError(str(error)) from error


DurationText = Annotated[
    Duration,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "format": "duration", "description": "As ISO 8601 writes it."}),
]


class PostData(BodyModel):
    """Equidistant values of a sensor."""

    start: Moment
    """Where the first value begins, with an offset from UTC."""
    duration: DurationText
    """What all values cover together."""
    values: Annotated[
        Any,  # a number, or a list of numbers and nulls; looked at when it is packed
        WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": ["number", "null"]}}]}),
    ]
    """Numbers, and null where nothing is said; or one number."""
    unit: Text
    prior: Moment | None = None
    """Since when all of it is known; by default since it arrives."""
    horizon: DurationText | None = None
    """Instead of that: how long before its end each value was known; negative is after it."""
    type: MessageType | None = None


class PostDataByAddress(PostData):
    """The same, with the sensor named in the body."""

    sensor: Text
    """Entity address, as ea1.2021-01.io.example:fm1.77."""


class ReadData(BodyModel):
    """Which values of a sensor, and how they are wanted."""

    start: Moment
    duration: DurationText
    unit: Text
    resolution: DurationText | None = None
    """How far the values are apart; by default as the sensor's are."""
    prior: Moment | None = None
    """Only what was known before this."""
    horizon: DurationText | None = None
    """Only what was known at least so long before the end of each event."""
    source: Number | None = None
    source_account: Number | None = Field(default=None, alias="source-account")
    source_type: Text | None = Field(default=None, alias="source-type")
    type: MessageType | None = None


class ReadDataByAddress(ReadData):
    """The same, with the sensor named among the parameters."""

    sensor: Text
    """Entity address, as ea1.2021-01.io.example:fm1.77."""


class DeleteData(BodyModel):
    """Which data of a sensor are to be deleted; by default all."""

    start: Moment | None = None
    until: Moment | None = None
    source: Number | None = None
