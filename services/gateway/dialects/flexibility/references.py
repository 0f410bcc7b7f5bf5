"""Sensors and assets that free configuration names: which they are, and the same configuration with others in their place. Pure.

Ids stand under keys that say what they are, however deep: ``sensor``, ``sensors``, ``asset`` and the older spellings of the flex-context.
Graphs may also be bare ids, or lists of them, of sensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from shared.flexibility.fields import id_of

# What an id is of.
Kind = Literal["sensor", "asset"]

# The kind of the ids under a key; an object says nothing without those of the first four.
_REFERENCES: Mapping[str, Kind] = {"sensor": "sensor", "sensors": "sensor", "asset": "asset", "assets": "asset"}
_KIND_OF: Mapping[str, Kind] = {
    **_REFERENCES,
    "inflexible-device-sensors": "sensor",
    "consumption-price-sensor": "sensor",
    "production-price-sensor": "sensor",
}


@dataclass(frozen=True, slots=True)
class Replacements:
    """What to put in the place of the id of a sensor, and of an asset: another id, or None for nothing at all."""

    of_sensor: Callable[[int], int | None]
    of_asset: Callable[[int], int | None]


class _Dropped:
    """Stands for what named something that is to be named no more."""


_DROPPED: Final = _Dropped()


def sensors_named(configuration: object) -> frozenset[int]:
    """The ids of sensors in a flex-model or flex-context."""
    return frozenset(number for kind, number in _named(configuration, None) if kind == "sensor")


def sensors_shown(graphs: object) -> frozenset[int]:
    """The ids of sensors in graphs or key figures."""
    return frozenset(number for kind, number in _named(graphs, "sensor") if kind == "sensor")


def assets_named(configuration: object) -> frozenset[int]:
    """The ids of assets in a flex-model, a flex-context or graphs."""
    return frozenset(number for kind, number in _named(configuration, None) if kind == "asset")


def replaced(configuration: Mapping[str, Any], replacements: Replacements) -> dict[str, Any]:
    """A flex-model or flex-context with other ids; a field that loses all its references goes."""
    found = {key: _replaced(value, replacements, _KIND_OF.get(key)) for key, value in configuration.items()}
    return {key: value for key, value in found.items() if value is not _DROPPED}


def replaced_in_graphs(graphs: Sequence[Any], replacements: Replacements) -> list[Any]:
    """Graphs or key figures with other ids; a graph that loses all it shows goes."""
    found = [_replaced(graph, replacements, "sensor") for graph in graphs]
    return [graph for graph in found if graph is not _DROPPED]


def _named(value: object, kind: Kind | None) -> Iterator[tuple[Kind, int]]:
    """Ids with what they are of. ``kind`` says what a bare number is of, and None that it is no id."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _named(below, _KIND_OF.get(key))
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, kind)
    elif kind is not None and (number := id_of(value)) is not None:
        yield kind, number


def _replaced(value: Any, replacements: Replacements, kind: Kind | None) -> Any:
    if isinstance(value, Mapping):
        return _replaced_object(value, replacements)
    if isinstance(value, list):
        kept = [item for item in (_replaced(item, replacements, kind) for item in value) if item is not _DROPPED]
        return _DROPPED if value and not kept else kept
    number = None if kind is None else id_of(value)
    if number is None:
        return value
    other = replacements.of_sensor(number) if kind == "sensor" else replacements.of_asset(number)
    return _DROPPED if other is None else other


def _replaced_object(value: Mapping[str, Any], replacements: Replacements) -> Any:
    found = {key: _replaced(below, replacements, _KIND_OF.get(key)) for key, below in value.items()}
    dropped = {key for key, below in found.items() if below is _DROPPED}
    if dropped & (_REFERENCES.keys() | {"plots"}):
        return _DROPPED
    return {key: below for key, below in found.items() if key not in dropped}
