"""Contexts: what the terms of a document stand for. After the JSON-LD 1.1 API, sections 4 and 5.2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.optimizer.documents.errors import DocumentError
from services.optimizer.documents.json_ld.iris import is_absolute, resolve
from services.optimizer.documents.json_ld.terms import (
    KEYWORDS,
    LIKE_KEYWORD,
    NOTHING,
    Json,
    Term,
    bad_term,
    check_term,
    check_type_term,
    containers_of,
    no_json_ld,
)
from services.optimizer.reconfiguration.wording import quoted, shown

_OF_CONTEXTS = frozenset(
    {"@base", "@direction", "@import", "@language", "@propagate", "@protected", "@version", "@vocab"}
)
# Terms that are defined by others, these by others again; to define one takes a few calls of functions.
_DEEPEST = 50
# All of CIM is about ten thousand names.
_MOST_TERMS = 50_000
# A context on top of another copies the terms in force, some 100 bytes each; those that terms scope are kept.
_MOST_COPIED = 1_000_000
# Names are long where they come from, and every use of a term repeats what it stands for.
_LONGEST_IRI = 2_000
# A term may be a prefix by itself where what it stands for ends so.
_PREFIX_ENDS = tuple(":/?#[]@")


@dataclass(slots=True)
class _Copying:
    """How many terms the contexts of one document have copied from others."""

    terms: int = 0

    def add(self, terms: int) -> None:
        self.terms += terms
        if self.terms > _MOST_COPIED:
            raise no_json_ld(
                f"contexts within contexts repeat more than {_MOST_COPIED} terms; put the terms into one context"
            )


@dataclass(slots=True)
class Context:
    """The terms in force. ``previous`` comes back in nodes further within; one that is in force is never changed."""

    first_base: str
    base: str | None
    copying: _Copying
    vocabulary: str | None = None
    terms: dict[str, Term] = field(default_factory=dict)
    previous: Context | None = None
    _names: dict[str, str | None] = field(default_factory=dict)
    _scoped: dict[int, Context] = field(default_factory=dict)

    @classmethod
    def initial(cls, base: str) -> Context:
        """Without any term."""
        return cls(base, base, _Copying())

    def name(self, term: str) -> str | None:
        """The IRI or keyword that a property or type is; remembered, as there are few and they come often."""
        if term not in self._names:
            self._names[term] = self.iri(term, in_vocabulary=True)
        return self._names[term]

    def iri(
        self, text: str, *, is_relative: bool = False, in_vocabulary: bool = False, making: _Making | None = None
    ) -> str | None:
        """The IRI or keyword that a text stands for (section 5.2), possibly still relative; None for what is ignored."""
        if text in KEYWORDS:
            return text
        if LIKE_KEYWORD.fullmatch(text):
            return None
        if making is not None:
            making.define(text)
        term = self.terms.get(text)
        if term is not None and in_vocabulary:
            return term.iri
        prefix, colon, rest = text.partition(":")
        if colon and prefix:
            if prefix == "_" or rest.startswith("//"):
                return text
            if making is not None:
                making.define(prefix)
            term = self.terms.get(prefix)
            if term is not None and term.iri is not None and term.is_prefix:
                return term.iri + rest
            if is_absolute(text):
                return text
        if in_vocabulary and self.vocabulary is not None:
            return self.vocabulary + text
        return resolve(self.base, text) if is_relative and self.base is not None else text

    def scoped(self, given: Json, *, propagates: bool = True) -> Context:
        """The context within what a term scopes; remembered, as the same comes with every value. ``given`` must last."""
        key = id(given) if propagates else -id(given)
        if key not in self._scoped:
            self._scoped[key] = self.within(given, propagates=propagates)
        return self._scoped[key]

    def within(self, given: Json, *, propagates: bool = True) -> Context:
        """The context with another, or several one after the other, on top of it (section 4.1).

        Raises:
            DocumentError: something is wrong with it, or it lies elsewhere.
        """
        if isinstance(given, dict) and "@propagate" in given:
            propagates = given["@propagate"]
            if not isinstance(propagates, bool):
                raise no_json_ld("@propagate must be true or false")
        if propagates and given in ({}, []):
            return self
        previous = self.previous if propagates else self.previous or self
        found = replace(self, previous=previous, _names={}, _scoped={})
        for one in given if isinstance(given, list) else [given]:
            if one is None:
                found = Context(self.first_base, self.first_base, self.copying, previous=previous)
            elif isinstance(one, str):
                raise _elsewhere(one)
            elif isinstance(one, dict):
                found = _Making(found, one).made()
            else:
                raise no_json_ld("a context must be an object")
        return found


class _Making:
    """Puts the definitions of one local context on top of a context."""

    def __init__(self, active: Context, given: Mapping[str, Json]) -> None:
        self._given = given
        self._is_defined: dict[str, bool] = {}
        active.copying.add(len(active.terms))
        self._made = replace(active, terms=dict(active.terms), _names={}, _scoped={})
        self._depth = 0

    def made(self) -> Context:
        given, made = self._given, self._made
        version, elsewhere = given.get("@version", 1.1), given.get("@import")
        if isinstance(version, bool) or version != 1.1:
            raise no_json_ld(f"the version {shown(str(version))} of JSON-LD is not known")
        if "@import" in given:
            raise _elsewhere(elsewhere) if isinstance(elsewhere, str) else no_json_ld("@import must be a text")
        for name, kind in (("@propagate", bool), ("@protected", bool)):
            if name in given and not isinstance(given[name], kind):
                raise no_json_ld(f"{name} must be true or false")
        for name in ("@base", "@vocab", "@language", "@direction"):
            if not isinstance(given.get(name), str | None):
                raise no_json_ld(f"{name} must be a text or null")
        if "@base" in given:
            made.base = _of_fair_length(self._base(given["@base"]))
        if "@vocab" in given:
            text = given["@vocab"]
            iri = None if text is None else made.iri(text, is_relative=True, in_vocabulary=True)
            made.vocabulary = _of_fair_length(iri)
        for term in given:
            if term not in _OF_CONTEXTS:
                self.define(term)
        return made

    def _base(self, text: str | None) -> str | None:
        if text is None or is_absolute(text):
            return text
        if self._made.base is None:
            raise no_json_ld(f"the base {quoted(text)} is relative to nothing")
        return resolve(self._made.base, text)

    def define(self, term: str) -> None:
        """Define a term, if this context does (section 4.2)."""
        if term not in self._given or term in _OF_CONTEXTS or self._is_defined.get(term):
            return
        if term in self._is_defined:
            raise no_json_ld(f"the term {quoted(term)} is defined by itself")
        if not term:
            raise no_json_ld("a term is empty")
        if self._depth >= _DEEPEST or len(self._made.terms) >= _MOST_TERMS:
            raise no_json_ld(
                f"a context has terms that others define more than {_DEEPEST} deep, or more than {_MOST_TERMS} terms"
            )
        self._depth += 1
        self._is_defined[term] = False
        value = self._given[term]
        if term in KEYWORDS:
            check_type_term(term, value)
        self._made.terms.pop(term, None)
        definition = None if LIKE_KEYWORD.fullmatch(term) and term not in KEYWORDS else self._term(term, value)
        if definition is not None:
            self._made.terms[term] = definition
        self._is_defined[term] = True
        self._depth -= 1

    def _term(self, term: str, value: Json) -> Term | None:
        is_simple = isinstance(value, str)
        if value is None or is_simple:
            value = {"@id": value}
        check_term(term, value)
        if "@reverse" in value:
            return self._reverse_term(term, value)
        iri = term if term == "@type" else self._mapped(term, value)
        if iri is None:
            # Null takes a term out of use; what only looks like a keyword leaves it undefined.
            return Term(None) if value.get("@id", NOTHING) is None else None
        is_plain = ":" not in term[1:] and "/" not in term
        if value.get("@prefix") and (not is_plain or iri in KEYWORDS):
            raise bad_term(term, "cannot be a prefix")
        containers = containers_of(term, value.get("@container"))
        value_type = self._value_type(term, value)
        if "@type" in containers:
            value_type = value_type or "@id"
            if value_type not in {"@id", "@vocab"}:
                raise bad_term(term, "has a container of types and no type of @id or @vocab")
        return Term(
            iri,
            is_prefix=value.get(
                "@prefix", is_simple and is_plain and (iri.endswith(_PREFIX_ENDS) or iri.startswith("_:"))
            ),
            value_type=value_type,
            containers=containers,
            context=value.get("@context", NOTHING),
            index=value.get("@index", "@index"),
        )

    def _reverse_term(self, term: str, value: Mapping[str, Json]) -> Term | None:
        if "@id" in value or "@nest" in value:
            raise bad_term(term, "has @reverse beside @id or @nest")
        text = value["@reverse"]
        if LIKE_KEYWORD.fullmatch(text):
            return None
        iri = _of_fair_length(self._made.iri(text, in_vocabulary=True, making=self))
        if iri is None or ":" not in iri:
            raise bad_term(term, "is the reverse of what is no IRI")
        containers = containers_of(term, value.get("@container"))
        if not containers <= {"@set", "@index"}:
            raise bad_term(term, "is a reverse property in a container other than @set or @index")
        value_type = self._value_type(term, value)
        return Term(
            iri,
            is_reverse=True,
            value_type=value_type,
            containers=containers,
            context=value.get("@context", NOTHING),
            index=value.get("@index", "@index"),
        )

    def _mapped(self, term: str, value: Mapping[str, Json]) -> str | None:
        """What a term stands for; None for nothing."""
        text = value.get("@id", term)
        if text is None:
            return None
        iri: str | None
        if text != term:
            if text not in KEYWORDS and LIKE_KEYWORD.fullmatch(text):
                return None
            iri = self._made.iri(text, in_vocabulary=True, making=self)
        elif ":" in term[1:]:
            prefix, _, rest = term.partition(":")
            self.define(prefix)
            known = self._made.terms.get(prefix)
            iri = term if known is None or known.iri is None else known.iri + rest
        elif "/" in term:
            iri = self._made.iri(term, in_vocabulary=True)
        else:
            iri = None if self._made.vocabulary is None else self._made.vocabulary + term
        if iri is None or (iri not in KEYWORDS and ":" not in iri) or iri == "@context":
            raise bad_term(term, "stands for no IRI")
        return _of_fair_length(iri)

    def _value_type(self, term: str, value: Mapping[str, Json]) -> str | None:
        text = value.get("@type")
        if text is None:
            return None
        found = _of_fair_length(self._made.iri(text, in_vocabulary=True, making=self))
        if found not in {"@id", "@json", "@none", "@vocab"} and (found is None or not is_absolute(found)):
            raise bad_term(term, "has a type that is no IRI")
        return found


def _of_fair_length(iri: str | None) -> str | None:
    if iri is not None and len(iri) > _LONGEST_IRI:
        raise no_json_ld(f"{quoted(iri)} is longer than {_LONGEST_IRI} characters")
    return iri


def _elsewhere(url: str) -> DocumentError:
    return DocumentError(
        f"the data refer to the context {quoted(url)}, which lies elsewhere; put the context into the data"
    )
