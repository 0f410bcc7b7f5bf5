"""Names of assets and sensors in a file, and the numbers that they have while a schedule is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.cli.schedule_document import Finding, Place

# Where the API has the id of a sensor or of an asset, by itself or in a list.
_OF_SENSORS = frozenset({"sensor", "consumption-price-sensor", "production-price-sensor"})
_LISTS_OF_SENSORS = frozenset({"sensors", "inflexible-device-sensors"})
_OF_ASSETS = frozenset({"asset"})
_MENTION = re.compile(r"\b(sensor|asset) ([0-9]+)\b", re.IGNORECASE)


@dataclass
class Names:
    """Numbers by names."""

    assets: dict[str, int] = field(default_factory=dict)
    sensors: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def numbered(self, node: Any, place: Place) -> Any:  # Any: JSON
        """JSON with "$name" replaced by numbers; names that are none of the file are noted."""
        if isinstance(node, Mapping):
            return {key: self._below(key, value, (*place, key)) for key, value in node.items()}
        if isinstance(node, list):
            return [self.numbered(value, (*place, position)) for position, value in enumerate(node)]
        return node

    def _below(self, key: str, value: Any, place: Place) -> Any:  # Any: JSON
        if isinstance(value, Mapping):
            return self.numbered(value, place)
        if key in _OF_SENSORS:
            return self._number(value, self.sensors, "sensor", place)
        if key in _OF_ASSETS:
            return self._number(value, self.assets, "asset", place)
        if key in _LISTS_OF_SENSORS and isinstance(value, list):
            return [
                self.numbered(one, (*place, position))
                if isinstance(one, Mapping)
                else self._number(one, self.sensors, "sensor", (*place, position))
                for position, one in enumerate(value)
            ]
        return self.numbered(value, place)

    def _number(self, value: object, known: Mapping[str, int], kind: str, place: Place) -> int | None:
        name = value[1:] if isinstance(value, str) and value.startswith("$") else None
        if name is None or name not in known:
            names = ", ".join(f'"${one}"' for one in known) or "none are in the file"
            self.findings.append(Finding(place, f'expected "$name" of one of the {kind}s: {names}'))
            return None
        return known[name]

    def worded(self, text: str) -> str:
        """A text with the names of the assets and sensors whose numbers it tells."""
        by_kind = {"sensor": self._of(self.sensors), "asset": self._of(self.assets)}

        def named(found: re.Match[str]) -> str:
            name = by_kind[found[1].lower()].get(int(found[2]))
            return found[0] if name is None else f"{found[1]} '{name}'"

        return _MENTION.sub(named, text)

    @staticmethod
    def _of(numbers: Mapping[str, int]) -> dict[int, str]:
        return {number: name for name, number in numbers.items()}


def free_name(wanted: str, taken: Mapping[str, int]) -> str:
    """The name, with a number after it where it is taken."""
    return next(name for name in _candidates(wanted) if name not in taken)


def _candidates(wanted: str) -> Iterator[str]:
    yield wanted
    number = 2
    while True:
        yield f"{wanted} ({number})"
        number += 1
