"""Posted values as their job holds them, and as they go into the store: on the sensor's resolution and in its unit. Pure."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.beliefs import KnowledgeHorizon, NewSeries, microseconds
from shared.errors import InvalidInput
from shared.ids import AccountId, SensorId, SourceId

Finite = Annotated[float, Field(allow_inf_nan=False)]


class PostingInvalid(InvalidInput):
    """What a job says cannot be done for its sensor."""

    code = "posting_invalid"


class PostingSource(BaseModel):
    """The user who states the values."""

    model_config = ConfigDict(frozen=True)

    user_number: int | None = None
    name: str
    account: UUID | None = None


class ValuesArguments(BaseModel):
    """Arguments of a job that stores posted values. ``step_s`` is the distance of the values as they were given."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["values"]
    start: AwareDatetime
    step_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    factor: Finite = 1.0
    offset: Finite = 0.0
    belief_time: AwareDatetime | None = None
    horizon_s: Finite | None = None
    source: PostingSource


class UploadArguments(BaseModel):
    """Arguments of a job that stores a file. ``belief_time`` is when it arrived."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["upload"]
    filename: str
    unit: str | None = None
    is_measured_instantly: bool = False
    belief_time: AwareDatetime
    source: PostingSource


A = TypeVar("A", bound=BaseModel)


def read_arguments(model: type[A], given: Mapping[str, object]) -> A:
    """A job's arguments.

    Raises:
        PostingInvalid: they are not what they should be.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise PostingInvalid(f"The job's arguments are wrong: {path}: {first['msg']}") from None


@dataclass(frozen=True, slots=True)
class Stated:
    """By whom and about what."""

    account_id: AccountId | None
    sensor_id: SensorId
    source_id: SourceId
    resolution_s: int
    knowledge: KnowledgeHorizon
    frequency_s: int | None = None


def series_of(arguments: ValuesArguments, packed: bytes, about: Stated) -> NewSeries:
    """Posted values, (N,) packed little-endian doubles, as a series of events of the sensor.

    Raises:
        PostingInvalid: their distance does not fit the sensor's resolution.
    """
    values = _unpacked(packed)
    if (arguments.factor, arguments.offset) != (1.0, 0.0):
        factor, offset = arguments.factor, arguments.offset
        values = array("d", [value * factor + offset for value in values])
    start_us = microseconds(arguments.start)
    if about.resolution_s:
        step_us = about.resolution_s * 1_000_000
        values = _at_resolution(values, arguments.step_s, about.resolution_s)
        starts: range | array[int] = range(start_us, start_us + step_us * len(values), step_us)
    else:
        starts = _moments(start_us, arguments.step_s, len(values), about.frequency_s)
    after_us = 0 if arguments.horizon_s is None else about.resolution_s * 1_000_000 - round(arguments.horizon_s * 1e6)
    return NewSeries(
        account_id=about.account_id,
        sensor_id=about.sensor_id,
        source_id=about.source_id,
        starts_us=starts,
        values=values,
        knowledge=about.knowledge,
        belief_time=None if arguments.horizon_s is not None else arguments.belief_time,
        believed_after_us=after_us,
    )


def _unpacked(packed: bytes) -> array[float]:
    values = array("d")
    if len(packed) % values.itemsize:
        raise PostingInvalid("The job's data are no packed numbers.")
    values.frombytes(packed)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _at_resolution(values: array[float], step_s: float, resolution_s: int) -> array[float]:
    """Repeated where the step is a multiple of the resolution, averaged where it is a part of it."""
    if step_s >= resolution_s:
        times = round(step_s / resolution_s)
        _check_fits(step_s, times * resolution_s)
        return values if times == 1 else array("d", [value for value in values for _ in range(times)])
    size = round(resolution_s / step_s) if step_s else 0
    _check_fits(step_s * size, resolution_s)
    return array("d", [_mean(values[at : at + size]) for at in range(0, len(values), size)])


def _check_fits(found_s: float, wanted_s: float) -> None:
    # A step that is a fraction has gone through JSON; a year of such steps is still right to the microsecond.
    if not math.isclose(found_s, wanted_s, rel_tol=1e-12):
        raise PostingInvalid("The distance of the values does not fit the sensor's resolution.")


def _mean(values: array[float]) -> float:
    stated = [value for value in values if value == value]  # noqa: PLR0124  # not NaN
    return math.fsum(stated) / len(stated) if stated else math.nan


def _moments(start_us: int, step_s: float, count: int, frequency_s: int | None) -> array[int]:
    step_us = Fraction(step_s).limit_denominator(1_000_000) * 1_000_000
    moments = [start_us + round(at * step_us) for at in range(count)]
    if frequency_s is not None:
        grid_us = frequency_s * 1_000_000
        moments = [round(Fraction(at, grid_us)) * grid_us for at in moments]
    if len(set(moments)) < count:
        raise PostingInvalid("Cannot save multiple instantaneous values that overlap.")
    return array("q", moments)


def belief_of_upload(arguments: UploadArguments, resolution_s: int) -> tuple[datetime | None, int]:
    """Belief time of all, or microseconds from each event's start: measured instantly is known at the event's end."""
    if arguments.is_measured_instantly:
        return None, timedelta(seconds=resolution_s) // timedelta(microseconds=1)
    return arguments.belief_time, 0
