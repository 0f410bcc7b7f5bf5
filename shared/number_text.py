"""Numbers that stand in documents as texts, which clients may write for any number."""

from __future__ import annotations

import math
import re

# As JSON writes it, with blanks around it or a plus sign before it, or nothing on one side of the point.
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
# No number needs more characters; the conversion of a longer text could take long.
_LONGEST = 64


def number_in(text: str) -> float | None:
    """The finite number that a text is; None where it is none, or too large or too long."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None
