from __future__ import annotations

from typing import Any

import pytest

from shared.flexibility.errors import ErrorTree, FlexConfigInvalid
from shared.flexibility.flex_context import Commitment, FlexContext
from shared.flexibility.flex_model import GroupReference
from shared.flexibility.quantities import Fixed, QuantityKind, Segments, SensorReference
from shared.flexibility.reading import read_flex_context
from tests.unit.shared.flexibility.places import DOLLARS, GRID, LOAD, POWER, PRICE, SENSORS, SOC, SOLAR

NOON = "2024-03-30T12:00:00+01:00"


def read(document: dict[str, Any], *, is_stored: bool = False) -> FlexContext:
    return read_flex_context(document, is_stored=is_stored, sensors=SENSORS)


def refused(document: object, *, is_stored: bool = False) -> ErrorTree:
    with pytest.raises(FlexConfigInvalid) as caught:
        read_flex_context(document, is_stored=is_stored, sensors=SENSORS)
    return caught.value.errors


def energy_price(value: float, currency: str = "EUR") -> Fixed:
    return Fixed(value, QuantityKind.ENERGY_PRICE, currency)


def power_price(value: float) -> Fixed:
    return Fixed(value, QuantityKind.POWER_PRICE, "EUR")


def power(value: float) -> Fixed:
    return Fixed(value, QuantityKind.POWER)


def test_every_field_is_read_into_internal_units() -> None:
    context = read({
        "consumption-price": {"sensor": PRICE}, "production-price": "5 cEUR/kWh", "site-power-capacity": "250 kVA",
        "site-consumption-capacity": {"sensor": GRID}, "site-production-capacity": "20 kW",
        "site-consumption-breach-price": "10 EUR/kW", "site-production-breach-price": "0 EUR/kW",
        "site-peak-consumption": "10 kW", "site-peak-production": "5 kW",
        "site-peak-consumption-price": "260 EUR/MW", "site-peak-production-price": "0.2 EUR/kW",
        "consumption-breach-price": "100 EUR/kW", "production-breach-price": "50 EUR/kW",
        "soc-minima-breach-price": "1 EUR/kWh", "soc-maxima-breach-price": "2 EUR/kWh",
        "relax-constraints": False, "relax-soc-constraints": None, "relax-site-capacity-constraints": True, "relax-capacity-constraints": True,
        "inflexible-consumption": [{"sensor": LOAD}], "inflexible-production": [{"sensor": SOLAR, "source-types": ["forecaster"]}],
        "aggregate-power": {"sensor": GRID}, "aggregate-consumption": {"sensor": LOAD}, "aggregate-production": {"sensor": POWER},
        "commodity": "electricity",
        "commitments": [{"name": "flat", "baseline": "10 kW", "up-price": "500 EUR/MWh", "down-price": "-500 EUR/MW", "sensors": [POWER]},
                        {"name": "group", "baseline": {"sensor": GRID}, "up-price": "1 EUR/kW", "group": {"asset": 5}}],
        "commodities": [{"commodity": "gas", "consumption-price": "50 EUR/MWh"}, {"commodity": "heat"}],
    })  # fmt: skip
    top = context.top
    assert top.consumption_price == SensorReference(PRICE, QuantityKind.ENERGY_PRICE)
    assert top.production_price == energy_price(50.0)
    assert top.site_power_capacity == power(0.25)
    assert top.site_consumption_capacity == SensorReference(GRID, QuantityKind.POWER)
    assert top.site_production_capacity == power(0.02)
    assert (top.site_consumption_breach_price, top.site_production_breach_price) == (power_price(1e4), power_price(0.0))
    assert (top.site_peak_consumption, top.site_peak_production) == (power(0.01), power(0.005))
    assert (top.site_peak_consumption_price, top.site_peak_production_price) == (power_price(260.0), power_price(200.0))
    assert (context.consumption_breach_price, context.production_breach_price) == (power_price(1e5), power_price(5e4))
    assert (context.soc_minima_breach_price, context.soc_maxima_breach_price) == (energy_price(1e3), energy_price(2e3))
    assert (context.relax_constraints, context.relax_soc_constraints) == (False, None)
    assert (context.relax_site_capacity_constraints, context.relax_capacity_constraints) == (True, True)
    assert top.inflexible_consumption == (SensorReference(LOAD, QuantityKind.POWER),)
    assert top.inflexible_production == (SensorReference(SOLAR, QuantityKind.POWER, ("forecaster",)),)
    aggregates = (
        context.aggregate_power_sensor_id,
        top.aggregate_consumption_sensor_id,
        top.aggregate_production_sensor_id,
    )
    assert aggregates == (GRID, LOAD, POWER)
    assert top.commitments == (
        Commitment("flat", power(0.01), energy_price(500.0), power_price(-500.0), (POWER,)),
        Commitment(
            "group", SensorReference(GRID, QuantityKind.POWER), power_price(1e3), group=GroupReference(asset_id=5)
        ),
    )
    assert [one.commodity for one in context.commodities] == ["gas", "heat"]
    assert context.commodities[0].consumption_price == energy_price(50.0)
    assert context.currency == "EUR"


def test_nothing_given_relaxes_constraints_in_euros() -> None:
    context = read({})
    assert context == FlexContext()
    assert (context.relax_constraints, context.relax_capacity_constraints, context.currency) == (True, False, "EUR")


def test_a_series_of_prices_may_be_negative() -> None:
    price = read(
        {"consumption-price": [{"value": "-50 EUR/MWh", "start": NOON, "duration": "PT1H"}]}
    ).top.consumption_price
    assert isinstance(price, Segments)
    assert price.segments[0].value == energy_price(-50.0)


def test_the_older_spelling_of_prices_fills_in_no_breach_prices() -> None:
    context = read({"consumption-price-sensor": PRICE, "production-price-sensor": PRICE})
    assert (
        context.top.consumption_price
        == SensorReference(PRICE, QuantityKind.ENERGY_PRICE)
        == context.top.production_price
    )
    assert context.has_price_sensors
    assert not read({"consumption-price": {"sensor": PRICE}}).has_price_sensors


@pytest.mark.parametrize("document", [{"consumption-price": {"sensor": DOLLARS}}, {"soc-minima-breach-price": "1 USD/kWh"},
                                      {"commodities": [{"commodity": "gas", "consumption-price": "1 USD/kWh"}]}])  # fmt: skip
def test_the_currency_is_that_of_the_prices(document: dict[str, Any]) -> None:
    assert read(document).currency == "USD"


NEGATIVE = ["Must be greater than or equal to 0."]


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"price": 1}, {"price": ["Unknown field."]}),
        ({"consumption-price": "10 EUR"}, {"consumption-price": ["Cannot convert value `10 EUR` to 'currency/MWh'"]}),
        ({"consumption-price": "10 EUR/kW"}, {"consumption-price": ["Cannot convert value `10 EUR/kW` to 'currency/MWh'"]}),
        ({"consumption-price": 10}, {"consumption-price": ["`10` has no unit. Give a quantity such as '0.25 EUR/kWh'."]}),
        ({"consumption-price": {"sensor": SOC}},
         {"consumption-price": {"sensor": [f"Cannot convert sensor {SOC} in kWh to 'currency/MWh'"]}}),
        ({"site-power-capacity": "-5 kW"}, {"site-power-capacity": NEGATIVE}),
        ({"site-consumption-capacity": [{"value": "-5 kW", "datetime": NOON}]},
         {"site-consumption-capacity": {"0": {"value": NEGATIVE}}}),
        ({"site-consumption-breach-price": "-5 EUR/kW"}, {"site-consumption-breach-price": NEGATIVE}),
        ({"soc-minima-breach-price": "-1 EUR/kWh"}, {"soc-minima-breach-price": NEGATIVE}),
        ({"site-peak-consumption-price": "-1 EUR/MW"}, {"site-peak-consumption-price": NEGATIVE}),
        ({"consumption-price": "1 EUR/MWh", "production-price": "1 USD/MWh"},
         {"production-price": ["All prices must be in one currency: production-price is in USD, consumption-price in EUR."]}),
        ({"consumption-price": {"sensor": PRICE}, "commitments": [{"name": "x", "baseline": "0 kW", "up-price": "1 GBP/MW"}]},
         {"commitments": {"0": {"up-price": [
             "All prices must be in one currency: commitments.0.up-price is in GBP, consumption-price in EUR."]}}}),
        ({"consumption-price": {"sensor": PRICE, "default": "1 USD/MWh"}},
         {"consumption-price": ["All prices must be in one currency: consumption-price is in USD, consumption-price in EUR."]}),
        ({"consumption-price": "1 EUR/MWh", "consumption-price-sensor": PRICE},
         {"consumption-price-sensor": ["Give either `consumption-price` or `consumption-price-sensor`, not both."]}),
        ({"consumption-price-sensor": PRICE, "relax-constraints": False, "site-peak-consumption": "1 kW"},
         {"consumption-price-sensor": ['Switch to `consumption-price: {"sensor": <id>}` to combine it with `site-peak-consumption`, '
                                       "`relax-constraints`."]}),
        ({"inflexible-device-sensors": [LOAD], "inflexible-consumption": []},
         {"inflexible-device-sensors": ["May not be combined with `inflexible-consumption`."]}),
        ({"inflexible-device-sensors": [LOAD, PRICE]},
         {"inflexible-device-sensors": {"1": [f"Cannot convert sensor {PRICE} in EUR/MWh to 'MW'"]}}),
        ({"inflexible-consumption": [LOAD]}, {"inflexible-consumption": {"0": ["Not a valid mapping type."]}}),
        ({"relax-constraints": "no"}, {"relax-constraints": ["Not a valid boolean."]}),
        ({"relax-constraints": None}, {"relax-constraints": ["Field may not be null."]}),
        ({"aggregate-power": {"sensor": GRID, "source-types": ["x"]}}, {"aggregate-power": {"source-types": ["Unknown field."]}}),
        ({"commodity": "gas"}, {"commodity": ["Must be electricity at the top level. List others under `commodities`."]}),
        ({"commodities": [{"commodity": "gas"}, {"commodity": "gas"}]},
         {"commodities": {"_schema": ["Commodity gas should not occur more than once."]}}),
        ({"commodities": [{"commodity": "gas", "relax-constraints": True}]},
         {"commodities": {"0": {"relax-constraints": ["Unknown field."]}}}),
        ({"commodities": ["gas"]}, {"commodities": {"0": ["Not a valid mapping type."]}}),
        ({"commitments": [{}]}, {"commitments": {"0": {
            "name": ["Missing data for required field."], "baseline": ["Missing data for required field."],
            "_schema": ["Give an `up-price`, a `down-price`, or both."]}}}),
        ({"commitments": [{"name": "x", "baseline": "0 kW", "up-price": "1 EUR/m"}]},
         {"commitments": {"0": {"up-price": ["Cannot convert value `1 EUR/m` to 'currency/MWh or currency/MW'"]}}}),
        ({"commitments": [{"name": "x", "baseline": "0 kW", "up-price": "1 EUR/MW", "sensors": [POWER], "group": {"sensor": GRID}}]},
         {"commitments": {"0": {"_schema": ["Fields `sensors` and `group` are mutually exclusive."]}}}),
        ("cheap", {"_schema": ["Not a valid mapping type."]}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field(document: object, errors: ErrorTree) -> None:
    assert refused(document) == errors


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"consumption-price": "0.2 EUR/kWh"},
         {"consumption-price": ['A fixed price is not allowed in a stored configuration. Refer to a sensor: {"sensor": <id>}.']}),
        ({"commodities": [{"commodity": "gas", "production-price": "1 EUR/kWh"}]},
         {"commodities": {"0": {"production-price": [
             'A fixed price is not allowed in a stored configuration. Refer to a sensor: {"sensor": <id>}.']}}}),
        ({"consumption-price": [{"value": "1 EUR/kWh", "datetime": NOON}]},
         {"consumption-price": ["A time series is not allowed in a stored configuration."]}),
        ({"site-power-capacity": [{"value": "1 kW", "datetime": NOON}]},
         {"site-power-capacity": ["A time series is not allowed in a stored configuration."]}),
    ],
)  # fmt: skip
def test_a_stored_context_holds_no_series_and_no_fixed_energy_price(
    document: dict[str, Any], errors: ErrorTree
) -> None:
    assert refused(document, is_stored=True) == errors


def test_a_stored_context_may_fix_capacities_and_breach_prices() -> None:
    stored = {
        "consumption-price": {"sensor": PRICE, "default": "0.2 EUR/kWh"},
        "site-power-capacity": "17.25 kVA",
        "soc-minima-breach-price": "1 EUR/kWh",
    }
    assert read(stored, is_stored=True).top.site_power_capacity == power(0.01725)
