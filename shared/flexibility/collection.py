"""What a trigger is about, collected from the request and from what is stored on assets: entries in order, roles, stocks, context."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from shared.flexibility.flex_context import FlexContext
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.quantities import SensorReference


class Role(Enum):
    """What an entry of the flex-model describes."""

    GROUP = "group"
    INFLEXIBLE = "inflexible"
    DEVICE = "device"
    STOCK_ONLY = "stock only"


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
    """An entry with the asset that it belongs to. ``path`` tells where it came from, for messages."""

    entry: FlexModelEntry
    asset_id: int
    role: Role
    path: str


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
class Stock:
    """One stock and the entries that feed on it (positions in ``Collected.entries``).

    ``described_by`` is the entry whose SoC fields count: the stock-only entry if there is one, else the first device.
    ``efficiency_from`` is the entry that gives ``storage-efficiency``, if any. ``soc_sensor_id`` is None for a stock that is not
    shared and has no sensor.
    """

    described_by: int
    device_indices: tuple[int, ...]
    efficiency_from: int | None = None
    soc_sensor_id: int | None = None


@dataclass(frozen=True)
class Collected:
    """The whole configuration of a schedule.

    Devices are numbered as the solver and ``commitment_costs`` number them: flexible ones in the order of entries, then the
    inflexible ones (of entries, of the top-level context, of each commodity's context).
    """

    entries: tuple[CollectedEntry, ...]
    device_indices: tuple[int, ...]
    inflexible_devices: tuple[InflexibleDevice, ...]
    stocks: tuple[Stock, ...]
    context: FlexContext
    warnings: tuple[str, ...] = ()

    @property
    def devices(self) -> tuple[CollectedEntry, ...]:
        """The flexible devices, in order."""
        return tuple(self.entries[index] for index in self.device_indices)
