"""Bodies of requests as they come from a connection, without one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from services.gateway.http.bodies import IncomingBody
from services.gateway.http.spool import SpoolBudget

BOUNDARY = "edge"


def incoming(
    pieces: Iterable[bytes],
    content_type: str | None,
    *,
    headers: dict[str, str] | None = None,
    is_whole: bool = True,
    max_json_bytes: int = 1000,
    max_document_bytes: int = 10_000_000,
    budget: SpoolBudget | None = None,
) -> IncomingBody:
    """A body that has arrived in these pieces; unless ``is_whole`` more is to come."""
    connection = BaseProtocol(asyncio.get_running_loop())
    connection.connection_made(asyncio.Transport())
    stream = StreamReader(connection, 2**30)  # never asks the connection to pause
    for piece in pieces:
        stream.feed_data(piece)
    if is_whole:
        stream.feed_eof()
    given = dict(headers or {}) | ({"Content-Type": content_type} if content_type is not None else {})
    return IncomingBody(given, stream, budget or SpoolBudget(1 << 30), max_json_bytes, max_document_bytes)


def part(name: str, content: bytes | str, filename: str | None = None, content_type: str | None = None) -> bytes:
    """One part of a form."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n"
    if content_type is not None:
        head += f"Content-Type: {content_type}\r\n"
    return head.encode() + b"\r\n" + (content if isinstance(content, bytes) else content.encode()) + b"\r\n"


def form_body(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
