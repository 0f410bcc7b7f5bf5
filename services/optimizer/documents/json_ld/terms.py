"""What one term of a context stands for, and the forms in which a definition may say it. After the JSON-LD 1.1 API, section 4.2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from services.optimizer.documents.errors import DocumentError
from services.optimizer.reconfiguration.wording import quoted

Json = Any  # JSON of any shape

KEYWORDS = frozenset(
    {
        *("@base", "@container", "@context", "@direction", "@graph", "@id", "@import", "@included", "@index", "@json"),
        *("@language", "@list", "@nest", "@none", "@prefix", "@propagate", "@protected", "@reverse", "@set", "@type"),
        *("@value", "@version", "@vocab"),
    }
)
_CONTAINERS = frozenset({"@graph", "@id", "@index", "@language", "@list", "@set", "@type"})
_OF_TERMS = frozenset(
    {
        *("@container", "@context", "@direction", "@id", "@index", "@language", "@nest", "@prefix", "@protected"),
        *("@reverse", "@type"),
    }
)
# What only looks like a keyword is kept free for later versions, and ignored.
LIKE_KEYWORD = re.compile(r"@[A-Za-z]+")
NOTHING: Any = object()  # where null means something  # Any: stands where JSON stands


def no_json_ld(reason: str) -> DocumentError:
    """An error about a document."""
    return DocumentError(f"the data are no JSON-LD: {reason}")


@dataclass(frozen=True, slots=True)
class Term:
    """What a term stands for; ``iri`` None takes it out of use. ``context`` holds within its values."""

    iri: str | None
    is_prefix: bool = False
    is_reverse: bool = False
    value_type: str | None = None
    containers: frozenset[str] = frozenset()
    context: Json = NOTHING
    index: str = "@index"


def check_type_term(term: str, value: Json) -> None:
    """Of all keywords only @type may have a definition, and only to say that it is always a list."""
    is_fine = (
        term == "@type"
        and isinstance(value, dict)
        and bool(value)
        and value.keys() <= {"@container", "@protected"}
        and value.get("@container", "@set") == "@set"
    )
    if not is_fine:
        raise no_json_ld(f"{term} is a keyword and cannot be defined")


def check_term(term: str, value: Json) -> None:
    """Make sure that a definition is an object with entries of the right types."""
    if not isinstance(value, dict):
        raise bad_term(term, "must be a text, an object or null")
    if unknown := value.keys() - _OF_TERMS:
        raise bad_term(term, f"has the entry {quoted(min(unknown))}")
    for name in ("@id", "@type", "@reverse", "@nest", "@index", "@language", "@direction"):
        if name not in value or isinstance(value[name], str):
            continue
        if value[name] is not None or name not in {"@id", "@language", "@direction"}:
            raise bad_term(term, f"has an entry {name} that is no text")
    for name in ("@prefix", "@protected"):
        if not isinstance(value.get(name, False), bool):
            raise bad_term(term, f"has an entry {name} that is neither true nor false")
    nest = value.get("@nest", "@nest")
    if nest in KEYWORDS and nest != "@nest":
        raise bad_term(term, "has an entry @nest that is a keyword")
    if "@index" in value and "@index" not in containers_of(term, value.get("@container")):
        raise bad_term(term, "has an entry @index and no container of indexes")


def containers_of(term: str, given: Json) -> frozenset[str]:
    """In what the values of a term are."""
    if given is None:
        return frozenset()
    found = given if isinstance(given, list) else [given]
    if not all(isinstance(one, str) and one in _CONTAINERS for one in found):
        raise bad_term(term, "has a container that is not known")
    containers = frozenset(found)
    others = containers - {"@set"}
    is_graph_map = "@graph" in others and len(others) == 2 and bool(others & {"@id", "@index"})
    if ("@list" in others and len(containers) > 1) or (len(others) > 1 and not is_graph_map):
        raise bad_term(term, "has containers that do not go together")
    return containers


def bad_term(term: str, reason: str) -> DocumentError:
    """An error about a definition."""
    return no_json_ld(f"the term {quoted(term)} {reason}")
