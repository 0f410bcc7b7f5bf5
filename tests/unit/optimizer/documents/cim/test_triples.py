"""JSON-LD in its forms says the same; what is none, or lies elsewhere, is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.optimizer.documents.cim.triples import RDF_TYPE, Literal, Reference, Triple, read_triples
from services.optimizer.documents.errors import DocumentError
from tests.support.cim import Json
from tests.unit.optimizer.documents.patience import patiently

CIM = "http://ucaiug.org/ns/CIM#"
OPEN = Triple("urn:uuid:a", f"{CIM}Switch.open", Literal(True))
TYPE = Triple("urn:uuid:a", RDF_TYPE, Reference(f"{CIM}Breaker"))
CONTEXT = {"cim": CIM}


@pytest.mark.parametrize(
    "document",
    [
        {"@context": CONTEXT, "@graph": [{"@id": "urn:uuid:a", "@type": "cim:Breaker", "cim:Switch.open": True}]},
        {"@context": CONTEXT, "@id": "urn:uuid:a", "@type": "cim:Breaker", "cim:Switch.open": True},
        [{"@id": "urn:uuid:a", "@type": [f"{CIM}Breaker"], f"{CIM}Switch.open": [{"@value": True}]}],
        {"@context": {"@vocab": CIM, "id": "@id"}, "id": "urn:uuid:a", "@type": "Breaker", "Switch.open": True},
        {"@context": {"isOpen": f"{CIM}Switch.open"}, "@id": "urn:uuid:a", "@type": f"{CIM}Breaker", "isOpen": True},
        [
            {"@context": CONTEXT, "@id": "urn:x:1", "@graph": [{"@id": "urn:uuid:a", "@type": "cim:Breaker"}]},
            {"@context": CONTEXT, "@id": "urn:x:2", "@graph": [{"@id": "urn:uuid:a", "cim:Switch.open": True}]},
        ],
        {
            "@context": {**CONTEXT, "@base": "urn:uuid:"},
            "@id": "urn:uuid:a",
            "@type": "cim:Breaker",
            "cim:Switch.open": True,
        },
        {
            "@context": {"@language": None, "@vocab": None, "@direction": None, **CONTEXT},
            "@id": "urn:uuid:a",
            "@type": "cim:Breaker",
            "cim:Switch.open": True,
        },
        {
            "@context": [{"@vocab": "http://elsewhere/", "@language": "no"}, {"@vocab": CIM, "@language": None}],
            "@id": "urn:uuid:a",
            "@type": "Breaker",
            "Switch.open": True,
        },
        {
            "@context": {"@base": "urn:x", "is": {"@id": f"{CIM}Switch.open", "@container": "@set"}},
            "@id": "./uuid:a",
            "@type": f"{CIM}Breaker",
            "is": [True],
        },
        {
            "@context": {
                "Breaker": {"@id": f"{CIM}Breaker", "@context": {"open": f"{CIM}Switch.open"}},
                "open": "http://elsewhere/open",
                "held": {"@id": "@graph"},
            },
            "held": [{"@id": "urn:uuid:a", "@type": "Breaker", "open": True}],
        },
        {
            "@context": {**CONTEXT, "group": "@nest"},
            "@id": "urn:uuid:a",
            "@type": "cim:Breaker",
            "group": {"cim:Switch.open": {"@value": True}},
        },
        {"@context": CONTEXT, "@included": [{"@id": "urn:uuid:a", "@type": "cim:Breaker", "cim:Switch.open": True}]},
    ],
    ids=[
        "graph",
        "one node",
        "expanded",
        "vocabulary",
        "term",
        "two graphs",
        "base",
        "nulls",
        "contexts",
        "relative",
        "scoped",
        "nest",
        "included",
    ],
)
def test_every_form_says_the_same(document: Json) -> None:
    assert list(read_triples(document)) == [TYPE, OPEN]


def test_nodes_within_nodes_are_read() -> None:
    document = {
        "@context": CONTEXT,
        "@id": "urn:uuid:t",
        "cim:Terminal.ConductingEquipment": {"@id": "urn:uuid:a", "@type": "cim:Breaker", "cim:Switch.open": True},
    }
    link = Triple("urn:uuid:t", f"{CIM}Terminal.ConductingEquipment", Reference("urn:uuid:a"))
    assert list(read_triples(document)) == [link, TYPE, OPEN]


def test_reverse_properties_are_read() -> None:
    document = {
        "@context": CONTEXT,
        "@id": "urn:uuid:a",
        "@reverse": {"cim:Terminal.ConductingEquipment": {"@id": "urn:uuid:t"}},
    }
    link = Triple("urn:uuid:t", f"{CIM}Terminal.ConductingEquipment", Reference("urn:uuid:a"))
    assert list(read_triples(document)) == [link]


def test_nodes_without_a_name_are_told_apart() -> None:
    document = {"@context": CONTEXT, "@graph": [{"@type": "cim:Breaker"}, {"@type": "cim:Breaker"}]}
    assert len({triple.subject for triple in read_triples(document)}) == 2


def test_typed_values_keep_their_type() -> None:
    document = {"@id": "urn:a", "http://x/y": {"@value": "1.5", "@type": "http://www.w3.org/2001/XMLSchema#float"}}
    (triple,) = read_triples(document)
    assert triple.object == Literal("1.5", "http://www.w3.org/2001/XMLSchema#float")


def test_lists_are_their_entries_and_null_is_nothing() -> None:
    document = {"@id": "urn:a", "http://x/y": {"@list": [1, "two"]}, "http://x/z": None}
    assert [triple.object for triple in read_triples(document)] == [Literal(1), Literal("two")]


@pytest.mark.parametrize("context", ["http://example.com/cim", [{"cim": CIM}, "http://example.com/cim"]])
def test_contexts_that_lie_elsewhere_are_refused_and_not_fetched(context: Json) -> None:
    with pytest.raises(DocumentError, match=r"'http://example\.com/cim', which lies elsewhere"):
        list(read_triples({"@context": context, "@id": "urn:a"}))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("text", "neither an object nor a list"),
        (5, "neither an object nor a list"),
        ({"@context": 5}, "no JSON-LD"),
        ({"@context": {"a": "b", "b": "a"}, "a": 1}, "no JSON-LD"),
        ({"@id": 5}, "no JSON-LD"),
        ({"@type": 5}, "no JSON-LD"),
        ({"@context": {"@vocab": 5}}, "no JSON-LD"),
        ({"@context": {"@version": 1.0}}, "no JSON-LD"),
        ({"@context": {"@import": "http://x/"}}, "'http://x/', which lies elsewhere"),
        ({"@context": {"@id": "http://x/"}}, "@id is a keyword"),
        ({"@context": {"a": {"@id": "http://x/", "@container": "@cupboard"}}}, "container that is not known"),
        ({"@context": {"a": {"@id": "http://x/", "@unknown": 1}}}, "has the entry '@unknown'"),
        ({"http://x/y": {"@value": {}}}, "@value must be"),
        ({"http://x/y": {"@value": 1, "http://x/z": 2}}, "a value has other entries"),
        ({"http://x/y": {"@list": [], "http://x/z": 2}}, "a set or a list has other entries"),
        ({"@reverse": {"http://x/y": 5}}, "something that is no node"),
    ],
)
def test_what_is_no_json_ld_is_refused(document: Json, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        list(read_triples(document))


@pytest.mark.parametrize(
    ("container", "values"),
    [
        ("@index", {"first": {"@id": "urn:t1"}, "second": [{"@id": "urn:t2"}]}),
        ("@id", {"urn:t1": {}, "urn:t2": {}}),
        ("@list", [{"@id": "urn:t1"}, {"@id": "urn:t2"}]),
        ("@set", {"@set": [{"@id": "urn:t1"}, {"@id": "urn:t2"}]}),
    ],
)
def test_values_in_containers_are_read(container: str, values: Json) -> None:
    context = {"ends": {"@id": "http://x/y", "@container": container}}
    links = [Triple("urn:a", "http://x/y", Reference(f"urn:t{k}")) for k in (1, 2)]
    assert list(read_triples({"@context": context, "@id": "urn:a", "ends": values})) == links


def test_a_term_says_what_its_values_are() -> None:
    context = {
        "open": {"@id": f"{CIM}Switch.open", "@type": "http://www.w3.org/2001/XMLSchema#boolean"},
        "of": {"@id": f"{CIM}Terminal.ConductingEquipment", "@type": "@id"},
        "kind": {"@id": f"{CIM}SynchronousMachine.type", "@type": "@vocab"},
        "generator": f"{CIM}SynchronousMachineKind.generator",
        "terminals": {"@reverse": f"{CIM}Terminal.ConductingEquipment"},
        "said": {"@id": "http://x/said", "@container": "@language"},
    }
    document = {
        "@context": context,
        "@id": "urn:a",
        "open": "true",
        "of": "b",
        "kind": "generator",
        "terminals": {"@id": "urn:t"},
        "said": {"en": "open", "no": ["åpen", None]},
    }
    assert set(read_triples(document)) == {
        Triple("urn:a", f"{CIM}Switch.open", Literal("true", "http://www.w3.org/2001/XMLSchema#boolean")),
        Triple("urn:a", f"{CIM}Terminal.ConductingEquipment", Reference("http://localhost/b")),
        Triple("urn:a", f"{CIM}SynchronousMachine.type", Reference(f"{CIM}SynchronousMachineKind.generator")),
        Triple("urn:t", f"{CIM}Terminal.ConductingEquipment", Reference("urn:a")),
        Triple("urn:a", "http://x/said", Literal("open")),
        Triple("urn:a", "http://x/said", Literal("åpen")),
    }


@pytest.mark.parametrize(
    "context",
    [
        {f"t{k}": f"t{k + 1}:x" for k in range(5000)},
        {f"t{k}": f"http://x/{k}" for k in range(50_001)},
    ],
    ids=["deep", "many"],
)
def test_contexts_beyond_reason_are_refused(context: Json) -> None:
    with pytest.raises(DocumentError, match="more than 50 deep, or more than 50000 terms"):
        list(read_triples({"@context": context, "@id": "urn:a"}))


def scoping(own: Json, count: int = 2000) -> Json:
    """A document in which every term has a context of its own, and a value in it."""
    context = {f"t{k}": {"@id": f"http://x/{k}", "@context": dict(own)} for k in range(count)}
    return {"@context": context, "@id": "urn:a", **{f"t{k}": {"@id": f"urn:{k}"} for k in range(count)}}


def test_contexts_that_repeat_all_terms_for_every_value_are_refused() -> None:
    with pytest.raises(DocumentError, match="repeat more than 1000000 terms"):
        list(read_triples(scoping({"more": "http://x/more"})))


def test_empty_contexts_repeat_nothing() -> None:
    assert len(list(read_triples(scoping({})))) == 2000


@pytest.mark.parametrize(
    "context",
    [
        {f"t{k}": f"t{k - 1}:{'x' * 100}:" if k else "http://x/" for k in range(30)},
        {"a": f"http://x/{'y' * 2000}"},
        {"@vocab": f"http://x/{'y' * 2000}"},
        {"@base": f"http://x/{'y' * 2000}"},
        {"a": {"@reverse": f"http://x/{'y' * 2000}"}},
        {"a": {"@id": "http://x/a", "@type": f"http://x/{'y' * 2000}"}},
    ],
    ids=["prefixes", "term", "vocabulary", "base", "reverse", "type"],
)
def test_terms_that_stand_for_endless_names_are_refused(context: Json) -> None:
    with pytest.raises(DocumentError, match=r"http://x/.*is longer than 2000 characters"):
        list(read_triples({"@context": context, "@id": "urn:a"}))


def test_types_out_of_use_are_ignored_in_maps_by_type_too() -> None:
    context = {"ends": {"@id": "http://x/y", "@container": "@type"}, "none": None, "End": "http://x/End"}
    ends = {"none": {"@id": "urn:t1"}, "End": {"@id": "urn:t2"}}
    assert list(read_triples({"@context": context, "@id": "urn:a", "ends": ends})) == [
        Triple("urn:a", "http://x/y", Reference("urn:t1")),
        Triple("urn:a", "http://x/y", Reference("urn:t2")),
        Triple("urn:t2", RDF_TYPE, Reference("http://x/End")),
    ]


def test_deep_nesting_is_refused() -> None:
    document: Json = {"@id": "urn:a"}
    for _ in range(101):
        document = {"http://x/y": document}
    with pytest.raises(DocumentError, match="nested more than 100 deep"):
        list(read_triples(document))


_KEYS = st.sampled_from(
    [
        "@id",
        "@type",
        "@value",
        "@graph",
        "@context",
        "@list",
        "@set",
        "@reverse",
        "@included",
        "@language",
        "@nest",
        "@index",
        "@vocab",
        "@base",
        "@container",
        "@version",
        "@json",
        "@direction",
        "@import",
        "@none",
        "http://x/y",
        "a",
        "",
    ]
)
_LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | _KEYS
_DOCUMENTS = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4)
)


@given(document=_DOCUMENTS)
@patiently
def test_any_json_is_read_or_refused(document: Json) -> None:
    try:
        triples = list(read_triples(document))
    except DocumentError:
        return
    assert all(isinstance(triple.object, (Reference, Literal)) for triple in triples)
