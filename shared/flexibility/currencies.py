"""The one currency of a flex-context: found in its prices and in the units of its prices' sensors, and the same in all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from shared.errors import InvalidInput
from shared.flexibility.errors import Problems
from shared.flexibility.facts import Sensors
from shared.flexibility.flex_context import Commitment, CommodityContext, FlexContext
from shared.flexibility.quantities import Fixed, Segments, SensorReference, VariableQuantity
from shared.units import currency_of


def with_currency(context: FlexContext, problems: Problems, sensors: Sensors | None) -> FlexContext:
    """The context with the currency of its prices; that they have more than one is noted at the first that differs."""
    first: tuple[str, str] | None = None
    for path, quantity in _prices(context):
        for currency in _currencies(quantity, sensors or {}):
            name = ".".join(path)
            first = first or (name, currency)
            if currency != first[1]:
                problems.at(*path).add(
                    f"All prices must be in one currency: {name} is in {currency}, {first[0]} in {first[1]}."
                )
                return context
    return replace(context, currency=first[1]) if first else context


def _prices(context: FlexContext) -> Iterator[tuple[tuple[str, ...], VariableQuantity]]:
    yield from _own_prices((), context.top)
    for position, commodity in enumerate(context.commodities):
        yield from _own_prices(("commodities", str(position)), commodity)
    yield from _own_prices((), context)


def _own_prices(
    path: tuple[str, ...], holder: FlexContext | CommodityContext | Commitment
) -> Iterator[tuple[tuple[str, ...], VariableQuantity]]:
    for one in fields(holder):
        value = getattr(holder, one.name)
        if one.name.endswith("price") and value is not None:
            yield (*path, one.name.replace("_", "-")), value
    if isinstance(holder, CommodityContext):
        for position, commitment in enumerate(holder.commitments):
            yield from _own_prices((*path, "commitments", str(position)), commitment)


def _currencies(quantity: VariableQuantity, sensors: Sensors) -> Iterator[str]:
    if isinstance(quantity, Segments):
        for segment in quantity.segments:
            yield from _currencies(segment.value, sensors)
    elif isinstance(quantity, Fixed):
        yield from () if quantity.currency is None else (quantity.currency,)
    else:
        yield from _currency_of_sensor(quantity, sensors)


def _currency_of_sensor(reference: SensorReference, sensors: Sensors) -> Iterator[str]:
    facts = sensors.get(reference.sensor_id)
    try:
        currency = currency_of(facts.unit) if facts else None
    except InvalidInput:
        currency = None
    if currency is not None:
        yield currency
    if reference.default is not None:
        yield from _currencies(reference.default, sensors)
