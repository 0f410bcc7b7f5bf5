"""Where the events of a sensor may begin, as its attributes ``floor_datetimes_to_resolution`` and ``frequency`` say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_FREQUENCY = re.compile(r"(\d{0,6})(min|T|h|H|s|S|D|d)", re.ASCII)
_FREQUENCY_S = {"min": 60, "T": 60, "h": 3600, "H": 3600, "s": 1, "S": 1, "D": 86400, "d": 86400}


def is_floored(attributes: Mapping[str, object]) -> bool:
    """Whether starts go down to a multiple of the resolution; they do unless the attribute is false."""
    return attributes.get("floor_datetimes_to_resolution") is not False


def frequency_s(attributes: Mapping[str, object]) -> int | None:
    """Seconds to whose multiples moments are rounded, from a text as pandas writes it (``5min``); None where it is none that is known."""
    given = attributes.get("frequency")
    found = _FREQUENCY.fullmatch(given.strip()) if isinstance(given, str) else None
    return None if found is None else int(found[1] or 1) * _FREQUENCY_S[found[2]] or None
