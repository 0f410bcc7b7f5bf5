"""Absolute IRIs, and relative ones against a base, after RFC 3986, section 5."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*")
_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


def is_absolute(text: str) -> bool:
    """Whether a text is an IRI with a scheme."""
    return _ABSOLUTE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None

    @classmethod
    def of(cls, iri: str) -> _Parts:
        found = _PARTS.fullmatch(iri)
        assert found is not None  # the pattern fits every text
        return cls(found[1], found[2], found[3], found[4], found[5])

    def __str__(self) -> str:
        scheme = "" if self.scheme is None else f"{self.scheme}:"
        authority = "" if self.authority is None else f"//{self.authority}"
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{scheme}{authority}{self.path}{query}{fragment}"


def resolve(base: str, reference: str) -> str:
    """What a relative reference means where a base is given (section 5.2)."""
    to, at = _Parts.of(reference), _Parts.of(base)
    if to.scheme is not None:
        return str(replace(to, path=_without_dots(to.path)))
    if to.authority is not None:
        return str(replace(to, scheme=at.scheme, path=_without_dots(to.path)))
    if not to.path:
        return str(replace(at, query=at.query if to.query is None else to.query, fragment=to.fragment))
    path = to.path if to.path.startswith("/") else _merged(at, to.path)
    return str(replace(to, scheme=at.scheme, authority=at.authority, path=_without_dots(path)))


def _merged(base: _Parts, path: str) -> str:
    if base.authority is not None and not base.path:
        return f"/{path}"
    return base.path[: base.path.rfind("/") + 1] + path


def _without_dots(path: str) -> str:
    """Section 5.2.4, on segments."""
    if "." not in path:
        return path
    *folders, last = path.split("/")
    kept: list[str] = []
    for segment in folders:
        if segment == "..":
            if len(kept) > 1 or (kept and kept[0]):
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if last == "..":
        if len(kept) > 1 or (kept and kept[0]):
            kept.pop()
        last = ""
    elif last == ".":
        last = ""
    return "/".join([*kept, last])
