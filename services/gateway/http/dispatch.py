"""From a request to a reply: find the route, read query and body, call the handler within a deadline, turn errors into replies.

One of the three kinds of place where every exception is caught.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from services.gateway.auth.gate import ADMISSION_DEADLINE_S, Refused
from services.gateway.auth.identity import NOBODY, RequestHead
from services.gateway.http.bodies import IncomingBody, NoBody
from services.gateway.http.call import Call, Reply, text_reply
from services.gateway.http.cors import cors_headers, is_preflight, preflight_reply
from services.gateway.http.current_path import answer_for
from services.gateway.http.faults import InternalError, MethodNotAllowed, UnknownPath, retry_headers
from services.gateway.http.paths import (
    MalformedPath,
    Match,
    PathTable,
    Target,
    WrongMethod,
    parse_prefix,
    parse_target,
    split_target,
)
from services.gateway.http.routes import Dialect, Route, plain_route, status_of
from shared.errors import BusbarError, DependencyUnavailable
from shared.observability.tracing import CORRELATION_ID, usable_correlation_id

log = structlog.get_logger()

UNROUTED = "none"
STRAY_STATUSES: Mapping[str, int] = {
    UnknownPath.code: 404,
    MethodNotAllowed.code: 405,
    MalformedPath.code: 400,
    DependencyUnavailable.code: 503,
}
# To look a credential up takes the database milliseconds, or seconds when it is away; the work on a password waits its turn.


class ClientGone(ConnectionError):
    """The client went away before its request was whole; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request as the server hands it over.

    ``host``, ``address`` and ``is_secure`` are as the client has them, in front of any proxy. ``invite_body`` tells a client that
    waits for it to send the body.
    """

    method: str
    raw_target: str
    headers: Mapping[str, str]
    host: str
    address: str
    is_secure: bool
    body: IncomingBody
    invite_body: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, and what logs and metrics call the dialect and the route that gave it."""

    reply: Reply
    dialect: str
    route: str
    is_anonymous: bool = False


class Dispatcher:
    """Answers requests from the route tables of all dialects.

    ``courtesy`` gives headers for replies that come from no route.
    """

    def __init__(
        self,
        dialects: Sequence[Dialect],
        *,
        path_base: str,
        handling_deadline_s: float,
        courtesy: Callable[[RequestHead], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._table: PathTable[tuple[Dialect, Route[Any, Any, Any]]] = PathTable()  # Any: routes of all kinds
        for dialect in dialects:
            for route in dialect.routes:
                leads_to = (dialect, route)
                self._table.add(route.method, route.path, leads_to, is_case_sensitive=dialect.is_case_sensitive)
        self._cors_roots = frozenset().union(*(dialect.cors_roots for dialect in dialects))
        self._roots = [(root, dialect) for dialect in dialects for root in dialect.roots]
        self._prefix = parse_prefix(path_base)
        self._courtesy = courtesy
        self._handling_deadline_s = handling_deadline_s
        self._deadlines: set[asyncio.Timeout] = set()

    def hurry(self) -> None:
        """End every handler that is still waiting as if its deadline had come: the process stops."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            deadline.reschedule(now)

    def request_id(self, raw_target: str, proposed: str | None) -> str:
        """The id of a request: its client's choice, where the API that is asked allows it."""
        owner = self._owner(_raw_path(raw_target, self._prefix))
        return usable_correlation_id(proposed, CORRELATION_ID if owner is None else owner.request_id)

    def refuse(self, raw_target: str, error: BusbarError) -> Answered:
        """The reply to a request that is not looked at, in the form of the API that was asked."""
        answer_for(split_target(raw_target)[0])
        return Answered(self._reply_to_stray(_raw_path(raw_target, self._prefix), error), UNROUTED, UNROUTED)

    async def answer(self, request: IncomingRequest) -> Answered:
        """The reply to a request; whatever goes wrong becomes one.

        Raises:
            ClientGone: the client went away.
        """
        answer_for(split_target(request.raw_target)[0])
        try:
            target = parse_target(request.raw_target).without_prefix(self._prefix)
        except MalformedPath as error:
            path = _raw_path(request.raw_target, self._prefix)
            head = _head(request, Target((), has_trailing_slash=False, query=""))
            answered = self._unrouted(head, self._reply_to_stray(path, error))
            return _to_other_origins(request, answered) if self._is_open_to_origins(path) else answered
        head = _head(request, target)
        if not self._is_open_to_origins(target.path):
            return await self._find_and_answer(request, target, head)
        if is_preflight(request.method, request.headers):
            answered = self._unrouted(head, preflight_reply(request.headers))
        else:
            answered = await self._find_and_answer(request, target, head)
        return _to_other_origins(request, answered)

    async def _find_and_answer(self, request: IncomingRequest, target: Target, head: RequestHead) -> Answered:
        match self._table.find(request.method, target.segments):
            case None:
                return self._unrouted(head, await self._turn_away(request, head, target, UnknownPath()))
            case WrongMethod(allowed):
                error = MethodNotAllowed(request.method, allowed)
                reply = await self._turn_away(request, head, target, error)
                return self._unrouted(head, reply.with_headers({"Allow": ", ".join(allowed)}))
            case Match((dialect, route), ids):
                reply = await self._reply(request, dialect, route, Call(NOBODY, head, ids, target.query, None))
                return Answered(reply, dialect.name, route.name, dialect.is_anonymous)

    def _unrouted(self, head: RequestHead, reply: Reply) -> Answered:
        return Answered(reply.with_headers(self._courtesy(head)), UNROUTED, UNROUTED)

    async def _turn_away(
        self, request: IncomingRequest, head: RequestHead, target: Target, error: UnknownPath | MethodNotAllowed
    ) -> Reply:
        """What the API whose paths are nearest says where no route is; one that is closed asks for a credential first."""
        dialect = self._owner(head.path)
        if dialect is None or not dialect.is_closed:
            return self._reply_to_stray(head.path, error)
        nowhere = plain_route(request.method, head.path, _raiser(error), "", "", ())
        return await self._reply(request, dialect, nowhere, Call(NOBODY, head, {}, target.query, None))

    def _reply_to_stray(self, path: str, error: BusbarError) -> Reply:
        """What the API whose paths are nearest says where no route is, or none is looked for."""
        dialect = self._owner(path)
        if dialect is not None:
            return dialect.reply_to_error(error, {}).with_headers(dialect.common_headers)
        return text_reply(error.message, status=status_of(error, STRAY_STATUSES), headers=retry_headers(error))

    def _owner(self, path: str) -> Dialect | None:
        """The API whose paths are nearest."""
        owners = [(root, dialect) for root, dialect in self._roots if dialect.owns(root, path)]
        return max(owners, key=lambda owner: len(owner[0]))[1] if owners else None

    def _is_open_to_origins(self, path: str) -> bool:
        owner = self._owner(path)
        first = path[1:].partition("/")[0].lower()
        return first in (self._cors_roots if owner is None else owner.cors_roots)

    async def _reply(
        self,
        request: IncomingRequest,
        dialect: Dialect,
        route: Route[Any, Any, Any],
        raw: Call[str, None],
    ) -> Reply:
        headers = dict(dialect.common_headers)
        try:
            async with asyncio.timeout(ADMISSION_DEADLINE_S):
                admission = await dialect.gate.admit(raw.head, route.needs(dialect.scope))
            headers |= admission.headers
            structlog.contextvars.bind_contextvars(account_id=str(admission.identity.account_id))
            query = route.query.read(raw.query)
            body = await self._read_body(request, route)
            call = Call(admission.identity, raw.head, raw.ids, query, body, admission.standing)
            async with asyncio.timeout(self._handling_deadline_s) as deadline:
                self._deadlines.add(deadline)
                try:
                    reply = await route.handler(dialect.service, call)
                finally:
                    self._deadlines.discard(deadline)
        except ClientGone:
            raise
        except BusbarError as error:
            reply = dialect.reply_to_error(error, route.statuses)
            if isinstance(error, Refused):
                reply = reply.with_headers(error.headers)
        except TimeoutError:
            log.warning("request_deadline_passed", route=route.name)
            late = DependencyUnavailable("The answer did not come in time; try again.")
            reply = dialect.reply_to_error(late, route.statuses)
        except Exception:
            log.exception("request_failed", dialect=dialect.name, route=route.name)
            reply = dialect.reply_to_error(InternalError(), {})
        return replace(reply, headers={**headers, **reply.headers})

    async def _read_body(self, request: IncomingRequest, route: Route[Any, Any, Any]) -> Any:
        # Any: what the route's body yields, which its handler takes.
        if isinstance(route.body, NoBody):
            return None
        try:
            await request.invite_body()
            return await route.body.read(request.body)
        except ConnectionError as error:
            raise ClientGone from error


def _raiser(error: BusbarError) -> Callable[[object, Call[None, None]], Awaitable[Reply]]:
    """A handler that tells an error to whoever was let in."""

    async def tell(_: object, __: Call[None, None]) -> Reply:
        raise error

    return tell


def _head(request: IncomingRequest, target: Target) -> RequestHead:
    return RequestHead(
        request.method,
        target.path,
        target.query,
        request.headers,
        request.host,
        request.address,
        request.is_secure,
        target.prefix,
    )


def _to_other_origins(request: IncomingRequest, answered: Answered) -> Answered:
    """The same answer for pages of other origins to read."""
    return replace(answered, reply=answered.reply.with_headers(cors_headers(request.headers)))


def _raw_path(raw_target: str, prefix: tuple[str, ...]) -> str:
    """The path of a target that may not be a valid one, without the configured prefix."""
    path, base = split_target(raw_target)[0], "".join(f"/{segment}" for segment in prefix)
    return path[len(base) :] if f"{path}/".lower().startswith(f"{base}/") else path
