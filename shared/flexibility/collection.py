"""What a trigger is about, collected from the request and from what is stored on assets: entries in order, roles, stocks, context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from shared.flexibility.collected import Collected, CollectedEntry, InflexibleDevice, Trigger, written_sensors
from shared.flexibility.commitment_scopes import check_scopes
from shared.flexibility.errors import Problems
from shared.flexibility.facts import Assets, Sensors
from shared.flexibility.fallbacks import (
    fallback_power_capacity,
    initial_soc_mwh,
    with_older_attributes,
)
from shared.flexibility.fields import NO_LIST, NO_OBJECT, id_of
from shared.flexibility.flex_context import FlexContext
from shared.flexibility.flex_context_reading import read_context
from shared.flexibility.flex_model import ELECTRICITY
from shared.flexibility.flex_model_reading import read_entry
from shared.flexibility.merging import (
    Document,
    MergedEntry,
    merged_context,
    merged_model,
    merged_sensor_model,
    subtree,
)
from shared.flexibility.quantities import QuantityKind, SensorReference, VariableQuantity
from shared.flexibility.quantity_fields import Reading
from shared.flexibility.references import referenced_sensors, references_below
from shared.flexibility.roles import ReadEntry, Role, check_roles, groups_named, roles_of
from shared.flexibility.stocks import Stock, stocks_of

__all__ = [
    "Collected",
    "CollectedEntry",
    "InflexibleDevice",
    "Role",
    "Stock",
    "Trigger",
    "collect",
    "sensors_to_look_up",
    "written_sensors",
]

CONTEXT_SHAPE = "`flex-context` must be an object, or a list of objects."


def collect(trigger: Trigger, assets: Assets, sensors: Sensors) -> Collected:
    """Everything that a schedule has to respect, read and checked.

    Args:
        assets: the trigger's asset, its ancestors, and all its offspring.
        sensors: all that the request and the stored parts name, and the trigger's own (``sensors_to_look_up``).
    Raises:
        FlexConfigInvalid: with all that is wrong, under ``flex-model`` and ``flex-context``.
    """
    problems = Problems()
    reading = Reading(sensors=sensors)
    requested = _requested_context(trigger.flex_context, problems)
    merged = merged_context(trigger.asset_id, assets, requested)
    context = read_context(merged, problems.at("flex-context"), reading)
    entries, roles = _entries(_merged(trigger, assets, sensors, problems), reading, problems)
    check_roles(entries, roles, problems)
    _check_places(trigger, entries, assets, sensors, problems)
    if not entries and not problems.tree:
        problems.at("flex-model").add(f"There is nothing to schedule on asset {trigger.asset_id} and its offspring.")
    models = [one.entry for one in entries]
    groups = groups_named(entries, [*(one.group for one in models), *(one.group for one in context.commitments)])
    found = Collected(
        entries=tuple(
            _collected_entry(one, role, trigger, context, sensors, problems)
            for one, role in zip(entries, roles, strict=True)
        ),
        device_indices=tuple(position for position, role in enumerate(roles) if role is Role.DEVICE),
        inflexible_devices=(*_inflexible_of_entries(entries), *_inflexible_of_context(context)),
        stocks=stocks_of(entries, roles, sensors, problems),
        context=context,
        groups=groups,
        warnings=check_scopes(context, models, groups, problems),
        references=(
            *(found for one in entries for found in references_below(one.merged.path, one.merged.document)),
            *references_below(("flex-context",), merged),
        ),
    )
    problems.raise_if_any()
    return found


def sensors_to_look_up(trigger: Trigger, assets: Assets) -> frozenset[int]:
    """The sensors that ``collect`` has to know: those of the request and those of what is stored on the assets."""
    named = [sensor_id for _, sensor_id in referenced_sensors(trigger.flex_model, trigger.flex_context)]
    for asset in assets.values():
        named += [sensor_id for _, sensor_id in referenced_sensors(asset.flex_model, asset.flex_context)]
    return frozenset(named if trigger.sensor_id is None else [*named, trigger.sensor_id])


def _collected_entry(
    one: ReadEntry, role: Role | None, trigger: Trigger, context: FlexContext, sensors: Sensors, problems: Problems
) -> CollectedEntry:
    own = fallback_power_capacity(one, sensors, problems) if role is Role.DEVICE else None
    return CollectedEntry(
        entry=one.entry,
        asset_id=trigger.asset_id if one.asset_id is None else one.asset_id,
        # Without a role it was refused.
        role=role or Role.DEVICE,
        path=".".join(one.merged.path),
        initial_soc_mwh=initial_soc_mwh(one.entry, one.merged.asset),
        fallback_power_capacity=own or _site_power_capacity(context, one.entry.commodity),
    )


def _site_power_capacity(context: FlexContext, commodity: str) -> VariableQuantity | None:
    listed = (one.site_power_capacity for one in context.commodities if one.commodity == commodity)
    return next(listed, None) or (context.top.site_power_capacity if commodity == ELECTRICITY else None)


def _requested_context(raw: object, problems: Problems) -> Document:
    """The request's context as an object; a list is its commodities."""
    if raw is None or isinstance(raw, Mapping):
        return raw or {}
    if isinstance(raw, list) and all(isinstance(one, Mapping) for one in raw):
        return {"commodities": raw}
    problems.at("flex-context").add(CONTEXT_SHAPE)
    return {}


def _merged(trigger: Trigger, assets: Assets, sensors: Sensors, problems: Problems) -> list[MergedEntry]:
    at = problems.at("flex-model")
    raw = trigger.flex_model
    if trigger.sensor_id is not None:
        if raw is not None and not isinstance(raw, Mapping):
            at.add(NO_OBJECT)
            return []
        if raw and id_of(raw.get("sensor", trigger.sensor_id)) != trigger.sensor_id:
            at.at("sensor").add(f"Must be {trigger.sensor_id}, the sensor that is scheduled.")
        merged = merged_sensor_model(trigger.sensor_id, assets, sensors, raw or {})
        return [with_older_attributes(merged, sensors.get(trigger.sensor_id), trigger.start)]
    if raw is not None and not isinstance(raw, list):
        at.add(NO_LIST)
        return []
    documents = [one for one in raw or () if isinstance(one, Mapping)]
    for position, one in enumerate(raw or ()):
        if not isinstance(one, Mapping):
            at.at(position).add(NO_OBJECT)
            documents = []
    return merged_model(trigger.asset_id, assets, sensors, documents)


def _entries(
    merged: Sequence[MergedEntry], reading: Reading, problems: Problems
) -> tuple[list[ReadEntry], list[Role | None]]:
    """The entries that are to be scheduled, and their roles. What is wrong with the other ones does not matter."""
    noted = [Problems() for _ in merged]
    read = [
        ReadEntry(one, read_entry(one.document, at.at(*one.path), reading, may_be_process=one.may_be_process))
        for one, at in zip(merged, noted, strict=True)
    ]
    scheduled = _scheduled(read)
    for position, _ in scheduled:
        problems.take(noted[position].tree)
    return [read[position] for position, _ in scheduled], [role for _, role in scheduled]


def _scheduled(read: Sequence[ReadEntry]) -> list[tuple[int, Role | None]]:
    """Positions and roles of the entries, less the stored ones that describe an asset without any sensor to schedule."""
    roles = list(enumerate(roles_of(read)))
    powered = {read[position].entry.soc_sensor_id for position, role in roles if role is Role.DEVICE}
    return [(position, role) for position, role in roles if _is_scheduled(read[position], role, powered)]


def _is_scheduled(one: ReadEntry, role: Role | None, powered: Set[int | None]) -> bool:
    if not one.merged.is_stored:
        return True
    return one.entry.soc_sensor_id in powered if role is Role.STOCK_ONLY else role is not None


def _check_places(
    trigger: Trigger, entries: Sequence[ReadEntry], assets: Assets, sensors: Sensors, problems: Problems
) -> None:
    """Notes what lies elsewhere than on the trigger's asset or below it."""
    here = subtree(trigger.asset_id, assets)
    elsewhere = f"does not belong to asset {trigger.asset_id} (or to one of its offspring)"
    for one in entries:
        at = problems.at(*one.merged.path)
        facts = sensors.get(-1 if one.entry.sensor_id is None else one.entry.sensor_id)
        if facts is not None and facts.asset_id not in here:
            at.at("sensor").add(f"Sensor {facts.sensor_id} {elsewhere}")
        if one.entry.asset_id is not None and one.entry.asset_id not in here:
            at.at("asset").add(f"Asset {one.entry.asset_id} {elsewhere}")
        if trigger.sensor_id is not None and one.entry.group is not None:
            at.at("group").add("Groups need a flex-model in the form of a list.")


def _inflexible_of_entries(entries: Sequence[ReadEntry]) -> Iterator[InflexibleDevice]:
    for position, one in enumerate(entries):
        for reference, is_production in (
            (one.entry.inflexible_consumption, False),
            (one.entry.inflexible_production, True),
        ):
            if reference is not None:
                yield InflexibleDevice(reference, is_production, one.entry.commodity, position)


def _inflexible_of_context(context: FlexContext) -> Iterator[InflexibleDevice]:
    for place in (context.top, *context.commodities):
        commodity = ELECTRICITY if place is context.top else place.commodity
        for reference in place.inflexible_consumption:
            yield InflexibleDevice(reference, is_production=False, commodity=commodity)
        for reference in place.inflexible_production:
            yield InflexibleDevice(reference, is_production=True, commodity=commodity)
        for sensor_id in place.inflexible_device_sensor_ids:
            yield InflexibleDevice(SensorReference(sensor_id, QuantityKind.POWER), None, commodity)
