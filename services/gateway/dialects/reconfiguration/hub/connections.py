"""All connections of this process, found by the secret token that negotiation gave out: made, attached, kept alive, ended.

None outlives the credential of its client, which is asked for again and again. A token is known to the process that gave it
out alone. Behind several gateways a client has to reach the same one again, or skip negotiation and use WebSockets.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.gateway import metrics
from services.gateway.auth.gate import ADMISSION_DEADLINE_S, Standing
from services.gateway.auth.identity import Identity
from services.gateway.dialects.reconfiguration.hub.connection import Groups, HubConnection, Transport
from services.gateway.http.routes import READ
from shared.background import BackgroundLoop
from shared.errors import BusbarError, Conflict, DependencyUnavailable, InvalidInput, NotFound

STOPS_WITHIN_S = 0.5
# Credentials that are asked for at a time.
ADMITTED_AT_ONCE = 4
# Whoever may read what solutions are worth may listen, which takes more than GETs.
LISTENERS = frozenset({"reconfiguration", READ})


class ConnectionIdMissing(InvalidInput):
    """The request does not say which connection it is for."""

    code = "connection_id_missing"

    def __init__(self) -> None:
        super().__init__("Connection ID required.")


class UnknownConnection(NotFound):
    """No connection has this id, or none of the caller's."""

    code = "connection_not_found"

    def __init__(self) -> None:
        super().__init__("No connection with that ID.")


class AlreadyAttached(Conflict):
    """Something else carries this connection."""

    code = "connection_already_attached"

    def __init__(self, transport: Transport) -> None:
        super().__init__(f"The connection is carried by {transport} already.")


class NotReceiving(BusbarError):
    """A WebSocket carries what its client sends itself."""

    code = "connection_not_receiving"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long is waited for what, in seconds. A ping is due sooner than the protocol asks for, so that none is late."""

    attach_within_s: float = 15.0
    shake_hands_within_s: float = 15.0
    ping_every_s: float = 12.0
    silence_s: float = 30.0
    look_every_s: float = 0.5
    # The gate believes for 2 s what it has found: with that a revocation ends connections well within 5 s.
    admit_every_s: float = 1.0


class Connections:
    """The table of connections, ``most`` at a time."""

    def __init__(
        self,
        groups: Groups,
        *,
        most: int,
        timing: Timing | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._groups = groups
        self._most = most
        self._timing = timing or Timing()
        self._now = now
        self._by_token: dict[str, HubConnection] = {}
        self._is_stopping = False
        self._emptied = asyncio.Event()
        self._loop = BackgroundLoop("hub connections", self.look, every_s=self._timing.look_every_s)
        self._admission = BackgroundLoop("hub credentials", self.admit_again, every_s=self._timing.admit_every_s)

    def start(self) -> None:
        """Begin to keep connections alive, and to look after their credentials."""
        self._loop.start()
        self._admission.start()

    async def stop(self, *, within_s: float) -> None:
        """Send every client away, to another process or to this one when it is back."""
        self._is_stopping = True
        for connection in list(self._by_token.values()):
            connection.close("stop", allow_reconnect=True)
            if connection.transport is None:
                self.remove(connection)
        try:
            async with asyncio.timeout(within_s):
                while self._by_token:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            pass  # a client that does not take its goodbye finds out when the server closes
        await self._loop.stop(within_s=STOPS_WITHIN_S)
        await self._admission.stop(within_s=STOPS_WITHIN_S)

    def make(self, identity: Identity, standing: Standing | None, *, has_token: bool) -> HubConnection:
        """A new connection, to which no transport is attached yet; without a token of its own its id serves as one.

        Raises:
            DependencyUnavailable: there are too many, or this process stops.
        """
        if self._is_stopping or len(self._by_token) >= self._most:
            raise DependencyUnavailable("There is no room for another connection now; try again.", retry_after_s=2)
        connection_id = secrets.token_urlsafe(16)
        token = secrets.token_urlsafe(24) if has_token else connection_id
        made = self._by_token[token] = HubConnection(connection_id, token, identity, standing, self._groups, self._now)
        self._count()
        return made

    def find(self, token: str | None, identity: Identity) -> HubConnection:
        """A connection of the caller.

        Raises:
            ConnectionIdMissing, UnknownConnection: as their names say.
        """
        if not token:
            raise ConnectionIdMissing
        found = self._by_token.get(token)
        if found is None or not _may_use(identity, owner=found.identity):
            raise UnknownConnection
        return found

    def attach(
        self, connection: HubConnection, identity: Identity, standing: Standing | None, transport: Transport
    ) -> None:
        """Have a transport carry a connection; who asks for that is whose connection it is.

        Raises:
            AlreadyAttached: one does already.
        """
        if connection.transport is not None:
            raise AlreadyAttached(connection.transport)
        connection.transport = transport
        connection.standing = standing
        if not connection.has_shaken_hands:  # else it may have joined groups already
            connection.identity = identity
        connection.note_sign_of_life()
        self._count()

    def remove(self, connection: HubConnection) -> None:
        """Forget a connection whose transport has ended."""
        connection.end("gone")
        self._by_token.pop(connection.token, None)
        self._emptied.set()
        self._count()

    async def look(self) -> None:
        """Ping whom nothing was sent to, and end connections of which nothing was heard."""
        now, timing = self._now(), self._timing
        for connection in list(self._by_token.values()):
            if connection.is_closed:
                # Its last frames were not fetched: a poll that never came, a stream that takes nothing.
                if now - connection.heard_at > timing.silence_s + timing.attach_within_s:
                    self.remove(connection)
            elif connection.transport is None:
                if now - connection.began_at > timing.attach_within_s:
                    self.remove(connection)
            elif not connection.has_shaken_hands:
                if now - connection.began_at > timing.attach_within_s + timing.shake_hands_within_s:
                    connection.close("no handshake", error="Handshake was canceled.")
            elif now - connection.heard_at > timing.silence_s:
                connection.close("silent", error="The client has been silent for too long.", allow_reconnect=True)
            elif now - connection.taken_at > timing.ping_every_s:
                connection.ping()

    async def admit_again(self) -> None:
        """End connections whose client would not be let in any more, or as somebody else.

        Raises:
            DependencyUnavailable: of some that cannot be told now, which is no reason to end any. Next time the others come
                first.
        """
        for connection in list(self._by_token.values()):
            if connection.standing is not None and connection.standing.has_expired():
                self._send_away(connection)
        longest_ago_first = iter(sorted(self._by_token.values(), key=lambda connection: connection.admitted_at))
        turns = (self._admit_each(longest_ago_first) for _ in range(ADMITTED_AT_ONCE))
        for failure in await asyncio.gather(*turns, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _admit_each(self, connections: Iterator[HubConnection]) -> None:
        for connection in connections:
            await asyncio.sleep(0)  # what is remembered takes no wait, and there may be thousands
            standing = connection.standing
            if standing is None or connection.is_closed:
                continue
            connection.admitted_at = self._now()
            try:
                async with asyncio.timeout(ADMISSION_DEADLINE_S):
                    identity = await standing.identity()
            except TimeoutError:
                raise DependencyUnavailable("A credential was asked for, and no answer came in time.") from None
            is_let_in = (
                identity is not None
                and bool(identity.scopes & LISTENERS)
                and _may_use(identity, owner=connection.identity)
            )
            if not is_let_in and connection.standing is standing:
                self._send_away(connection)

    def _send_away(self, connection: HubConnection) -> None:
        connection.close("credential", error="The credential is not valid any longer.", allow_reconnect=True)
        if connection.transport is None:
            self.remove(connection)

    def _count(self) -> None:
        counts: dict[str, int] = dict.fromkeys(("none", "WebSockets", "ServerSentEvents", "LongPolling"), 0)
        for connection in self._by_token.values():
            counts[connection.transport or "none"] += 1
        for transport, count in counts.items():
            metrics.HUB_CONNECTIONS.labels(transport).set(count)


def _may_use(asking: Identity, *, owner: Identity) -> bool:
    """Whether a request may speak for a connection. In open mode a cookie proves nothing, and the token is the secret."""
    if asking.account_id != owner.account_id:
        return False
    return asking.subject == owner.subject or (asking.kind == "open" and owner.kind == "open")
