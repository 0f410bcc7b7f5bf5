"""Documents in a table of chunks: written from a stream and read as one, so that no process holds a large one whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import AccountId

CHUNK_BYTES = 1024 * 1024


async def write_chunks(
    connection: AsyncConnection,
    table: Table,
    keys: Mapping[str, object],
    account_id: AccountId,
    data: bytes | AsyncIterator[bytes],
) -> int:
    """Write a document in place of the one under the same keys; returns its size in bytes.

    An empty document is one empty chunk, which tells it from none.
    """
    await connection.execute(delete(table).where(*_of(table, keys, account_id)))
    size = position = 0
    async for chunk in _rechunked(data):
        values = {**keys, "account_id": account_id, "position": position, "chunk": chunk}
        await connection.execute(insert(table).values(**values))
        size += len(chunk)
        position += 1
    return size


async def read_chunks(
    connection: AsyncConnection, table: Table, keys: Mapping[str, object], account_id: AccountId
) -> AsyncIterator[bytes]:
    """The document's pieces in order, one at a time in memory; none where the account has no such document.

    The connection must be a snapshot (``Database.reading``) where the document may be replaced meanwhile.
    """
    position = 0
    while True:
        wanted = (*_of(table, keys, account_id), table.c.position == position)
        chunk = (await connection.execute(select(table.c.chunk).where(*wanted))).scalar_one_or_none()
        if chunk is None:
            return
        yield chunk
        position += 1


async def read_document(
    connection: AsyncConnection, table: Table, keys: Mapping[str, object], account_id: AccountId
) -> bytes | None:
    """The whole document, for a worker that holds one anyway; None where the account has no such document."""
    pieces = [piece async for piece in read_chunks(connection, table, keys, account_id)]
    return b"".join(pieces) if pieces else None


def _of(table: Table, keys: Mapping[str, object], account_id: AccountId) -> list[Any]:  # Any: SQL conditions
    return [table.c.account_id == account_id, *(table.c[name] == value for name, value in keys.items())]


async def _rechunked(data: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, bytes):
        for start in range(0, max(len(data), 1), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]
        return
    waiting = bytearray()
    has_yielded = False
    async for piece in data:
        waiting += piece
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            has_yielded = True
            del waiting[:CHUNK_BYTES]
    if waiting or not has_yielded:
        yield bytes(waiting)
