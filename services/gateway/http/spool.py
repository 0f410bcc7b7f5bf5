"""Documents on their way between a client and the database: in memory while small, in an unnamed temporary file beyond.

A document is spooled whole before the database sees the first byte of an upload, and before the client sees the first
byte of a download. Passing the pieces on directly would tie an open transaction, and one of few connections, to the pace of a
client: ten slow ones would stop the gateway. The file has no name, so it goes with the process, however that ends.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import TracebackType
from typing import IO

from shared.errors import DependencyUnavailable

# Times the number of requests at once, this is what documents may take of the memory.
IN_MEMORY_BYTES = 256 << 10
PIECE_BYTES = 256 << 10


class NoRoom(DependencyUnavailable):
    """Too many bytes are under way, or the disk is full; later there may be room."""

    code = "no_room"


class SpoolBudget:
    """Bounds the bytes of all spools of a process together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes in all open spools."""
        return self._held_bytes

    def take(self, count: int) -> None:
        """Count bytes in.

        Raises:
            NoRoom: that would be too many.
        """
        if self._held_bytes + count > self._limit_bytes:
            raise NoRoom("Too many documents are under way; try again in a moment.", retry_after_s=5)
        self._held_bytes += count

    def give_back(self, count: int) -> None:
        """Count bytes out."""
        self._held_bytes -= count


class Spool:
    """One document under way. Write it, then read it, and close it; as an async context manager it closes itself."""

    def __init__(self, budget: SpoolBudget) -> None:
        self._budget = budget
        self._pieces: list[bytes] = []
        self._pieces_bytes = 0
        self._file: IO[bytes] | None = None
        self._file_work: asyncio.Future[bytes] | None = None
        self._size = 0

    async def __aenter__(self) -> Spool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    async def write(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            NoRoom: the budget is used up, or the disk is full.
        """
        self._budget.take(len(piece))
        self._size += len(piece)
        self._pieces.append(piece)
        self._pieces_bytes += len(piece)
        if self._pieces_bytes > IN_MEMORY_BYTES:
            await self._move_to_file()

    async def _move_to_file(self) -> None:
        pieces, self._pieces, self._pieces_bytes = self._pieces, [], 0
        try:
            # Closed by the spool; nobody else could tell when the document is done with.
            self._file = self._file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            await self._in_thread(partial(_append, self._file, pieces))
        except OSError as error:
            raise NoRoom("There is no room for the document at the moment.", retry_after_s=30) from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """The document from its beginning, in pieces of at most PIECE_BYTES (those still in memory as they were written)."""
        position = 0
        while self._file is not None:
            piece = await self._in_thread(partial(_read, self._file, position))
            if not piece:
                break
            yield piece
            position += len(piece)
        for piece in self._pieces:
            yield piece

    async def _in_thread(self, work: Callable[[], bytes]) -> bytes:
        # Shielded, so that a cancelled request cannot close the file under the thread that is still writing it.
        self._file_work = asyncio.get_running_loop().run_in_executor(None, work)
        return await asyncio.shield(self._file_work)

    def close(self) -> None:
        """Forget the document; closing twice does no harm."""
        self._budget.give_back(self._size)
        self._size = 0
        self._pieces.clear()
        file, self._file = self._file, None
        if file is None:
            return
        if self._file_work is not None and not self._file_work.done():
            self._file_work.add_done_callback(lambda work: _close_after(file, work))
        else:
            file.close()


def _append(file: IO[bytes], pieces: list[bytes]) -> bytes:
    whole = memoryview(b"".join(pieces))
    while whole:
        whole = whole[file.write(whole) :]
    return b""


def _read(file: IO[bytes], position: int) -> bytes:
    file.seek(position)
    return file.read(PIECE_BYTES)


def _close_after(file: IO[bytes], work: asyncio.Future[bytes]) -> None:
    file.close()
    if not work.cancelled():
        work.exception()  # nobody else will look at it
