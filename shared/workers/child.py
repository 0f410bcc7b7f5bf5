"""The service's hold on one child: its process, our end of its channel, and a long-running function in it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from shared.errors import WorkerDied
from shared.workers.calls import OUT_OF_MEMORY, Raised, Returned
from shared.workers.channel import StopAsked
from shared.workers.framing import COUNT, LENGTH, decode, encode

# The exit status follows the end of the channel within moments.
_STATUS_WITHIN_S = 5.0
_PIECE = 1 << 20


class ChildProcess:
    """A forked child and our end of its channel."""

    def __init__(self, pid: int, kill: Callable[[int], None]) -> None:
        self.pid = pid
        self.status: int | None = None
        self._kill = kill
        self._ended = asyncio.Event()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._one_message_at_a_time = asyncio.Lock()

    async def open(self, connection: socket.socket) -> None:
        """Take over our end of the channel."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=connection, limit=_PIECE)

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to be gone."""
        return self._ended.is_set()

    def note_end(self, status: int) -> None:
        """The process is gone."""
        self.status = status
        self._ended.set()

    async def write(self, message: object) -> None:
        """Send a message.

        Raises:
            WorkerDied: the child is gone.
        """
        pieces = encode(message)
        async with self._one_message_at_a_time:
            try:
                for piece in pieces:
                    await self._write_piece(piece)
            except (BrokenPipeError, ConnectionResetError):
                raise await self._death() from None

    async def read(self) -> Any:  # Any: whatever the child sent
        """The child's next message.

        Raises:
            WorkerDied: the child is gone.
        """
        try:
            (count,) = COUNT.unpack(await self._reader.readexactly(COUNT.size))
            lengths = await self._reader.readexactly(count * LENGTH.size)
            frames = [await self._read_frame(length) for (length,) in LENGTH.iter_unpack(lengths)]
        except (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError):
            raise await self._death() from None
        return decode(frames)

    async def wait(self) -> None:
        """Wait until the process is gone."""
        await self._ended.wait()

    def close(self) -> None:
        """Close the channel; an idle child ends then."""
        if self._writer is not None:
            self._writer.close()

    def kill(self) -> None:
        """End the process at once."""
        self._kill(self.pid)
        self.close()

    async def _write_piece(self, data: bytes) -> None:
        if self._writer is None:
            raise BrokenPipeError
        view = memoryview(data)
        for start in range(0, len(data), _PIECE):
            self._writer.write(view[start : start + _PIECE])
            await self._writer.drain()

    async def _read_frame(self, length: int) -> bytes:
        pieces = []
        while length:
            pieces.append(await self._reader.readexactly(min(length, _PIECE)))
            length -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _death(self) -> WorkerDied:
        """Why the channel broke; the launcher's word on the exit status follows within moments."""
        try:
            async with asyncio.timeout(_STATUS_WITHIN_S):
                await self.wait()
        except TimeoutError:
            return WorkerDied(f"Child process {self.pid} closed its channel.")
        return WorkerDied(f"Child process {self.pid} {_manner(self.status)}.")


def _manner(status: int | None) -> str:
    if status == OUT_OF_MEMORY:
        return "ran out of the memory it may use"
    if status is not None and status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status} before its answer"


@dataclass
class Child:
    """A long-running function in a child of its own. Its messages must be read, or it waits when it sends."""

    process: ChildProcess

    @property
    def pid(self) -> int:
        """The child's process."""
        return self.process.pid

    async def messages(self) -> AsyncIterator[Any]:
        """What the function sends, until it returns. Whoever leaves off earlier has still to stop or kill the child.

        Raises:
            WorkerDied: the child ended before the function returned.
            Exception: what the function raised.
        """
        while (message := await self._next_or_end()) is not self:
            yield message

    async def ask_to_stop(self) -> None:
        """Let the function know that it shall finish what it must and return."""
        await self.process.write(StopAsked())

    async def stop(self, *, within_s: float) -> bool:
        """Ask to stop and wait for the end, killing the child at the deadline; says whether it ended by itself.

        Somebody must be reading ``messages`` meanwhile.
        """
        try:
            async with asyncio.timeout(within_s):
                await self.ask_to_stop()
                await self.process.wait()
        except (TimeoutError, WorkerDied):
            self.kill()
            return False
        return self.process.status == 0

    def kill(self) -> None:
        """End the child at once."""
        self.process.kill()

    async def _next_or_end(self) -> Any:  # Any: whatever the function sent, or this child itself when it has returned
        try:
            message = await self.process.read()
        except WorkerDied:
            self.process.close()
            raise
        if not isinstance(message, Returned | Raised):
            return message
        self.process.close()
        if isinstance(message, Raised):
            raise message.rebuilt()
        return self
