"""A child's end of its line to the service: blocking calls, since a child has nothing else to wait for."""

from __future__ import annotations

import select
import socket
import time
from typing import Any

from shared.workers.framing import COUNT, LENGTH, decode, encode

# How often a busy child looks at its socket at most; stopping has to take effect within a second.
_LOOK_EVERY_S = 0.02


class ChannelClosed(Exception):
    """The service has closed its end or is gone; the child has nobody left to work for."""


class StopAsked:
    """Sent by the service to a child that shall finish what it must and return."""


class Channel:
    """What a long-running function gets as its first argument."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._poller = select.poll()
        self._poller.register(connection, select.POLLIN)
        self._waiting: list[Any] = []
        self._is_stopping = False
        self._looked_at = 0.0

    def send(self, message: object) -> None:
        """Hand a message to the service; waits while the service is behind with reading.

        Raises:
            ChannelClosed: nobody is there to read it.
        """
        try:
            for piece in encode(message):
                self._connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError) as err:
            raise ChannelClosed from err

    def receive(self) -> Any:  # Any: whatever the service sent
        """The next message of the service; waits for it.

        Raises:
            ChannelClosed: there will be none.
        """
        while not self._waiting:
            self._take_in()
        return self._waiting.pop(0)

    @property
    def is_stopping(self) -> bool:
        """Whether the service asked to stop, or is gone. Cheap enough to ask at every turn of a loop."""
        now = time.monotonic()
        if not self._is_stopping and now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            try:
                while not self._is_stopping and self._poller.poll(0):
                    self._take_in()
            except ChannelClosed:
                self._is_stopping = True
        return self._is_stopping

    def _take_in(self) -> None:
        message = self._read()
        if isinstance(message, StopAsked):
            self._is_stopping = True
        else:
            self._waiting.append(message)

    def _read(self) -> Any:
        (count,) = COUNT.unpack(self._read_exactly(COUNT.size))
        lengths = [LENGTH.unpack(self._read_exactly(LENGTH.size))[0] for _ in range(count)]
        return decode([self._read_exactly(length) for length in lengths])

    def _read_exactly(self, length: int) -> bytes:
        buffer = bytearray(length)
        view, filled = memoryview(buffer), 0
        while filled < length:
            try:
                received = self._connection.recv_into(view[filled:])
            except ConnectionResetError as err:
                raise ChannelClosed from err
            if not received:
                raise ChannelClosed
            filled += received
        return bytes(buffer)
