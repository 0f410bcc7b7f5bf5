"""One client of the hub, whatever transport carries it: handshake, calls, and the frames that wait to be taken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from services.gateway import metrics
from services.gateway.auth.gate import Standing
from services.gateway.auth.identity import Identity
from services.gateway.dialects.reconfiguration.hub.protocol import (
    HANDSHAKE_DONE,
    PING_FRAME,
    FrameReader,
    Goodbye,
    Invocation,
    ProtocolViolated,
    check_handshake,
    closing,
    completion,
    handshake_failed,
    read_message,
)

Transport = Literal["WebSockets", "ServerSentEvents", "LongPolling"]

# From so many frames that a slow reader has not taken on, of each session only the newest status is kept.
PATIENCE_FRAMES = 16
# A peer that calls and never takes the answers.
MOST_FRAMES = 512
MOST_GROUPS = 200
MOST_ID_BYTES = 1024


class Groups(Protocol):
    """The groups of the user who is connected."""

    async def join(self, member: HubConnection, session_id: str) -> None:
        """Be told of a session, whether there is one or not."""
        ...

    def leave(self, member: HubConnection, session_id: str) -> None:
        """Be told no longer."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: str
    session_id: str | None = None  # of a status, which a later one of the same session may replace


class HubConnection:
    """A connection. ``identity`` is that of the request that attached its transport; before, of the one that negotiated.

    ``standing`` is of the newest request of its client that was taken: it has to last as long as the connection. None is
    of somebody who needs no credential.
    """

    def __init__(
        self,
        connection_id: str,
        token: str,
        identity: Identity,
        standing: Standing | None,
        groups: Groups,
        now: Callable[[], float],
    ) -> None:
        self.connection_id = connection_id
        self.token = token
        self.identity = identity
        self.standing = standing
        self.transport: Transport | None = None
        self.session_ids: set[str] = set()
        self.is_closed = False
        self.has_shaken_hands = False
        self.began_at = self.heard_at = self.taken_at = self.admitted_at = now()
        self._groups = groups
        self._now = now
        self._reader = FrameReader()
        self._turn = 0
        self._waiting: deque[_Waiting] = deque()
        self._stirred = asyncio.Event()
        self._reading = asyncio.Lock()

    # ------------------------------------------------------------------ from the client

    def note_sign_of_life(self) -> None:
        """The client is there."""
        self.heard_at = self._now()

    async def receive(self, text: str) -> None:
        """Take what the client sent; one text after the other."""
        self.note_sign_of_life()
        async with self._reading:
            try:
                for frame in self._reader.feed(text):
                    if self.is_closed:
                        return
                    await self._handle(frame)
            except ProtocolViolated as violated:
                self.close("protocol", error=str(violated))

    async def _handle(self, frame: str) -> None:
        if not self.has_shaken_hands:
            check_handshake(frame)
            self.has_shaken_hands = True
            self._offer(_Waiting(HANDSHAKE_DONE))
            return
        match read_message(frame):
            case Invocation() as call:
                error = await self._call(call)
                if call.invocation_id is not None:
                    self._offer(_Waiting(completion(call.invocation_id, error)))
            case Goodbye():
                self.end("goodbye")
            case None:
                pass

    async def _call(self, call: Invocation) -> str | None:
        """Do what is asked for; the error for the client if that cannot be."""
        do = {"addtogroup": self._join, "removefromgroup": self._leave}.get(call.target.lower())
        if do is None:
            return f"Unknown hub method '{call.target[:80]}'"
        if call.is_stream:
            return f"The method '{call.target}' does not stream."
        if len(call.arguments) != 1:
            return f"Invocation provides {len(call.arguments)} argument(s) but target expects 1."
        session_id = call.arguments[0]
        if not isinstance(session_id, str) or len(session_id.encode("utf-8", "replace")) > MOST_ID_BYTES:
            return "The argument is the id of a session, a text."
        return await do(session_id)

    async def _join(self, session_id: str) -> str | None:
        if session_id not in self.session_ids:
            if len(self.session_ids) >= MOST_GROUPS:
                return f"A connection may be in {MOST_GROUPS} groups at a time."
            self.session_ids.add(session_id)
            await self._groups.join(self, session_id)
        return None

    async def _leave(self, session_id: str) -> str | None:
        if session_id in self.session_ids:
            self.session_ids.discard(session_id)
            self._groups.leave(self, session_id)
        return None

    # ------------------------------------------------------------------ to the client

    def tell(self, session_id: str, frame: str) -> None:
        """Send a session's newest status; one that still waits may be left out for it."""
        if len(self._waiting) >= PATIENCE_FRAMES:
            kept = [waiting for waiting in self._waiting if waiting.session_id != session_id]
            metrics.HUB_LEFT_OUT.inc(len(self._waiting) - len(kept))
            self._waiting = deque(kept)
        self._offer(_Waiting(frame, session_id))

    def ping(self) -> None:
        """Show the client that we are there, unless something waits for it anyway."""
        if not self._waiting:
            self._offer(_Waiting(PING_FRAME))

    def begin_taking(self) -> int:
        """Whoever carries frames to the client begins to take them; whoever did before ends."""
        self._turn += 1
        self._stirred.set()
        return self._turn

    async def take(self, turn: int) -> str | None:
        """The frames that wait, once there are some; None when there will be none any more, or it is another's turn.

        Pings bound the wait.
        """
        while turn == self._turn:
            if self._waiting:
                return self.take_waiting()
            if self.is_closed:
                return None
            self._stirred.clear()
            await self._stirred.wait()
        return None

    def take_waiting(self) -> str:
        """The frames that wait now."""
        frames = "".join(waiting.frame for waiting in self._waiting)
        self._waiting.clear()
        self.taken_at = self._now()
        return frames

    def _offer(self, waiting: _Waiting) -> None:
        if self.is_closed:
            return
        if len(self._waiting) >= MOST_FRAMES:
            self.end("too slow")
            return
        self._waiting.append(waiting)
        self._stirred.set()

    # ------------------------------------------------------------------ the end

    def close(self, reason: str, *, error: str | None = None, allow_reconnect: bool = False) -> None:
        """Say goodbye to the client, and why."""
        if self.has_shaken_hands:
            self._offer(_Waiting(closing(error, allow_reconnect=allow_reconnect)))
        elif error is not None:
            self._offer(_Waiting(handshake_failed(error)))
        self.end(reason)

    def end(self, reason: str) -> None:
        """Be over; what waits may still be taken."""
        if self.is_closed:
            return
        self.is_closed = True
        metrics.HUB_ENDED.labels(reason).inc()
        for session_id in self.session_ids:
            self._groups.leave(self, session_id)
        self.session_ids.clear()
        self._stirred.set()
