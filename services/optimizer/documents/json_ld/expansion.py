"""Documents in expanded form: full IRIs for names, a list of objects for every value. After the JSON-LD 1.1 API, section 5.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from services.optimizer.documents.json_ld.contexts import Context
from services.optimizer.documents.json_ld.terms import KEYWORDS, NOTHING, Json, Term, no_json_ld

Node = dict[str, Any]  # an object in expanded form  # Any: JSON
_UNKNOWN = Term(None)
_OF_VALUES = frozenset({"@value", "@type", "@language", "@direction", "@index"})


def expand(document: Json, *, base: str) -> list[Node]:
    """The nodes of a document that was decoded from JSON; nodes may hold others.

    Args:
        base: what relative names are relative to where the document does not say.
    Raises:
        DocumentError: it is no JSON-LD, or refers to a context that lies elsewhere.
    """
    expanded = _expanded(Context.initial(base), None, document)
    if isinstance(expanded, dict) and expanded.keys() == {"@graph"}:
        expanded = expanded["@graph"]
    return _as_list(expanded)


def _expanded(active: Context, within: str | None, element: Json, *, is_in_map: bool = False) -> Json:
    """An element, which is the value of a property or stands at the top; None where it says nothing."""
    if element is None:
        return None
    if isinstance(element, list):
        found: list[Node] = []
        is_list = "@list" in _term(active, within).containers
        for one in element:
            expanded = _expanded(active, within, one, is_in_map=is_in_map)
            if is_list and isinstance(expanded, list):
                expanded = {"@list": expanded}
            found += _as_list(expanded)
        return found
    scoped = _term(active, within).context
    if not isinstance(element, dict):
        if within is None or within == "@graph":
            return None
        return _value(active if scoped is NOTHING else active.scoped(scoped), within, element)
    if active.previous is not None and not is_in_map and not _keeps_context(active, element):
        active = active.previous
    if scoped is not NOTHING:
        active = active.scoped(scoped)
    if "@context" in element:
        active = active.within(element["@context"])
    return _Object(active, within, element).expanded()


def _keeps_context(active: Context, element: Mapping[str, Json]) -> bool:
    """Whether an object is no node of its own: a value, or a mere reference."""
    names = [active.name(key) for key in element]
    return "@value" in names or names == ["@id"]


def _value(active: Context, within: str, value: Json) -> Node:
    """A text, number or truth value as the property holds it."""
    kind = _term(active, within).value_type
    if isinstance(value, str) and kind in {"@id", "@vocab"}:
        return {"@id": active.iri(value, is_relative=True, in_vocabulary=kind == "@vocab")}
    return {"@value": value} if kind in {None, "@id", "@none", "@vocab"} else {"@value": value, "@type": kind}


class _Object:
    """The expansion of one object: a node, a value, a list or a set."""

    def __init__(self, active: Context, within: str | None, element: Mapping[str, Json]) -> None:
        self._of_types = active  # types have the meaning that they had before their own contexts
        self._within = within
        self._element = element
        self._result: Node = {}
        keys = sorted(key for key in element if active.name(key) == "@type")
        names = sorted(one for key in keys for one in _as_list(element[key]) if isinstance(one, str))
        for name in names:
            scoped = _term(self._of_types, name).context
            if scoped is not NOTHING:
                active = active.scoped(scoped, propagates=False)
        self._active = active
        self._is_json = bool(names) and self._of_types.name(names[-1]) == "@json"

    def expanded(self) -> Json:
        """The object in expanded form."""
        self._add_all(self._active, self._element)
        result, is_at_top = self._result, self._within is None or self._within == "@graph"
        if "@value" in result:
            return None if is_at_top else _checked_value(result, is_json=self._is_json)
        if "@set" in result or "@list" in result:
            if not result.keys() <= {"@set", "@list", "@index"} or len(result.keys() - {"@index"}) > 1:
                raise no_json_ld("a set or a list has other entries")
            if "@set" in result:
                return result["@set"]
            return None if is_at_top else result
        if result.keys() == {"@language"} or (is_at_top and (not result or result.keys() == {"@id"})):
            return None
        return result

    def _add_all(self, active: Context, element: Mapping[str, Json]) -> None:
        nested: list[str] = []
        for key, value in element.items():
            name = active.name(key) if key != "@context" else None
            if name is None:
                continue
            if name == "@nest":
                nested.append(key)
            elif name in KEYWORDS:
                self._add_keyword(active, name, value)
            elif ":" in name:
                self._add_property(active, key, name, value)
        for key in nested:
            scoped = _term(active, key).context
            inner = active if scoped is NOTHING else active.scoped(scoped)
            for one in _as_list(element[key]):
                if not isinstance(one, dict) or any(inner.name(entry) == "@value" for entry in one):
                    raise no_json_ld("what is in @nest must be objects with properties")
                self._add_all(inner, one)

    # ------------------------------------------------------------------ keywords

    def _add_keyword(self, active: Context, name: str, value: Json) -> None:
        self._check_keyword(name, value)
        result = self._result
        match name:
            case "@id":
                result[name] = active.iri(value, is_relative=True)
            case "@type":
                result.setdefault(name, []).extend(self._types(value))
            case "@graph":
                result[name] = _as_list(_expanded(active, name, value))
            case "@included":
                result.setdefault(name, []).extend(_nodes(_expanded(active, None, value), name))
            case "@list" if self._within is not None and self._within != "@graph":
                result[name] = _as_list(_expanded(active, self._within, value))
            case "@set":
                result[name] = _as_list(_expanded(active, self._within, value))
            case "@reverse":
                self._add_reverse(active, value)
            case "@value" | "@index" | "@language" | "@direction":
                result[name] = value

    def _check_keyword(self, name: str, value: Json) -> None:
        if self._within == "@reverse":
            raise no_json_ld(f"@reverse has the entry {name}")
        if name in self._result and name not in {"@included", "@reverse", "@type"}:
            raise no_json_ld(f"an object has {name} twice")
        if name in {"@id", "@index"} and not isinstance(value, str):
            raise no_json_ld(f"{name} must be a text")
        if name in {"@language", "@direction"} and not isinstance(value, str | None):
            raise no_json_ld(f"{name} must be a text or null")
        if name == "@value" and not self._is_json and isinstance(value, (dict, list)):
            raise no_json_ld("@value must be a text, a number, true, false or null")

    def _types(self, value: Json) -> Iterator[str]:
        for one in _as_list(value):
            if not isinstance(one, str):
                raise no_json_ld("@type must be a text or a list of texts")
            found = self._of_types.iri(one, is_relative=True, in_vocabulary=True)
            if found is not None:
                yield found

    def _add_reverse(self, active: Context, value: Json) -> None:
        if not isinstance(value, dict):
            raise no_json_ld("@reverse must be an object")
        expanded = _expanded(active, "@reverse", value)
        for name, values in (expanded or {}).items():
            if name == "@reverse":  # the reverse of the reverse
                for twice, found in values.items():
                    self._result.setdefault(twice, []).extend(found)
            else:
                self._result.setdefault("@reverse", {}).setdefault(name, []).extend(_nodes(values, "@reverse"))

    # ------------------------------------------------------------------ properties

    def _add_property(self, active: Context, key: str, name: str, value: Json) -> None:
        term = _term(active, key)
        expanded: Json
        if term.value_type == "@json":
            expanded = {"@value": value, "@type": "@json"}
        elif "@language" in term.containers and isinstance(value, dict):
            expanded = list(_texts_of_languages(value))
        elif term.containers & {"@index", "@type", "@id"} and isinstance(value, dict):
            expanded = list(_Map(active, key, term).entries(value))
        else:
            expanded = _expanded(active, key, value)
        if expanded is None:
            return
        if "@list" in term.containers and not (isinstance(expanded, dict) and "@list" in expanded):
            expanded = {"@list": _as_list(expanded)}
        if "@graph" in term.containers and not term.containers & {"@id", "@index"}:
            expanded = [{"@graph": _as_list(one)} for one in _as_list(expanded)]
        if term.is_reverse:
            expanded = _nodes(expanded, "@reverse")
            self._result.setdefault("@reverse", {}).setdefault(name, []).extend(expanded)
        else:
            self._result.setdefault(name, []).extend(_as_list(expanded))


class _Map:
    """An object whose entries are the values of a property, each under its id, type or index."""

    def __init__(self, active: Context, key: str, term: Term) -> None:
        self._active = active
        self._key = key
        self._term = term

    def entries(self, value: Mapping[str, Json]) -> Iterator[Node]:
        """The values."""
        containers = self._term.containers
        for entry, held in value.items():
            inner = self._active
            if containers & {"@id", "@type"} and inner.previous is not None:
                inner = inner.previous
            scoped = _term(inner, entry).context if "@type" in containers else NOTHING
            inner = self._active if scoped is NOTHING else inner.scoped(scoped)
            for found in _as_list(_expanded(inner, self._key, _as_list(held), is_in_map=True)):
                is_bare = "@graph" in containers and not _is_graph(found)
                node = {"@graph": [found]} if is_bare else found
                self._add_entry(node, entry)
                yield node

    def _add_entry(self, found: Node, entry: str) -> None:
        """What the name of the entry says of the value."""
        containers, active = self._term.containers, self._active
        name = active.name(entry)
        is_plain = "@index" in containers and self._term.index == "@index"
        if name == "@none" or is_plain:
            return
        if "@value" in found or "@list" in found:
            raise no_json_ld("what is in a map by id, type or property is no node")
        if "@id" in containers:
            found.setdefault("@id", active.iri(entry, is_relative=True))
        elif "@type" in containers:
            if name is not None:  # as with @type itself, what is out of use is ignored
                found["@type"] = [name, *found.get("@type", [])]
        else:
            index = active.name(self._term.index)
            if index is None or ":" not in index:
                raise no_json_ld("the index of a map is no property")
            found[index] = [_value(active, self._term.index, entry), *found.get(index, [])]


def _texts_of_languages(value: Mapping[str, Json]) -> Iterator[Node]:
    for texts in value.values():
        for text in _as_list(texts):
            if text is None:
                continue
            if not isinstance(text, str):
                raise no_json_ld("what is said in a language must be a text")
            yield {"@value": text}


def _checked_value(result: Node, *, is_json: bool) -> Node | None:
    types = result.get("@type", [])
    if not result.keys() <= _OF_VALUES or len(types) > 1:
        raise no_json_ld("a value has other entries")
    if is_json:
        return {"@value": result["@value"], "@type": "@json"}
    if result["@value"] is None:
        return None
    if "@language" in result and not isinstance(result["@value"], str):
        raise no_json_ld("what is said in a language must be a text")
    if not types:
        return {"@value": result["@value"]}
    if ":" not in types[0] or types[0].startswith("_:"):
        raise no_json_ld("the type of a value is no IRI")
    return {"@value": result["@value"], "@type": types[0]}


def _nodes(expanded: Json, name: str) -> list[Node]:
    found = _as_list(expanded)
    if any("@value" in one or "@list" in one for one in found):
        raise no_json_ld(f"{name} has something that is no node")
    return found


def _is_graph(node: Node) -> bool:
    return "@graph" in node and node.keys() <= {"@graph", "@id", "@index"}


def _term(active: Context, name: str | None) -> Term:
    return _UNKNOWN if name is None else active.terms.get(name, _UNKNOWN)


def _as_list(value: Json) -> list[Any]:  # Any: JSON
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
