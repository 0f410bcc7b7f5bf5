"""Documents of JSON-LD by chance, with most of what the language has: prefixes, vocabularies, containers, contexts within contexts."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

Json = Any  # a JSON value of any shape

_TERMS = ["a", "b", "c", "d", "e", "p", "q", "t", "id", "type"]
_NAMES = [
    "http://x/",
    "http://x/y",
    "urn:z",
    "p:x",
    "p:y",
    "q:z",
    "a",
    "b",
    "c",
    "rel",
    "_:n",
    "#frag",
    "?q",
    "urn:uuid:1",
]
_KEYS = [*_TERMS * 3, "@graph", "@reverse", "@nest", "http://x/y", "http://x/z", "rel", "q:z"]
_SCALARS = ["s", "a", "b", "p:x", "http://x/v", "rel", 1, 2.5, True, False, "_:n"]
_CONTAINERS: list[Json] = [
    *("@list", "@set", "@index", "@language", "@id", "@type", "@graph"),
    *(["@graph", "@id"], ["@graph", "@index"], ["@index", "@set"], ["@set", "@id"], ["@graph", "@id", "@set"]),
]


@dataclass(frozen=True)
class JsonLdMaker:
    """Makes documents; not each is right."""

    random: Random

    def document(self) -> Json:
        """A node, or two."""
        first, second = (self._node(0, self._context(0)) for _ in range(2))
        return first if self._is(0.8) else [first, second]

    def _is(self, probability: float) -> bool:
        return self.random.random() < probability

    def _pick(self, choices: list[Any]) -> Any:  # Any: whatever is in the list
        return self.random.choice(choices)

    def _term(self, depth: int) -> Json:
        if self._is(0.35):
            return self._pick([*_NAMES, "@id", "@type", "@graph", None])
        definition: dict[str, Json] = {}
        if self._is(0.1):
            definition["@reverse"] = self._pick(["http://x/r", "p:r"])
        elif self._is(0.8):
            definition["@id"] = self._pick(_NAMES)
        if self._is(0.35):
            definition["@type"] = self._pick(["@id", "@vocab", "@none", "@json", "http://x/T", "p:T"])
        if self._is(0.4) and definition.get("@type") != "@json":
            definition["@container"] = self._pick(_CONTAINERS)
        if not depth and not definition.keys() & {"@reverse", "@container"} and self._is(0.2):
            definition["@context"] = self._context(depth + 1)
        if "@reverse" not in definition and self._is(0.15):
            definition["@prefix"] = self._is(0.5)
        if self._is(0.1) and "@index" in str(definition.get("@container")):
            definition["@index"] = self._pick(["a", "b", "p:x"])
        return definition

    def _context(self, depth: int) -> Json:
        context: dict[str, Json] = {}
        if self._is(0.4):
            context["@vocab"] = self._pick(["http://v/", "urn:v:", *([] if depth else ["p:", "rel"])])
        if self._is(0.2):
            context["@base"] = self._pick(["http://b/c/d", "http://b/#x", "urn:b:"])
        if self._is(0.2):
            context |= {"@version": 1.1, "@language": "en"}
        if not depth and self._is(0.15):
            context["@propagate"] = self._is(0.5)
        if self._is(0.6):
            context["p"] = self._pick(["http://p/", "http://p#", "urn:p:"])
        for _ in range(self.random.randint(0, 4 - 2 * depth)):
            term = self._pick(_TERMS)
            context[term] = self._pick(_NAMES) if term == "p" else self._term(depth)
        return context

    def _node(self, depth: int, context: Json = None) -> Json:
        node: dict[str, Json] = {} if context is None else {"@context": context}
        if self._is(0.5):
            node["@id"] = self._pick(_NAMES)
        if self._is(0.4):
            node["@type"] = self._pick([self._pick(_NAMES), [self._pick(_NAMES), self._pick(_NAMES)]])
        for _ in range(self.random.randint(0, 4)):
            key = self._pick(_KEYS)
            if key == "@reverse":
                node[key] = {self._pick(["http://x/r", "p:r"]): self._node(depth + 1)}
            elif key in {"@graph", "@nest"}:
                node[key] = self._node(depth + 1)
            elif key in {"http://x/y", "http://x/z"} and self._is(0.4):
                node[key] = self._node(depth + 1, self._context(0))
            else:
                node[key] = self._value(depth)
        return node

    def _value(self, depth: int) -> Json:
        if depth > 3 or self._is(0.35):
            return self._pick(_SCALARS)
        return self._pick(
            [
                [self._value(depth + 1) for _ in range(self.random.randint(0, 3))],
                {"@value": self._pick(_SCALARS), "@type": self._pick(["http://x/T", "p:T"])},
                {"@value": self._pick(_SCALARS)},
                {"@list": [self._value(depth + 1)]},
                {"@set": [self._value(depth + 1)]},
                {"@id": self._pick(_NAMES)},
                self._node(depth + 1),
                self._node(depth + 1),
            ]
        )
