"""JSON-LD, in any of its forms, as triples. A context that lies elsewhere is never fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_ld import expand

RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"

# What CIM data need is six or so; the expansion takes a few calls of functions for each.
_DEEPEST = 100
# What relative names are relative to where a document does not say; documents about each other then agree.
_BASE = "http://localhost/"


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that is named by its IRI."""

    iri: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as JSON has it, and the IRI of its type where one is given."""

    value: str | bool | int | float
    datatype: str | None = None


@dataclass(frozen=True, slots=True)
class Triple:
    """One statement."""

    subject: str
    predicate: str
    object: Reference | Literal


def read_triples(document: object) -> Iterator[Triple]:
    """The statements of a JSON-LD document that was decoded from JSON, of all its graphs, in its order.

    Raises:
        DocumentError: it is no JSON-LD, or refers to a context that lies elsewhere.
    """
    return statements_of(_expanded(document))


def statements_of(expanded: list[Any]) -> Iterator[Triple]:  # Any: JSON
    """What JSON-LD in expanded form states."""
    return _Walk().nodes(expanded)


def _expanded(document: object) -> list[Any]:  # Any: JSON
    if not isinstance(document, (dict, list)):
        raise DocumentError("the data are no JSON-LD: they are neither an object nor a list")
    if _is_deeper_than(document, _DEEPEST):
        raise DocumentError(f"the data are nested more than {_DEEPEST} deep")
    return expand(document, base=_BASE)


def _is_deeper_than(document: object, most: int) -> bool:
    level: list[object] = [document]
    for _ in range(most):
        children: list[object] = []
        for value in level:
            if isinstance(value, dict):
                children.extend(value.values())
            elif isinstance(value, list):
                children.extend(value)
        level = [child for child in children if isinstance(child, (dict, list))]
        if not level:
            return False
    return True


class _Walk:
    """Goes through expanded JSON-LD, and names nodes that have no name."""

    def __init__(self) -> None:
        self._unnamed = count()

    def nodes(self, values: list[Any]) -> Iterator[Triple]:
        for value in values:
            if isinstance(value, dict) and "@value" not in value:
                yield from self._node(value, self._name(value))

    def _name(self, node: Mapping[str, Any]) -> str:
        name = node.get("@id")
        return f"_:unnamed {next(self._unnamed)}" if name is None else str(name)

    def _node(self, node: Mapping[str, Any], subject: str) -> Iterator[Triple]:
        for iri in node.get("@type", ()):
            yield Triple(subject, RDF_TYPE, Reference(iri))
        for key, values in node.items():
            if key in {"@graph", "@included"}:
                yield from self.nodes(values)
            elif key == "@reverse":
                for predicate, sources in values.items():
                    for source in sources:
                        name = self._name(source)
                        yield Triple(name, predicate, Reference(subject))
                        yield from self._node(source, name)
            elif not key.startswith("@"):
                for value in values:
                    yield from self._value(subject, key, value)

    def _value(self, subject: str, predicate: str, value: Mapping[str, Any]) -> Iterator[Triple]:
        if "@value" in value:
            literal = value["@value"]
            if isinstance(literal, (str, bool, int, float)):
                yield Triple(subject, predicate, Literal(literal, value.get("@type")))
        elif "@list" in value:
            for entry in value["@list"]:
                yield from self._value(subject, predicate, entry)
        else:
            name = self._name(value)
            yield Triple(subject, predicate, Reference(name))
            yield from self._node(value, name)
