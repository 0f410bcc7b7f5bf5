"""A collected configuration as a value: what a trigger asks for, and all that its schedule has to respect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.flexibility.flex_context import FlexContext
from shared.flexibility.flex_model import FlexModelEntry, GroupReference
from shared.flexibility.quantities import SensorReference, VariableQuantity
from shared.flexibility.references import SensorPath
from shared.flexibility.roles import Role
from shared.flexibility.stocks import Stock


@dataclass(frozen=True)
class Trigger:
    """What was asked for. ``flex_model`` and ``flex_context`` are JSON as posted; a sensor trigger names its sensor."""

    asset_id: int
    start: datetime
    flex_model: object = None
    flex_context: object = None
    sensor_id: int | None = None


@dataclass(frozen=True)
class CollectedEntry:
    """An entry with the asset that it belongs to. ``path`` tells where it came from, for messages.

    ``initial_soc_mwh`` counts where the entry gives no starting state of charge at all; None: it has no stock then.
    ``fallback_power_capacity`` counts where the entry gives no capacity.
    """

    entry: FlexModelEntry
    asset_id: int
    role: Role
    path: str
    initial_soc_mwh: float | None = None
    fallback_power_capacity: VariableQuantity | None = None


@dataclass(frozen=True)
class InflexibleDevice:
    """A fixed load or generation. ``is_production`` says how its sensor's sign is read; None: as the sensor's attributes tell.

    ``entry_index`` is its entry's position in ``Collected.entries``, None where the context lists it.
    """

    reference: SensorReference
    is_production: bool | None
    commodity: str
    entry_index: int | None = None


@dataclass(frozen=True)
class Collected:
    """The whole configuration of a schedule.

    Devices are numbered as the solver and ``commitment_costs`` number them: flexible ones in the order of entries, then the
    inflexible ones (of entries, of the top-level context, of each commodity's context). ``groups`` has the position of the group's
    entry for every reference in entries and commitments that means one. ``references`` are all sensors that are named by what counts,
    be it of the request or stored.
    """

    entries: tuple[CollectedEntry, ...]
    device_indices: tuple[int, ...]
    inflexible_devices: tuple[InflexibleDevice, ...]
    stocks: tuple[Stock, ...]
    context: FlexContext
    groups: Mapping[GroupReference, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    references: tuple[SensorPath, ...] = ()

    @property
    def devices(self) -> tuple[CollectedEntry, ...]:
        """The flexible devices, in order."""
        return tuple(self.entries[index] for index in self.device_indices)


def written_sensors(collected: Collected) -> tuple[SensorPath, ...]:
    """Every sensor that the schedule will be written to, with the path of what names it."""
    found = []
    for one in collected.entries:
        named = {
            "sensor": one.entry.sensor_id,
            "consumption": one.entry.consumption_sensor_id,
            "production": one.entry.production_sensor_id,
            "state-of-charge": one.entry.soc_sensor_id,
        }
        found += [(f"{one.path}.{name}", sensor_id) for name, sensor_id in named.items() if sensor_id is not None]
    context = collected.context
    aggregates = [("aggregate-power", context.aggregate_power_sensor_id)]
    for place in (context.top, *context.commodities):
        aggregates.append(("aggregate-consumption", place.aggregate_consumption_sensor_id))
        aggregates.append(("aggregate-production", place.aggregate_production_sensor_id))
    found += [(f"flex-context.{name}", sensor_id) for name, sensor_id in aggregates if sensor_id is not None]
    return tuple(found)
