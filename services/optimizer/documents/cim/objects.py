"""CIM objects made of triples: attributes as typed values in SI units, references both ways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import orjson

from services.optimizer.documents.cim.triples import RDF_TYPE, Literal, Reference, Triple
from services.optimizer.documents.errors import DocumentError
from services.optimizer.reconfiguration.wording import quoted, shown
from shared.cim import (
    ANCESTRY,
    ATTRIBUTES,
    CIM,
    PARENTS,
    Choice,
    Flag,
    Link,
    Number,
    Text,
    UnitsProfile,
    Whole,
    in_si,
)
from shared.number_text import number_in

# Published data refer to objects of other documents by such names, and sometimes describe them in passing.
_REFERENCE_ONLY = "urn:uuid:_"
_URN = "urn:uuid:"
_XSD_BOOLEAN = "http://www.w3.org/2001/XMLSchema#boolean"
_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
# In SI units; far below where products of such numbers are no numbers any more.
_LARGEST = 1e30
# Of these a document may say several things, as in several languages: the first counts.
_MAY_REPEAT = frozenset({"IdentifiedObject.name", "IdentifiedObject.description"})

_Value = TypeVar("_Value")


class CimObject:
    """One object of a document. Attributes have their full names, as in ``Switch.open``."""

    __slots__ = ("_referring", "_values", "cim_class", "iri")

    def __init__(self, iri: str, cim_class: str) -> None:
        self.iri = iri
        self.cim_class = cim_class
        self._values: dict[str, object] = {}
        self._referring: dict[str, list[CimObject]] = {}

    def is_a(self, cim_class: str) -> bool:
        """Whether the object is of this class or of a kind of it."""
        return cim_class in ANCESTRY[self.cim_class]

    @property
    def has_no_name(self) -> bool:
        """Whether its IRI is none: a name that holds within its document, given by that or by its reader."""
        return self.iri.startswith("_:")

    @property
    def mrid(self) -> str | None:
        """Its MRID, if it says one."""
        return self.text("IdentifiedObject.mRID") or None

    def text(self, attribute: str) -> str | None:
        """A text."""
        return self._value(attribute, str)

    def flag(self, attribute: str) -> bool | None:
        """A truth value."""
        return self._value(attribute, bool)

    def number(self, attribute: str) -> float | None:
        """A number, in SI units."""
        return self._value(attribute, float)

    def required_number(self, attribute: str) -> float:
        """A number that must be there, in SI units."""
        value = self.number(attribute)
        if value is None:
            raise self.error(f"{attribute} is missing")
        return value

    def reference(self, attribute: str) -> CimObject | None:
        """The object to which an attribute refers."""
        return self._value(attribute, CimObject)

    def referring(self, attribute: str) -> list[CimObject]:
        """The objects that refer to this one by an attribute of theirs."""
        return self._referring.get(attribute, [])

    def value(self, attribute: str) -> object:
        """Whatever an attribute holds, or None."""
        return self._values.get(attribute)

    def set(self, attribute: str, value: object) -> None:
        """Give an attribute its value, and fill in the other end of a reference."""
        self._values[attribute] = value
        if isinstance(value, CimObject):
            value._referring.setdefault(attribute, []).append(self)

    def error(self, problem: str) -> DocumentError:
        """An error that names the object."""
        return DocumentError(f"{self.described}: {problem}")

    @property
    def described(self) -> str:
        """The object in messages: its class, its name and its MRID, as far as it has them."""
        name = self.text("IdentifiedObject.name")
        named = f"{self.cim_class} with name {quoted(name)}" if name else self.cim_class
        return f"{named} (MRID {shown(self.mrid)})" if self.mrid else f"{named} (IRI {shown(self.iri)})"

    def _value(self, attribute: str, kind: type[_Value]) -> _Value | None:
        value = self._values.get(attribute)
        return value if isinstance(value, kind) else None


def read_objects(triples: Iterable[Triple], profile: UnitsProfile) -> list[CimObject]:
    """The objects of known classes that statements describe, in their order.

    Raises:
        DocumentError: an attribute is not what its class says, or cannot be read.
    """
    types: dict[str, list[str]] = {}
    statements: dict[str, list[tuple[str, Reference | Literal]]] = {}
    for triple in triples:
        if triple.predicate == RDF_TYPE:
            if isinstance(triple.object, Reference) and triple.object.iri.startswith(CIM):
                types.setdefault(triple.subject, []).append(triple.object.iri.removeprefix(CIM))
        elif triple.predicate.startswith(CIM):
            name = triple.predicate.removeprefix(CIM)
            if name in ATTRIBUTES:
                statements.setdefault(triple.subject, []).append((name, triple.object))
    objects = {
        iri: CimObject(iri, _most_specific(iri, known))
        for iri, names in types.items()
        if not iri.startswith(_REFERENCE_ONLY) and (known := [name for name in names if name in PARENTS])
    }
    for iri, read in objects.items():
        for name, value in statements.get(iri, ()):
            _set_attribute(read, name, value, objects, profile)
    return list(objects.values())


def objects_of(objects: Iterable[CimObject], cim_class: str) -> list[CimObject]:
    """Those of a class and of kinds of it."""
    return [read for read in objects if cim_class in ANCESTRY[read.cim_class]]


def iri_of_mrid(mrid: str) -> str:
    """The IRI that leads to an MRID."""
    return f"{_URN}{mrid}"


def mrid_in_session(read: CimObject, mrid_of_iri: Mapping[str, str]) -> str | None:
    """The MRID of an object of a document about a network: it says it, or its IRI leads to it. Names that hold within one
    document only lead nowhere: the same one stands for something else in another.
    """
    if read.mrid:
        return read.mrid
    if read.iri in mrid_of_iri:
        return mrid_of_iri[read.iri]
    return read.iri.removeprefix(_URN) or None if read.iri.startswith(_URN) else None


def _most_specific(iri: str, names: list[str]) -> str:
    found = names[0]
    for name in names[1:]:
        if found in ANCESTRY[name]:
            found = name
        elif name not in ANCESTRY[found]:
            raise DocumentError(f"The object {quoted(iri)} is both a {found} and a {name}")
    return found


def _set_attribute(
    read: CimObject,
    name: str,
    value: Reference | Literal,
    objects: Mapping[str, CimObject],
    profile: UnitsProfile,
) -> None:
    owner = name.partition(".")[0]
    if not read.is_a(owner):
        raise DocumentError(
            f"Attribute {name} of the object {quoted(read.iri)}: {owner} is not a base type of {read.cim_class}"
        )
    parsed = _parsed(read, name, value, objects, profile)
    if parsed is None:
        return
    before = read.value(name)
    if before is None:
        read.set(name, parsed)
    elif before != parsed and name not in _MAY_REPEAT:
        raise _unreadable(read, name, value, "there is another value already")


def _parsed(
    read: CimObject,
    name: str,
    value: Reference | Literal,
    objects: Mapping[str, CimObject],
    profile: UnitsProfile,
) -> object:
    """The value in the type of its attribute; None for a reference to something that is no object here."""
    kind = ATTRIBUTES[name]
    if isinstance(kind, Link):
        return _linked(read, name, kind, value, objects)
    if isinstance(kind, Choice):
        return _chosen(read, name, kind, value)
    literal = value if isinstance(value, Literal) else None
    parsed: object = None
    reason = "it is no text"
    if isinstance(kind, Text):
        parsed = None if literal is None else _text_in(literal)
    elif isinstance(kind, Flag):
        parsed, reason = (None if literal is None else _flag_in(literal)), "it is neither true nor false"
    elif isinstance(kind, Number):
        number = None if literal is None else _number_in(literal)
        parsed, reason = (None if number is None else in_si(number, kind.quantity, profile)), "it is no number"
    elif isinstance(kind, Whole):
        parsed, reason = (None if literal is None else _whole_in(literal)), "it is no whole number"
    if parsed is None:
        raise _unreadable(read, name, value, reason)
    return parsed


def _linked(
    read: CimObject, name: str, kind: Link, value: Reference | Literal, objects: Mapping[str, CimObject]
) -> CimObject | None:
    if not isinstance(value, Reference):
        raise _unreadable(read, name, value, "it is no reference")
    target = objects.get(value.iri)
    if target is not None and not target.is_a(kind.target):
        raise _unreadable(read, name, value, f"it refers to a {target.cim_class} and not to a {kind.target}")
    return target


def _chosen(read: CimObject, name: str, kind: Choice, value: Reference | Literal) -> str:
    """The value of the enumeration in small letters, as it is compared."""
    if not isinstance(value, Reference) or not value.iri.startswith(CIM):
        raise _unreadable(read, name, value, f"it is no value of the enumeration {kind.enumeration}")
    enumeration, _, chosen = value.iri.removeprefix(CIM).partition(".")
    if enumeration != kind.enumeration:
        raise _unreadable(read, name, value, f"it is no value of the enumeration {kind.enumeration}")
    if chosen.lower() not in {known.lower() for known in kind.values}:
        raise _unreadable(read, name, value, f"the enumeration {kind.enumeration} has no such value")
    return chosen.lower()


def _text_in(literal: Literal) -> str | None:
    """A text, or a number as it stands in the document; never one with the character that no database holds."""
    text = literal.value if isinstance(literal.value, str) else orjson.dumps(literal.value).decode()
    return None if "\0" in text else text


def _flag_in(literal: Literal) -> bool | None:
    if isinstance(literal.value, bool):
        return literal.value
    if literal.datatype == _XSD_BOOLEAN and isinstance(literal.value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(literal.value.strip())
    return None


def _number_in(literal: Literal) -> float | None:
    value = literal.value
    if isinstance(value, bool):
        return None
    number = number_in(value) if isinstance(value, str) else float(value)
    return number if number is not None and abs(number) <= _LARGEST else None


def _whole_in(literal: Literal) -> int | None:
    if isinstance(literal.value, str) and not _WHOLE.fullmatch(literal.value):
        return None
    number = _number_in(literal)
    return int(number) if number is not None and number.is_integer() else None


def _unreadable(read: CimObject, name: str, value: Reference | Literal, reason: str) -> DocumentError:
    stated = value.iri if isinstance(value, Reference) else str(value.value)
    return DocumentError(f"Attribute {name} of the object {quoted(read.iri)}: the value {quoted(stated)}: {reason}")
