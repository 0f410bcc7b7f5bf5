"""Reads the texts of units and quantities."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from shared.units.errors import QuantityUnreadable, UnitsIncompatible, UnknownUnit
from shared.units.expression import MAX_LENGTH, NUMBER, Amount, ExpressionInvalid, NameUnknown, evaluate
from shared.units.names import unit_named
from shared.units.unit import DIMENSIONLESS, Unit

_PLAIN_QUANTITY = re.compile(rf"(?P<sign>[-+]?)\s*(?P<number>{NUMBER})\s*(?P<unit>.*)", re.DOTALL)


@dataclass(frozen=True)
class Quantity:
    """A finite number of a unit."""

    magnitude: float
    unit: Unit

    def to(self, unit: Unit) -> float:
        """The magnitude in another unit of the same dimension, rounded once.

        Raises:
            UnitsIncompatible: The unit has another dimension.
        """
        if unit.dimension != self.unit.dimension:
            raise UnitsIncompatible(self.unit.text, unit.text)
        ratio = self.unit.factor / unit.factor
        if ratio == 1 and self.unit.offset == unit.offset:
            return self.magnitude
        scaled = Fraction(self.magnitude) * ratio
        return _as_float(scaled + (self.unit.offset - unit.offset) / unit.factor, f"{self.magnitude} {self.unit}")


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit:
    """The unit that the text names; it keeps the text as it was given.

    Raises:
        UnknownUnit: No such unit. The empty text is none; ``dimensionless`` and ``%`` are.
    """
    # What is read is remembered, so it may not be of any length.
    if len(text) > MAX_LENGTH:
        raise UnknownUnit(text[:MAX_LENGTH])
    named = unit_named(text.strip())
    if named is not None:
        return Unit(text.strip(), named.factor, named.dimension, named.offset)
    try:
        amount = evaluate(text, unit_named, sums=False)
    except ExpressionInvalid:
        raise UnknownUnit(text) from None
    if not amount.names:
        raise UnknownUnit(text)
    return Unit(text.strip(), amount.factor, amount.dimension)


def parse_quantity(text: str | float, default_unit: str | Unit | None = None) -> Quantity:
    """A quantity such as "10 kW", "90%", "0.23 EUR/kWh" or "(30/2 - 1) kW".

    Args:
        default_unit: what a number without a unit is in; without it, such a number is dimensionless.
    Raises:
        QuantityUnreadable: The text is no quantity, or its magnitude is no finite number.
        UnknownUnit: Its unit is not known.
    """
    default = parse_unit(default_unit) if isinstance(default_unit, str) else default_unit
    if isinstance(text, str):
        quantity = _quantity_of(text)
    elif isinstance(text, bool) or not _is_finite(text):
        raise QuantityUnreadable(str(text)[:MAX_LENGTH], "it is not a finite number")
    else:
        quantity = Quantity(float(text), DIMENSIONLESS_UNIT)
    if default is not None and quantity.unit is DIMENSIONLESS_UNIT:
        return Quantity(quantity.magnitude, default)
    return quantity


DIMENSIONLESS_UNIT = Unit("", Fraction(1), DIMENSIONLESS)


def _quantity_of(text: str) -> Quantity:
    if len(text) > MAX_LENGTH:
        raise QuantityUnreadable(f"{text[:40]}…", f"it is longer than {MAX_LENGTH} characters")
    plain = _PLAIN_QUANTITY.fullmatch(text.strip())
    if plain is not None:
        unit = _unit_behind_number(plain["unit"])
        if unit is not None:
            return Quantity(_finite(float(plain["sign"] + plain["number"]), text), unit)
    try:
        amount = evaluate(text, _step_named)
    except NameUnknown:
        raise UnknownUnit(plain["unit"] if plain else text) from None
    except ExpressionInvalid as invalid:
        raise QuantityUnreadable(text, str(invalid)) from None
    unit = Unit(_text_of(amount), amount.factor, amount.dimension) if amount.names else DIMENSIONLESS_UNIT
    return Quantity(_as_float(amount.value, text), unit)


def _unit_behind_number(text: str) -> Unit | None:
    """The unit if all behind the number is one; None where it belongs to arithmetic ("/ 2 kW")."""
    if not text:
        return DIMENSIONLESS_UNIT
    try:
        return parse_unit(text)
    except UnknownUnit:
        return None


def _step_named(name: str) -> Unit | None:
    unit = unit_named(name)
    if unit is not None and unit.offset:
        raise ExpressionInvalid(f"one cannot reckon with '{name}'")
    return unit


def _text_of(amount: Amount) -> str:
    exponents: dict[str, int] = {}
    for name, exponent in amount.names:
        exponents[name] = exponents.get(name, 0) + exponent
    above = [name if power == 1 else f"{name}**{power}" for name, power in exponents.items() if power > 0]
    below = [f"/{name}" if power == -1 else f"/{name}**{-power}" for name, power in exponents.items() if power < 0]
    return ("*".join(above) or "1") + "".join(below)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _finite(number: float, text: str) -> float:
    if not math.isfinite(number):
        raise QuantityUnreadable(text, "it is not a finite number")
    return number


def _as_float(value: Fraction, text: str) -> float:
    try:
        return _finite(float(value), text)
    except OverflowError:
        raise QuantityUnreadable(text, "it is not a finite number") from None
