"""From what is known of a sensor to equidistant values, as reading answers with them. Pure; moments are counted in microseconds.

A slot is what one value of the answer is about. The values of a sensor are means over its own resolution, or values at moments where
that is zero.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import timedelta

Values = list[float | None]

# A sensor of moments is sampled so often when nobody says how often: (longest window, distance of the samples).
SAMPLED_EVERY: tuple[tuple[timedelta, timedelta], ...] = (
    (timedelta(hours=8), timedelta(minutes=5)),
    (timedelta(hours=48), timedelta(minutes=15)),
    (timedelta(days=14), timedelta(hours=1)),
    (timedelta(weeks=16), timedelta(hours=24)),
)
SAMPLED_AT_LEAST_EVERY = timedelta(hours=168)


@dataclass(frozen=True, slots=True)
class Events:
    """What is known, in the order of time: one value [the sensor's unit] for each moment at which an event begins.

    ``starts_us`` (n,) and ``values`` (n,) belong together; ``length_us`` is the sensor's resolution, 0 for values at moments.
    """

    starts_us: array[int]
    values: array[float]
    length_us: int


@dataclass(frozen=True, slots=True)
class Slots:
    """Where values are asked for: ``count`` slots of ``step_us`` from ``start_us`` on. The last may reach beyond ``end_us``."""

    start_us: int
    end_us: int
    step_us: int

    @property
    def count(self) -> int:
        """How many slots begin before the end."""
        return -((self.start_us - self.end_us) // self.step_us)

    @property
    def covered_until_us(self) -> int:
        """The end of the last slot."""
        return self.start_us + self.count * self.step_us


def sampling_step(duration: timedelta) -> timedelta:
    """How far apart samples of a sensor of moments are within a window of this length."""
    return next((step for longest, step in SAMPLED_EVERY if duration <= longest), SAMPLED_AT_LEAST_EVERY)


def dense_values(events: Events, slots: Slots) -> Values:
    """(count,) one value for each slot, None where nothing is known of it.

    Slots as long as the events have the value of the event that begins with them; shorter ones that of the event which they are a
    part of, if they divide it; longer ones the mean over time of what is known of them. Of slots that are whole events together, a
    last one that reaches beyond the end has none.
    """
    if not events.length_us or slots.step_us == events.length_us:
        return _exact(events, slots)
    if events.length_us % slots.step_us == 0:
        return _repeated(events, slots)
    is_multiple = slots.step_us % events.length_us == 0
    if is_multiple and _is_gapless(events, slots):
        averaged = _averaged_gapless(events, slots)
    else:
        averaged = _averaged(events, slots)
    if is_multiple and slots.covered_until_us > slots.end_us:
        averaged[-1] = None
    return averaged


def converted(values: Values, factor: float, offset: float) -> Values:
    """The values in another unit."""
    if factor == 1.0 and offset == 0.0:
        return values
    return [None if value is None else value * factor + offset for value in values]


def _exact(events: Events, slots: Slots) -> Values:
    if events.starts_us == array("q", range(slots.start_us, slots.covered_until_us, slots.step_us)):
        return list(events.values)
    dense: Values = [None] * slots.count
    for start_us, value in zip(events.starts_us, events.values, strict=True):
        position, rest = divmod(start_us - slots.start_us, slots.step_us)
        if not rest and 0 <= position < len(dense):
            dense[position] = value
    return dense


def _repeated(events: Events, slots: Slots) -> Values:
    dense: Values = [None] * slots.count
    times = events.length_us // slots.step_us
    for start_us, value in zip(events.starts_us, events.values, strict=True):
        position, rest = divmod(start_us - slots.start_us, slots.step_us)
        if not rest:
            first, end = max(0, position), min(len(dense), position + times)
            dense[first:end] = [value] * (end - first)
    return dense


def _is_gapless(events: Events, slots: Slots) -> bool:
    """Whether every event of every slot is known, and no other."""
    return events.starts_us == array("q", range(slots.start_us, slots.covered_until_us, events.length_us))


def _averaged_gapless(events: Events, slots: Slots) -> Values:
    together = slots.step_us // events.length_us
    return [sum(events.values[first : first + together]) / together for first in range(0, len(events.values), together)]


def _averaged(events: Events, slots: Slots) -> Values:
    sums, weights = [0.0] * slots.count, [0] * slots.count
    for start_us, value in zip(events.starts_us, events.values, strict=True):
        since, until = max(start_us, slots.start_us), start_us + events.length_us
        for position in range((since - slots.start_us) // slots.step_us, slots.count):
            slot_us = slots.start_us + position * slots.step_us
            if slot_us >= until:
                break
            overlap_us = min(until, slot_us + slots.step_us) - max(since, slot_us)
            if overlap_us > 0:
                sums[position] += overlap_us * value
                weights[position] += overlap_us
    return [total / weight if weight else None for total, weight in zip(sums, weights, strict=True)]
