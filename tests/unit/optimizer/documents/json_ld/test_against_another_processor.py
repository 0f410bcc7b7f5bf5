"""What another processor of JSON-LD can read we read, and find the same statements in it."""

from __future__ import annotations

import copy
from collections import Counter
from random import Random
from typing import Any

import pytest
from pyld import jsonld

from services.optimizer.documents.cim.triples import Reference, Triple, read_triples, statements_of
from tests.support.json_ld import JsonLdMaker

Statement = tuple[str, str, str, object]
# Where it fails itself, or leaves names that are none.
ITS_OWN_FAILURES = (KeyError, TypeError, AttributeError, ValueError)


def refuse(url: str, _: object) -> object:
    raise jsonld.JsonLdError(f"{url} lies elsewhere", "refused")


def theirs(document: Any) -> Counter[Statement] | None:  # Any: JSON
    try:
        expanded = jsonld.expand(copy.deepcopy(document), {"documentLoader": refuse, "base": "http://localhost/"})
        return counted(statements_of(expanded)) if is_sound(expanded) else None
    except (jsonld.JsonLdError, *ITS_OWN_FAILURES):
        return None


def is_sound(expanded: Any) -> bool:  # Any: JSON
    """Whether lists are nothing but lists, which it does not see to."""
    if isinstance(expanded, list):
        return all(is_sound(one) for one in expanded)
    if not isinstance(expanded, dict):
        return True
    return ("@list" not in expanded or expanded.keys() <= {"@list", "@index"}) and is_sound([*expanded.values()])


def counted(triples: Any) -> Counter[Statement]:  # Any: an iterable of triples
    """Statements without the names that nodes without a name are given."""
    return Counter(_statement(triple) for triple in triples)


def _statement(triple: Triple) -> Statement:
    if isinstance(triple.object, Reference):
        return _anonymous(triple.subject), triple.predicate, "", _anonymous(triple.object.iri)
    kind = type(triple.object.value).__name__ + " " + (triple.object.datatype or "")
    return _anonymous(triple.subject), triple.predicate, kind, triple.object.value


def _anonymous(iri: str) -> str:
    return "_:" if iri.startswith("_:unnamed") else iri


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("seed", range(8))
def test_what_another_processor_reads_we_read_alike(seed: int) -> None:
    maker = JsonLdMaker(Random(seed))
    compared = 0
    for _ in range(50):
        document = maker.document()
        expected = theirs(document)
        if expected is not None:
            compared += 1
            assert counted(read_triples(document)) == expected, document
    assert compared > 15
