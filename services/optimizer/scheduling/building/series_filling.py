"""Variable quantities as one number for each step or moment: fixed values, segments and series, with their rules for overlaps and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.optimizer.scheduling.building.errors import PlanImpossible, PricesUnknown
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.building.input_series import InputSeries, at_moments, chosen, key_of, on_steps
from services.optimizer.scheduling.problem import FloatArray
from shared.flexibility.quantities import (
    PRICE_FILLING,
    Filling,
    Fixed,
    Gap,
    Overlap,
    QuantityKind,
    Segment,
    Segments,
    SensorReference,
    VariableQuantity,
)
from shared.units import UnitKind, conversion, kind_of


def filled(quantity: VariableQuantity | None, filling: Filling, ground: Ground, timezone: str = "UTC") -> FloatArray:
    """(N,) values on the steps in the internal unit; what the filling leaves unbound is NaN, and so is all of a missing quantity.

    Args:
        timezone: the clock that days and months of segments are counted on.
    """
    count = ground.window.count
    if quantity is None:
        return np.full(count, np.nan)
    if isinstance(quantity, Fixed):
        return np.full(count, quantity.value)
    if isinstance(quantity, SensorReference):
        values = read_on_steps(quantity, ground)
    else:
        values = _segments_on_steps(quantity, filling.overlap, ground, timezone)
    if filling.gap is Gap.ZERO:
        return np.where(np.isnan(values), 0.0, values)
    return np.where(np.isnan(values), 1.0, values) if filling.gap is Gap.FULL else values


@dataclass(frozen=True)
class Prices:
    """(N,) prices, and (N,) whether a step lies between the first and the last step that a price is known for."""

    values: FloatArray
    is_within_known: NDArray[np.bool_]


def prices(quantity: VariableQuantity, ground: Ground, what: str, timezone: str = "UTC") -> Prices:
    """The first and last known prices hold on to the edges; in gaps the last one holds on, with a warning.

    Raises:
        PricesUnknown: None is known for any step.
    """
    values = filled(quantity, PRICE_FILLING, ground, timezone)
    known = ~np.isnan(values)
    if known.all():
        return Prices(values, known)
    if not known.any():
        raise PricesUnknown(quantity.sensor_id if isinstance(quantity, SensorReference) else None)
    first, last = np.flatnonzero(known)[[0, -1]]
    gaps = int(last + 1 - first - known.sum())
    if gaps:
        ground.warn(f"The {what} has a gap: in {gaps} of {len(values)} steps the last known value is carried forward.")
    steps = np.arange(len(values))
    carried = np.maximum.accumulate(np.where(known, steps, first))
    return Prices(values[carried], (steps >= first) & (steps <= last))


def read_on_steps(reference: SensorReference, ground: Ground) -> FloatArray:
    """(N,) what the sensor says of the steps, in the internal unit; its default, else NaN, where it says nothing."""
    series = ground.inputs.get(key_of(reference))
    values = np.full(ground.window.count, np.nan)
    if series is not None:
        values = on_steps(_converted(series, reference, ground, None), ground.window)
    return values if reference.default is None else np.where(np.isnan(values), reference.default.value, values)


def filled_at_moments(
    quantity: VariableQuantity | None,
    overlap: Overlap,
    ground: Ground,
    *,
    soc_max_mwh: float | None,
    timezone: str = "UTC",
) -> FloatArray:
    """(N + 1,) wishes for the state of charge at the moments [MWh], NaN where there is none.

    A period counts at its moments from start to end, both included. Wishes between two moments are left out here: ``off_tick``.
    """
    count = ground.window.count + 1
    if quantity is None:
        return np.full(count, np.nan)
    if isinstance(quantity, Fixed):
        return np.full(count, quantity.value)
    if isinstance(quantity, Segments):
        return _segments_at_moments(quantity, overlap, ground, timezone)
    series = ground.inputs.get(key_of(quantity))
    values = np.full(count, np.nan)
    if series is not None:
        values = at_moments(_converted(series, quantity, ground, soc_max_mwh), ground.window, overlap)
    return values if quantity.default is None else np.where(np.isnan(values), quantity.default.value, values)


def energy_series(reference: SensorReference, ground: Ground, soc_max_mwh: float | None) -> InputSeries | None:
    """The series of a state of charge [MWh], also of one in per cent of ``soc_max_mwh``; None where nothing was read."""
    series = ground.inputs.get(key_of(reference))
    return None if series is None else _converted(series, reference, ground, soc_max_mwh)


def _segments_on_steps(quantity: Segments, overlap: Overlap, ground: Ground, timezone: str) -> FloatArray:
    window = ground.window
    values = np.full(window.count, np.nan)
    for segment in _in_order(quantity, overlap):
        start, end = segment.period(ZoneInfo(timezone))
        if start == end:
            first = window.last_moment_until(start)
            last = first + 1
        else:
            first, last = window.first_moment_from(start), window.first_moment_from(end)
        _put(values, max(first, 0), last, segment.value.value, overlap)
    return values


def _segments_at_moments(quantity: Segments, overlap: Overlap, ground: Ground, timezone: str) -> FloatArray:
    window = ground.window
    values = np.full(window.count + 1, np.nan)
    for segment in _in_order(quantity, overlap):
        start, end = segment.period(ZoneInfo(timezone))
        first, last = window.first_moment_from(start), window.last_moment_until(end) + 1
        _put(values, max(first, 0), last, segment.value.value, overlap)
    return values


def _in_order(quantity: Segments, overlap: Overlap) -> tuple[Segment, ...]:
    # Where the first wins, it is written last.
    return quantity.segments[::-1] if overlap is Overlap.FIRST else quantity.segments


def _put(values: FloatArray, first: int, last: int, value: float, overlap: Overlap) -> None:
    if last <= first:
        return
    if overlap is Overlap.FIRST:
        values[first:last] = value
    else:
        values[first:last] = chosen(overlap)(values[first:last], value)


def _converted(
    series: InputSeries, reference: SensorReference, ground: Ground, soc_max_mwh: float | None
) -> InputSeries:
    # A sensor of a bare number has no unit.
    unit, scale = series.unit or "dimensionless", 1.0
    target = reference.kind.value.replace("currency", ground.currency)
    if reference.kind is QuantityKind.SHARE:
        target = "dimensionless"
    elif reference.kind is QuantityKind.COMMITMENT_PRICE:
        per_power = kind_of(unit) is UnitKind.POWER_PRICE
        target = f"{ground.currency}/{'MW' if per_power else 'MWh'}"
    elif reference.kind is QuantityKind.ENERGY and kind_of(unit) is UnitKind.SHARE:
        if soc_max_mwh is None:
            raise PlanImpossible(f"Sensor {reference.sensor_id} is in {unit} of soc-max, which is not given.")
        target, scale = "dimensionless", soc_max_mwh
    how = conversion(unit, target, resolution_s=series.resolution_s or None)
    values = (series.values * how.factor + how.offset) * scale
    return InputSeries(series.event_starts_s, values, series.resolution_s, target)
