"""A TCP proxy that can do to a connection what networks do: delay, throttle, swallow, reset or half-close it, switched while it runs.

All proxies live on one loop in a thread of their own, so tests with and without a loop use them alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.support.processes import free_port

T = TypeVar("T")
CHUNK = 65536
QUEUED_CHUNKS = 64


@dataclass(frozen=True)
class Pass:
    """Hand everything on at once."""


@dataclass(frozen=True)
class Delay:
    """Hand everything on ``seconds`` later, in both directions."""

    seconds: float


@dataclass(frozen=True)
class Throttle:
    """Hand on at most this much per second, in each direction of each connection."""

    bytes_per_s: float


@dataclass(frozen=True)
class Blackhole:
    """Hand on nothing and answer nothing; what was sent meanwhile arrives when the network is back, as with TCP's retries."""


@dataclass(frozen=True)
class Reset:
    """End connections with RST, the present ones and new ones."""


@dataclass(frozen=True)
class HalfClose:
    """End the direction from server to client in an orderly way; the client may go on sending."""


Mode = Pass | Delay | Throttle | Blackhole | Reset | HalfClose


class ProxyLoop:
    """The thread and loop on which proxies live; a context manager that ends them all."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._proxies: list[Proxy] = []

    def __enter__(self) -> ProxyLoop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in list(self._proxies):
            proxy.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def open(self, target_port: int, target_host: str = "127.0.0.1") -> Proxy:
        """A new proxy in front of an address, passing everything."""
        proxy = Proxy(self, target_host, target_port)
        self.call(proxy._listen)
        self._proxies.append(proxy)
        return proxy

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the proxies' loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)


class Proxy:
    """One listening port in front of one address. Made by ``ProxyLoop.open``."""

    def __init__(self, loop: ProxyLoop, target_host: str, target_port: int) -> None:
        self.port = free_port()
        self._loop = loop
        self._target = (target_host, target_port)
        self._mode: Mode = Pass()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    @property
    def mode(self) -> Mode:
        """What it does at present."""
        return self._mode

    @property
    def connection_count(self) -> int:
        """How many connections go through it now."""
        return len(self._links)

    def set(self, mode: Mode) -> None:
        """Change what it does, also for the connections that exist."""
        self._loop.call(lambda: self._set(mode))

    def close(self) -> None:
        """End all connections and stop listening."""
        self._loop.call(self._close)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _set(self, mode: Mode) -> None:
        self._mode = mode
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if isinstance(mode, Reset):
            for link in list(self._links):
                link.reset()
        if isinstance(mode, HalfClose):
            for link in list(self._links):
                link.half_close()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in list(self._links):
            link.reset()
        while self._links:
            await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, writer)
        self._links.add(link)
        try:
            await link.serve(reader)
        finally:
            self._links.discard(link)

    async def _allowed(self) -> Mode:
        """Wait while the network is black; the mode that holds then."""
        while isinstance(self._mode, Blackhole):
            await self._changed.wait()
        return self._mode


class _Link:
    """One connection through the proxy and its two directions."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = client
        self._server: asyncio.StreamWriter | None = None
        self._task = asyncio.current_task()

    async def serve(self, from_client: asyncio.StreamReader) -> None:
        try:
            if isinstance(await self._proxy._allowed(), Reset):
                return
            from_server, self._server = await asyncio.open_connection(*self._proxy._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(from_client, self._server))
                group.create_task(self._pump(from_server, self._client))
        except* (OSError, asyncio.CancelledError):
            pass  # either end went away, or the proxy was told to cut
        finally:
            for writer in (self._client, self._server):
                if writer is not None:
                    _abort(writer)

    def reset(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def half_close(self) -> None:
        if self._client.can_write_eof():
            self._client.write_eof()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Reading and writing apart, so that a delay holds each chunk back and not the whole stream behind it.
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(reader, queue))
            group.create_task(self._write(writer, queue))

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            data = await reader.read(CHUNK)
            await queue.put((asyncio.get_running_loop().time(), data))
            if not data:
                return

    async def _write(self, writer: asyncio.StreamWriter, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            read_at, data = await queue.get()
            mode = await self._proxy._allowed()
            if isinstance(mode, Delay):
                await asyncio.sleep(max(0.0, read_at + mode.seconds - asyncio.get_running_loop().time()))
            if isinstance(mode, Throttle):
                await asyncio.sleep(len(data) / mode.bytes_per_s)
            await self._proxy._allowed()
            if writer is self._client and isinstance(self._proxy.mode, HalfClose):
                continue  # that direction has ended
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
