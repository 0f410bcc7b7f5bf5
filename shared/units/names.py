"""What one name stands for: an entry of the table, a currency, or one of them with a prefix in front or a plural ``s`` behind."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from shared.units import table
from shared.units.expression import Amount, Lookup, evaluate
from shared.units.unit import DIMENSIONLESS, Dimension, Unit

_ONE = Fraction(1)


def unit_named(name: str) -> Unit | None:
    """The unit of this one name ("kW", "°C", "cEUR"), or None."""
    found = _exactly(name) or _with_prefix(name)
    if found is None and len(name) > 3 and name.endswith("s"):
        found = _exactly(name[:-1], is_plural=True) or _with_prefix(name[:-1], is_plural=True)
    return found and Unit(name, found.factor, found.dimension, found.offset)


def _exactly(name: str, *, is_plural: bool = False) -> Unit | None:
    if is_plural and len(name) < 3:
        return None
    return _known().get(name) or _prefixable().get(name)


def _with_prefix(name: str, *, is_plural: bool = False) -> Unit | None:
    for length in (6, 5, 4, 3, 2, 1):
        scale = _scales().get(name[:length])
        rest = name[length:]
        if scale is None or (is_plural and len(rest) < 3):
            continue
        unit = _prefixable().get(rest)
        if unit is not None:
            return Unit(name, unit.factor * scale, unit.dimension)
    return None


@cache
def _scales() -> dict[str, Fraction]:
    scales = {prefix: Fraction(10) ** power for prefix, power in table.PREFIXES.items()}
    return scales | {prefix: Fraction(2) ** power for prefix, power in table.BINARY_PREFIXES.items()}


@cache
def _prefixable() -> dict[str, Unit]:
    """Units that take prefixes. Definitions may name what stands above them, and what they name may have a prefix."""
    units = {"kg": Unit("kg", _ONE, (("kg", 1),))}
    for names, base in table.BASE_UNITS.items():
        _add(units, names, _ONE, ((base, 1),))
    for code in table.CURRENCIES:
        _add(units, code, _ONE, ((code, 1),))
    _define(units, table.PREFIXED_UNITS, units.get)
    del units["kg"]
    return units


@cache
def _known() -> dict[str, Unit]:
    """Units that take no prefix."""
    units: dict[str, Unit] = {}
    for names, (factor, offset) in table.OFFSET_UNITS.items():
        for name in names.split():
            units[name] = Unit(name, Fraction(factor), (("K", 1),), Fraction(offset))

    def named(name: str) -> Unit | None:
        return units.get(name) or _prefixable().get(name) or _with_prefix(name)

    _define(units, table.PLAIN_UNITS, named)
    return units


def _add(units: dict[str, Unit], names: str, factor: Fraction, dimension: Dimension = DIMENSIONLESS) -> None:
    for name in names.split():
        units[name] = Unit(name, factor, dimension)


def _define(units: dict[str, Unit], definitions: str, unit_named: Lookup) -> None:
    for line in definitions.strip().splitlines():
        names, _, definition = line.partition(" = ")
        amount: Amount = evaluate(definition, unit_named)
        _add(units, names, amount.value * amount.factor, amount.dimension)
