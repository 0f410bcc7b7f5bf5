"""What a route is: one row of the table from which requests are dispatched and the OpenAPI document is made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from services.gateway.auth.gate import Gate, Needs
from services.gateway.http.binding import BindingFailed, errors_of
from services.gateway.http.bodies import Body, NoBody
from services.gateway.http.call import Call, Reply
from shared.errors import BusbarError
from shared.observability.tracing import CORRELATION_ID

S = TypeVar("S")
Q = TypeVar("Q")
B = TypeVar("B")
Q_co = TypeVar("Q_co", covariant=True)

# The scope that reaches whatever only reads, of all APIs.
READ = "read"
# Instead of a scope: this API goes by roles alone.
BY_ROLE = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that a route may give, for the OpenAPI document. ``model`` is the type of a JSON body, ``list`` says a list of it."""

    status: int
    description: str
    media_type: str | None = None
    model: type[BaseModel] | None = None
    is_list: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)  # name → description


# Of answers after which the same request may be sent again.
RETRY_AFTER = {"Retry-After": "After how many seconds."}


class Query(Protocol[Q_co]):
    """Reads the query string into a value."""

    def read(self, raw: str) -> Q_co:
        """The value.

        Raises:
            BindingFailed: a parameter does not have its declared form.
        """
        ...

    @property
    def model(self) -> type[BaseModel] | None:
        """The model whose fields are the parameters."""
        ...


class NoQuery:
    """Whatever stands in the query is not looked at."""

    model: type[BaseModel] | None = None

    def read(self, raw: str) -> None:
        """Nothing."""


P = TypeVar("P", bound=BaseModel)


class QueryModel(Generic[P]):
    """The fields of a model as query parameters; names match in any case, the first of several values counts."""

    def __init__(self, model: type[P]) -> None:
        self._declared = model
        self._names = {name.lower(): name for name in model.model_fields}

    @property
    def model(self) -> type[BaseModel] | None:
        """The model itself."""
        return self._declared

    def read(self, raw: str) -> P:
        """The query as the model."""
        given: dict[str, str] = {}
        try:
            # Lone surrogates are replaced, as no later text could be encoded with them.
            clean = raw.encode("utf-8", "replace").decode()
            for name, value in parse_qsl(clean, keep_blank_values=True, errors="replace", max_num_fields=100):
                if declared := self._names.get(name.lower()):
                    given.setdefault(declared, value)
            return self._declared.model_validate(given)
        except ValidationError as failure:
            found = errors_of(failure).items()
            raise BindingFailed({path.removeprefix("$."): texts for path, texts in found}) from None
        except ValueError:
            raise BindingFailed({"$": ["The query has too many parameters."]}) from None


@dataclass(frozen=True)
class Route(Generic[S, Q, B]):
    """One operation of an API. ``handler`` is called with the dialect's service and the call.

    ``statuses`` overrules the dialect's status for errors of some codes on this route. Whoever calls it needs the scope of its
    dialect, or one of ``any_scope`` where the route names its own, and one of ``any_role`` if it names some, unless it is public.
    """

    method: str
    path: str
    handler: Callable[[S, Call[Q, B]], Awaitable[Reply]]
    query: Query[Q]
    body: Body[B]
    summary: str
    tag: str
    answers: Sequence[Answer]
    description: str = ""
    statuses: Mapping[str, int] = field(default_factory=dict)
    is_public: bool = False
    any_role: frozenset[str] = frozenset()
    any_scope: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Method and path template: what logs and metrics call the route."""
        return f"{self.method} {self.path}"

    def needs(self, scope: str | None) -> Needs:
        """What a caller must have, given the scope of the route's API; whoever may only read is let in to what only reads."""
        if self.is_public or scope is None:
            return Needs(is_public=True)
        if scope == BY_ROLE:
            return Needs(is_public=False, any_role=self.any_role)
        scopes = self.any_scope or frozenset({scope})
        return Needs(
            is_public=False, any_scope=scopes | {READ} if self.method == "GET" else scopes, any_role=self.any_role
        )


def plain_route(
    method: str,
    path: str,
    handler: Callable[[S, Call[None, None]], Awaitable[Reply]],
    summary: str,
    tag: str,
    answers: Sequence[Answer],
    *,
    statuses: Mapping[str, int] | None = None,
    is_public: bool = False,
    any_role: frozenset[str] = frozenset(),
    any_scope: frozenset[str] = frozenset(),
    description: str = "",
) -> Route[S, None, None]:
    """A route that looks at neither query nor body."""
    return Route(
        method,
        path,
        handler,
        NoQuery(),
        NoBody(),
        summary,
        tag,
        answers,
        description,
        statuses=statuses or {},
        is_public=is_public,
        any_role=any_role,
        any_scope=any_scope,
    )


@dataclass(frozen=True)
class Dialect:
    """One API: its routes, bound to the service that their handlers work with, its gate, and how it tells errors.

    ``scope`` is what a credential must reach to use it; none for what has no users. ``roots`` are the paths below which this
    API says that there is nothing. ``common_headers`` go with every reply of it. ``cors_roots`` are the first path segments
    under which pages of other origins may call, below roots of no other API. ``is_anonymous`` is for what has no users, such as
    health checks. ``request_id`` is what a client may choose as the id of its request. One that ``is_closed`` tells only whom it
    lets in where nothing is.
    """

    name: str
    service: object
    routes: Sequence[Route[Any, Any, Any]]  # Any: routes of one dialect differ in queries and bodies
    reply_to_error: Callable[[BusbarError, Mapping[str, int]], Reply]
    gate: Gate
    scope: str | None = None
    roots: Sequence[str] = ()
    common_headers: Mapping[str, str] = field(default_factory=dict)
    cors_roots: frozenset[str] = frozenset()
    is_anonymous: bool = False
    is_case_sensitive: bool = False
    is_closed: bool = False
    request_id: re.Pattern[str] = CORRELATION_ID

    def owns(self, root: str, path: str) -> bool:
        """Whether a path is one of its roots, or below it."""
        if self.is_case_sensitive:
            return f"{path}/".startswith(f"{root}/")
        return f"{path}/".lower().startswith(f"{root}/".lower())


def status_of(error: BusbarError, statuses: Mapping[str, int]) -> int:
    """The status for the most specific class of an error that the table has; 500 if it has none."""
    for kind in type(error).__mro__:
        if issubclass(kind, BusbarError) and kind.code in statuses:
            return statuses[kind.code]
    return 500
