"""What one name stands for: an entry of the table, a currency, or one of them with a prefix in front or a plural ``s`` behind."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache

from shared.units import table
from shared.units.expression import Amount, Lookup, evaluate
from shared.units.unit import DIMENSIONLESS, Dimension, Unit

_ONE = Fraction(1)
_LONGEST_PREFIX = 6


def unit_named(name: str) -> Unit | None:
    """The unit of this one name ("kW", "°C", "cEUR", "hours"), or None."""
    found = _singular(name)
    # A plural is that of a word: "hours", but no "ms" of meters.
    if found is None and len(name) > 3 and name.endswith("s"):
        found = _singular(name[:-1], shortest=3)
    return found and Unit(name, found.factor, found.dimension, found.offset)


def _singular(name: str, shortest: int = 1) -> Unit | None:
    return _plain().get(name) or _prefixable().get(name) or _scaled(name, _prefixable(), shortest)


def _scaled(name: str, units: Mapping[str, Unit], shortest: int = 1) -> Unit | None:
    """The unit of a name with a prefix, the longest one that fits; what is left has to be ``shortest`` letters long."""
    for length in range(min(_LONGEST_PREFIX, len(name) - shortest), 0, -1):
        scale = _scales().get(name[:length])
        unit = units.get(name[length:]) if scale is not None else None
        if scale is not None and unit is not None:
            return Unit(name, unit.factor * scale, unit.dimension)
    return None


@cache
def _scales() -> dict[str, Fraction]:
    scales = {prefix: Fraction(10) ** power for prefix, power in table.PREFIXES.items()}
    return scales | {prefix: Fraction(2) ** power for prefix, power in table.BINARY_PREFIXES.items()}


@cache
def _prefixable() -> dict[str, Unit]:
    """Units that take prefixes. A definition names what stands above it, perhaps with a prefix."""
    units = {"kg": Unit("kg", _ONE, (("kg", 1),))}
    for names, base in table.BASE_UNITS.items():
        _add(units, names, _ONE, ((base, 1),))
    for code in table.CURRENCIES:
        _add(units, code, _ONE, ((code, 1),))

    def named(name: str) -> Unit | None:
        return units.get(name) or _scaled(name, units)

    _define(units, table.METRIC_UNITS, named)
    _define(units, table.OTHER_UNITS, named)
    return units


@cache
def _plain() -> dict[str, Unit]:
    """Units that take no prefix."""
    units: dict[str, Unit] = {}
    for names, (factor, offset) in table.OFFSET_UNITS.items():
        for name in names.split():
            units[name] = Unit(name, Fraction(factor), (("K", 1),), Fraction(offset))
    _define(units, table.SHARES, units.get)
    return units


def _add(units: dict[str, Unit], names: str, factor: Fraction, dimension: Dimension = DIMENSIONLESS) -> None:
    for name in names.split():
        units[name] = Unit(name, factor, dimension)


def _define(units: dict[str, Unit], definitions: str, unit_named: Lookup) -> None:
    for line in definitions.strip().splitlines():
        names, _, definition = line.partition(" = ")
        amount: Amount = evaluate(definition, unit_named)
        _add(units, names, amount.value * amount.factor, amount.dimension)
