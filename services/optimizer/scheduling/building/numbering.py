"""The numbers of devices, and what sensors, groups and commodities mean in terms of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.optimizer.scheduling.building.groups import groups_of
from shared.flexibility.collection import Collected
from shared.flexibility.flex_model import ELECTRICITY


@dataclass(frozen=True)
class Numbering:
    """Flexible devices in the order of entries, then inflexible ones.

    Attributes:
        of_entry: the device that an entry (by position) describes.
        commodities: of each device.
        of_commodity: the devices of each commodity, electricity first.
        of_group: the devices of each group, by the position of its entry.
        of_sensor: the devices that a sensor stands for: the one whose power it holds, or all of a group.
    """

    of_entry: Mapping[int, int]
    commodities: tuple[str, ...]
    of_commodity: Mapping[str, tuple[int, ...]]
    of_group: Mapping[int, tuple[int, ...]]
    of_sensor: Mapping[int, tuple[int, ...]]


def numbering_of(collected: Collected) -> Numbering:
    """The numbers of a configuration's devices."""
    of_entry = {index: number for number, index in enumerate(collected.device_indices)}
    for number, one in enumerate(collected.inflexible_devices, start=len(of_entry)):
        if one.entry_index is not None:
            of_entry[one.entry_index] = number
    commodities = (
        *(one.entry.commodity for one in collected.devices),
        *(inflexible.commodity for inflexible in collected.inflexible_devices),
    )
    names = dict.fromkeys(sorted(commodities, key=lambda name: name != ELECTRICITY))
    of_commodity = {name: tuple(d for d, one in enumerate(commodities) if one == name) for name in names}
    of_group = groups_of(collected, of_entry)
    return Numbering(of_entry, commodities, of_commodity, of_group, _by_sensor(collected, of_group))


def _by_sensor(collected: Collected, of_group: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    of_sensor: dict[int, tuple[int, ...]] = {}
    for index, members in of_group.items():
        sensor_id = collected.entries[index].entry.sensor_id
        if sensor_id is not None:
            of_sensor[sensor_id] = members
    for number, one in enumerate(collected.devices):
        for sensor_id in (one.entry.sensor_id, one.entry.consumption_sensor_id, one.entry.production_sensor_id):
            if sensor_id is not None:
                of_sensor[sensor_id] = (number,)
    for number, inflexible in enumerate(collected.inflexible_devices, start=len(collected.devices)):
        of_sensor.setdefault(inflexible.reference.sensor_id, (number,))
    return of_sensor
