"""Soft capacities of single devices: what passing them costs."""

from __future__ import annotations

from dataclasses import dataclass

from services.optimizer.scheduling.building.commodity_terms import BreachPrices
from services.optimizer.scheduling.building.devices import FlexibleDevice, softened
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.building.parts import Parts, SoftLimit, soften
from services.optimizer.scheduling.building.series_filling import prices
from services.optimizer.scheduling.problem import FloatArray, Flow
from shared.flexibility.quantities import VariableQuantity


@dataclass(frozen=True)
class DeviceBreachPrices:
    """(N,) what passing a device's capacity costs [currency/MW]; None where capacities are hard."""

    consumption: FloatArray | None
    production: FloatArray | None


def device_breach_prices(breach: BreachPrices, ground: Ground, timezone: str) -> DeviceBreachPrices:
    """The breach prices of devices on the steps."""

    def on_steps(quantity: VariableQuantity | None, what: str) -> FloatArray | None:
        return None if quantity is None else prices(quantity, ground, what, timezone).values

    return DeviceBreachPrices(
        on_steps(breach.consumption, "consumption-breach-price"), on_steps(breach.production, "production-breach-price")
    )


def with_soft_capacities(device: FlexibleDevice, breach: DeviceBreachPrices) -> FlexibleDevice:
    """The device with its directional capacities soft where passing them has a price; the power limit stays hard."""
    if device.entry.consumption_capacity is None and device.entry.production_capacity is None:
        return device
    return softened(device, breach.consumption is not None, breach.production is not None)


def add_device_breaches(parts: Parts, number: int, device: FlexibleDevice, breach: DeviceBreachPrices) -> None:
    """Adds the commitments of a device's soft capacities."""
    over, capacities = Flow((number,)), device.capacities
    for which, price, capacity, is_soft in (
        ("consumption", breach.consumption, capacities.consumption, capacities.is_consumption_soft),
        ("production", breach.production, -capacities.production, capacities.is_production_soft),
    ):
        if price is not None and is_soft:
            names = (f"any {which} breach device {number}", f"all {which} breaches device {number}")
            soften(parts, SoftLimit(*names, over, capacity, price, which == "consumption"))
