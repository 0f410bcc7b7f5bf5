"""The energy in a stock at the start: as given, as its sensor or its list says, or empty where a storage says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.optimizer.scheduling.building.errors import StateOfChargeUnknown
from services.optimizer.scheduling.building.ground import Ground, timezone_of
from services.optimizer.scheduling.building.input_series import nearest_value
from services.optimizer.scheduling.building.needed_series import SOC_RADIUS_STEPS
from services.optimizer.scheduling.building.off_tick import PointWish
from services.optimizer.scheduling.building.series_filling import energy_series
from services.optimizer.scheduling.building.window import epoch_s
from shared.flexibility.collection import CollectedEntry
from shared.flexibility.quantities import Segments, SensorReference


@dataclass(frozen=True)
class StartingSoc:
    """Energy at the start [MWh]; ``known_at`` where a list tells it for a moment within the first step instead."""

    energy_mwh: float
    known_at: PointWish | None = None


def starting_soc(collected: CollectedEntry, soc_max_mwh: float | None, ground: Ground) -> StartingSoc | None:
    """The state of charge at the start; None where nothing is known and the stock is to bind nothing.

    Raises:
        StateOfChargeUnknown: A sensor or list is to tell, and says nothing near the start.
    """
    entry = collected.entry
    if entry.soc_at_start_mwh is not None:
        return StartingSoc(entry.soc_at_start_mwh)
    if isinstance(entry.state_of_charge, SensorReference):
        return StartingSoc(_from_sensor(entry.state_of_charge, soc_max_mwh, ground))
    if isinstance(entry.state_of_charge, Segments):
        return _from_list(entry.state_of_charge, timezone_of(entry.power_sensor_id, ground.sensors), ground)
    if collected.initial_soc_mwh is None:
        return None
    if collected.initial_soc_mwh == 0:
        ground.warn(f"The state of charge of asset {collected.asset_id} at the start is not known: it counts as 0 kWh.")
    return StartingSoc(collected.initial_soc_mwh)


def _radius(ground: Ground) -> timedelta:
    return SOC_RADIUS_STEPS * ground.window.step


def _from_sensor(reference: SensorReference, soc_max_mwh: float | None, ground: Ground) -> float:
    series = energy_series(reference, ground, soc_max_mwh)
    radius, start = _radius(ground), ground.window.start
    value = None if series is None else nearest_value(series, epoch_s(start), radius // timedelta(seconds=1))
    if value is None and reference.default is not None:
        value = reference.default.value
    if value is None:
        raise StateOfChargeUnknown(reference.sensor_id, radius, start)
    return value


def _from_list(states: Segments, timezone: str, ground: Ground) -> StartingSoc:
    start, clock = ground.window.start, ZoneInfo(timezone)
    best: tuple[timedelta, datetime, float] | None = None
    for segment in states.segments:
        first, last = segment.period(clock)
        if first <= start < last or first == start:
            return StartingSoc(segment.value.value)
        near = first if first > start else last
        distance = abs(near - start)
        # Of two that are as near, the later one.
        if best is None or distance < best[0] or (distance == best[0] and near > best[1]):
            best = (distance, near, segment.value.value)
    if best is None or best[0] > _radius(ground):
        raise StateOfChargeUnknown(None, _radius(ground), start)
    _, moment, value = best
    within_first = start < moment < start + ground.window.step
    return StartingSoc(value, PointWish(moment, value) if within_first else None)
