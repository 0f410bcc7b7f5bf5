"""Where values are asked for when data are read: equidistant slots, each of which is what one value of the answer is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.beliefs import Series, dense, microseconds, moment

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
class Slots:
    """Slots of ``step_us`` from ``start_us`` on, in microseconds; the last may reach beyond ``end_us``."""

    start_us: int
    end_us: int
    step_us: int

    @classmethod
    def between(cls, start: datetime, end: datetime, step: timedelta) -> Slots:
        """Those that begin within a window."""
        return cls(microseconds(start), microseconds(end), step // timedelta(microseconds=1))

    @property
    def count(self) -> int:
        """How many slots begin before the end."""
        return -((self.start_us - self.end_us) // self.step_us)

    @property
    def covered_until(self) -> datetime:
        """The end of the last slot."""
        return moment(self.start_us + self.count * self.step_us)

    def values(self, series: Series, resolution_us: int) -> Values:
        """(count,) the value of each slot; of slots that are several whole events, one that reaches beyond the end has none."""
        found = dense(
            series, start_us=self.start_us, step_us=self.step_us, count=self.count, resolution_us=resolution_us
        )
        is_several = resolution_us and self.step_us > resolution_us and self.step_us % resolution_us == 0
        if is_several and self.start_us + self.count * self.step_us > self.end_us:
            found[-1] = None
        return found


def sampling_step(duration: timedelta) -> timedelta:
    """How far apart samples of a sensor of moments are within a window of this length."""
    return next((step for longest, step in SAMPLED_EVERY if duration <= longest), SAMPLED_AT_LEAST_EVERY)


def converted(values: Values, factor: float, offset: float) -> Values:
    """The values in another unit."""
    if factor == 1.0 and offset == 0.0:
        return values
    return [None if value is None else value * factor + offset for value in values]
