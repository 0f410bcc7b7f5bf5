"""A flex-model: what one device, stock or group of devices can do, as typed values in internal units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from shared.flexibility.quantities import Segments, SensorReference, VariableQuantity, is_fixed_zero

ELECTRICITY = "electricity"


@dataclass(frozen=True)
class OperationMode:
    """A band that the power may lie in [MW], consumption positive."""

    low_mw: float
    high_mw: float


@dataclass(frozen=True)
class GroupReference:
    """The group that a device belongs to: named by its power sensor or by its asset; one of the two is given."""

    sensor_id: int | None = None
    asset_id: int | None = None


class ProcessType(Enum):
    """How a process may run."""

    INFLEXIBLE = "INFLEXIBLE"
    BREAKABLE = "BREAKABLE"
    SHIFTABLE = "SHIFTABLE"


@dataclass(frozen=True)
class TimeRestriction:
    """A period [start, end) in which a process may not run (aware, UTC)."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class ProcessModel:
    """A process: it runs at ``power_mw`` for ``duration``, when the sum of prices is smallest (or largest)."""

    duration: timedelta
    power_mw: float | None
    process_type: ProcessType = ProcessType.INFLEXIBLE
    time_restrictions: tuple[TimeRestriction, ...] = ()
    is_maximised: bool = False


@dataclass(frozen=True)
class FlexModelEntry:
    """One entry of a flex-model. None or empty means that the field is not given; section 6.2 of the model tells the defaults."""

    sensor_id: int | None = None
    asset_id: int | None = None
    commodity: str = ELECTRICITY
    # Output sensors.
    consumption_sensor_id: int | None = None
    production_sensor_id: int | None = None
    soc_at_start_mwh: float | None = None
    soc_min_mwh: float | None = None
    soc_max_mwh: float | None = None
    soc_minima: VariableQuantity | None = None
    soc_maxima: VariableQuantity | None = None
    soc_targets: VariableQuantity | None = None
    state_of_charge: SensorReference | Segments | None = None
    power_capacity: VariableQuantity | None = None
    consumption_capacity: VariableQuantity | None = None
    production_capacity: VariableQuantity | None = None
    charging_efficiency: VariableQuantity | None = None
    discharging_efficiency: VariableQuantity | None = None
    roundtrip_efficiency: float | None = None
    storage_efficiency: VariableQuantity | None = None
    soc_gain: tuple[VariableQuantity, ...] = ()
    soc_usage: tuple[VariableQuantity, ...] = ()
    prefer_charging_sooner: bool = True
    prefer_curtailing_later: bool = True
    operation_modes: tuple[OperationMode, ...] = ()
    group: GroupReference | None = None
    inflexible_consumption: SensorReference | None = None
    inflexible_production: SensorReference | None = None
    coupling: str | None = None
    coupling_coefficient: float = 1.0
    process: ProcessModel | None = None

    @property
    def power_sensor_id(self) -> int | None:
        """The sensor whose power is scheduled: ``sensor``, else the output for consumption, else the one for production."""
        return next(
            (one for one in (self.sensor_id, self.consumption_sensor_id, self.production_sensor_id) if one is not None),
            None,
        )

    @property
    def soc_sensor_id(self) -> int | None:
        """The sensor of the state of charge, which is what devices that share a stock have in common."""
        return self.state_of_charge.sensor_id if isinstance(self.state_of_charge, SensorReference) else None

    @property
    def is_inflexible(self) -> bool:
        """Whether it describes a fixed load or generation."""
        return self.inflexible_consumption is not None or self.inflexible_production is not None

    @property
    def coupling_sign(self) -> int | None:
        """Of a device of a converter: 1 if it can only consume, -1 if it can only produce, None where that is not clear.

        The direction is that of the capacity given, where the other is absent or 0.
        """
        signs = [
            sign
            for sign, capacity in ((1, self.consumption_capacity), (-1, self.production_capacity))
            if capacity is not None and not is_fixed_zero(capacity)
        ]
        return signs[0] if len(signs) == 1 else None
