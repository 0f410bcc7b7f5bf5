"""Series that were read for a schedule, brought onto its steps: time-weighted means, repeated where the steps are finer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.optimizer.scheduling.building.window import IntArray, Window
from services.optimizer.scheduling.problem import FloatArray
from shared.flexibility.quantities import Overlap, SensorReference


@dataclass(frozen=True)
class SeriesKey:
    """What tells one reading of a sensor from another: the sensor, and which sources count (empty: all)."""

    sensor_id: int
    source_types: tuple[str, ...] = ()
    exclude_source_types: tuple[str, ...] = ()
    source_ids: tuple[int, ...] = ()
    source_account_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class InputSeries:
    """The winning value of each event, as stored: (M,) ascending starts, (M,) values in ``unit``.

    A value is about ``[event_start, event_start + resolution_s)``, or about a moment if that is 0. Where events overlap, the
    later one ends the earlier (on the day the clock goes forward, a day is shorter than its resolution says).
    """

    event_starts_s: IntArray  # seconds since the epoch
    values: FloatArray
    resolution_s: int
    unit: str


def key_of(reference: SensorReference) -> SeriesKey:
    """The reading that a reference asks for."""
    return SeriesKey(
        reference.sensor_id,
        reference.source_types,
        reference.exclude_source_types,
        reference.source_ids,
        reference.source_account_ids,
    )


def on_steps(series: InputSeries, window: Window) -> FloatArray:
    """(N,) mean over what the events cover of each step, NaN where they cover nothing. Values held over a step stay exact."""
    return _means(_finite(series), window.moments_s[:-1], window.moments_s[1:])


def at_moments(series: InputSeries, window: Window, overlap: Overlap) -> FloatArray:
    """(N + 1,) values at the moments, NaN where there is none.

    An event counts from its start to its end, both included; a value about one moment counts at the nearest moment of the
    window. ``overlap`` says which of several counts.
    """
    series = _finite(series)
    moments = window.moments_s
    if not series.resolution_s:
        nearest = (series.event_starts_s - moments[0] + window.step_s // 2) // window.step_s
        return _gathered(nearest, series.values, len(moments), overlap)
    starts, ends = _spans(series)
    first, behind = np.searchsorted(ends, moments, "left"), np.searchsorted(starts, moments, "right")
    some = behind > first
    values = np.full(len(moments), np.nan)
    one, other = series.values[first[some]], series.values[behind[some] - 1]
    values[some] = one if overlap is Overlap.FIRST else chosen(overlap)(one, other)
    return values


def chosen(overlap: Overlap) -> np.ufunc:
    """Which of two numbers counts, where NaN is none; not for the first of them."""
    return np.fmin if overlap is Overlap.SMALLEST else np.fmax


def nearest_value(series: InputSeries, moment_s: int, radius_s: int) -> float | None:
    """The value whose event starts nearest to a moment, at most a radius away; of two as near, the later one."""
    series = _finite(series)
    distances = np.abs(series.event_starts_s - moment_s)
    if not len(distances) or distances.min() > radius_s:
        return None
    return float(series.values[np.flatnonzero(distances == distances.min())[-1]])


def resampled(values: FloatArray, window: Window, resolution_s: int) -> FloatArray:
    """(K,) what is known for the steps of a window, as means over slots of another length from the window's start on."""
    starts = window.moments_s[0] + resolution_s * np.arange(
        -(-window.count * window.step_s // resolution_s), dtype=np.int64
    )
    return _means(InputSeries(window.moments_s[:-1], values, window.step_s, ""), starts, starts + resolution_s)


def _finite(series: InputSeries) -> InputSeries:
    known = np.isfinite(series.values)
    if known.all():
        return series
    return InputSeries(series.event_starts_s[known], series.values[known], series.resolution_s, series.unit)


def _spans(series: InputSeries) -> tuple[IntArray, IntArray]:
    starts = series.event_starts_s
    ends = starts + series.resolution_s
    if series.resolution_s and len(ends) > 1:
        ends[:-1] = np.minimum(ends[:-1], starts[1:])
    return starts, ends


def _means(series: InputSeries, slot_starts: IntArray, slot_ends: IntArray) -> FloatArray:
    starts, ends = _spans(series)
    first = np.searchsorted(ends, slot_starts, "right" if series.resolution_s else "left")
    counts = np.maximum(np.searchsorted(starts, slot_ends, "left") - first, 0)
    means = np.full(len(slot_starts), np.nan)
    some = np.flatnonzero(counts)
    means[some] = series.values[first[some]]
    many = np.flatnonzero(counts > 1)
    if not len(many):
        return means
    first, counts = first[many], counts[many]
    offsets = np.cumsum(counts) - counts
    events = np.repeat(first - offsets, counts) + np.arange(counts.sum())
    slots = np.repeat(many, counts)
    weights = np.ones(len(events))
    if series.resolution_s:
        weights = (np.minimum(ends[events], slot_ends[slots]) - np.maximum(starts[events], slot_starts[slots])).astype(
            float
        )
    # As a distance from the first value, so that equal values stay what they are.
    distances = weights * (series.values[events] - means[slots])
    means[many] += np.add.reduceat(distances, offsets) / np.add.reduceat(weights, offsets)
    return means


def _gathered(indices: NDArray[np.int64], values: FloatArray, count: int, overlap: Overlap) -> FloatArray:
    inside = (indices >= 0) & (indices < count)
    indices, values = indices[inside], values[inside]
    gathered = np.full(count, np.nan)
    if overlap is Overlap.FIRST:
        gathered[indices[::-1]] = values[::-1]
    else:
        chosen(overlap).at(gathered, indices, values)
    return gathered
