"""Replies that last: a WebSocket, a stream of events, an answer that is held back until there is something to say.

Whoever gives such a reply is handed the connection in the form of a small port, and bounds how long it lasts and how many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from services.gateway.http.call import Reply

# A peer that does not take a piece for so long is gone.
SEND_WITHIN_S = 30.0
# How long the other side has to say goodbye.
GOODBYE_WITHIN_S = 1.0


class Socket(Protocol):
    """A WebSocket that was opened. A peer that is gone comes out as ConnectionError."""

    async def send(self, text: str) -> None:
        """Send one message."""
        ...

    async def receive(self) -> str | None:
        """The next message, also a binary one in UTF-8; None once the peer has closed, or sent what it must not."""
        ...


@dataclass(frozen=True, slots=True)
class WebSocketUpgrade:
    """The connection becomes a WebSocket, which lasts as long as ``serve``. ``max_message_bytes`` is the largest to receive."""

    serve: Callable[[Socket], Awaitable[None]]
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class EventStream:
    """Server-sent events as long as ``serve``, which is given what sends one event's data (a text without line breaks)."""

    serve: Callable[[Callable[[str], Awaitable[None]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that is still to come."""

    answer: Callable[[], Awaitable[Reply]]


class _OpenSocket:
    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._socket.send_str(text)
        except TimeoutError as error:
            raise ConnectionResetError("the peer takes nothing any more") from error

    async def receive(self) -> str | None:
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        if message.type is WSMsgType.BINARY:
            try:
                return bytes(message.data).decode("utf-8")
            except UnicodeDecodeError:
                return None
        return None


async def serve_web_socket(
    request: web.BaseRequest, headers: Mapping[str, str], upgrade: WebSocketUpgrade
) -> web.StreamResponse:
    """Upgrade, serve, and close."""
    # Its pings would only tell whether the peer's machine lives; the protocol above has its own.
    response = web.WebSocketResponse(timeout=GOODBYE_WITHIN_S, max_msg_size=upgrade.max_message_bytes, compress=False)
    response.headers.update(headers)
    await response.prepare(request)
    try:
        await upgrade.serve(_OpenSocket(response))
    finally:
        await response.close()
    return response


async def serve_events(request: web.BaseRequest, headers: Mapping[str, str], stream: EventStream) -> web.StreamResponse:
    """Send events as they come."""
    response = web.StreamResponse(
        headers={**headers, "Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store"}
    )
    response.headers["X-Accel-Buffering"] = "no"  # a proxy would collect events otherwise
    response.enable_chunked_encoding()
    response.force_close()

    async def write(piece: bytes) -> None:
        async with asyncio.timeout(SEND_WITHIN_S):
            await response.write(piece)

    async def send(data: str) -> None:
        await write(f"data: {data}\r\n\r\n".encode())

    await response.prepare(request)
    await write(b":\r\n")  # so that the client sees at once that the stream is open
    await stream.serve(send)
    await response.write_eof()
    return response
