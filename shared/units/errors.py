"""What can be wrong with a unit or a quantity."""

from __future__ import annotations

from shared.errors import InvalidInput


class UnknownUnit(InvalidInput):
    """The text names no unit that Busbar knows."""

    code = "unknown_unit"

    def __init__(self, text: str) -> None:
        super().__init__(f"Unit '{text}' cannot be handled.")
        self.text = text


class UnitsIncompatible(InvalidInput):
    """One unit cannot be converted to the other, or only with a resolution that is not there."""

    code = "units_incompatible"

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"Incompatible units: {source} cannot be converted to {target}.")
        self.source = source
        self.target = target


class QuantityUnreadable(InvalidInput):
    """The text is not a quantity: a number, or arithmetic of numbers, and a unit."""

    code = "quantity_unreadable"

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"Cannot read '{text}' as a quantity: {why}.")
        self.text = text
