from __future__ import annotations

import asyncio
import contextlib
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.eventually import eventually
from tests.support.proxy import Blackhole, Delay, HalfClose, Pass, Proxy, ProxyLoop, Reset, Throttle

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def loop() -> Iterator[ProxyLoop]:
    with ProxyLoop() as opened:
        yield opened


class Echo(socketserver.BaseRequestHandler):
    """Sends everything back."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@pytest.fixture
def proxy(loop: ProxyLoop) -> Iterator[Proxy]:
    """In front of a server that sends everything back."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        made = loop.open(server.server_address[1])
        yield made
        made.close()
        server.shutdown()


@contextlib.asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def streams(proxy: Proxy) -> AsyncIterator[Streams]:
    async with connected(proxy) as opened:
        yield opened


async def echo(streams: Streams, data: bytes, within_s: float = 5.0) -> bytes:
    reader, writer = streams
    writer.write(data)
    async with asyncio.timeout(within_s):
        return await reader.readexactly(len(data))


async def test_everything_passes_both_ways_and_in_order(streams: Streams) -> None:
    data = bytes(range(256)) * 4096
    assert await echo(streams, data) == data


async def test_a_delay_holds_each_direction_back(proxy: Proxy, streams: Streams) -> None:
    proxy.set(Delay(0.1))
    began = time.monotonic()
    await echo(streams, b"hello")
    assert 0.2 <= time.monotonic() - began < 1.0


async def test_a_throttle_bounds_the_rate(proxy: Proxy, streams: Streams) -> None:
    proxy.set(Throttle(100_000))
    began = time.monotonic()
    await echo(streams, b"x" * 20_000)
    assert 0.4 <= time.monotonic() - began < 2.0


async def test_a_blackhole_swallows_until_the_network_is_back(proxy: Proxy, streams: Streams) -> None:
    await echo(streams, b"before")
    proxy.set(Blackhole())
    reader, writer = streams
    writer.write(b"during")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read(1)
    proxy.set(Pass())
    async with asyncio.timeout(5):
        assert await reader.readexactly(6) == b"during"


async def test_a_new_connection_gets_no_answer_from_a_blackhole(proxy: Proxy) -> None:
    proxy.set(Blackhole())
    async with connected(proxy) as streams:
        with pytest.raises(TimeoutError):
            await echo(streams, b"hello", within_s=0.2)


async def test_a_reset_ends_present_and_new_connections(proxy: Proxy, streams: Streams) -> None:
    await echo(streams, b"before")
    proxy.set(Reset())
    with pytest.raises(ConnectionResetError):
        await echo(streams, b"after")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        async with connected(proxy) as new:
            await echo(new, b"new")
    proxy.set(Pass())
    async with connected(proxy) as again:
        assert await echo(again, b"again") == b"again"


async def test_a_half_close_ends_only_what_the_server_says(proxy: Proxy, streams: Streams) -> None:
    await echo(streams, b"before")
    proxy.set(HalfClose())
    reader, writer = streams
    async with asyncio.timeout(5):
        assert await reader.read(1) == b""
    writer.write(b"still open")
    await writer.drain()
    assert proxy.connection_count == 1


async def test_connections_are_forgotten_when_a_client_leaves(proxy: Proxy, streams: Streams) -> None:
    await echo(streams, b"hello")
    streams[1].transport.abort()
    await eventually(lambda: proxy.connection_count == 0)
