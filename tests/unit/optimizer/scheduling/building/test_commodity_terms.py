"""The terms that contexts come to, by what they give and what they leave out."""

from __future__ import annotations

from typing import Any

import pytest

from services.optimizer.scheduling.building.commodity_terms import (
    CommodityTerms,
    DirectionTerms,
    breach_prices,
    terms_of,
)
from shared.flexibility.quantities import Fixed, VariableQuantity
from shared.flexibility.reading import read_flex_context

HUGE = 1e7


def of_gas(entry: dict[str, Any], **top: Any) -> CommodityTerms:
    raw = {"consumption-price": "1 EUR/MWh", "commodities": [{"commodity": "gas", **entry}], **top}
    return next(one for one in terms_of(read_flex_context(raw), ["gas"]) if one.commodity == "gas")


def value(quantity: VariableQuantity | None) -> float | None:
    if quantity is None:
        return None
    assert isinstance(quantity, Fixed)
    return quantity.value


def told(direction: DirectionTerms) -> tuple[float | None, float | None, float | None]:
    """Price, capacity and breach price."""
    return value(direction.price), value(direction.capacity), value(direction.breach_price)


@pytest.mark.parametrize(
    ("entry", "consumption", "production"),
    [
        ({"consumption-price": "50 EUR/MWh"}, (50, None, None), (0, 0, HUGE)),
        ({"production-price": "40 EUR/MWh"}, (0, 0, HUGE), (40, None, None)),
        ({"site-consumption-capacity": "30 kW"}, (0, 0.03, None), (0, 0, HUGE)),
        ({"site-production-capacity": "30 kW"}, (0, 0, HUGE), (0, 0.03, None)),
        ({"site-power-capacity": "30 kW"}, (0, 0.03, None), (0, 0.03, None)),
        ({"consumption-price": "50 EUR/MWh", "production-price": "40 EUR/MWh"}, (50, None, None), (40, None, None)),
        ({"consumption-price": "50 EUR/MWh", "site-production-capacity": "30 kW"}, (50, None, None), (0, 0.03, None)),
        (
            {
                "consumption-price": "50 EUR/MWh",
                "site-consumption-capacity": "30 kW",
                "site-consumption-breach-price": "2 EUR/kW",
            },
            (50, 0.03, 2000),
            (0, 0, HUGE),
        ),
    ],
)
def test_a_price_or_a_capacity_connects_a_direction(
    entry: dict[str, Any], consumption: tuple[float, ...], production: tuple[float, ...]
) -> None:
    terms = of_gas(entry)
    assert not terms.is_internal_node
    assert told(terms.consumption) == consumption
    assert told(terms.production) == production


def test_without_prices_and_capacities_a_commodity_is_passed_on_only() -> None:
    assert of_gas({}).is_internal_node
    assert next(one for one in terms_of(read_flex_context({}), ["heat"]) if one.commodity == "heat").is_internal_node


def test_where_nothing_is_relaxed_a_closed_direction_is_hard_with_a_warning() -> None:
    terms = of_gas({"consumption-price": "50 EUR/MWh"}, **{"relax-constraints": False})
    assert told(terms.production) == (0, 0, None)
    assert len(terms.warnings) == 1


def top(raw: dict[str, Any]) -> CommodityTerms:
    return terms_of(read_flex_context(raw), ["electricity"])[0]


def test_at_the_top_level_limits_of_the_site_are_soft_unless_said_otherwise() -> None:
    given = {"consumption-price": "50 EUR/MWh", "site-consumption-capacity": "30 kW"}
    assert told(top(given).consumption) == (50, 0.03, HUGE)
    assert told(top(given).production) == (50, None, HUGE)
    assert told(top(given | {"relax-constraints": False}).consumption) == (50, 0.03, None)
    assert told(top(given | {"relax-site-capacity-constraints": False}).consumption) == (50, 0.03, None)
    relaxed = given | {"relax-constraints": False, "relax-site-capacity-constraints": True}
    assert told(top(relaxed).consumption) == (50, 0.03, HUGE)


def test_a_breach_price_that_is_given_is_kept_and_its_pair_gets_the_default() -> None:
    terms = top({"consumption-price": "50 EUR/MWh", "site-consumption-breach-price": "0 EUR/kW"})
    assert (told(terms.consumption)[2], told(terms.production)[2]) == (0, HUGE)


def test_without_any_price_electricity_lacks_one() -> None:
    terms = top({})
    assert terms.consumption.price is None and not terms.is_internal_node


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, (None, None, 1e6, 1e6)),
        ({"relax-constraints": False}, (None, None, None, None)),
        ({"relax-soc-constraints": False}, (None, None, None, None)),
        ({"relax-constraints": False, "relax-soc-constraints": True}, (None, None, 1e6, 1e6)),
        ({"soc-minima-breach-price": "1 EUR/kWh"}, (None, None, 1e3, 1e6)),
        ({"relax-capacity-constraints": True}, (1e5, 1e5, 1e6, 1e6)),
        ({"consumption-breach-price": "1 EUR/kW", "relax-capacity-constraints": True}, (1e3, None, 1e6, 1e6)),
    ],
)
def test_breach_prices_of_devices_and_stocks(raw: dict[str, Any], expected: tuple[float | None, ...]) -> None:
    found = breach_prices(read_flex_context({"consumption-price": "50 EUR/MWh"} | raw))
    assert (
        value(found.consumption),
        value(found.production),
        value(found.soc_minima),
        value(found.soc_maxima),
    ) == expected
