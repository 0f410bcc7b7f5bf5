"""A small grammar for units and quantities: numbers, names of units, ``+ - * / ^ ( )`` and nothing else. Never an evaluator of code.

Every step is exact (fractions) and bounded: length of the text, depth of parentheses, exponents and digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from shared.units.unit import DIMENSIONLESS, Dimension, Unit, multiplied

MAX_LENGTH = 200
_MAX_DEPTH = 12
_MAX_EXPONENT = 12
_MAX_BITS = 6000
_MAX_POWER_OF_TEN = 400
_MAX_DIGITS = 60

NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN = re.compile(rf"\s*(?:(?P<number>{NUMBER})|(?P<name>(?:[^\W\d]|[%‰°])(?:\w|[%°])*)|(?P<sign>\*\*|[-+*/^()]))")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
# One way to write each sign: the operators of products, the minus, the ohm and micro signs of older character sets.
_SIGNS = str.maketrans(
    {"·": "*", "⋅": "*", "×": "*", "−": "-", "\u2126": "Ω", "\u00b5": "μ", "\u212a": "K", "\u212b": "Å"}
)


class ExpressionInvalid(ValueError):
    """The text does not follow the grammar; the message says why."""


class NameUnknown(ExpressionInvalid):
    """A name in the text is no unit."""


@dataclass(frozen=True)
class Amount:
    """``value`` times a unit: its factor, its dimension, and the names that it is made of with their exponents."""

    value: Fraction
    factor: Fraction = Fraction(1)
    dimension: Dimension = DIMENSIONLESS
    names: tuple[tuple[str, int], ...] = ()


Lookup = Callable[[str], Unit | None]


def evaluate(text: str, unit_named: Lookup, *, sums: bool = True) -> Amount:
    """What the text comes to.

    Args:
        unit_named: what a name stands for; None where it is unknown. Offsets are left out (a degree within a product is a step).
        sums: whether numbers other than 1, sums and differences are allowed, as in quantities but not in units.
    Raises:
        ExpressionInvalid: with the reason, NameUnknown for an unknown name.
    """
    reader = _Reader(_tokens(text), unit_named, sums)
    amount = reader.sum()
    if reader.kind:
        raise ExpressionInvalid(f"'{reader.text}' is not expected there")
    return amount


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > MAX_LENGTH:
        raise ExpressionInvalid(f"it is longer than {MAX_LENGTH} characters")
    text = _SUPERSCRIPT.sub(lambda found: f"**{found.group().translate(_SUPERSCRIPTS)}", text.translate(_SIGNS)).strip()
    tokens, position = [], 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionInvalid(f"'{text[position:].strip()[:20]}' is not expected there")
        kind = str(found.lastgroup)
        word = found.group(kind)
        tokens.append(("sign", "/") if word == "per" else (kind, "**" if word == "^" else word))
        position = found.end()
    return tokens


class _Reader:
    """Reads sums of products of powers, from left to right; a space multiplies."""

    def __init__(self, tokens: list[tuple[str, str]], unit_named: Lookup, sums: bool) -> None:
        self._tokens = [*tokens, ("", "")]
        self._position = 0
        self._depth = 0
        self._unit_named = unit_named
        self._sums = sums

    @property
    def kind(self) -> str:
        return self._tokens[self._position][0]

    @property
    def text(self) -> str:
        return self._tokens[self._position][1]

    def _take(self) -> str:
        self._position += 1
        return self._tokens[self._position - 1][1]

    def sum(self) -> Amount:
        total = self._product()
        while self._sums and self.text in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            term = self._product()
            if term.dimension != total.dimension:
                raise ExpressionInvalid("only like can be added to like")
            total = replace(total, value=_bounded(total.value + sign * term.value * term.factor / total.factor))
        return total

    def _product(self) -> Amount:
        product = self._signed()
        while True:
            if self.text in ("*", "/"):
                product = _times(product, self._signed() if self._take() == "*" else _power(self._signed(), -1))
            elif self.kind == "name" or self.text == "(":
                product = _times(product, self._raised())
            else:
                return product

    def _signed(self) -> Amount:
        negative = False
        while self._sums and self.text in ("+", "-"):
            negative ^= self._take() == "-"
        amount = self._raised()
        return replace(amount, value=-amount.value) if negative else amount

    def _raised(self) -> Amount:
        amount = self._single()
        if self.text != "**":
            return amount
        self._take()
        sign = -1 if self.text == "-" and self._take() else 1
        if self.kind != "number" or not self.text.isdecimal() or int(self.text[:9]) > _MAX_EXPONENT:
            raise ExpressionInvalid(f"an exponent is a whole number up to {_MAX_EXPONENT}")
        return _power(amount, sign * int(self._take()))

    def _single(self) -> Amount:
        if self.kind == "number" and (self._sums or self.text == "1"):
            return Amount(_number(self._take()))
        if self.kind == "name":
            return self._unit(self._take())
        if self.text != "(" or self._depth >= _MAX_DEPTH:
            raise ExpressionInvalid(f"'{self.text}' is not expected there" if self.kind else "it ends too early")
        self._take()
        self._depth += 1
        amount = self.sum()
        self._depth -= 1
        if self.text != ")":
            raise ExpressionInvalid("a parenthesis is not closed")
        self._take()
        return amount

    def _unit(self, name: str) -> Amount:
        unit = self._unit_named(name)
        if unit is not None:
            return Amount(Fraction(1), unit.factor, unit.dimension, ((name, 1),))
        # "m2" and "m3" are what people type who have no superscripts.
        length = self._unit_named(name[:-1]) if name[-1:] in ("2", "3") else None
        if length is not None and length.dimension == (("m", 1),):
            return _power(Amount(Fraction(1), length.factor, length.dimension, ((name[:-1], 1),)), int(name[-1]))
        raise NameUnknown(f"'{name}' is no known unit")


def _times(left: Amount, right: Amount) -> Amount:
    dimension = multiplied(left.dimension, right.dimension)
    factor = _bounded(left.factor * right.factor)
    return Amount(_bounded(left.value * right.value), factor, dimension, left.names + right.names)


def _power(amount: Amount, exponent: int) -> Amount:
    if exponent < 0 and amount.value == 0:
        raise ExpressionInvalid("it divides by zero")
    largest = max(_bits(amount.value), _bits(amount.factor)) * abs(exponent)
    if largest > _MAX_BITS or any(abs(power * exponent) > 10 * _MAX_EXPONENT for _, power in amount.dimension):
        raise ExpressionInvalid("its numbers are too large")
    names = tuple((name, power * exponent) for name, power in amount.names)
    return Amount(amount.value**exponent, amount.factor**exponent, multiplied((), amount.dimension, exponent), names)


def _number(text: str) -> Fraction:
    digits, _, power = text.lower().partition("e")
    if len(digits) > _MAX_DIGITS or len(power) > 5 or abs(int(power or 0)) > _MAX_POWER_OF_TEN:
        raise ExpressionInvalid("its numbers are too large")
    return Fraction(text)


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _bounded(value: Fraction) -> Fraction:
    if _bits(value) > _MAX_BITS:
        raise ExpressionInvalid("its numbers are too large")
    return value
