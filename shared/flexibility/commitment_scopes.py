"""Whom the contracts of a flex-context are about: that a scope has one commodity, and that somebody is in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from shared.flexibility.errors import Problems
from shared.flexibility.flex_context import Commitment, CommodityContext, FlexContext
from shared.flexibility.flex_model import ELECTRICITY, FlexModelEntry, GroupReference


def check_scopes(
    context: FlexContext,
    entries: Sequence[FlexModelEntry],
    groups: Collection[GroupReference],
    problems: Problems,
) -> tuple[str, ...]:
    """Notes scopes of more than one commodity.

    Args:
        groups: references that mean a group of the flex-model.
    Returns:
        A warning for each commitment whose scope names nobody that is scheduled; it has no effect.
    """
    commodities = _commodities_of_sensors(context, entries)
    warnings = []
    for path, commitment in _scoped(context):
        known = [commodities[one] for one in commitment.sensor_ids if one in commodities]
        if len(set(known)) > 1:
            names = " and ".join(sorted(set(known)))
            problems.at("flex-context", *path, "sensors").add(
                f"The devices of a commitment share one commodity, and not {names}."
            )
        if not known and commitment.group not in groups:
            warnings.append(f"Commitment {commitment.name} is ignored: nothing that it is about is scheduled.")
    return tuple(warnings)


def _scoped(context: FlexContext) -> Iterator[tuple[tuple[str, ...], Commitment]]:
    places: list[tuple[tuple[str, ...], CommodityContext]] = [((), context.top)]
    places += [(("commodities", str(position)), one) for position, one in enumerate(context.commodities)]
    for path, place in places:
        for position, commitment in enumerate(place.commitments):
            if commitment.sensor_ids or commitment.group is not None:
                yield (*path, "commitments", str(position)), commitment


def _commodities_of_sensors(context: FlexContext, entries: Sequence[FlexModelEntry]) -> dict[int, str]:
    commodities = {ELECTRICITY: context.top} | {one.commodity: one for one in context.commodities}
    found = {sensor_id: name for name, place in commodities.items() for sensor_id in _fixed_sensors(place)}
    for entry in entries:
        references = (entry.inflexible_consumption, entry.inflexible_production)
        named = [entry.sensor_id, entry.consumption_sensor_id, entry.production_sensor_id]
        named += [one.sensor_id for one in references if one is not None]
        found.update({sensor_id: entry.commodity for sensor_id in named if sensor_id is not None})
    return found


def _fixed_sensors(place: CommodityContext) -> list[int]:
    references = (*place.inflexible_consumption, *place.inflexible_production)
    return [*(one.sensor_id for one in references), *place.inflexible_device_sensor_ids]
