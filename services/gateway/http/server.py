"""The HTTP server: aiohttp's protocol below, the dispatcher above, and between them what every request has in common.

That is a trace and a correlation id, a log line, metrics, bounds, and an orderly end.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address

import structlog
from aiohttp import web

from services.gateway import metrics
from services.gateway.auth.identity import NOBODY
from services.gateway.http.bodies import IncomingBody
from services.gateway.http.call import Reply
from services.gateway.http.connections import ConnectionsServer
from services.gateway.http.dispatch import UNROUTED, Answered, ClientGone, Dispatcher, IncomingRequest
from services.gateway.http.lasting import EventStream, Held, WebSocketUpgrade
from services.gateway.http.protocol_log import ProtocolLog
from services.gateway.http.sending import send
from services.gateway.http.spool import SpoolBudget
from shared.errors import BusbarError, DependencyUnavailable
from shared.observability.tracing import working_on

log = structlog.get_logger()

# Also bounds the time a client may take over the head of a request.
KEEP_ALIVE_S = 30.0
# How long what is left of a refused body is read, so that the client gets to see the refusal.
LINGERING_S = 5.0
CLIENT_CLOSED_REQUEST = 499  # only in logs and metrics: nobody is there to receive it

COMMON_HEADERS = {"Server": "busbar", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the server takes on."""

    max_json_bytes: int
    max_document_bytes: int
    max_data_bytes: int = 1 << 20
    max_in_flight: int = 512


class CannotListen(BusbarError):
    """The address is in use, or not one of this machine's."""

    code = "cannot_listen"


class HttpServer:
    """Serves what the dispatcher answers on one address."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        budget: SpoolBudget,
        bounds: Bounds,
        *,
        trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self._dispatcher = dispatcher
        self._budget = budget
        self._bounds = bounds
        self._trusted_proxies = trusted_proxies
        self._in_flight = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_stopping = False
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen, for TLS only where ``tls`` is given; returns the port, which the system chooses for 0."""
        server = ConnectionsServer(
            self._handle,
            access_log=None,
            logger=ProtocolLog(),
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGERING_S,
            auto_decompress=False,  # no client compresses, and a small bomb would burst here
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, backlog=1024, ssl_context=tls).start()
        except OSError as error:
            await self._runner.cleanup()
            raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        chosen: int = self._runner.addresses[0][1]
        return chosen

    async def stop(self, *, within_s: float) -> None:
        """Accept no connection any more, finish what is in flight, and end what takes too long with a 503."""
        if self._runner is None:
            return
        self._is_stopping = True
        for site in list(self._runner.sites):
            await site.stop()
        for wait_s, then in ((0.7 * within_s, self._dispatcher.hurry), (0.2 * within_s, lambda: None)):
            try:
                async with asyncio.timeout(wait_s):
                    await self._is_idle.wait()
            except TimeoutError:
                then()
        await self._runner.cleanup()
        self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        place = _Place(self)
        try:
            return await self._answer(request, place)
        except ClientGone:
            # Not raised further: aiohttp would take it for an error of ours and try to answer.
            request.protocol.force_close()
            return web.Response(status=CLIENT_CLOSED_REQUEST)
        finally:
            place.leave()

    def enter(self) -> None:
        """Count a request as in flight."""
        self._in_flight += 1
        self._is_idle.clear()
        metrics.IN_FLIGHT.set(self._in_flight)

    def leave(self) -> None:
        """Count it no more."""
        self._in_flight -= 1
        metrics.IN_FLIGHT.set(self._in_flight)
        metrics.SPOOLED_BYTES.set(self._budget.held_bytes)
        if not self._in_flight:
            self._is_idle.set()

    async def _answer(self, request: web.BaseRequest, place: _Place) -> web.StreamResponse:
        correlation_id = self._dispatcher.request_id(request.raw_path, request.headers.get("X-Request-ID"))
        with working_on(
            correlation_id=correlation_id,
            traceparent=request.headers.get("traceparent", ""),
            account_id=str(NOBODY.account_id),
        ):
            answered = Answered(Reply(CLIENT_CLOSED_REQUEST), UNROUTED, UNROUTED)
            is_sent, began = False, time.perf_counter()
            try:
                answered = await self._dispatched(request)
                if isinstance(answered.reply.body, WebSocketUpgrade | EventStream | Held):
                    # It may last for hours: it takes no place of short requests, a stop does not wait for it (whose it is ends
                    # it), and it is recorded as what was answered at its beginning.
                    place.leave()
                    _record(request.method, answered, time.perf_counter() - began, is_sent=True)
                    began = 0.0
                reply = answered.reply.with_headers(COMMON_HEADERS | {"X-Request-ID": correlation_id})
                response = await send(request, reply, closes_connection=self._is_stopping)
                is_sent = True
                return response
            finally:
                if began:
                    _record(request.method, answered, time.perf_counter() - began, is_sent=is_sent)

    def _origin(self, request: web.BaseRequest) -> tuple[str, str, bool]:
        """Host, client's address and whether the way is encrypted: as the request says, or a trusted proxy before us."""
        # Not request.host: without the header that asks the DNS, and the loop waits.
        headers, host, is_secure = request.headers, request.headers.get("Host", ""), request.secure
        address = request.remote or ""
        if self._trusted_proxies and _is_in(address, self._trusted_proxies):
            host = headers.get("X-Forwarded-Host", host)
            # Where several proxies have added to the header, what the client used comes first.
            is_secure = headers.get("X-Forwarded-Proto", request.scheme).split(",")[0].strip() == "https"
            address = _forwarded_for(headers.get("X-Forwarded-For", ""), self._trusted_proxies) or address
        return host, address, is_secure

    async def _dispatched(self, request: web.BaseRequest) -> Answered:
        if self._in_flight > self._bounds.max_in_flight:
            busy = DependencyUnavailable("Too many requests at once; try again.", retry_after_s=1)
            return self._dispatcher.refuse(request.raw_path, busy)
        body = IncomingBody(
            request.headers,
            request.content,
            self._budget,
            self._bounds.max_json_bytes,
            self._bounds.max_document_bytes,
            self._bounds.max_data_bytes,
        )
        host, address, is_secure = self._origin(request)
        invite = partial(_invite_body, request)
        return await self._dispatcher.answer(
            IncomingRequest(request.method, request.raw_path, request.headers, host, address, is_secure, body, invite)
        )


class _Place:
    """The place of one request among those in flight, given back once."""

    def __init__(self, server: HttpServer) -> None:
        self._server: HttpServer | None = server
        server.enter()

    def leave(self) -> None:
        """Give it back."""
        if self._server is not None:
            self._server.leave()
            self._server = None


async def _invite_body(request: web.BaseRequest) -> None:
    """Tell a client that asks before it sends a large body (curl does) to go on."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what counts is the response that is still to come


def _forwarded_for(header: str, trusted: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """The client as the nearest trusted proxy saw it: the last address of the list that is no trusted proxy itself."""
    for entry in reversed(header.split(",")):
        address = _without_port(entry.strip())
        try:
            ip_address(address)
        except ValueError:
            return None
        if not _is_in(address, trusted):
            return address
    return None


def _without_port(entry: str) -> str:
    """The address of ``192.0.2.1:5555`` or ``[2001:db8::1]:5555``, as some proxies write."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _is_in(address: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _record(method: str, answered: Answered, seconds: float, *, is_sent: bool) -> None:
    status = answered.reply.status if is_sent else CLIENT_CLOSED_REQUEST
    metrics.REQUESTS.labels(answered.dialect, answered.route, f"{status // 100}xx").inc()
    metrics.REQUEST_SECONDS.labels(answered.dialect).observe(seconds)
    if not answered.is_anonymous or status >= 500:  # health checks and scrapes would drown the rest
        log.info(
            "request_finished",
            method=method,
            dialect=answered.dialect,
            route=answered.route,
            status=status,
            seconds=round(seconds, 6),
        )
