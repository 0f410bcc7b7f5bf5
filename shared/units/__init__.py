"""Units and quantities as texts and as values: what they measure and how they convert. Pure, exact, and without a library.

Volt-amperes and vars are watts; currencies are units of their own and convert to nothing but themselves.
"""

from shared.units.conversion import (
    Conversion,
    UnitKind,
    are_convertible,
    conversion,
    currency_of,
    is_same_unit,
    kind_of,
)
from shared.units.errors import QuantityUnreadable, UnitsIncompatible, UnknownUnit
from shared.units.parsing import Quantity, parse_quantity, parse_unit
from shared.units.unit import Unit

__all__ = [
    "Conversion",
    "Quantity",
    "QuantityUnreadable",
    "Unit",
    "UnitKind",
    "UnitsIncompatible",
    "UnknownUnit",
    "are_convertible",
    "conversion",
    "currency_of",
    "is_same_unit",
    "kind_of",
    "parse_quantity",
    "parse_unit",
]
