"""Which sensors a flex configuration names, and where: for looking them up, and for asking whether the caller may read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.flexibility.fields import id_of

# As deep as a configuration goes: flex-context, commodities, a position, commitments, a position, a price, its sensor.
_MAX_DEPTH = 8
_LISTS = ("sensors", "inflexible-device-sensors")
_SINGLES = ("sensor", "consumption-price-sensor", "production-price-sensor")

SensorPath = tuple[str, int]


def referenced_sensors(flex_model: object = None, flex_context: object = None) -> tuple[SensorPath, ...]:
    """Every sensor that a request names, with the path to it ("flex-context.consumption-price.sensor"), in order.

    It reads JSON that may still be wrong: what is no id is left out.
    """
    parts = {"flex-model": flex_model, "flex-context": flex_context}
    return tuple(_found(parts, (), 0))


def references_below(path: tuple[str, ...], document: object) -> tuple[SensorPath, ...]:
    """The same for one part of a configuration, which stands at a path."""
    return tuple(_found(document, path, len(path)))


def _found(node: object, path: tuple[str, ...], depth: int) -> Iterator[SensorPath]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, Mapping):
        for key, value in node.items():
            below = (*path, str(key))
            if key in _SINGLES:
                yield from _ids([(below, value)])
            elif key in _LISTS and isinstance(value, list):
                yield from _ids([((*below, str(position)), one) for position, one in enumerate(value)])
            else:
                yield from _found(value, below, depth + 1)
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from _found(value, (*path, str(position)), depth + 1)


def _ids(named: list[tuple[tuple[str, ...], object]]) -> Iterator[SensorPath]:
    for path, value in named:
        sensor_id = id_of(value)
        if sensor_id is not None:
            yield ".".join(path), sensor_id
