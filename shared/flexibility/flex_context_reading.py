"""Reads flex-contexts: every field in its forms, what excludes what, one currency, and what a stored one may not hold."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from shared.flexibility.currencies import with_currency
from shared.flexibility.errors import Problems
from shared.flexibility.fields import Fields, as_object, read_id
from shared.flexibility.flex_context import Commitment, CommodityContext, FlexContext
from shared.flexibility.flex_model import ELECTRICITY
from shared.flexibility.flex_model_reading import read_group
from shared.flexibility.quantities import QuantityKind, SensorReference, VariableQuantity
from shared.flexibility.quantity_fields import (
    NOT_NEGATIVE,
    QuantityField,
    Reading,
    read_output_sensor,
    read_power_sensor,
)

INFLEXIBLE_FAMILY = ("inflexible-consumption", "inflexible-production", "inflexible-device-sensors")
PRICE_SENSORS = ("consumption-price-sensor", "production-price-sensor")
# What the old spelling of prices may not be combined with.
_BREACHES_PEAKS_RELAXING = (
    "site-consumption-breach-price",
    "site-production-breach-price",
    "site-peak-consumption",
    "site-peak-production",
    "site-peak-consumption-price",
    "site-peak-production-price",
    "consumption-breach-price",
    "production-breach-price",
    "soc-minima-breach-price",
    "soc-maxima-breach-price",
    "relax-constraints",
    "relax-soc-constraints",
    "relax-site-capacity-constraints",
    "relax-capacity-constraints",
)


def read_context(raw: object, problems: Problems, reading: Reading) -> FlexContext:
    """A whole context; what is wrong is noted, and left out."""
    document = as_object(raw, problems)
    if document is None:
        return FlexContext()
    fields = Fields(document, problems)
    if document.get("commodity", ELECTRICITY) != ELECTRICITY:
        problems.at("commodity").add(f"Must be {ELECTRICITY} at the top level. List others under `commodities`.")
    top = _read_commodity(fields, reading)
    commodities = fields.items("commodities", partial(_read_listed, reading=reading))
    _check_commodities(commodities, problems.at("commodities"))
    context = _read_whole(fields, reading, top, commodities)
    fields.finish()
    return with_currency(context, problems, reading.sensors)


def _read_whole(
    fields: Fields, reading: Reading, top: CommodityContext, commodities: tuple[CommodityContext, ...]
) -> FlexContext:
    power_price = QuantityField(QuantityKind.POWER_PRICE, reading, NOT_NEGATIVE)
    soc_price = QuantityField(QuantityKind.ENERGY_PRICE, reading, NOT_NEGATIVE)
    return FlexContext(
        top=_with_price_sensors(fields, reading, top),
        commodities=commodities,
        consumption_breach_price=fields.read("consumption-breach-price", power_price.variable),
        production_breach_price=fields.read("production-breach-price", power_price.variable),
        soc_minima_breach_price=fields.read("soc-minima-breach-price", soc_price.variable),
        soc_maxima_breach_price=fields.read("soc-maxima-breach-price", soc_price.variable),
        relax_constraints=fields.flag("relax-constraints", default=True),
        relax_soc_constraints=fields.optional_boolean("relax-soc-constraints"),
        relax_site_capacity_constraints=fields.optional_boolean("relax-site-capacity-constraints"),
        relax_capacity_constraints=fields.flag("relax-capacity-constraints", default=False),
        aggregate_power_sensor_id=fields.read("aggregate-power", partial(read_output_sensor, reading=reading)),
        has_price_sensors=bool(fields.given(PRICE_SENSORS)),
    )


def _read_commodity(fields: Fields, reading: Reading) -> CommodityContext:
    price = QuantityField(QuantityKind.ENERGY_PRICE, reading, allows_fixed=not reading.is_stored)
    power_price = QuantityField(QuantityKind.POWER_PRICE, reading, NOT_NEGATIVE)
    capacity = QuantityField(QuantityKind.POWER, reading, NOT_NEGATIVE)
    inflexible = QuantityField(QuantityKind.POWER, reading)
    output = partial(read_output_sensor, reading=reading)
    given = fields.given(INFLEXIBLE_FAMILY)
    if "inflexible-device-sensors" in given and len(given) > 1:
        fields.problems.at("inflexible-device-sensors").add(f"May not be combined with `{given[0]}`.")

    def variable(name: str, field: QuantityField) -> VariableQuantity | None:
        return fields.read(name, field.variable)

    return CommodityContext(
        commodity=fields.text("commodity") or ELECTRICITY,
        consumption_price=variable("consumption-price", price),
        production_price=variable("production-price", price),
        site_power_capacity=variable("site-power-capacity", capacity),
        site_consumption_capacity=variable("site-consumption-capacity", capacity),
        site_production_capacity=variable("site-production-capacity", capacity),
        site_consumption_breach_price=variable("site-consumption-breach-price", power_price),
        site_production_breach_price=variable("site-production-breach-price", power_price),
        site_peak_consumption=variable("site-peak-consumption", capacity),
        site_peak_production=variable("site-peak-production", capacity),
        site_peak_consumption_price=variable("site-peak-consumption-price", power_price),
        site_peak_production_price=variable("site-peak-production-price", power_price),
        inflexible_consumption=fields.items("inflexible-consumption", inflexible.reference),
        inflexible_production=fields.items("inflexible-production", inflexible.reference),
        inflexible_device_sensor_ids=fields.items(
            "inflexible-device-sensors", partial(read_power_sensor, reading=reading)
        ),
        commitments=fields.items("commitments", partial(_read_commitment, reading=reading)),
        aggregate_consumption_sensor_id=fields.read("aggregate-consumption", output),
        aggregate_production_sensor_id=fields.read("aggregate-production", output),
    )


def _read_listed(value: object, problems: Problems, reading: Reading) -> CommodityContext | None:
    document = as_object(value, problems)
    if document is None:
        return None
    fields = Fields(document, problems)
    context = _read_commodity(fields, reading)
    fields.finish()
    return context


def _check_commodities(commodities: tuple[CommodityContext, ...], problems: Problems) -> None:
    names = [one.commodity for one in commodities]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add_here(f"Commodity {name} should not occur more than once.")


def _with_price_sensors(fields: Fields, reading: Reading, top: CommodityContext) -> CommodityContext:
    """The context with its prices, where they are given in the old spelling: the id of a sensor."""
    prices: dict[str, SensorReference | None] = {}
    for old, new in zip(PRICE_SENSORS, ("consumption-price", "production-price"), strict=True):
        if old in fields and new in fields:
            fields.problems.at(old).add(f"Give either `{new}` or `{old}`, not both.")
        prices[new] = fields.read(old, partial(_read_price_sensor, reading=reading))
        others = fields.given(_BREACHES_PEAKS_RELAXING)
        if old in fields and others:
            switch = f'Switch to `{new}: {{"sensor": <id>}}`'
            fields.problems.at(old).add(f"{switch} to combine it with {', '.join(f'`{one}`' for one in others)}.")
    consumption, production = prices["consumption-price"], prices["production-price"]
    return replace(
        top,
        consumption_price=consumption or top.consumption_price,
        production_price=production or top.production_price,
    )


def _read_price_sensor(value: object, problems: Problems, reading: Reading) -> SensorReference | None:
    sensor_id = read_id(value, problems)
    if sensor_id is None:
        return None
    field = QuantityField(QuantityKind.ENERGY_PRICE, reading)
    return SensorReference(sensor_id, QuantityKind.ENERGY_PRICE) if field.is_fit(sensor_id, problems) else None


def _read_commitment(value: object, problems: Problems, reading: Reading) -> Commitment | None:
    document = as_object(value, problems)
    if document is None:
        return None
    fields = Fields(document, problems)
    price = QuantityField(QuantityKind.COMMITMENT_PRICE, reading)
    for name in ("name", "baseline"):
        fields.require(name)
    if not fields.given(("up-price", "down-price")):
        fields.problems.add_here("Give an `up-price`, a `down-price`, or both.")
    if len(fields.given(("sensors", "group"))) > 1:
        fields.problems.add_here("Fields `sensors` and `group` are mutually exclusive.")
    title = fields.text("name")
    baseline = fields.read("baseline", QuantityField(QuantityKind.POWER, reading).variable)
    up_price, down_price = fields.read("up-price", price.variable), fields.read("down-price", price.variable)
    sensor_ids = fields.items("sensors", read_id)
    group = fields.read("group", partial(read_group, reading=reading))
    fields.finish()
    if title is None or baseline is None:
        return None
    return Commitment(title, baseline, up_price, down_price, sensor_ids, group)
