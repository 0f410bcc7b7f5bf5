"""Units and conversions against pint, which knows them independently."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.units import conversion, parse_quantity, parse_unit
from shared.units.table import CURRENCIES, METRIC_UNITS, OFFSET_UNITS, OTHER_UNITS, PREFIXES, SHARES

# Ours alone: reactive energy and power as meters say it, peak watts, and names that people type.
NOT_PINTS = frozenset(
    """
    volt_ampere_reactive var VAr VAR watt_peak Wp volt_ampere_hour VAh varh VArh degree_celsius degree_fahrenheit
    revolution_per_minute revolution_per_second kilometre_per_hour kmh metre_per_second feet_per_second sqft cuft cord fl_oz
    imperial_fl_oz st centimeter_water
    """.split()  # noqa: SIM905
)
BASES = {
    "kilogram": "kg",
    "meter": "m",
    "second": "s",
    "ampere": "A",
    "kelvin": "K",
    "mole": "mol",
    "candela": "cd",
}

# Bases of pint that are numbers to us.
PURE_NUMBERS = ("radian", "count")

# What sensors are in.
COMPOUNDS = """
W kW MW GW VA kVA MVA Wh kWh MWh GWh J kJ MJ GJ s min h day week m km cm m/s km/h m**2 m**3 m³ m³/h l/s l/min kg/s g/kWh kg/m³
W/m² kWh/m² W/(m²*K) W/m²/K kJ/(kg*K) kg·m/s² N·m N*m Pa hPa kPa bar mbar psi °C °F K degC degF V mV kV A mA kA Hz kHz MHz Ω kΩ
mS/cm lux lx lm/W ppm % dimensionless rad degree deg rpm mol/l mg/l µg/m³ Ah C F H T EUR USD kEUR MEUR cEUR EUR/MWh EUR/kWh
cEUR/kWh EUR/MW EUR/kW EUR/kW/month EUR/(kW*h) USD/MMBtu USD/MBtu GBP/therm EUR/m³ EUR/t kEUR/MW/year BTU/h hp ft ft/s inch mile
mph gallon gallon/min acre lb oz bit/s kB MB/s 1/h 1/s Wh/km kWh/kg J/(mol*K) kat sr µm nm mm/h inHg mmHg
""".split()  # noqa: SIM905


@cache
def registry() -> Any:  # pint is not typed throughout
    known: Any = pint.UnitRegistry()
    for code in CURRENCIES:
        known.define(f"{code} = [currency_{code}]")
    return known


def of_pint(text: str) -> tuple[float, dict[str, int]]:
    """Factor and exponents of a unit in base units, as pint has it."""
    base = registry().Quantity(1.0, registry().parse_units(text)).to_base_units()
    exponents = {BASES.get(str(name), str(name)): round(power) for name, power in base.units._units.items()}
    return float(base.magnitude), {name: power for name, power in exponents.items() if name not in PURE_NUMBERS}


def names(table: str) -> Iterator[str]:
    for line in table.strip().splitlines():
        yield from line.partition(" = ")[0].split()


@pytest.mark.parametrize("table", [METRIC_UNITS, OTHER_UNITS, SHARES], ids=["metric", "other", "shares"])
def test_every_unit_is_what_pint_says(table: str) -> None:
    compared = 0
    for name in names(table):
        if name in NOT_PINTS:
            continue
        factor, exponents = of_pint(name)
        unit = parse_unit(name)
        assert dict(unit.dimension) == exponents, name
        assert math.isclose(float(unit.factor), factor, rel_tol=1e-9), name  # pint reckons in doubles
        compared += 1
    assert compared > 3


@pytest.mark.parametrize("name", sorted(NOT_PINTS))
def test_what_pint_does_not_know_is_listed(name: str) -> None:
    assert parse_unit(name).factor > 0
    with pytest.raises(pint.UndefinedUnitError):
        registry().parse_units(name)


@pytest.mark.parametrize("text", [text for text in COMPOUNDS if text not in ("°C", "°F", "degC", "degF", "USD/MMBtu")])
def test_compound_units_are_what_pint_says(text: str) -> None:
    factor, exponents = of_pint(text)
    unit = parse_unit(text)
    assert unit.text == text
    assert dict(unit.dimension) == exponents
    assert math.isclose(float(unit.factor), factor, rel_tol=1e-12)


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_currencies_take_prefixes_and_stand_for_themselves(code: str) -> None:
    assert parse_unit(code).dimension == ((code, 1),)
    assert parse_unit(f"k{code}").factor == 1000
    assert dict(parse_unit(f"c{code}/kWh").dimension) == of_pint(f"{code}/kWh")[1]


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
def test_prefixes_are_powers_of_ten(prefix: str) -> None:
    name = f"{prefix}watt" if len(prefix) > 2 else f"{prefix}W"
    assert math.isclose(float(parse_unit(name).factor), of_pint(name)[0], rel_tol=1e-12)


@pytest.mark.parametrize("kelvin", [0.0, 255.372, 293.15, 373.15])
def test_temperatures_have_their_own_zero(kelvin: float) -> None:
    for names_of_one in OFFSET_UNITS:
        name = next(one for one in names_of_one.split() if one not in NOT_PINTS)
        expected = registry().Quantity(kelvin, "kelvin").to(name).magnitude
        assert conversion("K", name)(kelvin) == pytest.approx(expected, abs=1e-9)
        assert conversion(name, "K")(expected) == pytest.approx(kelvin, abs=1e-9)
    assert conversion("°F", "°C")(212.0) == pytest.approx(100.0)


LENGTHS = ["m", "km", "ft", "inch", "mile"]
TIMES = ["s", "min", "h", "day", "month"]
POWERS = ["W", "kW", "MVA", "hp", "BTU/h"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*LENGTHS, *TIMES, *POWERS, "EUR", "cEUR", "K"]), st.sampled_from([-3, -2, -1, 1, 2, 3])
        ),
        min_size=1,
        max_size=4,
    )
)
def test_products_of_powers_are_what_pint_says(parts: list[tuple[str, int]]) -> None:
    text = " * ".join(f"({name})**{power}" for name, power in parts)
    factor, exponents = of_pint(text)
    unit = parse_unit(text)
    assert dict(unit.dimension) == exponents
    assert math.isclose(float(unit.factor), factor, rel_tol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    st.floats(-1e9, 1e9),
    st.sampled_from([LENGTHS, TIMES, POWERS]).flatmap(
        lambda one: st.tuples(st.sampled_from(one), st.sampled_from(one))
    ),
)
def test_quantities_convert_as_in_pint(magnitude: float, units: tuple[str, str]) -> None:
    source, target = units
    expected = registry().Quantity(magnitude, source).to(target).magnitude
    assert parse_quantity(f"{magnitude!r} {source}").to(parse_unit(target)) == pytest.approx(
        expected, rel=1e-9, abs=1e-300
    )
    assert conversion(source, target)(magnitude) == pytest.approx(expected, rel=1e-9, abs=1e-300)
