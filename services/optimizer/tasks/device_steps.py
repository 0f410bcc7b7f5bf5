"""Scheduling one device after the other: what is left of a configuration when one is planned and those before it are settled.

Devices that mean nothing without each other are planned in one step: those that share a stock, the parts of a converter, and all that
have to balance at an internal node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from services.optimizer.scheduling.building.commodity_terms import terms_of
from shared.flexibility.collection import Collected, CollectedEntry, InflexibleDevice
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.quantities import QuantityKind, SensorReference
from shared.flexibility.roles import Role
from shared.flexibility.stocks import Stock

# The schedules of earlier devices are read back as any fixed load is, but only from those who plan.
_SCHEDULERS = ("scheduler",)

Step = tuple[int, ...]


def steps_of(whole: Collected) -> tuple[Step, ...]:
    """The devices of each step, by the positions of their entries, in the order of each step's first device."""
    step_of = {index: index for index in whole.device_indices}
    for linked in _linked(whole):
        joined = {step_of[index] for index in linked if index in step_of}
        step_of = {index: min(joined) if step in joined else step for index, step in step_of.items()}
    firsts = dict.fromkeys(step_of.values())
    return tuple(tuple(index for index, step in step_of.items() if step == first) for first in firsts)


def one_step(whole: Collected, number: int) -> Collected:
    """The configuration with the devices of that step alone; earlier ones are fixed as they were scheduled, later ones left out."""
    steps = steps_of(whole)
    chosen, earlier = set(steps[number]), {index for step in steps[:number] for index in step}
    entries: list[CollectedEntry] = []
    place: dict[int, int] = {}
    fixed: list[InflexibleDevice] = []
    for index, one in enumerate(whole.entries):
        if index in earlier:
            # Each sensor that an earlier device was written to is a fixed device, and has an entry, of its own.
            for device in _fixed(one.entry):
                fixed.append(replace(device, entry_index=len(entries)))
                entries.append(_settled(one))
        elif one.role is not Role.DEVICE or index in chosen:
            place[index] = len(entries)
            entries.append(one)
    given = [
        device if device.entry_index is None else replace(device, entry_index=place[device.entry_index])
        for device in whole.inflexible_devices
    ]
    return replace(
        whole,
        entries=tuple(entries),
        device_indices=tuple(place[index] for index in whole.device_indices if index in chosen),
        inflexible_devices=(*fixed, *given),
        stocks=tuple(_placed(stock, place) for stock in whole.stocks if chosen.issuperset(stock.device_indices)),
        groups={reference: place[index] for reference, index in whole.groups.items()},
    )


def _linked(whole: Collected) -> Iterator[Set[int]]:
    """Devices that are planned together."""
    yield from (set(stock.device_indices) for stock in whole.stocks)
    entries = {index: whole.entries[index].entry for index in whole.device_indices}
    for name in dict.fromkeys(entry.coupling for entry in entries.values() if entry.coupling is not None):
        yield {index for index, entry in entries.items() if entry.coupling == name}
    for terms in terms_of(whole.context, [entry.commodity for entry in entries.values()]):
        if terms.is_internal_node:
            yield {index for index, entry in entries.items() if entry.commodity == terms.commodity}


def _settled(one: CollectedEntry) -> CollectedEntry:
    """An entry of an earlier device: all that remains is where it belongs."""
    entry = FlexModelEntry(asset_id=one.entry.asset_id, commodity=one.entry.commodity, group=one.entry.group)
    return replace(one, entry=entry, role=Role.INFLEXIBLE)


def _fixed(entry: FlexModelEntry) -> Iterable[InflexibleDevice]:
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


def _placed(stock: Stock, place: dict[int, int]) -> Stock:
    return replace(
        stock,
        described_by=place[stock.described_by],
        device_indices=tuple(place[index] for index in stock.device_indices),
        efficiency_from=None if stock.efficiency_from is None else place[stock.efficiency_from],
    )
