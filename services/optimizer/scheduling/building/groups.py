"""Groups of devices behind a connection of their own: who belongs to them, and what that connection allows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from services.optimizer.scheduling.building.commodity_terms import SITE_BREACH_PRICE_PER_MW
from services.optimizer.scheduling.building.filled_terms import capacity_on_steps
from services.optimizer.scheduling.building.ground import Ground, timezone_of
from services.optimizer.scheduling.building.parts import Parts, SoftLimit, soften
from services.optimizer.scheduling.problem import Flow, Limit
from shared.flexibility.collection import Collected, CollectedEntry
from shared.flexibility.roles import Role


def groups_of(collected: Collected, numbers: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    """The devices (their numbers) of each group, by the position of the group's entry; those of groups within it too.

    Args:
        numbers: number of the device of each entry, by the entry's position.
    """
    groups = {index: one for index, one in enumerate(collected.entries) if one.role is Role.GROUP}
    return {index: tuple(sorted(_members(index, collected, groups, numbers))) for index in groups}


def add_group(parts: Parts, group: CollectedEntry, devices: tuple[int, ...], ground: Ground) -> None:
    """Adds the hard power limit of a group and its soft capacities in each direction."""
    entry = group.entry
    clock = timezone_of(entry.sensor_id, ground.sensors)
    kind, number = ("sensor", entry.sensor_id) if entry.sensor_id is not None else ("asset", group.asset_id)
    name = f"group {kind}:{number}"

    power = capacity_on_steps(entry.power_capacity, ground, clock)
    parts.add_limit(Limit(name, devices, -power, power))
    price = np.full(ground.window.count, SITE_BREACH_PRICE_PER_MW)
    for which, quantity, sign in (
        ("consumption", entry.consumption_capacity, 1.0),
        ("production", entry.production_capacity, -1.0),
    ):
        if quantity is not None and devices:
            names = (f"{name} any {which} breach", f"{name} all {which} breaches")
            soften(
                parts,
                SoftLimit(*names, Flow(devices), sign * capacity_on_steps(quantity, ground, clock), price, sign > 0),
            )


def _members(
    group: int,
    collected: Collected,
    groups: Mapping[int, CollectedEntry],
    numbers: Mapping[int, int],
) -> set[int]:
    members: set[int] = set()
    for index, one in enumerate(collected.entries):
        if one.entry.group is None or collected.groups.get(one.entry.group) != group:
            continue
        if index in groups:
            members |= _members(index, collected, groups, numbers)
        elif index in numbers:
            members.add(numbers[index])
    return members
