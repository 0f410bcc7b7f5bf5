"""Scheduling one device after the other: what is left of a configuration when one device is planned and those before it are settled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shared.flexibility.collection import Collected, CollectedEntry, InflexibleDevice
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.quantities import QuantityKind, SensorReference
from shared.flexibility.roles import Role
from shared.flexibility.stocks import Stock

# The schedules of earlier devices are read back as any fixed load is, but only from those who plan.
_SCHEDULERS = ("scheduler",)


def one_device(whole: Collected, step: int) -> Collected:
    """The configuration with the device of that number alone; earlier ones are fixed as they were scheduled, later ones left out."""
    chosen, earlier = whole.device_indices[step], set(whole.device_indices[:step])
    kept = [
        index
        for index, one in enumerate(whole.entries)
        if one.role is not Role.DEVICE or index == chosen or index in earlier
    ]
    place = {index: position for position, index in enumerate(kept)}
    fixed = [
        replace(device, entry_index=place[index])
        for index in kept
        if index in earlier
        for device in _fixed(whole.entries[index].entry)
    ]
    given = [
        device if device.entry_index is None else replace(device, entry_index=place[device.entry_index])
        for device in whole.inflexible_devices
    ]
    return replace(
        whole,
        entries=tuple(_settled(whole.entries[index]) if index in earlier else whole.entries[index] for index in kept),
        device_indices=(place[chosen],),
        inflexible_devices=(*fixed, *given),
        stocks=tuple(_stocks(whole, chosen, place)),
    )


def _settled(one: CollectedEntry) -> CollectedEntry:
    """An entry of an earlier device: all that remains is where it belongs."""
    entry = FlexModelEntry(asset_id=one.entry.asset_id, commodity=one.entry.commodity, group=one.entry.group)
    return replace(one, entry=entry, role=Role.INFLEXIBLE)


def _fixed(entry: FlexModelEntry) -> Iterator[InflexibleDevice]:
    """What an earlier device does, as its sensors have it now."""
    if entry.sensor_id is not None:
        # Read as it was written, with the sign that the sensor's attributes tell.
        yield InflexibleDevice(_reference(entry.sensor_id), None, entry.commodity)
        return
    for sensor_id, is_production in ((entry.consumption_sensor_id, False), (entry.production_sensor_id, True)):
        if sensor_id is not None:
            yield InflexibleDevice(_reference(sensor_id), is_production, entry.commodity)


def _reference(sensor_id: int) -> SensorReference:
    return SensorReference(sensor_id, QuantityKind.POWER, source_types=_SCHEDULERS)


def _stocks(whole: Collected, chosen: int, place: dict[int, int]) -> Iterator[Stock]:
    for stock in whole.stocks:
        if chosen in stock.device_indices:
            described_by = stock.described_by if stock.described_by in place else chosen
            efficiency_from = None if stock.efficiency_from is None else place.get(stock.efficiency_from)
            yield replace(
                stock,
                described_by=place[described_by],
                device_indices=(place[chosen],),
                efficiency_from=efficiency_from,
            )
