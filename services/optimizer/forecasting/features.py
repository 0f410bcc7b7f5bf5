"""What a value is forecast from, as rows of numbers: what was known at a viewpoint, and the time and regressors of the event.

A row is a pair of a viewpoint and an event. It is described by the values at the same time of the last known days, by how the
last day went, by how far ahead the event lies, and by regressors. One model serves all distances, as the rows tell it how far
ahead it looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.forecasting.days import Days
from services.optimizer.forecasting.task import FloatArray, IntArray

LAST_DAYS = 7
DAYS_OF_WEEK = 7


@dataclass(frozen=True, slots=True)
class Pairs:
    """R pairs of a viewpoint and an event: events before ``known`` are known, ``events`` are to be forecast. Both (R,)."""

    known: IntArray
    events: IntArray

    def __getitem__(self, rows: IntArray) -> Pairs:
        return Pairs(self.known[rows], self.events[rows])

    def __len__(self) -> int:
        return len(self.events)


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """A filled series (N,) and how it may be used; NaN where nothing is known and nothing could be filled in."""

    values: FloatArray
    is_past: bool
    is_future: bool


@dataclass(frozen=True, slots=True)
class SameTime:
    """The sensor's values at the event's time of day. ``of_days`` (D, R): on the last known day, the one before, …"""

    of_days: FloatArray
    of_week: FloatArray  # (R,) at the same time of the week


def same_time(days: Days, values: FloatArray, pairs: Pairs) -> SameTime:
    """Of a series (N,) the last known values at the times of day and of the week of the pairs' events; NaN before it begins."""
    nearest = days.days_to(pairs.events, pairs.known)
    of_days = [_at(values, days.days_before(pairs.events, nearest + more, pairs.known)) for more in range(LAST_DAYS)]
    weeks = -(-nearest // DAYS_OF_WEEK) * DAYS_OF_WEEK
    earlier = days.days_before(pairs.events, weeks, pairs.known)
    return SameTime(np.stack(of_days), _at(values, earlier))


def feature_rows(
    days: Days, values: FloatArray, regressors: tuple[KnownSeries, ...], pairs: Pairs, known_days: SameTime
) -> FloatArray:
    """(R, F) features of the pairs."""
    of_days = known_days.of_days
    nearest = days.days_before(pairs.events, days.days_to(pairs.events, pairs.known), pairs.known)
    last = pairs.known - 1
    phase, weekday = days.phases(pairs.events)
    turn = 2 * np.pi * phase
    columns = [
        of_days[0],
        of_days[1],
        known_days.of_week,
        mean_known(of_days[:3]),
        mean_known(of_days),
        median_known(of_days),
        _at(values, nearest - 1),
        _at(values, np.minimum(nearest + 1, last)),
        _at(values, last),
        _at(values, last) - _at(values, last - days.steps_of_day),
        _day_means(values, last, days.steps_of_day),
        (pairs.events - pairs.known).astype(np.float64),
        np.sin(turn),
        np.cos(turn),
        weekday,
    ]
    for regressor in regressors:
        if regressor.is_future:
            columns.append(regressor.values[pairs.events])
        if regressor.is_past:
            columns += [
                _at(regressor.values, nearest),
                _at(regressor.values, last),
                _day_means(regressor.values, last, days.steps_of_day),
            ]
    return np.stack(columns, axis=1)


def mean_known(rows: FloatArray) -> FloatArray:
    """(R,) the mean of each column (D, R) over what is known; NaN where nothing is."""
    is_known = ~np.isnan(rows)
    count = is_known.sum(axis=0)
    total = np.where(is_known, rows, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def median_known(rows: FloatArray) -> FloatArray:
    """(R,) the median of each column (D, R) over what is known; NaN where nothing is."""
    ordered = np.sort(rows, axis=0)  # NaN last
    count = (~np.isnan(rows)).sum(axis=0)
    columns = np.arange(rows.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, columns]
    high = ordered[np.minimum(count // 2, len(rows) - 1), columns]
    return np.where(count > 0, (low + high) / 2, np.nan)


def _at(values: FloatArray, index: IntArray) -> FloatArray:
    return np.where(index >= 0, values[np.maximum(index, 0)], np.nan)


def _day_means(values: FloatArray, last: IntArray, steps_of_day: int) -> FloatArray:
    """(R,) the mean of the day that ends with event ``last``, over what is known of it."""
    is_known = ~np.isnan(values)
    totals = np.concatenate([[0.0], np.cumsum(np.where(is_known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(is_known)])
    begin = np.maximum(last + 1 - steps_of_day, 0)
    count = counts[last + 1] - counts[begin]
    return np.where(count > 0, (totals[last + 1] - totals[begin]) / np.maximum(count, 1), np.nan)
