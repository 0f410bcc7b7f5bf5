"""Wishes for a state of charge between two moments of the grid, turned into what they mean at the moments beside them.

With p < t < n the moments around a wish v at t, what can be charged in an interval (c) and discharged (e) bounds the moments:
a target is v at n and lies within v - c(p→t) and v + e(p→t) at p; a minimum is at least v - c(p→t) at p and v - e(t→n) at n; a
maximum is at most v + e(p→t) at p and v + c(t→n) at n. So too a state known at t in the first step bounds its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from services.optimizer.scheduling.building.window import Window
from services.optimizer.scheduling.problem import FloatArray
from shared.flexibility.quantities import Segments, VariableQuantity


@dataclass(frozen=True)
class Reach:
    """How fast a stock can fill and empty in each step: (N,) charged and (N,) discharged energy per hour [MW], both ≥ 0."""

    charging_mw: FloatArray
    discharging_mw: FloatArray


@dataclass(frozen=True)
class Bounds:
    """(N + 1,) bounds at the moments [MWh], NaN where there is none."""

    minima: FloatArray
    maxima: FloatArray
    targets: FloatArray

    def clamped(self, least_mwh: float, most_mwh: float) -> Bounds:
        """The same within the limits of the stock; NaN stays."""
        return Bounds(*(np.clip(each, least_mwh, most_mwh) for each in (self.minima, self.maxima, self.targets)))


@dataclass(frozen=True)
class PointWish:
    """A wish [MWh] at a moment between two moments of the grid."""

    moment: datetime
    value_mwh: float


def points_between(quantity: VariableQuantity | None, window: Window, timezone: str) -> tuple[PointWish, ...]:
    """The wishes of a list that no moment of the grid sees: moments between two, and both ends of periods between two."""
    if not isinstance(quantity, Segments):
        return ()
    points = []
    for segment in quantity.segments:
        start, end = segment.period(ZoneInfo(timezone))
        if (
            window.first_moment_from(start) > window.last_moment_until(end)
            and window.start < end
            and start < window.end
        ):
            points += [PointWish(moment, segment.value.value) for moment in dict.fromkeys((start, end))]
    return tuple(points)


def no_bounds(window: Window) -> Bounds:
    """Nothing bound anywhere."""
    return Bounds(*(np.full(window.count + 1, np.nan) for _ in range(3)))


def bounds_of_minima(points: tuple[PointWish, ...], window: Window, reach: Reach) -> Bounds:
    """What minima between moments mean at the moments."""
    bounds = no_bounds(window)
    for point in points:
        step, before_h, after_h = _place(point.moment, window)
        _raise_to(bounds.minima, step, point.value_mwh - _at(reach.charging_mw, step) * before_h)
        _raise_to(bounds.minima, step + 1, point.value_mwh - _at(reach.discharging_mw, step) * after_h)
    return bounds


def bounds_of_maxima(points: tuple[PointWish, ...], window: Window, reach: Reach) -> Bounds:
    """What maxima between moments mean at the moments."""
    bounds = no_bounds(window)
    for point in points:
        step, before_h, after_h = _place(point.moment, window)
        _lower_to(bounds.maxima, step, point.value_mwh + _at(reach.discharging_mw, step) * before_h)
        _lower_to(bounds.maxima, step + 1, point.value_mwh + _at(reach.charging_mw, step) * after_h)
    return bounds


def bounds_of_targets(points: tuple[PointWish, ...], window: Window, reach: Reach) -> Bounds:
    """What targets between moments mean at the moments; of two for one moment the first counts."""
    bounds = no_bounds(window)
    for point in points:
        step, before_h, _ = _place(point.moment, window)
        _raise_to(bounds.minima, step, point.value_mwh - _at(reach.charging_mw, step) * before_h)
        _lower_to(bounds.maxima, step, point.value_mwh + _at(reach.discharging_mw, step) * before_h)
        if 0 <= step + 1 < len(bounds.targets) and np.isnan(bounds.targets[step + 1]):
            bounds.targets[step + 1] = point.value_mwh
    return bounds


def bounds_of_known_state(point: PointWish, window: Window, reach: Reach) -> Bounds:
    """What a state known within the first step means at its end."""
    bounds = no_bounds(window)
    step, _, after_h = _place(point.moment, window)
    if step == 0 and after_h < window.step_h:
        bounds.minima[1] = point.value_mwh - reach.discharging_mw[0] * after_h
        bounds.maxima[1] = point.value_mwh + reach.charging_mw[0] * after_h
    return bounds


def _place(moment: datetime, window: Window) -> tuple[int, float, float]:
    """The step that a moment lies in, and the hours from its start and to its end."""
    step = window.last_moment_until(moment)
    before_h = (moment - window.moment(step)) / timedelta(hours=1)
    return step, before_h, window.step_h - before_h


def _at(rates: FloatArray, step: int) -> float:
    return float(rates[min(max(step, 0), len(rates) - 1)])


def _raise_to(values: FloatArray, index: int, value: float) -> None:
    if 0 <= index < len(values):
        values[index] = np.fmax(values[index], value)


def _lower_to(values: FloatArray, index: int, value: float) -> None:
    if 0 <= index < len(values):
        values[index] = np.fmin(values[index], value)
