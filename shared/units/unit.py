"""Units as values: what they measure (dimension) and how much of it (factor and offset). Exact: factors are fractions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

# Base quantities by their symbol (kg, m, s, A, K, mol, cd, bit, pixel, and each currency by its code) with exponents, sorted.
Dimension = tuple[tuple[str, int], ...]

DIMENSIONLESS: Dimension = ()


def dimension_of(exponents: Mapping[str, int]) -> Dimension:
    """The dimension with these exponents; zeros are left out."""
    return tuple(sorted((base, exponent) for base, exponent in exponents.items() if exponent))


def multiplied(left: Dimension, right: Dimension, exponent: int = 1) -> Dimension:
    """``left · right ** exponent``."""
    exponents = dict(left)
    for base, power in right:
        exponents[base] = exponents.get(base, 0) + power * exponent
    return dimension_of(exponents)


@dataclass(frozen=True)
class Unit:
    """A unit: ``text`` as it was given, and value in base units = value · factor + offset.

    Watt, volt-ampere and var are one and the same; a degree is a share of a radian and has no dimension. Only temperatures
    have an offset. Two units of one size are equal when their texts are: compare ``dimension`` and ``factor`` otherwise.
    """

    text: str
    factor: Fraction
    dimension: Dimension
    offset: Fraction = Fraction(0)

    def __str__(self) -> str:
        return self.text
