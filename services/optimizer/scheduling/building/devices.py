"""What each device may take and give in every step: capacities and their defaults, efficiencies, bands, fixed loads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.optimizer.scheduling.building.errors import PlanImpossible, PowerCapacityMissing
from services.optimizer.scheduling.building.ground import Ground, is_consumption_positive, is_set, timezone_of
from services.optimizer.scheduling.building.series_filling import filled, read_on_steps
from services.optimizer.scheduling.problem import Device, FloatArray
from shared.flexibility.collection import CollectedEntry, InflexibleDevice
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.quantities import CAPACITY_FILLING, EFFICIENCY_FILLING, Fixed, Segments, VariableQuantity


@dataclass(frozen=True)
class Capacities:
    """What one device can do in every step, (N,) each [MW], ≥ 0; a soft limit may be passed, up to the device's power limit."""

    power: FloatArray
    consumption: FloatArray
    production: FloatArray
    is_consumption_soft: bool = False
    is_production_soft: bool = False

    @property
    def lower_mw(self) -> FloatArray:
        """(N,) the hard lower bound of the power."""
        return -(self.power if self.is_production_soft else self.production)

    @property
    def upper_mw(self) -> FloatArray:
        """(N,) the hard upper bound of the power."""
        return self.power if self.is_consumption_soft else self.consumption


@dataclass(frozen=True)
class FlexibleDevice:
    """A device with the asset that it belongs to, its sensor, and both its capacities and what the solver sees of it."""

    asset_id: int
    entry: FlexModelEntry
    capacities: Capacities
    device: Device


def flexible_device(number: int, collected: CollectedEntry, ground: Ground) -> FlexibleDevice:
    """The device of an entry with hard capacities: ``softened`` makes them soft.

    Raises:
        PowerCapacityMissing: Nothing limits its power.
    """
    entry = collected.entry
    capacities = _capacities(collected, ground)
    charging, discharging = _efficiencies(collected, ground)
    bands = tuple((mode.low_mw, mode.high_mw) for mode in entry.operation_modes)
    name = f"device {number} (sensor {entry.power_sensor_id})"
    device = Device(name, capacities.lower_mw, capacities.upper_mw, charging, discharging, bands)
    return FlexibleDevice(collected.asset_id, entry, capacities, device)


def softened(device: FlexibleDevice, consumption: bool, production: bool) -> FlexibleDevice:
    """The device with soft capacities in these directions. One that is 0 in the whole window stays hard."""
    capacities = replace(
        device.capacities,
        is_consumption_soft=consumption and bool(device.capacities.consumption.any()),
        is_production_soft=production and bool(device.capacities.production.any()),
    )
    bounds = replace(device.device, lower_mw=capacities.lower_mw, upper_mw=capacities.upper_mw)
    return replace(device, capacities=capacities, device=bounds)


def fixed_device(number: int, inflexible: InflexibleDevice, ground: Ground) -> Device:
    """A load or generation as its sensor tells it; steps without data count as 0, with a warning."""
    sensor_id = inflexible.reference.sensor_id
    values = read_on_steps(inflexible.reference, ground)
    missing = np.isnan(values)
    if missing.any():
        ground.warn(f"Sensor {sensor_id} has no data in {int(missing.sum())} of {len(values)} steps: they count as 0.")
        values = np.where(missing, 0.0, values)
    production = inflexible.is_production
    if production is None:
        production = not is_consumption_positive(ground.sensors[sensor_id])
    power = (-values if production else values) + 0.0
    return Device(f"device {number} (sensor {sensor_id})", power, power)


def is_nonzero(quantity: VariableQuantity | None) -> bool:
    """Whether a capacity is given and may be other than 0; what a sensor says counts as other than 0."""
    if isinstance(quantity, Fixed):
        return quantity.value != 0
    if isinstance(quantity, Segments):
        return any(segment.value.value != 0 for segment in quantity.segments)
    return quantity is not None


def _capacities(collected: CollectedEntry, ground: Ground) -> Capacities:
    entry = collected.entry
    clock = timezone_of(entry.power_sensor_id, ground.sensors)
    given = (
        entry.consumption_capacity,
        entry.production_capacity,
        entry.power_capacity,
        collected.fallback_power_capacity,
    )
    consumption, production, power, fallback = (filled(one, CAPACITY_FILLING, ground, clock) for one in given)
    for other in (np.fmax(consumption, production), fallback):
        power = np.where(np.isnan(power), other, power)
    if np.isnan(power).any():
        raise PowerCapacityMissing(collected.asset_id)
    power = np.maximum(power, 0.0)
    if entry.production_capacity is None and is_nonzero(entry.consumption_capacity):
        production = np.zeros_like(power)
    if entry.consumption_capacity is None and is_nonzero(entry.production_capacity):
        consumption = np.zeros_like(power)
    consumption, production = (
        np.clip(np.where(np.isnan(one), power, one), 0.0, power) for one in (consumption, production)
    )
    if _says(collected, "is_strictly_non_positive", ground):
        production = np.zeros_like(power)
    if _says(collected, "is_strictly_non_negative", ground):
        consumption = np.zeros_like(power)
    return Capacities(power, consumption, production)


def _says(collected: CollectedEntry, attribute: str, ground: Ground) -> bool:
    return is_set(ground.attribute(attribute, collected.entry.power_sensor_id, collected.asset_id))


def _efficiencies(collected: CollectedEntry, ground: Ground) -> tuple[FloatArray | None, FloatArray | None]:
    """(N,) charging and discharging efficiency; None is 1."""
    entry = collected.entry
    roundtrip = entry.roundtrip_efficiency
    if roundtrip is not None:
        each = np.full(ground.window.count, roundtrip**0.5)
        return (None, None) if roundtrip == 1 else (each, each)
    charging, discharging = (
        _efficiency(quantity, collected, ground)
        for quantity in (entry.charging_efficiency, entry.discharging_efficiency)
    )
    if charging is not None and not (charging >= 0).all():
        raise PlanImpossible(
            f"The charging-efficiency on asset {collected.asset_id} must not be below 0 % in any step."
        )
    if discharging is not None and not (discharging > 0).all():
        raise PlanImpossible(
            f"The discharging-efficiency on asset {collected.asset_id} must be above 0 % in every step."
        )
    return charging, discharging


def _efficiency(quantity: VariableQuantity | None, collected: CollectedEntry, ground: Ground) -> FloatArray | None:
    if quantity is None:
        return None
    return filled(quantity, EFFICIENCY_FILLING, ground, timezone_of(collected.entry.power_sensor_id, ground.sensors))
