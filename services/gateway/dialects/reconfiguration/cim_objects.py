"""Schemas of the CIM objects of which documents consist, for the OpenAPI document: one for each class that is read.

No operation refers to them, since JSON-LD has many forms; they describe the one that published data have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.cim import ATTRIBUTES, CIM, PARENTS, Attribute, Choice, Flag, Link, Number, Quantity, Text, Whole

Json = dict[str, Any]  # Any: a JSON Schema

DOCUMENT = "CimJsonLd"
_PREFIX = "cim"
_REF = "#/components/schemas/{name}"
_UNITS: Mapping[Quantity, str] = {
    Quantity.VOLTAGE: "kV in the units profile digin, V in si.",
    Quantity.POWER: "MW or MVAr in the units profile digin, W or var in si.",
}


def cim_schemas() -> Json:
    """The schema of a document and those of the classes, by name."""
    return {DOCUMENT: _document()} | {name: _class(name, parent) for name, parent in PARENTS.items()}


def _document() -> Json:
    return {
        "title": DOCUMENT,
        "description": "JSON-LD as published data write it; any other form says the same.",
        "type": "object",
        "properties": {
            "@context": {
                "type": "object",
                "properties": {_PREFIX: {"type": "string", "const": CIM}},
                "additionalProperties": {"type": "string"},
            },
            "@graph": {"type": "array", "items": {"anyOf": [{"$ref": _REF.format(name=name)} for name in PARENTS]}},
        },
        "required": ["@context", "@graph"],
    }


def _class(name: str, parent: str | None) -> Json:
    """A class without what it has of its parent, to which it refers."""
    own: Json = {
        f"{_PREFIX}:{attribute}": _attribute(kind)
        for attribute, kind in ATTRIBUTES.items()
        if attribute.partition(".")[0] == name
    }
    schema: Json = {"title": name, "description": f"The CIM class {name}.", "type": "object"}
    if parent is not None:
        return schema | {"allOf": [{"$ref": _REF.format(name=parent)}], "properties": own}
    names: Json = {
        "@id": {"type": "string", "format": "iri", "description": "Such as urn:uuid:…; references are to this."},
        "@type": {"type": "string", "description": f"The most specific class, such as {_PREFIX}:Breaker."},
    }
    return schema | {"properties": names | own, "required": list(names)}


def _attribute(kind: Attribute) -> Json:
    match kind:
        case Text():
            return {"type": "string"}
        case Flag():
            return {"type": "boolean"}
        case Whole():
            return {"type": ["integer", "string"]}
        case Number(quantity):
            unit = {} if quantity is None else {"description": _UNITS[quantity]}
            return {"type": ["number", "string"], **unit}
        case Choice(enumeration, values):
            known = [f"{_PREFIX}:{enumeration}.{value}" for value in sorted(values)]
            return _reference({"type": "string", "enum": known}, f"One of {enumeration}.")
        case Link(target):
            return _reference({"type": "string", "format": "iri"}, f"Refers to a {target}.")


def _reference(iri: Json, description: str) -> Json:
    return {"type": "object", "description": description, "properties": {"@id": iri}, "required": ["@id"]}
