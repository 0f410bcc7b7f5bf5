"""Merges what is stored on assets with what a request says, field by field, before any of it is read.

Contexts are inherited from ancestors: the nearest asset that has a field gives it. Models are collected from the asset and its
offspring: each asset describes itself. What the request says goes before all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.flexibility.asset_types import PROCESS_TYPES
from shared.flexibility.facts import AssetFacts, Assets, Sensors
from shared.flexibility.fields import id_of, sensor_at
from shared.flexibility.flex_context_reading import INFLEXIBLE_FAMILY

Document = Mapping[str, object]

# Fields of which a nearer one does away with all that are farther: they say the same in different ways.
_CONTEXT_FAMILIES = (
    INFLEXIBLE_FAMILY,
    ("consumption-price", "consumption-price-sensor"),
    ("production-price", "production-price-sensor"),
)
_MODEL_EXCLUSIONS = (
    ("roundtrip-efficiency", "charging-efficiency"),
    ("roundtrip-efficiency", "discharging-efficiency"),
    ("inflexible-consumption", "inflexible-production"),
)
_OUTPUTS = ("sensor", "consumption", "production")


@dataclass(frozen=True)
class MergedEntry:
    """An entry of the flex-model before it is read. ``asset`` is None where the request does not say which one it describes.

    ``is_stored``: nothing of it was in the request.
    """

    document: Document
    asset: AssetFacts | None
    path: tuple[str, ...]
    is_stored: bool = False

    @property
    def may_be_process(self) -> bool:
        """Whether its asset is of a type that can be a process."""
        return self.asset is None or self.asset.asset_type in PROCESS_TYPES


def ancestry(asset_id: int, assets: Assets) -> Iterator[AssetFacts]:
    """The asset and its ancestors, nearest first."""
    seen: set[int] = set()
    current: int | None = asset_id
    while current is not None and current not in seen and current in assets:
        seen.add(current)
        yield assets[current]
        current = assets[current].parent_asset_id


def subtree(asset_id: int, assets: Assets) -> frozenset[int]:
    """The ids of the asset and all its offspring."""
    return frozenset(one for one in assets if any(above.asset_id == asset_id for above in ancestry(one, assets)))


def merged_context(asset_id: int, assets: Assets, requested: Document) -> Document:
    """The context of an asset: the request's fields, then its own, then those of its ancestors, nearest first."""
    context = dict(requested)
    for asset in ancestry(asset_id, assets):
        taken = {name for family in _CONTEXT_FAMILIES if any(one in context for one in family) for name in family}
        taken.update(context)
        context.update({name: value for name, value in asset.flex_context.items() if name not in taken})
    return context


def merged_model(asset_id: int, assets: Assets, sensors: Sensors, requested: Sequence[Document]) -> list[MergedEntry]:
    """The entries of an asset trigger: stored ones that the request does not mention, by asset, then the request's in order."""
    owners = [_described_asset(entry, assets, sensors) for entry in requested]
    stored = {one: assets[one].flex_model for one in sorted(subtree(asset_id, assets)) if assets[one].flex_model}
    mentioned: dict[int, list[int]] = {}
    for position, owner in enumerate(owners):
        if owner is not None:
            mentioned.setdefault(owner.asset_id, []).append(position)
    heirs = {_heir(requested, positions, stored.get(one, {})) for one, positions in mentioned.items()}
    entries = [
        MergedEntry(document, assets[one], ("flex-model", f"asset {one}"), is_stored=True)
        for one, document in stored.items()
        if one not in mentioned
    ]
    for position, (entry, owner) in enumerate(zip(requested, owners, strict=True)):
        below = stored.get(owner.asset_id, {}) if owner else {}
        document = _over(entry, below, takes_outputs=position in heirs)
        entries.append(MergedEntry(document, owner, ("flex-model", str(position))))
    return entries


def merged_sensor_model(sensor_id: int, assets: Assets, sensors: Sensors, requested: Document) -> MergedEntry:
    """The entry of a sensor trigger: the request's fields over those stored on the sensor's asset."""
    asset = assets.get(sensors[sensor_id].asset_id) if sensor_id in sensors else None
    document = _over(requested, asset.flex_model if asset else {}, takes_outputs=True)
    return MergedEntry({**document, "sensor": sensor_id}, asset, ("flex-model",))


def _described_asset(entry: Document, assets: Assets, sensors: Sensors) -> AssetFacts | None:
    """The asset that an entry is about: its ``asset``, else that of its power sensor, else that of its SoC sensor."""
    asset_id = id_of(entry.get("asset"))
    if asset_id is not None:
        return assets.get(asset_id)
    for name in (*_OUTPUTS, "state-of-charge"):
        sensor_id = sensor_at(entry, name)
        if sensor_id is not None:
            facts = sensors.get(sensor_id)
            return assets.get(facts.asset_id) if facts else None
    return None


def _over(entry: Document, stored: Document, *, takes_outputs: bool) -> Document:
    """The entry's fields over the stored ones, less those that the entry's own exclude."""
    dropped = set() if takes_outputs else set(_OUTPUTS)
    for one, other in _MODEL_EXCLUSIONS:
        dropped.update({other} if one in entry else set(), {one} if other in entry else set())
    return {**{name: value for name, value in stored.items() if name not in dropped}, **entry}


def _heir(requested: Sequence[Document], positions: list[int], stored: Document) -> int:
    """Which of a request's entries about one asset the stored power sensors belong to.

    It is the one that names one of them, else the first that names any power sensor, else the first.
    """
    ours = {sensor_at(stored, name) for name in _OUTPUTS} - {None}
    named = {one: {sensor_at(requested[one], name) for name in _OUTPUTS} - {None} for one in positions}
    naming = [one for one in positions if named[one] & ours]
    powered = [one for one in positions if named[one]]
    return (naming or powered or positions)[0]
