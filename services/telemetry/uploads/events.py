"""From the rows of a file to events of a sensor: in its timezone, on its grid, at its resolution, in its unit."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from services.telemetry.uploads.table import Row, UploadInvalid
from shared.beliefs import microseconds, moment
from shared.units import UnitKind, UnitsIncompatible, conversion, kind_of

_SUMMED = {UnitKind.ENERGY, UnitKind.CURRENCY}
_DAY_US = 86_400_000_000
# No clock is put forward or back by more.
_LARGEST_SHIFT_US = 7_200_000_000


@dataclass(frozen=True, slots=True)
class SensorGrid:
    """What a sensor's events look like. ``resolution_s`` is 0 for moments, which ``frequency_s`` may round."""

    unit: str
    resolution_s: int
    timezone: str
    is_floored: bool = True
    frequency_s: int | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """Events in their order: ``starts_us`` (N,) [µs since 1970], ``values`` (N,) [the sensor's unit], NaN where nothing is stated."""

    starts_us: array[int]
    values: array[float]


def events_of(filename: str, rows: Sequence[Row], unit: str, sensor: SensorGrid) -> Events:
    """The events that a file with values in ``unit`` states about a sensor.

    Naive times are the sensor's. The file's resolution is the distance that is most frequent in it. Energy and money are summed to a
    coarser resolution and divided over a finer one; anything else is averaged or repeated. Days are those of the sensor's clock, also
    where they have an hour more or less.

    Raises:
        UploadInvalid: two rows are about one moment, or the resolutions or units do not fit.
    """
    zone = ZoneInfo(sensor.timezone)
    moments = sorted(_aware(rows, zone))
    _check_single(filename, moments)
    starts = [start for start, _, _ in moments]
    values = [value for _, value, _ in moments]
    if sensor.resolution_s == 0:
        return _at_moments(filename, starts, values, unit, sensor)
    resolution_us = sensor.resolution_s * 1_000_000
    file_us = _resolution_of(starts, zone) or resolution_us
    converted = _converted(filename, values, unit, sensor.unit, file_us / 1_000_000)
    if sensor.is_floored:
        if _floored(starts[0], file_us, zone) != starts[0]:
            starts = [_floored(start, file_us, zone) for start in starts]
        grid = [_floored(start, resolution_us, zone) for start in starts]
    else:
        grid = starts
    is_summed = kind_of(sensor.unit) in _SUMMED
    if file_us == resolution_us:
        return _gathered(grid, converted, _mean)
    if resolution_us % file_us == 0:
        return _gathered(grid, converted, math.fsum if is_summed else _mean)
    if file_us % resolution_us == 0:
        ends = [_end(start, file_us, zone) for start in grid]
        return _spread(grid, ends, converted, resolution_us, is_summed=is_summed)
    found, wanted = timedelta(microseconds=file_us), timedelta(microseconds=resolution_us)
    raise UploadInvalid(
        filename, f"Resolution of {found} is incompatible with the sensor's required resolution of {wanted}."
    )


def _aware(rows: Sequence[Row], zone: ZoneInfo) -> list[tuple[int, float, int]]:
    """Starts [µs], values and row numbers. Of a naive time that the clock shows twice the second one is meant if the first has been."""
    found: list[tuple[int, float, int]] = []
    before: int | None = None
    for row in rows:
        when = row.when if row.when.tzinfo is not None else row.when.replace(tzinfo=zone)
        start = microseconds(when)
        if row.when.tzinfo is None and before is not None and start <= before:
            start = max(start, microseconds(when.replace(fold=1)))
        found.append((start, row.value, row.number))
        before = start
    return found


def _check_single(filename: str, moments: Sequence[tuple[int, float, int]]) -> None:
    for (start, _, first), (other, _, second) in pairwise(moments):
        if start == other:
            reason = f"it is about {moment(start).isoformat()}, and so is row {min(first, second)}."
            raise UploadInvalid(filename, reason, row=max(first, second))


def _resolution_of(starts: Sequence[int], zone: ZoneInfo) -> int | None:
    """The distance [µs] that is most frequent, of several the least; None of a single event."""
    distances = Counter(_distance(start, later, zone) for start, later in pairwise(starts))
    return min(distances, key=lambda distance: (-distances[distance], distance)) if distances else None


def _distance(start_us: int, later_us: int, zone: ZoneInfo) -> int:
    """How far apart two events are; whole days by the sensor's clock are whole days."""
    distance = later_us - start_us
    if distance < _DAY_US - _LARGEST_SHIFT_US:
        return distance
    shown = distance + _offset_us(later_us, zone) - _offset_us(start_us, zone)
    return shown if shown % _DAY_US == 0 else distance


def _converted(
    filename: str, values: Sequence[float], unit: str, target: str, resolution_s: float | None
) -> list[float]:
    try:
        convert = conversion(unit, target, resolution_s=resolution_s)
    except UnitsIncompatible:
        reason = f"Required unit for this sensor is {target}, got incompatible unit: {unit}"
        raise UploadInvalid(filename, reason) from None
    return [value * convert.factor + convert.offset for value in values]


def _floored(start_us: int, step_us: int, zone: ZoneInfo) -> int:
    """The last step at or before, counted from midnight of the day by the sensor's clock."""
    shown = start_us + _offset_us(start_us, zone)
    if step_us % _DAY_US:
        return start_us - shown % step_us
    return _moment_of(shown - shown % step_us, zone)


def _end(start_us: int, step_us: int, zone: ZoneInfo) -> int:
    """Where an event of this length ends that begins then."""
    if step_us % _DAY_US:
        return start_us + step_us
    return _moment_of(start_us + _offset_us(start_us, zone) + step_us, zone)


def _offset_us(at_us: int, zone: ZoneInfo) -> int:
    return (moment(at_us).astimezone(zone).utcoffset() or timedelta(0)) // timedelta(microseconds=1)


def _moment_of(shown_us: int, zone: ZoneInfo) -> int:
    """When the clock shows this, which is given as if it were that of UTC."""
    return microseconds(moment(shown_us).replace(tzinfo=zone))


def _at_moments(filename: str, starts: list[int], values: list[float], unit: str, sensor: SensorGrid) -> Events:
    converted = _converted(filename, values, unit, sensor.unit, None)
    if sensor.frequency_s is None:
        return Events(array("q", starts), array("d", converted))
    step = sensor.frequency_s * 1_000_000
    rounded = [round(start / step) * step for start in starts]
    if len(set(rounded)) < len(rounded):
        raise UploadInvalid(filename, "Cannot save multiple instantaneous values that overlap.")
    return Events(array("q", rounded), array("d", converted))


def _gathered(slots: Sequence[int], values: Sequence[float], gather: Callable[[list[float]], float]) -> Events:
    """One value for each slot, made from what falls into it; what states nothing counts for nothing."""
    by_slot: dict[int, list[float]] = {}
    for slot, value in zip(slots, values, strict=True):
        members = by_slot.setdefault(slot, [])
        if value == value:  # noqa: PLR0124  # not NaN
            members.append(value)
    starts = sorted(by_slot)
    return Events(array("q", starts), array("d", [gather(by_slot[at]) if by_slot[at] else math.nan for at in starts]))


def _spread(
    slots: Sequence[int], ends: Sequence[int], values: Sequence[float], step_us: int, *, is_summed: bool
) -> Events:
    """Each value over the slots until its end, but not into the next one's."""
    starts: list[int] = []
    spread: list[float] = []
    following = [*slots[1:], *ends[-1:]]
    for slot, end, after, value in zip(slots, ends, following, values, strict=True):
        count = max(1, (min(end, after) - slot) // step_us)
        starts += range(slot, slot + count * step_us, step_us)
        spread += [value / count if is_summed else value] * count
    return Events(array("q", starts), array("d", spread))


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
