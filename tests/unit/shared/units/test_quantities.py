from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.units import QuantityUnreadable, UnitsIncompatible, UnknownUnit, parse_quantity, parse_unit


@pytest.mark.parametrize(
    ("text", "magnitude", "unit"),
    [
        ("10 kW", 10.0, "kW"),
        ("10kW", 10.0, "kW"),
        (" -2.5e-1  MWh ", -0.25, "MWh"),
        (".5 MWh", 0.5, "MWh"),
        ("90%", 90.0, "%"),
        ("0.23 EUR/kWh", 0.23, "EUR/kWh"),
        ("17.25 kVA", 17.25, "kVA"),
        ("20 °C", 20.0, "°C"),
        ("(30/2 - 1) kW", 14.0, "kW"),
        ("30/2 kW - 1000 W", 14.0, "kW"),
        ("-(2 + 3)*2 kW", -10.0, "kW"),
        ("2 * 3 EUR / 4 / MWh", 1.5, "EUR/MWh"),
        ("2**3 m²", 8.0, "m**2"),
        ("3 kW * 2 h", 6.0, "kW*h"),
        ("10 EUR per MWh", 10.0, "EUR per MWh"),
    ],
)
def test_a_quantity_is_a_number_and_a_unit(text: str, magnitude: float, unit: str) -> None:
    quantity = parse_quantity(text)
    assert quantity.magnitude == magnitude
    assert quantity.unit.text == unit


def test_what_has_no_unit_is_in_the_default_unit() -> None:
    assert parse_quantity(5, "kWh").to(parse_unit("MWh")) == 0.005
    assert parse_quantity("(2 + 3)", "kWh").to(parse_unit("kWh")) == 5.0
    assert parse_quantity("5 MWh", "kWh").to(parse_unit("kWh")) == 5000.0
    assert parse_quantity("5").to(parse_unit("%")) == 500.0


def test_a_conversion_rounds_once() -> None:
    # 17.25 * 0.001 as doubles is 0.017249999999999998.
    assert parse_quantity("17.25 kVA").to(parse_unit("MW")) == 0.01725
    assert parse_quantity("0.1 kW").to(parse_unit("MW")) == 0.0001
    assert parse_quantity("20 °C").to(parse_unit("K")) == 293.15


@pytest.mark.parametrize("text", ["", " ", "kW 5", "1 2 kW", "5 kW + 1", "5 kW + 1 kWh", "5 kW - ", "(5 kW", "5) kW", "1/0 kW",
                                  "5 °C + 1 °C", "0x10 kW", "1_000 kW", "5;kW", "2**0.5 kW", "2**99 kW", "1e999 kW", "nan", "inf kW",
                                  "9**9**9", "__import__('os').system('true')", "lambda: 1", "1,5 kW"])  # fmt: skip
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises((QuantityUnreadable, UnknownUnit)):
        parse_quantity(text)


@pytest.mark.parametrize("value", [True, math.nan, math.inf, 10**400])
def test_a_number_has_to_be_finite(value: float) -> None:
    with pytest.raises(QuantityUnreadable):
        parse_quantity(value, "kW")


@pytest.mark.parametrize(
    "text", ["", " ", "blub", "2 kW", "kW + kW", "kW-", "k", "%%", "kW/", "(kW", "kW)", "kW kW**99", "1", "-kW"]
)
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(UnknownUnit) as caught:
        parse_unit(text)
    assert caught.value.message == f"Unit '{text}' cannot be handled."


def test_unlike_units_do_not_convert() -> None:
    with pytest.raises(UnitsIncompatible) as caught:
        parse_quantity("5 kW").to(parse_unit("kWh"))
    assert caught.value.message == "Incompatible units: kW cannot be converted to kWh."


BOMBS = [
    "(" * 5000,
    "9" * 5000 + " kW",
    "*".join(["9e99"] * 20),
    "(((9**12)**12)**12)**12",
    "((km**12)**12)**12",
    "-" * 5000 + "1 kW",
    "kW" * 5000,
    " " * 100_000,
    " " * 100_000 + "kW",
    "²" * 5000,
]


@pytest.mark.parametrize("text", BOMBS, ids=lambda text: text[:12])
def test_no_text_keeps_the_reader_busy(text: str) -> None:
    began = time.perf_counter()
    for read in (parse_unit, parse_quantity):
        with pytest.raises((QuantityUnreadable, UnknownUnit)):
            read(text)
    assert time.perf_counter() - began < 0.5  # they take less than a millisecond; evaluated, some would take years


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text("0123456789.eE+-*/^() kWhEUR%°²⁻·", max_size=60)))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_unit, parse_quantity):
        try:
            found = read(text)
        except InvalidInput as refused:
            assert refused.message
        else:
            assert found is not None
