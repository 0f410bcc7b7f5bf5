"""Values that were posted, as they go to whoever stores them: packed, with where they begin and how far apart they are. Pure."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.dialects.flexibility.moments import floored
from services.gateway.dialects.flexibility.validation import WHOLE, invalid_field
from shared.beliefs import frequency_s, is_floored

# Where a fault of posted data, or of a wish to read, is said to be.
DATA = "combined_sensor_data_description"

MOST_VALUES = 1_000_000

_NUMBERS = {float, int, type(None)}


@dataclass(frozen=True, slots=True)
class Posted:
    """Values that fit a sensor. ``packed`` are (count,) little-endian doubles, NaN where nothing is said; ``step_s`` is how far apart
    they are, and 0 for a single value at a moment.
    """

    start: datetime
    step_s: Fraction
    count: int
    packed: bytes


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the events of a sensor may begin. ``resolution_s`` is 0 for a sensor of moments, which ``frequency_s`` may round;
    ``timezone`` is that of the sensor's clock.
    """

    resolution_s: int
    is_floored: bool = True
    frequency_s: int | None = None
    timezone: str = "UTC"


def grid_of(resolution_s: int, attributes: Mapping[str, object], timezone: str) -> Grid:
    """The grid of a sensor with these attributes (its own before those of its asset)."""
    return Grid(resolution_s, is_floored(attributes), frequency_s(attributes), timezone)


def fit(values: object, start: datetime, duration: timedelta, grid: Grid) -> Posted:
    """Values that cover ``duration`` from ``start`` on, in the steps in which they were given, and on the sensor's grid.

    Raises:
        Invalid: they are no numbers, or do not fit the sensor's resolution.
    """
    count, packed = _packed(values)
    if duration < timedelta(0):
        raise invalid_field(DATA, "duration", "The duration must not be negative.")
    step_s = Fraction(duration // timedelta(microseconds=1), 1_000_000 * count)
    if grid.resolution_s:
        _check_fits(step_s, grid.resolution_s)
        on_grid = _on_grid(start, grid) if grid.is_floored else start
        return Posted(on_grid.astimezone(UTC), step_s, count, packed)
    if count > 1 and step_s < (grid.frequency_s or Fraction(1, 1_000_000)):
        text = "Cannot save multiple instantaneous values that overlap: they would be about one and the same moment."
        raise invalid_field(DATA, WHOLE, text)
    rounded = start if grid.frequency_s is None else _rounded(start, timedelta(seconds=grid.frequency_s))
    return Posted(rounded.astimezone(UTC), step_s if count > 1 else Fraction(0), count, packed)


def _on_grid(start: datetime, grid: Grid) -> datetime:
    """The last step at or before, by the clock with which the moment was given. What is a step by the sensor's own clock stays where
    it is: its midnight, say, given in UTC.
    """
    step = timedelta(seconds=grid.resolution_s)
    is_step = floored(start.astimezone(ZoneInfo(grid.timezone)), step) == start
    return start if is_step else floored(start, step)


def _check_fits(step_s: Fraction, resolution_s: int) -> None:
    if not step_s:
        raise invalid_field(
            DATA, WHOLE, "A value at a moment cannot be saved on a sensor whose values are about periods."
        )
    if step_s % resolution_s and resolution_s % step_s:
        given, required = timedelta(seconds=float(step_s)), timedelta(seconds=resolution_s)
        text = f"Resolution of {given} is incompatible with the sensor's required resolution of {required}."
        raise invalid_field(DATA, WHOLE, text)


def _packed(values: object) -> tuple[int, bytes]:
    listed: list[Any] = (
        values if isinstance(values, list) else [values]
    )  # Any: whatever JSON holds, until it is looked at
    if not listed:
        raise invalid_field(DATA, "values", "There must be at least one value.")
    if len(listed) > MOST_VALUES:
        raise invalid_field(DATA, "values", f"More than {MOST_VALUES} values.")
    if not set(map(type, listed)) <= _NUMBERS or listed == [None] != values:
        position, wrong = next(((at, each) for at, each in enumerate(listed) if type(each) not in _NUMBERS), (0, None))
        raise invalid_field(DATA, "values", f"Not a valid number: {str(wrong)[:100]!r} at position {position}.")
    try:
        packed = array("d", [math.nan if value is None else value for value in listed])
    except OverflowError:
        raise invalid_field(DATA, "values", "A number is too large.") from None
    if any(math.isinf(value) for value in packed):
        raise invalid_field(DATA, "values", "A number is too large.")
    if sys.byteorder == "big":
        packed.byteswap()
    return len(listed), packed.tobytes()


def _rounded(moment: datetime, step: timedelta) -> datetime:
    """The nearest step; the even one of two that are as near."""
    below = floored(moment, step)
    above_by = moment - below
    count = (below - datetime(1970, 1, 1, tzinfo=UTC)) // step
    is_up = above_by * 2 > step or (above_by * 2 == step and count % 2 == 1)
    return below + step if is_up else below
