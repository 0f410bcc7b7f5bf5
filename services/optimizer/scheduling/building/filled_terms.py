"""The terms of a commodity on the steps of the window: prices, capacities, breaches and peaks as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.optimizer.scheduling.building.commodity_terms import CommodityTerms, DirectionTerms
from services.optimizer.scheduling.building.errors import PriceMissing
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.building.series_filling import filled, prices
from services.optimizer.scheduling.problem import FloatArray
from shared.flexibility.quantities import CAPACITY_FILLING, PRICE_FILLING, VariableQuantity


@dataclass(frozen=True)
class Direction:
    """Consumption, or production, of a commodity, (N,) each.

    ``price`` [currency/MWh]; ``capacity_mw`` (infinite where there is none) and what passing it costs [currency/MW], None where
    it is hard; the peak that is paid for already, and what passing it costs [currency/MW].
    """

    price: FloatArray
    capacity_mw: FloatArray
    breach_price: FloatArray | None
    peak_mw: FloatArray
    peak_price: FloatArray | None


@dataclass(frozen=True)
class FilledTerms:
    """The terms of a commodity in both directions. ``power_capacity_mw`` is hard both ways, infinite where there is none.

    ``is_price_known`` (N,) is False before the first and after the last step that a consumption price is known for.
    """

    commodity: str
    consumption: Direction
    production: Direction
    power_capacity_mw: FloatArray
    is_price_known: NDArray[np.bool_]


def filled_terms(terms: CommodityTerms, ground: Ground, timezone: str) -> FilledTerms:
    """The terms of a commodity that is no internal node.

    A consumption price holds on to the edges of the window. Where it also stands for the production price, production earns it
    only as far as it is known: nobody has promised to pay what is carried on.

    Raises:
        PriceMissing: There is no consumption price.
        PricesUnknown: A price's series has no value in the window.
    """
    if terms.consumption.price is None or terms.production.price is None:
        raise PriceMissing(terms.commodity)
    consumption = prices(terms.consumption.price, ground, f"consumption price of {terms.commodity}", timezone)
    if terms.production.price is terms.consumption.price:
        production = np.where(consumption.is_within_known, consumption.values, np.minimum(consumption.values, 0.0))
    else:
        production = prices(terms.production.price, ground, f"production price of {terms.commodity}", timezone).values
    return FilledTerms(
        terms.commodity,
        _direction(terms, terms.consumption, consumption.values, "consumption", ground, timezone),
        _direction(terms, terms.production, production, "production", ground, timezone),
        capacity_on_steps(terms.site_power_capacity, ground, timezone),
        consumption.is_within_known,
    )


def capacity_on_steps(quantity: VariableQuantity | None, ground: Ground, timezone: str) -> FloatArray:
    """(N,) a capacity [MW], at least 0, infinite where none is given."""
    values = filled(quantity, CAPACITY_FILLING, ground, timezone)
    return np.where(np.isnan(values), np.inf, np.maximum(values, 0.0))


def _direction(
    terms: CommodityTerms, direction: DirectionTerms, price: FloatArray, which: str, ground: Ground, timezone: str
) -> Direction:
    def on_steps(quantity: VariableQuantity | None, what: str) -> FloatArray | None:
        return None if quantity is None else prices(quantity, ground, f"{what} of {terms.commodity}", timezone).values

    return Direction(
        price,
        capacity_on_steps(direction.capacity, ground, timezone),
        on_steps(direction.breach_price, f"{which} breach price"),
        _peak(direction.peak, f"peak {which} of {terms.commodity}", ground, timezone),
        on_steps(direction.peak_price, f"price of peak {which}"),
    )


def _peak(quantity: VariableQuantity | None, what: str, ground: Ground, timezone: str) -> FloatArray:
    nothing = np.zeros(ground.window.count)
    if quantity is None:
        return nothing
    if np.isnan(filled(quantity, PRICE_FILLING, ground, timezone)).all():
        ground.warn(f"The {what} has no value in the window: it counts as 0 kW.")
        return nothing
    return prices(quantity, ground, what, timezone).values
