"""Stocks: each device has one, and devices whose state of charge is on the same sensor share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.flexibility.errors import Problems
from shared.flexibility.facts import Sensors
from shared.flexibility.quantities import SensorReference
from shared.flexibility.roles import ReadEntry, Role


@dataclass(frozen=True)
class Stock:
    """One stock and the entries that feed on it (positions in ``Collected.entries``).

    ``described_by`` is the entry whose SoC fields count: the stock-only entry if there is one, else the first device.
    ``efficiency_from`` is the entry that gives ``storage-efficiency``, if any, and ``efficiency_resolution_s`` the time in which
    that share is kept [s]. ``soc_sensor_id`` is None for a stock without a sensor, which is not shared.
    """

    described_by: int
    device_indices: tuple[int, ...]
    efficiency_from: int | None = None
    efficiency_resolution_s: int | None = None
    soc_sensor_id: int | None = None


def stocks_of(
    entries: Sequence[ReadEntry], roles: Sequence[Role | None], sensors: Sensors, problems: Problems
) -> tuple[Stock, ...]:
    """The stocks of all devices but processes, in the order of their first devices; what contradicts itself is noted."""
    devices: dict[tuple[str, int], list[int]] = {}
    describers: dict[int, int] = {}
    for position, (one, role) in enumerate(zip(entries, roles, strict=True)):
        soc_sensor_id = one.entry.soc_sensor_id
        if role is Role.DEVICE and one.entry.process is None:
            key = ("sensor", soc_sensor_id) if soc_sensor_id is not None else ("device", position)
            devices.setdefault(key, []).append(position)
        elif role is Role.STOCK_ONLY and soc_sensor_id is not None:
            if soc_sensor_id in describers:
                problems.at(*one.merged.path, "state-of-charge").add(
                    f"The stock of sensor {soc_sensor_id} is described by another entry already."
                )
            describers.setdefault(soc_sensor_id, position)
    for soc_sensor_id, position in describers.items():
        if ("sensor", soc_sensor_id) not in devices:
            text = f"No device has its state of charge on sensor {soc_sensor_id}, and this entry has no power sensor."
            problems.at(*entries[position].merged.path, "sensor").add(text)
    return tuple(
        _stock(entries, members, describers.get(key[1]) if key[0] == "sensor" else None, sensors, problems)
        for key, members in devices.items()
    )


def _stock(
    entries: Sequence[ReadEntry], members: Sequence[int], describer: int | None, sensors: Sensors, problems: Problems
) -> Stock:
    described_by = members[0] if describer is None else describer
    sharers = [described_by, *(one for one in members if one != described_by)]
    giving = [one for one in sharers if entries[one].entry.storage_efficiency is not None]
    for one in giving[1:]:
        if entries[one].entry.storage_efficiency != entries[giving[0]].entry.storage_efficiency:
            text = "The stock is shared, and another entry gives it another storage efficiency."
            problems.at(*entries[one].merged.path, "storage-efficiency").add(text)
    source = giving[0] if giving else None
    resolution_s = None if source is None else _resolution_s(entries, [source, *members], sensors)
    if source is not None and not resolution_s:
        text = "It is kept per step of a power sensor (or of a sensor that it is read from), and there is none with a resolution."
        problems.at(*entries[source].merged.path, "storage-efficiency").add(text)
    return Stock(
        described_by=described_by,
        device_indices=tuple(members),
        efficiency_from=source,
        efficiency_resolution_s=resolution_s,
        soc_sensor_id=entries[described_by].entry.soc_sensor_id,
    )


def _resolution_s(entries: Sequence[ReadEntry], positions: Sequence[int], sensors: Sensors) -> int | None:
    """That of the efficiency's own sensor, else of the entry's power sensor, else of the first device that shares the stock."""
    efficiency = entries[positions[0]].entry.storage_efficiency
    named = [efficiency.sensor_id] if isinstance(efficiency, SensorReference) else []
    named += [one for position in positions if (one := entries[position].entry.power_sensor_id) is not None]
    found = (sensors[one].resolution_s for one in named if one in sensors)
    return next((resolution_s for resolution_s in found if resolution_s), None)
