"""What each entry of a flex-model describes, and whether it may: roles, sensors that occur twice, groups and their members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from shared.flexibility.errors import Problems
from shared.flexibility.fields import MISSING
from shared.flexibility.flex_model import FlexModelEntry, GroupReference
from shared.flexibility.merging import MergedEntry

_OF_GROUPS = frozenset(
    {
        "sensor",
        "asset",
        "commodity",
        "consumption",
        "production",
        "power-capacity",
        "consumption-capacity",
        "production-capacity",
        "group",
    }
)
_CAPACITIES = ("power-capacity", "consumption-capacity", "production-capacity")


class Role(Enum):
    """What an entry of the flex-model describes."""

    GROUP = "group"
    INFLEXIBLE = "inflexible"
    DEVICE = "device"
    STOCK_ONLY = "stock only"


@dataclass(frozen=True)
class ReadEntry:
    """An entry as it was merged and as it was read."""

    merged: MergedEntry
    entry: FlexModelEntry

    @property
    def asset_id(self) -> int | None:
        """The asset that it describes."""
        return self.merged.asset.asset_id if self.merged.asset else None

    @property
    def describes_asset(self) -> bool:
        """Whether it is about an asset as such, and not about one of its sensors."""
        return self.merged.is_stored or "asset" in self.merged.document


def roles_of(entries: Sequence[ReadEntry]) -> list[Role | None]:
    """The role of each entry; None for one that names nothing that could be scheduled."""
    groups = _Groups(entries)
    return [_role(one.entry, is_group=groups.is_group(position)) for position, one in enumerate(entries)]


def groups_named(
    entries: Sequence[ReadEntry], references: Iterable[GroupReference | None]
) -> dict[GroupReference, int]:
    """The position of the group's entry for each reference that means one."""
    groups = _Groups(entries)
    found = {one: groups.find(one) for one in references if one is not None}
    return {one: position for one, position in found.items() if position is not None and groups.is_group(position)}


def check_roles(entries: Sequence[ReadEntry], roles: Sequence[Role | None], problems: Problems) -> None:
    """Notes what may not be: entries without a power sensor, sensors that occur twice, groups that are devices or go in circles."""
    groups = _Groups(entries)
    seen: set[int] = set()
    for position, (one, role) in enumerate(zip(entries, roles, strict=True)):
        at = problems.at(*one.merged.path)
        # A sensor that is given and wrong was noted when it was read.
        if role is None and not any(name in one.merged.document for name in ("sensor", "consumption", "production")):
            at.at("sensor").add(MISSING)
        if one.entry.sensor_id is not None and one.entry.sensor_id in seen:
            text = f"Sensor {one.entry.sensor_id} should not occur more than once in the flex-model"
            problems.at("flex-model").add_here(text)
        if one.entry.sensor_id is not None:
            seen.add(one.entry.sensor_id)
        if one.entry.coupling is not None and role is Role.DEVICE and one.entry.coupling_sign is None:
            at.at("coupling").add(
                "A device of a converter has one direction: give one of `consumption-capacity` and "
                "`production-capacity`, and let the other be absent or 0."
            )
        if role is Role.GROUP:
            _check_group(one, at)
        if one.entry.group is not None:
            _check_membership(position, groups, at.at("group"))


def _role(entry: FlexModelEntry, *, is_group: bool) -> Role | None:
    if is_group:
        return Role.GROUP
    if entry.is_inflexible:
        return Role.INFLEXIBLE
    if entry.power_sensor_id is not None:
        return Role.DEVICE
    return Role.STOCK_ONLY if entry.soc_sensor_id is not None else None


def _check_group(one: ReadEntry, problems: Problems) -> None:
    for name in one.merged.document:
        if name not in _OF_GROUPS:
            problems.at(name).add("Does not apply to a group.")
    if not any(name in one.merged.document for name in _CAPACITIES):
        problems.at("power-capacity").add("A group needs at least one capacity.")


def _check_membership(position: int, groups: _Groups, problems: Problems) -> None:
    chain = groups.chain(position)
    if not chain:
        problems.add("The flex-model has no entry that describes this group.")
    elif len({position, *chain}) <= len(chain):
        problems.add("Groups may not contain themselves.")
    else:
        commodities = sorted(groups.commodities(chain[0]))
        if len(commodities) > 1:
            problems.add(f"Members of a group share one commodity, and not {' and '.join(commodities)}.")


class _Groups:
    """Who belongs to which group, by positions of entries."""

    def __init__(self, entries: Sequence[ReadEntry]) -> None:
        self._entries = entries
        self._by_sensor: dict[int, int] = {}
        self._by_asset: dict[int, int] = {}
        for position, one in enumerate(entries):
            for sensor_id in (one.entry.power_sensor_id, one.entry.sensor_id):
                if sensor_id is not None:
                    self._by_sensor[sensor_id] = position
            if one.describes_asset and one.asset_id is not None:
                self._by_asset[one.asset_id] = position
        self._group_of = {
            position: found for position, one in enumerate(entries) if (found := self.find(one.entry.group)) is not None
        }
        self._commodities: dict[int, set[str]] = {}
        self._members: dict[int, list[int]] = {}
        for member, group in self._group_of.items():
            self._members.setdefault(group, []).append(member)

    def find(self, reference: GroupReference | None) -> int | None:
        """The entry that a reference means, be it a group or not."""
        if reference is None:
            return None
        if reference.sensor_id is not None:
            return self._by_sensor.get(reference.sensor_id)
        return None if reference.asset_id is None else self._by_asset.get(reference.asset_id)

    def is_group(self, position: int) -> bool:
        """Whether another entry belongs to it."""
        return any(member != position for member in self._members.get(position, ()))

    def chain(self, position: int) -> list[int]:
        """The groups above an entry, nearest first; it ends where a group occurs again."""
        chain: list[int] = []
        seen = {position}
        current = self._group_of.get(position)
        while current is not None:
            chain.append(current)
            if current in seen:
                break
            seen.add(current)
            current = self._group_of.get(current)
        return chain

    def commodities(self, group: int) -> set[str]:
        """The commodities of all below a group that are no groups themselves."""
        if group not in self._commodities:
            devices = (self._entries[one].entry for one in self._below(group) if not self.is_group(one))
            self._commodities[group] = {one.commodity for one in devices}
        return self._commodities[group]

    def _below(self, group: int) -> Iterator[int]:
        seen, waiting = {group}, list(self._members.get(group, ()))
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting.extend(self._members.get(one, ()))
                yield one
