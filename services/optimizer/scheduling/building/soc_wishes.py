"""What is wished for the state of charge of a stock at the moments of the window: at moments, over periods, and between moments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.optimizer.scheduling.building.ground import Ground, is_set
from services.optimizer.scheduling.building.off_tick import (
    Bounds,
    PointWish,
    Reach,
    bounds_of_known_state,
    bounds_of_maxima,
    bounds_of_minima,
    bounds_of_targets,
    no_bounds,
    points_between,
)
from services.optimizer.scheduling.building.series_filling import filled_at_moments
from shared.flexibility.collection import CollectedEntry
from shared.flexibility.quantities import Overlap, VariableQuantity


@dataclass(frozen=True)
class SocWishes:
    """Bounds at the moments: ``asked`` as the job result reports them, ``bounds`` with what they mean at further moments."""

    asked: Bounds
    bounds: Bounds
    has_off_tick: bool


@dataclass(frozen=True)
class StockLimits:
    """The limits of a stock itself [MWh], None where there is none."""

    soc_min_mwh: float | None
    soc_max_mwh: float | None

    @property
    def least_mwh(self) -> float:
        """The lower limit, or minus infinity."""
        return -np.inf if self.soc_min_mwh is None else self.soc_min_mwh

    @property
    def most_mwh(self) -> float:
        """The upper limit, or infinity."""
        return np.inf if self.soc_max_mwh is None else self.soc_max_mwh


def soc_wishes(
    description: CollectedEntry,
    limits: StockLimits,
    reach: Reach,
    known: PointWish | None,
    timezone: str,
    ground: Ground,
) -> SocWishes:
    """All wishes of the entry that describes a stock.

    Args:
        reach: what its devices can charge and discharge.
        known: a state of charge that is known for a moment within the first step.
        timezone: the clock of its segments.
    """
    entry, window = description.entry, ground.window
    wishes = (
        (entry.soc_minima, Overlap.LARGEST, bounds_of_minima),
        (entry.soc_maxima, Overlap.SMALLEST, bounds_of_maxima),
        (entry.soc_targets, Overlap.FIRST, bounds_of_targets),
    )
    minima, maxima, targets = (
        filled_at_moments(wish, overlap, ground, soc_max_mwh=limits.soc_max_mwh, timezone=timezone)
        for wish, overlap, _ in wishes
    )
    on_minima, on_maxima, on_targets = (
        _projected(bounds_of(points, window, reach), limits)
        if (points := _points(description, wish, timezone, ground))
        else None
        for wish, _, bounds_of in wishes
    )
    own_targets = None if on_targets is None else replace(no_bounds(window), targets=on_targets.targets)
    asked = _joined(Bounds(minima, maxima, targets), on_minima, on_maxima, own_targets)
    known_bounds = _projected(bounds_of_known_state(known, window, reach), limits) if known else None
    has_off_tick = any(each is not None for each in (on_minima, on_maxima, on_targets))
    return SocWishes(asked, _joined(asked, on_targets, known_bounds), has_off_tick)


def _points(
    description: CollectedEntry, wish: VariableQuantity | None, timezone: str, ground: Ground
) -> tuple[PointWish, ...]:
    points = points_between(wish, ground.window, timezone)
    floors = ground.attribute("floor_datetimes_to_resolution", description.entry.power_sensor_id, description.asset_id)
    if points and floors is not None and not is_set(floors):
        for point in points:
            ground.warn(
                f"The wish for the state of charge at {point.moment.isoformat()} is ignored: it lies between two steps."
            )
        return ()
    return points


def _projected(bounds: Bounds, limits: StockLimits) -> Bounds:
    return bounds.clamped(limits.least_mwh, limits.most_mwh)


def _joined(first: Bounds, *others: Bounds | None) -> Bounds:
    """The stricter of the bounds at each moment; a target of an earlier one wins."""
    for other in others:
        if other is not None:
            first = Bounds(
                np.fmax(first.minima, other.minima),
                np.fmin(first.maxima, other.maxima),
                np.where(np.isnan(first.targets), other.targets, first.targets),
            )
    return first
