"""What nodes, lines and transformers have in common when they are read: an id by which errors name them, and SI units."""

from __future__ import annotations

import math
import sys
from collections.abc import Container

from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_reader import JsonObject
from services.optimizer.reconfiguration.wording import quoted

KILO = 1e3
MEGA = 1e6

# In SI units: far above anything in a power grid, far below where products of such numbers are no numbers any more.
_LARGEST_QUANTITY = 1e15


class Element:
    """A node, line or transformer of a document."""

    __slots__ = ("fields", "id", "kind")

    def __init__(self, kind: str, fields: JsonObject, known_ids: Container[str]) -> None:
        self.kind = kind
        self.fields = fields
        self.id = fields.required_text("id")
        if not self.id:
            raise fields.error(f"The id of a {kind.lower()} is empty", "id")
        if self.id in known_ids:
            raise self.error(f"there is more than one {kind.lower()} with this id")

    def error(self, reason: str) -> DocumentError:
        """An error that names the element."""
        return DocumentError(f"{self.kind} {quoted(self.id)}: {reason}")

    def quantity(self, name: str, unit: float = 1.0, default: float = 0.0, *, infinity: float | None = None) -> float:
        """A number times the SI value of its unit: of bearable size, or for a limit finite or the infinity named here."""
        number = self.fields.number(name, default)
        if number == default:
            return default  # nothing or infinite in any unit
        value = number * unit
        largest = _LARGEST_QUANTITY if infinity is None else sys.float_info.max
        if abs(value) <= largest or number == infinity:
            return value
        raise self.error(f"{name} is {number:g}, which is beyond what can be calculated with")

    def coordinates(self) -> tuple[float, float] | None:
        """Where the element is drawn."""
        numbers = self.fields.numbers("coordinates")
        if numbers is None:
            return None
        if len(numbers) != 2:
            raise self.error(f"coordinates must be exactly two values, x and y, and not {len(numbers)}")
        if not all(map(math.isfinite, numbers)):
            raise self.error("coordinates must be finite")
        return numbers[0], numbers[1]


def wire_number(value: float) -> float | str:
    """A number as documents write it; JSON has no infinity, so that is a string."""
    if math.isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"
