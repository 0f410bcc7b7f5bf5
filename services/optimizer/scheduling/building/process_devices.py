"""Processes: devices that run for a given time at a given power. When they run is settled before anything else is planned."""

from __future__ import annotations

import numpy as np

from services.optimizer.scheduling.building.devices import Capacities, FlexibleDevice
from services.optimizer.scheduling.building.errors import PlanImpossible, PowerCapacityMissing
from services.optimizer.scheduling.building.ground import Ground, timezone_of
from services.optimizer.scheduling.building.series_filling import filled
from services.optimizer.scheduling.building.window import epoch_s
from services.optimizer.scheduling.problem import Device, FloatArray
from services.optimizer.scheduling.processes import (
    ProcessImpossible,
    ProcessType,
    blocked_steps,
    needed_steps,
    running_steps,
)
from shared.flexibility.collection import CollectedEntry
from shared.flexibility.flex_model import ProcessModel
from shared.flexibility.quantities import CAPACITY_FILLING


def process_device(
    number: int, collected: CollectedEntry, process: ProcessModel, prices: FloatArray | None, ground: Ground
) -> FlexibleDevice:
    """The device of a process, with its power fixed to when it runs.

    Args:
        prices: (N,) consumption price of its commodity; None where the commodity has none, so that all steps are alike.
    Raises:
        PlanImpossible: There is no room for it in the window, or its power is not known.
    """
    window = ground.window
    restrictions = [(epoch_s(one.start), epoch_s(one.end)) for one in process.time_restrictions]
    try:
        runs = running_steps(
            ProcessType(process.process_type.value),
            np.zeros(window.count) if prices is None else prices,
            blocked_steps(window.moments_s[:-1], window.step_s, restrictions),
            needed_steps(process.duration.total_seconds(), window.step_s),
            is_maximised=process.is_maximised,
        )
    except ProcessImpossible as impossible:
        raise PlanImpossible(
            f"The process on asset {collected.asset_id} cannot run: {impossible.message}."
        ) from impossible
    power = np.where(runs, _power_mw(collected, process, ground), 0.0)
    nothing = np.zeros(window.count)
    device = Device(f"device {number} (sensor {collected.entry.power_sensor_id})", power, power)
    return FlexibleDevice(collected.asset_id, collected.entry, Capacities(power, power, nothing), device)


def _power_mw(collected: CollectedEntry, process: ProcessModel, ground: Ground) -> FloatArray | float:
    if process.power_mw is not None:
        return process.power_mw
    clock = timezone_of(collected.entry.power_sensor_id, ground.sensors)
    power = filled(collected.entry.power_capacity, CAPACITY_FILLING, ground, clock)
    if np.isnan(power).any():
        raise PowerCapacityMissing(collected.asset_id)
    return power
