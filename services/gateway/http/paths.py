"""Paths of requests: taken apart, percent-decoded and matched against templates such as ``/api/networks/{network_id}``.

Literal segments match in any case, or exactly where the API says so; ids as they are. A trailing slash is accepted; an empty
segment matches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote, unquote_to_bytes

from shared.errors import InvalidInput

T = TypeVar("T")


class MalformedPath(InvalidInput):
    """The path of a request is not valid percent-encoded UTF-8, or holds a NUL that no database text can hold."""

    code = "malformed_path"


@dataclass(frozen=True, slots=True)
class Target:
    """A request target taken apart: decoded path segments, whether a slash followed them, and the raw query.

    ``prefix`` is what was taken off before the segments, percent-encoded anew; empty where nothing was.
    """

    segments: tuple[str, ...]
    has_trailing_slash: bool
    query: str
    prefix: str = ""

    @property
    def path(self) -> str:
        """The path, percent-encoded anew."""
        ends_in_slash = self.has_trailing_slash and bool(self.segments)
        return "/" + "/".join(quote(s, safe="") for s in self.segments) + ("/" if ends_in_slash else "")

    def without_prefix(self, prefix: tuple[str, ...]) -> Target:
        """The same target with leading segments removed if they are those, in any case; otherwise itself."""
        head = tuple(segment.lower() for segment in self.segments[: len(prefix)])
        if not prefix or head != prefix:
            return self
        taken_off = "".join(f"/{quote(segment, safe='')}" for segment in self.segments[: len(prefix)])
        return Target(self.segments[len(prefix) :], self.has_trailing_slash, self.query, taken_off)


def parse_target(raw: str) -> Target:
    """Take apart the target of a request line (``/a/b%20c?x=1``, or with scheme and host before it as proxies send it).

    Raises:
        MalformedPath: a segment is not UTF-8 once decoded, or holds a NUL.
    """
    path, query = split_target(raw)
    pieces = path[1:].split("/")
    has_trailing_slash = len(pieces) > 1 and not pieces[-1]
    if not pieces[-1]:
        pieces.pop()
    return Target(tuple(_decoded(piece) for piece in pieces), has_trailing_slash, query)


def split_target(raw: str) -> tuple[str, str]:
    """Path and query of a request line's target as they were sent, which may be nonsense."""
    path, _, query = raw.partition("?")
    return path if path.startswith("/") else "/" + path.split("://", 1)[-1].partition("/")[2], query


def parse_prefix(path_base: str) -> tuple[str, ...]:
    """The segments of a configured path prefix, such as ``/opfsolver``, in lower case."""
    return tuple(segment.lower() for segment in path_base.split("/") if segment)


def _decoded(piece: str) -> str:
    try:
        text = unquote_to_bytes(piece.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        raise MalformedPath("The path of the request is not valid UTF-8.") from None
    if "\x00" in text:
        raise MalformedPath("The path of the request contains a NUL character.")
    return text


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """What a path leads to for its method, and the ids in the path by their names in the template."""

    found: T
    ids: dict[str, str]


@dataclass(frozen=True, slots=True)
class WrongMethod:
    """The path exists, but not for this method."""

    allowed: tuple[str, ...]


@dataclass
class _Node(Generic[T]):
    exact_literals: dict[str, _Node[T]] = field(default_factory=dict)
    literals: dict[str, _Node[T]] = field(default_factory=dict)  # by their lower case
    parameter: _Node[T] | None = None
    by_method: dict[str, tuple[tuple[str, ...], T]] = field(default_factory=dict)


class PathTable(Generic[T]):
    """Finds what was registered for a method and path."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, template: str, leads_to: T, *, is_case_sensitive: bool = False) -> None:
        """Register a template; each pair of method and template only once."""
        node = self._root
        names = []
        for piece in filter(None, template.split("/")):
            if piece.startswith("{"):
                names.append(piece[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            elif is_case_sensitive:
                node = node.exact_literals.setdefault(piece, _Node())
            else:
                node = node.literals.setdefault(piece.lower(), _Node())
        if method in node.by_method:
            raise ValueError(f"{method} {template} is registered twice")
        node.by_method[method] = (tuple(names), leads_to)

    def find(self, method: str, segments: tuple[str, ...]) -> Match[T] | WrongMethod | None:
        """What the path leads to; None where nothing is registered under it. GET also answers HEAD."""
        nodes = [end for end in _walk(self._root, segments, ()) if end[0].by_method]
        for node, values in nodes:
            entry = node.by_method.get(method) or (node.by_method.get("GET") if method == "HEAD" else None)
            if entry is not None:
                return Match(entry[1], dict(zip(entry[0], values, strict=True)))
        if not nodes:
            return None
        methods = {name for node, _ in nodes for name in node.by_method}
        return WrongMethod(tuple(sorted(methods | ({"HEAD"} if "GET" in methods else set()))))


def _walk(node: _Node[T], segments: tuple[str, ...], values: tuple[str, ...]) -> list[tuple[_Node[T], tuple[str, ...]]]:
    """All nodes that the segments reach, those by literal segments first."""
    if not segments:
        return [(node, values)]
    first, rest = segments[0], segments[1:]
    reached = []
    if exact := node.exact_literals.get(first):
        reached += _walk(exact, rest, values)
    if literal := node.literals.get(first.lower()):
        reached += _walk(literal, rest, values)
    # An id may hold anything but a slash, also when that came percent-encoded: clients could not tell the two apart.
    if node.parameter and first and "/" not in first:
        reached += _walk(node.parameter, rest, (*values, first))
    return reached
