"""A reply on its way out: small bodies at once, spooled documents piece by piece, to clients that keep taking them.

Lasting replies are handed the connection (``lasting``).
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from services.gateway.http.call import Reply
from services.gateway.http.dispatch import ClientGone
from services.gateway.http.lasting import EventStream, Held, WebSocketUpgrade, serve_events, serve_web_socket
from services.gateway.http.spool import Spool

SEND_PIECE_WITHIN_S = 30.0


async def send(request: web.BaseRequest, reply: Reply, *, closes_connection: bool) -> web.StreamResponse:
    """Send a whole reply.

    Raises:
        ClientGone: the client stopped taking it.
    """
    headers = dict(reply.headers)
    if reply.content_type is not None:
        headers["Content-Type"] = reply.content_type
    if isinstance(reply.body, Held):
        kept = await reply.body.answer()
        return await send(
            request, kept.with_headers({**reply.headers, **kept.headers}), closes_connection=closes_connection
        )
    try:
        if isinstance(reply.body, WebSocketUpgrade):
            return await serve_web_socket(request, headers, reply.body)
        if isinstance(reply.body, EventStream):
            return await serve_events(request, headers, reply.body)
        if isinstance(reply.body, Spool):
            async with reply.body as spool:
                return await _send_spool(request, reply.status, headers, spool, closes_connection=closes_connection)
        response = web.Response(status=reply.status, body=reply.body, headers=headers)
        if closes_connection:
            response.force_close()
        async with asyncio.timeout(SEND_PIECE_WITHIN_S):
            await response.prepare(request)
            await response.write_eof()
        return response
    except (TimeoutError, ConnectionError) as error:
        raise ClientGone from error


async def _send_spool(
    request: web.BaseRequest, status: int, headers: dict[str, str], spool: Spool, *, closes_connection: bool
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = spool.size
    if closes_connection:
        response.force_close()
    await response.prepare(request)
    if request.method != "HEAD":
        async for piece in spool.pieces():
            async with asyncio.timeout(SEND_PIECE_WITHIN_S):
                await response.write(piece)
    async with asyncio.timeout(SEND_PIECE_WITHIN_S):
        await response.write_eof()
    return response
