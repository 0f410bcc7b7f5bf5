"""What a schedule writes on sensors: powers and states of charge in their units, at their resolutions and with their signs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.optimizer.scheduling.building.assembling import BuiltProblem
from services.optimizer.scheduling.building.ground import Ground, is_consumption_positive
from services.optimizer.scheduling.building.input_series import resampled
from services.optimizer.scheduling.problem import FloatArray
from services.optimizer.scheduling.solver import Solution
from shared.flexibility.facts import SensorFacts
from shared.flexibility.flex_model import ELECTRICITY
from shared.units import UnitKind, conversion, kind_of

_DECIMALS = 6


@dataclass(frozen=True)
class SensorOutput:
    """The values of one sensor, (N,) or for states of charge one more, ``step_s`` seconds apart from ``start`` on, in its unit.

    Powers are consumption positive, as the API gives them by default; ``stored_sign`` is -1 where the sensor stores production
    as positive. ``resolution_s`` is the sensor's: 0 for an instantaneous one.
    """

    sensor_id: int
    start: datetime
    step_s: int
    resolution_s: int
    unit: str
    values: FloatArray
    stored_sign: int = 1

    @property
    def stored_values(self) -> FloatArray:
        """The values as beliefs hold them."""
        return self.stored_sign * self.values + 0.0


@dataclass(frozen=True)
class _Power:
    """A power to write on a sensor: (N,) MW, consumption positive. Without a sign it is stored as the sensor's attributes say."""

    sensor_id: int
    power_mw: FloatArray
    stored_sign: int | None = None


def outputs_of(built: BuiltProblem, solution: Solution, ground: Ground) -> tuple[SensorOutput, ...]:
    """All that is written, each sensor once: outputs of devices and groups, of commodities, states of charge."""
    written: dict[int, SensorOutput] = {}
    powers = [*_of_devices(built, solution), *_of_groups(built, solution), *_of_commodities(built, solution)]
    for power in powers:
        sensor = ground.sensors[power.sensor_id]
        written.setdefault(power.sensor_id, _power_output(power, sensor, ground))
    for output in _states_of_charge(built, solution, ground):
        written.setdefault(output.sensor_id, output)
    return tuple(written.values())


def _of_devices(built: BuiltProblem, solution: Solution) -> Iterator[_Power]:
    for number, device in enumerate(built.devices):
        entry, power = device.entry, solution.power_mw[number]
        yield from _split(power, entry.consumption_sensor_id, entry.production_sensor_id)
        if entry.sensor_id is not None:
            yield _Power(entry.sensor_id, power)


def _of_groups(built: BuiltProblem, solution: Solution) -> Iterator[_Power]:
    for index, members in built.numbering.of_group.items():
        entry, power = built.collected.entries[index].entry, _sum(solution, members)
        yield from _split(power, entry.consumption_sensor_id, entry.production_sensor_id)
        if entry.sensor_id is not None:
            yield _Power(entry.sensor_id, power)


def _of_commodities(built: BuiltProblem, solution: Solution) -> Iterator[_Power]:
    context = built.collected.context
    for terms in built.terms:
        power = _sum(solution, built.numbering.of_commodity.get(terms.commodity, ()))
        if terms.commodity == ELECTRICITY and context.aggregate_power_sensor_id is not None:
            yield _Power(context.aggregate_power_sensor_id, power)
        yield from _split(power, terms.consumption.aggregate_sensor_id, terms.production.aggregate_sensor_id)


def _split(power: FloatArray, consumption: int | None, production: int | None) -> Iterator[_Power]:
    """To one sensor goes the whole profile; of two, each gets its part."""
    both = consumption is not None and production is not None
    if consumption is not None:
        yield _Power(consumption, np.maximum(power, 0.0) if both else power, 1)
    if production is not None:
        yield _Power(production, np.minimum(power, 0.0) if both else power, -1)


def _sum(solution: Solution, members: Iterable[int]) -> FloatArray:
    return np.asarray(solution.power_mw[list(members)].sum(axis=0))


def _power_output(power: _Power, sensor: SensorFacts, ground: Ground) -> SensorOutput:
    window = ground.window
    step_s = sensor.resolution_s or window.step_s
    values = power.power_mw if step_s == window.step_s else resampled(power.power_mw, window, step_s)
    scaled = values * conversion("MW", sensor.unit, resolution_s=step_s).factor
    sign = power.stored_sign or (1 if is_consumption_positive(sensor) else -1)
    return SensorOutput(
        sensor.sensor_id,
        window.start,
        step_s,
        sensor.resolution_s,
        sensor.unit,
        np.round(scaled, _DECIMALS) + 0.0,
        sign,
    )


def _states_of_charge(built: BuiltProblem, solution: Solution, ground: Ground) -> Iterator[SensorOutput]:
    """N + 1 values for each stock with a sensor: at the start and after each step."""
    window = ground.window
    for known, levels in zip(built.stocks, solution.level_mwh, strict=True):
        if known.soc_sensor_id is None:
            continue
        sensor = ground.sensors[known.soc_sensor_id]
        values: FloatArray = levels
        if kind_of(sensor.unit) is UnitKind.SHARE:
            if not known.limits.soc_max_mwh:
                ground.warn(f"Sensor {sensor.sensor_id} gets no state of charge: {sensor.unit} needs soc-max.")
                continue
            values = levels / known.limits.soc_max_mwh * conversion("dimensionless", sensor.unit).factor
        else:
            values = levels * conversion("MWh", sensor.unit).factor
        rounded = np.round(values, _DECIMALS) + 0.0
        yield SensorOutput(sensor.sensor_id, window.start, window.step_s, sensor.resolution_s, sensor.unit, rounded)
