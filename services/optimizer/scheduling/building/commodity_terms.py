"""The terms of each commodity: prices, limits and what breaching them costs, with the defaults of contexts filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from shared.flexibility.flex_context import Commitment, CommodityContext, FlexContext
from shared.flexibility.flex_model import ELECTRICITY
from shared.flexibility.quantities import Fixed, QuantityKind, VariableQuantity

# Defaults where constraints are relaxed: 10 000 per kW, 100 per kW, 1 000 per kWh.
SITE_BREACH_PRICE_PER_MW = 1e7
DEVICE_BREACH_PRICE_PER_MW = 1e5
SOC_BREACH_PRICE_PER_MWH = 1e6

_NO_POWER = Fixed(0.0, QuantityKind.POWER)
_CONNECTING = (
    "consumption_price",
    "production_price",
    "site_consumption_capacity",
    "site_production_capacity",
    "site_power_capacity",
)


@dataclass(frozen=True)
class DirectionTerms:
    """Consuming (or producing) of one commodity.

    ``price`` is None where it is needed and missing. ``capacity`` None is no limit but the site's power capacity. With a
    ``breach_price`` the capacity is soft, without it hard. ``peak`` counts where there is a ``peak_price``.
    """

    price: VariableQuantity | None
    capacity: VariableQuantity | None
    breach_price: VariableQuantity | None
    peak: VariableQuantity | None
    peak_price: VariableQuantity | None
    aggregate_sensor_id: int | None


@dataclass(frozen=True)
class CommodityTerms:
    """The terms of one commodity. An internal node has none: what its devices consume and produce adds up to 0 in each step."""

    commodity: str
    is_internal_node: bool
    consumption: DirectionTerms
    production: DirectionTerms
    # Hard, both ways.
    site_power_capacity: VariableQuantity | None = None
    commitments: tuple[Commitment, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class BreachPrices:
    """What breaching limits of devices [currency/MW] and of stocks [currency/MWh] costs; None: they are hard."""

    consumption: VariableQuantity | None
    production: VariableQuantity | None
    soc_minima: VariableQuantity | None
    soc_maxima: VariableQuantity | None


def terms_of(context: FlexContext, commodities: Sequence[str]) -> tuple[CommodityTerms, ...]:
    """The terms of every commodity that devices have (``commodities``) or that the context is about, electricity first."""
    listed = {one.commodity: one for one in context.commodities}
    is_about_electricity = any(getattr(context.top, name) is not None for name in _CONNECTING)
    names = [ELECTRICITY] if is_about_electricity or ELECTRICITY in {*commodities, *listed} else []
    names += [name for name in dict.fromkeys((*listed, *commodities)) if name != ELECTRICITY]
    return tuple(_terms(name, listed.get(name), context) for name in names)


def breach_prices(context: FlexContext) -> BreachPrices:
    """The context's breach prices of devices and stocks, with the defaults that relaxing fills in."""
    relax_soc = context.relax_constraints if context.relax_soc_constraints is None else context.relax_soc_constraints
    soc = Fixed(SOC_BREACH_PRICE_PER_MWH, QuantityKind.ENERGY_PRICE, context.currency)
    default_soc = soc if relax_soc and not context.has_price_sensors else None
    device = None
    if context.relax_capacity_constraints and not (context.consumption_breach_price or context.production_breach_price):
        device = Fixed(DEVICE_BREACH_PRICE_PER_MW, QuantityKind.POWER_PRICE, context.currency)
    return BreachPrices(
        consumption=context.consumption_breach_price or device,
        production=context.production_breach_price or device,
        soc_minima=context.soc_minima_breach_price or default_soc,
        soc_maxima=context.soc_maxima_breach_price or default_soc,
    )


def site_breach_price(context: FlexContext) -> Fixed | None:
    """The default breach price of sites and groups; None where they are not relaxed."""
    own = context.relax_site_capacity_constraints
    is_relaxed = context.relax_constraints if own is None else own
    if not is_relaxed or context.has_price_sensors:
        return None
    return Fixed(SITE_BREACH_PRICE_PER_MW, QuantityKind.POWER_PRICE, context.currency)


def _terms(name: str, listed: CommodityContext | None, context: FlexContext) -> CommodityTerms:
    if listed is None and name == ELECTRICITY:
        return _top_terms(context.top, site_breach_price(context))
    place = listed or CommodityContext(commodity=name)
    if name != ELECTRICITY:
        return _listed_terms(place, CommodityContext(), context)
    if not _is_connected(place) and _is_connected(context.top):
        return _top_terms(_over(place, context.top), site_breach_price(context))
    return _listed_terms(_over(place, context.top), context.top, context)


def _top_terms(top: CommodityContext, default_breach: Fixed | None) -> CommodityTerms:
    consumption = _direction(top, "consumption", default_breach)
    production = _direction(top, "production", default_breach)
    return CommodityTerms(
        commodity=ELECTRICITY,
        is_internal_node=False,
        consumption=replace(consumption, capacity=consumption.capacity or top.site_power_capacity),
        production=replace(
            production,
            price=production.price or consumption.price,
            capacity=production.capacity or top.site_power_capacity,
        ),
        site_power_capacity=top.site_power_capacity,
        commitments=top.commitments,
    )


def _listed_terms(place: CommodityContext, top: CommodityContext, context: FlexContext) -> CommodityTerms:
    """Of an entry of ``commodities``: a price or a capacity in a direction connects it; without either it is closed."""
    default_breach = site_breach_price(context)
    warnings: list[str] = []
    sides = {
        side: _listed_direction(place, top, side, default_breach, context.currency, warnings)
        for side in ("consumption", "production")
    }
    is_internal_node = place.commodity != ELECTRICITY and not _is_connected(place)
    return CommodityTerms(
        commodity=place.commodity,
        is_internal_node=is_internal_node,
        consumption=sides["consumption"],
        production=sides["production"],
        site_power_capacity=place.site_power_capacity,
        commitments=place.commitments,
        warnings=() if is_internal_node else tuple(warnings),
    )


def _listed_direction(
    place: CommodityContext,
    top: CommodityContext,
    side: str,
    default_breach: Fixed | None,
    currency: str,
    warnings: list[str],
) -> DirectionTerms:
    terms = _direction(place, side, None)
    if terms.price is None:
        free = Fixed(0.0, QuantityKind.ENERGY_PRICE, currency)
        is_closed = terms.capacity is None and place.site_power_capacity is None
        terms = replace(terms, price=free, capacity=_NO_POWER if is_closed else terms.capacity)
        if is_closed:
            terms = replace(terms, breach_price=terms.breach_price or default_breach)
            if terms.breach_price is None:
                warnings.append(f"{place.commodity} has neither a {side} price nor a capacity: there is no {side}.")
    # A capacity of the top level is soft as it would be there; one of the entry is hard.
    is_of_top = terms.capacity is not None and terms.capacity is getattr(top, f"site_{side}_capacity")
    if is_of_top:
        terms = replace(terms, breach_price=terms.breach_price or default_breach)
    return replace(terms, capacity=terms.capacity or place.site_power_capacity)


def _direction(place: CommodityContext, side: str, default_breach: Fixed | None) -> DirectionTerms:
    peak_price = getattr(place, f"site_peak_{side}_price")
    return DirectionTerms(
        price=getattr(place, f"{side}_price"),
        capacity=getattr(place, f"site_{side}_capacity"),
        breach_price=getattr(place, f"site_{side}_breach_price") or default_breach,
        peak=getattr(place, f"site_peak_{side}") or (_NO_POWER if peak_price is not None else None),
        peak_price=peak_price,
        aggregate_sensor_id=getattr(place, f"aggregate_{side}_sensor_id"),
    )


def _is_connected(place: CommodityContext) -> bool:
    return any(getattr(place, name) is not None for name in _CONNECTING)


def _over(place: CommodityContext, top: CommodityContext) -> CommodityContext:
    """The entry's fields, and the top level's where the entry has none."""
    own = {one.name: getattr(place, one.name) for one in fields(place)}
    return replace(top, **{name: value for name, value in own.items() if value not in (None, ())})
