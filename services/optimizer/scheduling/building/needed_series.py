"""Which series a schedule needs, so that whoever has the store reads them before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.optimizer.scheduling.building.ground import timezone_of
from services.optimizer.scheduling.building.input_series import SeriesKey, key_of
from services.optimizer.scheduling.building.window import DEFAULT_STEP_S, Window, step_of, window_of
from shared.flexibility.collection import Collected
from shared.flexibility.facts import Sensors
from shared.flexibility.flex_context import Commitment, CommodityContext, FlexContext
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.quantities import Segments, SensorReference, VariableQuantity

# A state of charge at the start may be so many steps old, or so many late.
SOC_RADIUS_STEPS = 4


@dataclass(frozen=True)
class NeededSeries:
    """The events of a sensor that start in ``[start, end)``, of the sources that the key says, the winning value of each."""

    key: SeriesKey
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Needs:
    """The window of a schedule, what to read for it (each key once), and warnings about the window."""

    window: Window
    series: tuple[NeededSeries, ...]
    warnings: tuple[str, ...]


def needs_of(
    collected: Collected, sensors: Sensors, *, start: datetime, end: datetime, resolution_s: int | None = None
) -> Needs:
    """The window and the series of a schedule from ``start`` to ``end``.

    Args:
        sensors: all that the configuration refers to.
        end: as asked for (its duration counted on the place's clock); late targets move it.
        resolution_s: the step asked for [s], None for that of the finest power sensor.
    Raises:
        ValueError: The end is not after the start.
    """
    own = [sensors[one].resolution_s for one in _power_sensors(collected) if one in sensors]
    step_s = step_of(resolution_s, own)
    window, warnings = window_of(
        start,
        end,
        step_s,
        sensor_step_s=min((one for one in own if one), default=DEFAULT_STEP_S),
        targets=_targets(collected, sensors),
    )
    needed: dict[SeriesKey, NeededSeries] = {}
    for reference in references(collected):
        resolution = timedelta(seconds=sensors[reference.sensor_id].resolution_s)
        # The event under way at the start, and the one that a moment at the end belongs to.
        _widen(needed, key_of(reference), window.start - resolution, window.end + window.step)
    for entry in _entries(collected):
        if isinstance(entry.state_of_charge, SensorReference) and entry.soc_at_start_mwh is None:
            radius = SOC_RADIUS_STEPS * window.step
            _widen(
                needed,
                key_of(entry.state_of_charge),
                window.start - radius,
                window.start + radius + timedelta(seconds=1),
            )
    return Needs(window, tuple(needed.values()), warnings)


def references(collected: Collected) -> Iterator[SensorReference]:
    """Every sensor that is read over the whole window; the states of charge at the start are not among them."""
    for one in collected.entries:
        yield from _of((*_quantities_of_entry(one.entry), one.fallback_power_capacity))
    for inflexible in collected.inflexible_devices:
        yield inflexible.reference
    context = collected.context
    yield from _of(_quantities_of_context(context))
    for commodity in (context.top, *context.commodities):
        yield from _of(_quantities_of_commodity(commodity))
        for commitment in commodity.commitments:
            yield from _of(_quantities_of_commitment(commitment))


def _widen(needed: dict[SeriesKey, NeededSeries], key: SeriesKey, start: datetime, end: datetime) -> None:
    known = needed.get(key)
    needed[key] = (
        NeededSeries(key, min(start, known.start), max(end, known.end)) if known else NeededSeries(key, start, end)
    )


def _entries(collected: Collected) -> Iterator[FlexModelEntry]:
    return (one.entry for one in collected.entries)


def _power_sensors(collected: Collected) -> Iterator[int]:
    return (one.entry.power_sensor_id for one in collected.devices if one.entry.power_sensor_id is not None)


def _targets(collected: Collected, sensors: Sensors) -> tuple[datetime, ...]:
    """When each wish of the lists of ``soc-targets`` ends."""
    ends = []
    for one in collected.entries:
        if isinstance(one.entry.soc_targets, Segments):
            clock = ZoneInfo(timezone_of(one.entry.power_sensor_id or one.entry.soc_sensor_id, sensors))
            ends += [segment.period(clock)[1] for segment in one.entry.soc_targets.segments]
    return tuple(ends)


def _of(quantities: Iterable[VariableQuantity | None]) -> Iterator[SensorReference]:
    return (one for one in quantities if isinstance(one, SensorReference))


def _quantities_of_entry(entry: FlexModelEntry) -> tuple[VariableQuantity | None, ...]:
    return (
        entry.soc_minima,
        entry.soc_maxima,
        entry.soc_targets,
        entry.power_capacity,
        entry.consumption_capacity,
        entry.production_capacity,
        entry.charging_efficiency,
        entry.discharging_efficiency,
        entry.storage_efficiency,
        *entry.soc_gain,
        *entry.soc_usage,
    )


def _quantities_of_context(context: FlexContext) -> tuple[VariableQuantity | None, ...]:
    return (
        context.consumption_breach_price,
        context.production_breach_price,
        context.soc_minima_breach_price,
        context.soc_maxima_breach_price,
    )


def _quantities_of_commodity(context: CommodityContext) -> tuple[VariableQuantity | None, ...]:
    return (
        context.consumption_price,
        context.production_price,
        context.site_power_capacity,
        context.site_consumption_capacity,
        context.site_production_capacity,
        context.site_consumption_breach_price,
        context.site_production_breach_price,
        context.site_peak_consumption,
        context.site_peak_production,
        context.site_peak_consumption_price,
        context.site_peak_production_price,
    )


def _quantities_of_commitment(commitment: Commitment) -> tuple[VariableQuantity | None, ...]:
    return (commitment.baseline, commitment.up_price, commitment.down_price)
