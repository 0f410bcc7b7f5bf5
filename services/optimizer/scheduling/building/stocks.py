"""Stocks of energy: what fills and empties them by itself, what they lose, their limits, and which wishes bind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.optimizer.scheduling.building.devices import FlexibleDevice
from services.optimizer.scheduling.building.ground import Ground, timezone_of
from services.optimizer.scheduling.building.off_tick import Reach
from services.optimizer.scheduling.building.series_filling import filled
from services.optimizer.scheduling.building.soc_wishes import SocWishes, StockLimits, soc_wishes
from services.optimizer.scheduling.building.starting_soc import starting_soc
from services.optimizer.scheduling.problem import FloatArray, Stock
from shared.flexibility.collection import Collected, CollectedEntry
from shared.flexibility.quantities import EFFICIENCY_FILLING, STOCK_FLOW_FILLING
from shared.flexibility.stocks import Stock as CollectedStock


@dataclass(frozen=True)
class KnownStock:
    """A stock whose energy at the start is known. Its wishes are not yet hard or soft."""

    description: CollectedEntry
    soc_sensor_id: int | None
    members: tuple[int, ...]  # numbers of devices
    start_mwh: float
    limits: StockLimits
    kept: FloatArray | None  # (N,) share left after a step
    gain_mw: FloatArray | None  # (N,)
    wishes: SocWishes

    def for_solver(self, *, minima: bool, maxima: bool, targets: bool) -> Stock:
        """The stock with the wishes that are hard among its bounds; hard minima and maxima stay within its limits."""
        least, most, bounds = self.limits.least_mwh, self.limits.most_mwh, self.wishes.bounds
        lower, upper = np.full(len(bounds.minima) - 1, least), np.full(len(bounds.minima) - 1, most)
        if minima:
            lower = np.fmax(lower, np.clip(bounds.minima[1:], least, most))
        if maxima:
            upper = np.fmin(upper, np.clip(bounds.maxima[1:], least, most))
        return Stock(
            f"state of charge of asset {self.description.asset_id}",
            self.members,
            self.start_mwh,
            self.kept,
            self.gain_mw,
            lower,
            upper,
            bounds.targets[1:] if targets else None,
            least_mwh=least,
            most_mwh=most,
        )


def known_stock(
    collected: Collected,
    stock: CollectedStock,
    numbers: Mapping[int, int],
    devices: Sequence[FlexibleDevice],
    ground: Ground,
) -> KnownStock | None:
    """The stock; None where its energy at the start is not known, so that it binds nothing.

    Args:
        numbers: number of the device that each entry (by its position) describes.
    Raises:
        StateOfChargeUnknown: A sensor is to tell the state of charge at the start, and does not.
    """
    description = collected.entries[stock.described_by]
    limits = StockLimits(description.entry.soc_min_mwh, description.entry.soc_max_mwh)
    start = starting_soc(description, limits.soc_max_mwh, ground)
    if start is None:
        _warn_of_ignored_wishes(description, ground)
        return None
    members = tuple(numbers[index] for index in stock.device_indices)
    first = collected.entries[stock.device_indices[0]] if stock.device_indices else description
    clock = timezone_of(first.entry.power_sensor_id or stock.soc_sensor_id, ground.sensors)
    reach = _reach([devices[number] for number in members], ground)
    return KnownStock(
        description,
        stock.soc_sensor_id,
        members,
        start.energy_mwh,
        limits,
        _kept(collected, stock, clock, ground),
        _gain(description, clock, ground),
        soc_wishes(description, limits, reach, start.known_at, clock, ground),
    )


def _warn_of_ignored_wishes(description: CollectedEntry, ground: Ground) -> None:
    entry = description.entry
    if any(wish is not None for wish in (entry.soc_minima, entry.soc_maxima, entry.soc_targets)):
        ground.warn(
            f"Wishes for the state of charge of asset {description.asset_id} are ignored: its value at the start is not known."
        )


def _reach(devices: Sequence[FlexibleDevice], ground: Ground) -> Reach:
    charging, discharging = np.zeros(ground.window.count), np.zeros(ground.window.count)
    for one in devices:
        into, out_of = one.device.charging_efficiency, one.device.discharging_efficiency
        charging += one.capacities.consumption if into is None else one.capacities.consumption * into
        discharging += one.capacities.production if out_of is None else one.capacities.production / out_of
    return Reach(charging, discharging)


def _kept(collected: Collected, stock: CollectedStock, clock: str, ground: Ground) -> FloatArray | None:
    """(N,) share left after a step; what is given is the share left after the resolution that the stock tells."""
    if stock.efficiency_from is None:
        return None
    quantity = collected.entries[stock.efficiency_from].entry.storage_efficiency
    given = np.clip(filled(quantity, EFFICIENCY_FILLING, ground, clock), 0.0, 1.0)
    return np.asarray(given ** (ground.window.step_s / (stock.efficiency_resolution_s or ground.window.step_s)))


def _gain(description: CollectedEntry, clock: str, ground: Ground) -> FloatArray | None:
    entry = description.entry
    if not entry.soc_gain and not entry.soc_usage:
        return None
    gain = np.zeros(ground.window.count)
    for quantity in entry.soc_gain:
        gain += filled(quantity, STOCK_FLOW_FILLING, ground, clock)
    for quantity in entry.soc_usage:
        gain -= filled(quantity, STOCK_FLOW_FILLING, ground, clock)
    return gain
