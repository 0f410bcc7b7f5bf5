from __future__ import annotations

import pytest

from shared.units import UnitKind, UnitsIncompatible, are_convertible, conversion, currency_of, is_same_unit, kind_of


@pytest.mark.parametrize(
    ("source", "target", "resolution_s", "factor"),
    [
        ("kW", "MW", None, 0.001),
        ("kVA", "kW", None, 1.0),
        ("kvar", "W", None, 1000.0),
        ("%", "dimensionless", None, 0.01),
        ("cEUR/kWh", "EUR/MWh", None, 10.0),
        ("EUR/kWh", "EUR/kVAh", None, 1.0),
        # Energy of a quarter of an hour as the mean power of it, and back.
        ("kWh", "kW", 900, 4.0),
        ("kW", "kWh", 900, 0.25),
        ("MW", "kWh", 300, 1000 / 12),
        # A price of energy is one of power held for a step.
        ("EUR/MWh", "EUR/MW", 900, 0.25),
        ("EUR/MW", "EUR/MWh", 900, 4.0),
        ("EUR/kWh", "EUR/MW", 3600, 1000.0),
    ],
)
def test_numbers_convert_with_the_length_of_their_steps(
    source: str, target: str, resolution_s: int | None, factor: float
) -> None:
    found = conversion(source, target, resolution_s=resolution_s)
    assert found.factor == pytest.approx(factor, rel=1e-15)
    assert found.offset == 0.0


@pytest.mark.parametrize(
    ("source", "target", "resolution_s"),
    [
        ("kW", "EUR", 900),
        ("EUR", "USD", 900),
        ("EUR/MWh", "USD/MW", 900),
        ("kWh", "kW", None),
        ("kWh", "kW", 0),  # an instantaneous sensor has no steps
        ("m³", "m³/h", 900),
        ("°C", "kW", 900),
        ("Qm**12", "qm**12", None),  # beyond what a number can say
    ],
)
def test_what_does_not_convert_names_both_units(source: str, target: str, resolution_s: int | None) -> None:
    with pytest.raises(UnitsIncompatible) as caught:
        conversion(source, target, resolution_s=resolution_s)
    assert source in caught.value.message
    assert target in caught.value.message


def test_whether_units_convert_may_count_steps() -> None:
    assert are_convertible("kWh", "MWh")
    assert not are_convertible("kWh", "MW")
    assert are_convertible("kWh", "MW", across_steps=True)


@pytest.mark.parametrize(
    ("unit", "kind", "currency"),
    [
        ("kVA", UnitKind.POWER, None),
        ("J/s", UnitKind.POWER, None),
        ("kWh", UnitKind.ENERGY, None),
        ("cEUR/kWh", UnitKind.ENERGY_PRICE, "EUR"),
        ("USD/MW", UnitKind.POWER_PRICE, "USD"),
        ("kEUR", UnitKind.CURRENCY, "EUR"),
        ("%", UnitKind.SHARE, None),
        ("EUR/USD", UnitKind.OTHER, None),
        ("EUR/m³", UnitKind.OTHER, "EUR"),
        ("°C", UnitKind.OTHER, None),
    ],
)
def test_a_unit_tells_what_it_measures_and_in_which_money(unit: str, kind: UnitKind, currency: str | None) -> None:
    assert kind_of(unit) is kind
    assert currency_of(unit) == currency


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("kW", "kilowatt", True),
        ("m3/h", "m³ / h", True),
        ("°C", "degC", True),
        ("kWh", "kW*h", True),
        ("EUR/MWh", "EUR/kWh", False),
        ("EUR/MWh", "USD/MWh", False),
        ("°C", "K", False),
        ("kW", "kVA", False),
        ("kWh", "kVAh", False),
        ("kVA", "kvar", False),
        ("kvar", "kVAr", True),
        ("%", "dimensionless", False),
    ],
)
def test_one_unit_may_be_written_in_several_ways(one: str, other: str, is_same: bool) -> None:
    assert is_same_unit(one, other) is is_same_unit(other, one) is is_same
