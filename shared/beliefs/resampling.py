"""From events as they are stored to equidistant values as they are asked for, without an array library. Pure."""

from __future__ import annotations

from array import array

from shared.beliefs.series import Series


def dense(series: Series, *, start_us: int, step_us: int, count: int, resolution_us: int) -> list[float | None]:
    """The values of ``count`` slots of ``step_us`` from ``start_us`` on; None where a slot has none.

    At the sensor's own resolution an event has to begin with its slot. At any other a slot has the mean of the events that overlap it,
    weighted by how long they do, so that a finer slot repeats its event's value. Of a sensor of moments (``resolution_us`` 0) a
    slot has the first value within it.
    """
    if not len(series):
        return [None] * count
    if resolution_us == 0:
        return _first_of_each_slot(series, start_us, step_us, count)
    if resolution_us == step_us:
        return _as_they_are(series, start_us, step_us, count)
    if _is_complete(series, resolution_us) and (start_us - series.starts_us[0]) % min(step_us, resolution_us) == 0:
        whole = _regular(series, start_us, step_us, count, resolution_us)
        if whole is not None:
            return whole
    return _overlaps(series, start_us, step_us, count, resolution_us)


def _is_complete(series: Series, resolution_us: int) -> bool:
    first, last = series.starts_us[0], series.starts_us[-1]
    has_all = (last - first) == resolution_us * (len(series) - 1)
    return has_all and series.starts_us == array("q", range(first, last + 1, resolution_us))


def _as_they_are(series: Series, start_us: int, step_us: int, count: int) -> list[float | None]:
    if len(series) == count and series.starts_us[0] == start_us and _is_complete(series, step_us):
        return list(series.values)
    slots: list[float | None] = [None] * count
    for at_us, value in zip(series.starts_us, series.values, strict=True):
        slot, rest = divmod(at_us - start_us, step_us)
        if rest == 0 and 0 <= slot < count:
            slots[slot] = value
    return slots


def _first_of_each_slot(series: Series, start_us: int, step_us: int, count: int) -> list[float | None]:
    slots: list[float | None] = [None] * count
    for at_us, value in zip(series.starts_us, series.values, strict=True):
        slot = (at_us - start_us) // step_us
        if 0 <= slot < count and slots[slot] is None:
            slots[slot] = value
    return slots


def _regular(series: Series, start_us: int, step_us: int, count: int, resolution_us: int) -> list[float | None] | None:
    """The quick way where events without a gap meet the grid and cover all of it; None where they do not."""
    values = series.values
    lead_us = start_us - series.starts_us[0]
    if lead_us < 0 or lead_us + count * step_us > len(series) * resolution_us:
        return None
    if step_us % resolution_us == 0 and lead_us % resolution_us == 0:
        size, first = step_us // resolution_us, lead_us // resolution_us
        return [sum(values[at : at + size]) / size for at in range(first, first + count * size, size)]
    if resolution_us % step_us == 0:
        size, first = resolution_us // step_us, lead_us // step_us
        events = values[first // size : -(-(first + count) // size)]
        repeated: list[float | None] = [value for value in events for _ in range(size)]
        return repeated[first % size :][:count]
    return None


def _overlaps(series: Series, start_us: int, step_us: int, count: int, resolution_us: int) -> list[float | None]:
    weights = [0] * count
    sums = [0.0] * count
    for at_us, value in zip(series.starts_us, series.values, strict=True):
        begin, end = max(at_us - start_us, 0), min(at_us + resolution_us - start_us, count * step_us)
        slot = begin // step_us
        while begin < end:
            until = min(end, (slot + 1) * step_us)
            weights[slot] += until - begin
            sums[slot] += value * (until - begin)
            begin, slot = until, slot + 1
    return [total / weight if weight else None for total, weight in zip(sums, weights, strict=True)]
