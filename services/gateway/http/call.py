"""A request as a handler sees it, and the reply it gives: frozen values that know nothing of the HTTP library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pydantic import BaseModel

from services.gateway.auth.gate import Standing
from services.gateway.auth.identity import Identity, RequestHead
from services.gateway.http.lasting import EventStream, Held, WebSocketUpgrade
from services.gateway.http.spool import Spool
from shared.identity.principals import Actor

Q = TypeVar("Q")
B = TypeVar("B")

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request: who asks, the ids in its path, its query and body as the route declares them.

    ``head`` is for what is no credential: the address for the audit log, a precondition, how the client reached us. ``standing``
    is for what lasts longer than the request.
    """

    identity: Identity
    head: RequestHead
    ids: Mapping[str, str]
    query: Q
    body: B
    standing: Standing | None = None

    @property
    def actor(self) -> Actor:
        """Who asks, and from which address, for the audit record."""
        return Actor(self.identity.subject, self.head.address or None)


@dataclass(frozen=True, slots=True)
class Reply:
    """One response. A Spool as body is sent piece by piece and closed afterwards; a lasting one takes the connection over."""

    status: int = 200
    body: bytes | Spool | WebSocketUpgrade | EventStream | Held = b""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> Reply:
        """The same reply with further headers."""
        return replace(self, headers={**self.headers, **headers})


def json_reply(value: BaseModel | Sequence[BaseModel], *, status: int = 200) -> Reply:
    """A model, or a list of them, as compact JSON."""
    if isinstance(value, BaseModel):
        body = value.model_dump_json(by_alias=True).encode()
    else:
        body = b"[" + b",".join(item.model_dump_json(by_alias=True).encode() for item in value) + b"]"
    return Reply(status, body, JSON)


def text_reply(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A plain text; what cannot be encoded (lone surrogates) is replaced."""
    return Reply(status, text.encode("utf-8", "replace"), TEXT, headers or {})


def empty_reply() -> Reply:
    """200 without a body and without a content type."""
    return Reply()


def document_reply(document: bytes | Spool) -> Reply:
    """A JSON document as it is stored."""
    return Reply(200, document, JSON)
