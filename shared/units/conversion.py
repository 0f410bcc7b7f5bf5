"""Conversion of numbers from one unit to another, also where the length of a step ties energy to power."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache

from shared.units.errors import UnitsIncompatible
from shared.units.parsing import parse_unit
from shared.units.table import CURRENCIES
from shared.units.unit import DIMENSIONLESS, Dimension, Unit, multiplied

_TIME = (("s", 1),)
_ENERGY = parse_unit("J").dimension
_POWER = parse_unit("W").dimension


class UnitKind(Enum):
    """What a unit measures, as far as scheduling tells kinds apart."""

    POWER = "power"
    ENERGY = "energy"
    ENERGY_PRICE = "currency per energy"
    POWER_PRICE = "currency per power"
    CURRENCY = "currency"
    SHARE = "share"
    OTHER = "other"


_KINDS = {_POWER: UnitKind.POWER, _ENERGY: UnitKind.ENERGY, DIMENSIONLESS: UnitKind.SHARE}
_PRICE_KINDS = {
    multiplied((), _ENERGY, -1): UnitKind.ENERGY_PRICE,
    multiplied((), _POWER, -1): UnitKind.POWER_PRICE,
    DIMENSIONLESS: UnitKind.CURRENCY,
}


@dataclass(frozen=True)
class Conversion:
    """``target = source · factor + offset``."""

    factor: float
    offset: float = 0.0

    def __call__(self, value: float) -> float:
        """The value in the other unit."""
        return value * self.factor + self.offset


def kind_of(unit: Unit | str) -> UnitKind:
    """What the unit measures."""
    return _kind_of(_known(unit).dimension)


def currency_of(unit: Unit | str) -> str | None:
    """The ISO code of the currency that the unit is money of (EUR, cEUR/kWh, …); None where there is none, or more than one."""
    return _currency_of(_known(unit).dimension)


def conversion(source: Unit | str, target: Unit | str, *, resolution_s: float | None = None) -> Conversion:
    """How numbers in ``source`` become numbers in ``target``.

    Args:
        resolution_s: length of the step that each number is about [s]. With it, energy in a step becomes its mean power and
            the other way round, and a price of energy becomes a price of power held for one step (and back).
    Raises:
        UnitsIncompatible: There is no such conversion, or none without a resolution above zero.
        UnknownUnit: A text names no unit.
    """
    source, target = _known(source), _known(target)
    per_step = 0 if source.dimension == target.dimension else _power_of_step(source, target)
    if source.dimension != target.dimension and not (per_step and resolution_s):
        raise UnitsIncompatible(source.text, target.text)
    step = Fraction(resolution_s or 1) ** per_step
    try:
        return Conversion(
            float(source.factor / target.factor * step), float((source.offset - target.offset) / target.factor)
        )
    except OverflowError:
        raise UnitsIncompatible(source.text, target.text) from None


def are_convertible(source: Unit | str, target: Unit | str, *, across_steps: bool = False) -> bool:
    """Whether there is a conversion; ``across_steps`` counts those that need a resolution."""
    try:
        conversion(source, target, resolution_s=3600.0 if across_steps else None)
    except UnitsIncompatible:
        return False
    return True


def is_same_unit(one: Unit | str, other: Unit | str) -> bool:
    """Whether both texts name one unit (m3 and m³, °C and degC); kW, kVA and kvar are three, though they convert into one another."""
    left, right = _known(one), _known(other)
    sizes = [(unit.factor, unit.dimension, unit.offset) for unit in (left, right)]
    return sizes[0] == sizes[1] and _is_volt_ampere(left) == _is_volt_ampere(right)


def _is_volt_ampere(unit: Unit) -> tuple[bool, bool]:
    """Whether the text speaks of apparent, and whether of reactive power."""
    is_reactive = "var" in unit.text.lower() or "reactive" in unit.text
    return not is_reactive and ("VA" in unit.text or "volt_ampere" in unit.text), is_reactive


def _power_of_step(source: Unit, target: Unit) -> int:
    """-1 from energy to power (E / Δ), 1 from power to energy and from a price of energy to a price of power (c · Δ); 0: none."""
    kinds = (kind_of(source), kind_of(target))
    if kinds in ((UnitKind.ENERGY, UnitKind.POWER), (UnitKind.POWER_PRICE, UnitKind.ENERGY_PRICE)):
        power = -1
    elif kinds in ((UnitKind.POWER, UnitKind.ENERGY), (UnitKind.ENERGY_PRICE, UnitKind.POWER_PRICE)):
        power = 1
    else:
        return 0
    return power if multiplied(source.dimension, _TIME, power) == target.dimension else 0


def _known(unit: Unit | str) -> Unit:
    return parse_unit(unit) if isinstance(unit, str) else unit


@lru_cache(maxsize=1024)
def _kind_of(dimension: Dimension) -> UnitKind:
    currency = _currency_of(dimension)
    if currency is None:
        return _KINDS.get(dimension, UnitKind.OTHER)
    return _PRICE_KINDS.get(multiplied(dimension, ((currency, -1),)), UnitKind.OTHER)


@lru_cache(maxsize=1024)
def _currency_of(dimension: Dimension) -> str | None:
    codes = [(base, exponent) for base, exponent in dimension if base in CURRENCIES]
    return codes[0][0] if len(codes) == 1 and codes[0][1] == 1 else None
