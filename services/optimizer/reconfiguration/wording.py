"""How numbers, ids and lists of ids appear in sentences that people read; no input can blow up or break the text about it."""

from __future__ import annotations

from collections.abc import Sequence

MOST_LISTED = 10  # entries of a list before it is cut short
LONGEST_SHOWN = 200  # characters of an id


def shown(text: str) -> str:
    """An id or another text of the input, or its beginning and an ellipsis; without NUL, which the database does not take."""
    short = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return short.replace("\0", "\N{SYMBOL FOR NULL}")


def quoted(identifier: str) -> str:
    """An id in single quotes."""
    return f"'{shown(identifier)}'"


def listed(texts: Sequence[str], separator: str = ", ") -> str:
    """The first entries, and an ellipsis where there are more."""
    first = texts[:MOST_LISTED]
    return separator.join([*first, "…"] if len(texts) > MOST_LISTED else first)


def listed_ids(identifiers: Sequence[str]) -> str:
    """The first ids, and an ellipsis where there are more."""
    return listed([shown(identifier) for identifier in identifiers[: MOST_LISTED + 1]])


def number(value: float) -> str:
    """Enough digits to tell two limits apart, no more than the double holds for sure, no decimals on whole numbers."""
    return "∞" if value == float("inf") else f"{value:.12g}"


def complex_number(value: complex) -> str:
    """A complex power as ``<re; im>``."""
    return f"<{number(value.real)}; {number(value.imag)}>"
