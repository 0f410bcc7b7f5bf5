"""The steps that a schedule is made of: where they begin, how long they are, and how far late targets push the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

# No schedule is longer than so many steps of the finest power sensor.
MAX_SENSOR_STEPS = 2520
DEFAULT_STEP_S = 900


@dataclass(frozen=True)
class Window:
    """``count`` steps of ``step_s`` seconds from ``start`` (UTC). Moment k is the start of step k; the last one is the end."""

    start: datetime
    step_s: int
    count: int

    @property
    def step_h(self) -> float:
        """Length of a step [h]."""
        return self.step_s / 3600

    @property
    def step(self) -> timedelta:
        """Length of a step."""
        return timedelta(seconds=self.step_s)

    @property
    def end(self) -> datetime:
        """Where the last step ends."""
        return self.start + self.count * self.step

    @cached_property
    def moments_s(self) -> IntArray:
        """(N + 1,) starts of the steps and the end, seconds since the epoch."""
        return epoch_s(self.start) + self.step_s * np.arange(self.count + 1, dtype=np.int64)

    def moment(self, index: int) -> datetime:
        """The moment of that index, which may lie outside."""
        return self.start + index * self.step

    def first_moment_from(self, moment: datetime) -> int:
        """Index of the first moment of the grid that is not before ``moment``; it may lie outside the window."""
        return -((self.start - moment) // self.step)

    def last_moment_until(self, moment: datetime) -> int:
        """Index of the last moment of the grid that is not after ``moment``; it may lie outside the window."""
        return (moment - self.start) // self.step


def epoch_s(moment: datetime) -> int:
    """Whole seconds since the epoch; a fraction is dropped."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def step_of(resolution_s: int | None, sensor_resolutions_s: Iterable[int]) -> int:
    """The step [s]: as asked for, else the finest of the power sensors that is not instantaneous, else a quarter of an hour."""
    return resolution_s or min((one for one in sensor_resolutions_s if one), default=DEFAULT_STEP_S)


def window_of(
    start: datetime, end: datetime, step_s: int, *, sensor_step_s: int, targets: Iterable[datetime] = ()
) -> tuple[Window, tuple[str, ...]]:
    """The window from ``start`` to ``end``, or to the last of the targets behind it.

    Args:
        sensor_step_s: resolution of the finest power sensor [s]; 2520 of it are the most that a window spans.
        targets: moments that states of charge are to be reached at.
    Returns:
        The window, and warnings about what lies beyond its greatest length.
    Raises:
        ValueError: The end is not after the start.
    """
    if end <= start:
        raise ValueError(f"a window from {start} ends at {end}")
    latest = start + MAX_SENSOR_STEPS * timedelta(seconds=sensor_step_s)
    warnings = []
    if end > latest:
        warnings.append(f"The schedule ends at {latest.isoformat()}: {MAX_SENSOR_STEPS} steps are the most.")
    reached = [moment for moment in targets if moment <= latest]
    for moment in targets:
        if moment > latest:
            warnings.append(f"The soc-target at {moment.isoformat()} is ignored: it lies beyond {latest.isoformat()}.")
    last = max([min(end, latest), *reached])
    step = timedelta(seconds=step_s)
    return Window(start.astimezone(UTC), step_s, max(1, -((start - last) // step))), tuple(warnings)
