"""The grid of events as people live it: where days begin on the wall clock, and which event was at the same time days ago."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from services.optimizer.forecasting.task import FloatArray, IntArray

DAY_S = 86_400


class Days:
    """Wall-clock times of events 0 … ``count`` − 1, and lags of whole days over the changes of daylight saving time."""

    def __init__(self, start_s: int, step_s: int, count: int, timezone: str) -> None:
        self._step_s = step_s
        events_s = start_s + step_s * np.arange(count, dtype=np.int64)
        self._offset_s = _utc_offsets(events_s, timezone)  # (N,)
        self._local_s = events_s + self._offset_s  # (N,)
        # Steps of a day; of events that are longer than a day, each is a day of its own.
        self.steps_of_day = max(1, round(DAY_S / step_s))

    def phases(self, events: IntArray) -> tuple[FloatArray, FloatArray]:
        """(R,) the part of the day [0, 1) and the day of the week (0: Monday) at which each event begins."""
        local_s = self._local_s[events]
        weekday = (local_s // DAY_S + 3) % 7  # 1970 began on a Thursday
        return (local_s % DAY_S) / DAY_S, weekday.astype(np.float64)

    def days_before(self, events: IntArray, days: IntArray, known: IntArray) -> IntArray:
        """(R,) the event at the same time of day, ``days`` earlier, or one day more where that is not before event ``known``.

        Negative where it lies before the grid.
        """
        steps = days * self.steps_of_day
        earlier = np.clip(events - steps, 0, None)
        shift_s = self._offset_s[events] - self._offset_s[earlier]
        found = events - steps + np.rint(shift_s / self._step_s).astype(np.int64)
        within: IntArray = np.where(found >= known, found - self.steps_of_day, found)
        return within

    def days_to(self, events: IntArray, known: IntArray) -> IntArray:
        """(R,) how many whole days ago each event's time of day was last known, where events before ``known`` are."""
        return (events - known) // self.steps_of_day + 1


def _utc_offsets(events_s: IntArray, timezone: str) -> IntArray:
    """(N,) seconds by which the wall clock is ahead of UTC. Each event is looked up only on days on which the clock is changed."""
    zone = ZoneInfo(timezone)
    first_day = int(events_s[0]) // DAY_S
    borders = [_offset_s(zone, day * DAY_S) for day in range(first_day, int(events_s[-1]) // DAY_S + 2)]
    day_of_event = events_s // DAY_S - first_day
    begins, ends = np.array(borders[:-1], dtype=np.int64), np.array(borders[1:], dtype=np.int64)
    offsets: IntArray = begins[day_of_event]
    for index in np.flatnonzero((begins != ends)[day_of_event]):
        offsets[index] = _offset_s(zone, int(events_s[index]))
    return offsets


def _offset_s(zone: ZoneInfo, moment_s: int) -> int:
    offset = datetime.fromtimestamp(moment_s, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())
