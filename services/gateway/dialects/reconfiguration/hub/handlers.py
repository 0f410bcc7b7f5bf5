"""Handlers of the hub: negotiation, and the three transports that carry frames between clients and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from services.gateway.dialects.reconfiguration.hub.connection import HubConnection
from services.gateway.dialects.reconfiguration.hub.connections import (
    ConnectionIdMissing,
    Connections,
    NotReceiving,
    UnknownConnection,
)
from services.gateway.dialects.reconfiguration.hub.protocol import MAX_FRAME_CHARS
from services.gateway.dialects.reconfiguration.hub.schemas import (
    TRANSPORTS,
    ConnectionQuery,
    Negotiated,
    NegotiateQuery,
)
from services.gateway.http.call import JSON, TEXT, Call, Reply
from services.gateway.http.faults import MethodNotAllowed
from services.gateway.http.lasting import EventStream, Held, Socket, WebSocketUpgrade

# A message may hold several frames.
MAX_MESSAGE_BYTES = 4 * MAX_FRAME_CHARS
READER_ENDS_WITHIN_S = 1.0


async def negotiate(hub: Connections, call: Call[NegotiateQuery, None]) -> Reply:
    """Make a connection. Version 0 knows no token: the id alone names the connection."""
    version = min(call.query.negotiateVersion, 1)
    made = hub.make(call.identity, call.standing, has_token=version == 1)
    told = Negotiated(
        negotiateVersion=version,
        connectionId=made.connection_id,
        connectionToken=made.token if version == 1 else None,
        availableTransports=TRANSPORTS,
    )
    return Reply(200, told.model_dump_json(exclude_none=True).encode(), JSON)


async def connect(hub: Connections, call: Call[ConnectionQuery, None]) -> Reply:
    """Attach the transport that the request asks for; a plain request is a poll."""
    if call.head.method != "GET":
        raise MethodNotAllowed(call.head.method, ("GET", "POST", "DELETE"))
    headers, token = call.head.headers, call.query.id
    if headers.get("Upgrade", "").lower() == "websocket":
        # A client may skip negotiation, as there is nothing to choose.
        connection = hub.find(token, call.identity) if token else hub.make(call.identity, call.standing, has_token=True)
        hub.attach(connection, call.identity, call.standing, "WebSockets")
        return Reply(101, WebSocketUpgrade(partial(_carry_socket, hub, connection), MAX_MESSAGE_BYTES))
    connection = hub.find(token, call.identity)
    if "text/event-stream" in headers.get("Accept", "").lower():
        hub.attach(connection, call.identity, call.standing, "ServerSentEvents")
        return Reply(200, EventStream(partial(_carry_events, hub, connection)))
    if connection.transport != "LongPolling":
        hub.attach(connection, call.identity, call.standing, "LongPolling")
        # The first poll tells the client that the transport works, and is answered at once.
        connection.begin_taking()
        return _frames(connection.take_waiting())
    connection.standing = call.standing  # clients of long polls renew their credential under way
    return Reply(200, Held(partial(_poll, hub, connection, connection.begin_taking())))


async def send(hub: Connections, call: Call[ConnectionQuery, str]) -> Reply:
    """Take frames of a client whose transport carries them one way only."""
    connection = hub.find(call.query.id, call.identity)
    if connection.transport == "WebSockets":
        raise NotReceiving("A WebSocket carries both ways.")
    if connection.is_closed:
        raise UnknownConnection
    connection.standing = call.standing
    await connection.receive(call.body)
    return Reply(200, b"", TEXT)


async def disconnect(hub: Connections, call: Call[ConnectionQuery, None]) -> Reply:
    """End a connection."""
    if not call.query.id:
        raise ConnectionIdMissing
    hub.remove(hub.find(call.query.id, call.identity))
    return Reply(202)


# ------------------------------------------------------------------ what carries frames


async def _carry_socket(hub: Connections, connection: HubConnection, socket: Socket) -> None:
    reading = asyncio.create_task(_read_socket(connection, socket))
    try:
        await _carry(connection, socket.send)
    finally:
        hub.remove(connection)
        reading.cancel()
        await asyncio.wait([reading], timeout=READER_ENDS_WITHIN_S)
    if reading.done() and not reading.cancelled():
        reading.result()


async def _read_socket(connection: HubConnection, socket: Socket) -> None:
    try:
        while (text := await socket.receive()) is not None:
            await connection.receive(text)
    finally:
        connection.end("gone")


async def _carry_events(
    hub: Connections, connection: HubConnection, send_event: Callable[[str], Awaitable[None]]
) -> None:
    try:
        await _carry(connection, send_event)
    finally:
        hub.remove(connection)


async def _carry(connection: HubConnection, send_frames: Callable[[str], Awaitable[None]]) -> None:
    turn = connection.begin_taking()
    while (frames := await connection.take(turn)) is not None:
        await send_frames(frames)


async def _poll(hub: Connections, connection: HubConnection, turn: int) -> Reply:
    connection.note_sign_of_life()
    frames = await connection.take(turn)
    connection.note_sign_of_life()
    if frames is not None:
        return _frames(frames)
    if connection.is_closed:
        hub.remove(connection)
    return Reply(204)


def _frames(frames: str) -> Reply:
    return Reply(200, frames.encode(), TEXT)
