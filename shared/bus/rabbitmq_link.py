"""One connection to RabbitMQ that is always being kept: opened, watched, cut when it is silent, and opened again.

The loop is our own and not the client library's, since each of its steps has to have a deadline and since what a session has
had (channels, consumers) is built anew from what we know, not restored. The library's heartbeat alone finds a silent
connection after 18 s; a question every second, which the broker must answer within two, finds it in three.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.connection import make_url
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from shared.background import back_off_s
from shared.errors import BrokerUnavailable

log = structlog.get_logger()

CONNECT_WITHIN_S = 3.0
SETUP_WITHIN_S = 10.0
STARTED_WITHIN_S = 5.0
ASK_EVERY_S = 1.0
ANSWER_WITHIN_S = 2.0
CLOSE_WITHIN_S = 1.0
# A session that ends sooner than this counts as a failed attempt to connect.
LASTING_S = 5.0


@contextmanager
def broker_errors(doing: str) -> Iterator[None]:
    """Turn everything that a broken connection raises into BrokerUnavailable.

    Also the library's own CancelledError: it cancels what waits on a connection that it gives up. A cancellation that
    was asked of this task passes.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BrokerUnavailable(f"{doing}: the connection to the broker was given up") from error
    except CONNECTION_EXCEPTIONS as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else _first_line(error)
        raise BrokerUnavailable(f"{doing}: {reason}") from error


@asynccontextmanager
async def within(seconds: float, doing: str) -> AsyncIterator[None]:
    """A deadline for talking to the broker.

    Raises:
        BrokerUnavailable: it was missed, or the connection broke.
    """
    with broker_errors(doing):
        async with asyncio.timeout(seconds):
            yield


class Session:
    """One connection's life, from its opening until it is lost."""

    def __init__(self, connection: aio_pika.Connection, transport: _KeptTransport) -> None:
        self.lost = asyncio.Event()
        self._connection = connection
        self._transport = transport
        if connection.transport is None:
            raise BrokerUnavailable("the connection was lost as it was opened")
        # Kept, as it is what hears of the end.
        self._closing = connection.transport.connection.closing
        self._closing.add_done_callback(lambda _: self.lost.set())

    async def channel(self) -> AbstractChannel:
        """Open a channel with publisher confirms, where a message without a queue is an error."""
        async with within(ANSWER_WITHIN_S, "opening a channel"):
            channel = self._connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.initialize()
            return channel

    def cut(self) -> None:
        """Drop the connection without another word; whoever waits on it gets an error at once."""
        self.lost.set()
        self._transport.cut()

    async def close(self) -> None:
        """Say goodbye if the broker still listens, and drop the connection."""
        with contextlib.suppress(BrokerUnavailable):
            async with within(CLOSE_WITHIN_S, "closing"):
                await self._connection.close()
        self.cut()


class Link:
    """Keeps a session open from ``start`` to ``close``. ``on_open`` prepares each new one before it counts as open."""

    def __init__(self, url: str, *, name: str, heartbeat_s: int, on_open: Callable[[Session], Awaitable[None]]) -> None:
        self._url = make_url(url, heartbeat=heartbeat_s, name=name)
        self._name = name
        self._on_open = on_open
        self._session: Session | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._has_tried = asyncio.Event()

    @property
    def session(self) -> Session | None:
        """The session that is open now."""
        return self._session if self._session is not None and not self._session.lost.is_set() else None

    async def next_session(self) -> Session:
        """The open session, or the next one to open."""
        while (session := self.session) is None:
            self._changed.clear()
            await self._changed.wait()
        return session

    async def start(self) -> None:
        """Begin; returns when the first attempt to connect has succeeded or failed, or takes too long."""
        self._task = asyncio.create_task(self._keep(), name=self._name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTED_WITHIN_S):
                await self._has_tried.wait()

    async def close(self) -> None:
        """Disconnect, for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=2 * CLOSE_WITHIN_S)
            self._task = None

    async def _keep(self) -> None:
        failures = 0
        while True:
            opened_at = asyncio.get_running_loop().time()
            try:
                await self._live_through_a_session(failures)
                has_lasted = asyncio.get_running_loop().time() - opened_at > LASTING_S
                failures = 0 if has_lasted else failures + 1
            except BrokerUnavailable as error:
                if failures == 0:
                    log.warning("broker_unreachable", link=self._name, reason=error.message)
                failures += 1
            except Exception:
                log.exception("broker_link_failed", link=self._name)
                failures += 1
            self._has_tried.set()
            await asyncio.sleep(back_off_s(max(1, failures)))

    async def _live_through_a_session(self, failures: int) -> None:
        session = await self._open()
        try:
            async with within(SETUP_WITHIN_S, "preparing the connection"):
                await self._on_open(session)
            self._session = session
            self._changed.set()
            self._has_tried.set()
            log.info("broker_connected", link=self._name, failures=failures)
            await _until_lost(session)
            log.warning("broker_connection_lost", link=self._name)
        finally:
            self._session = None
            if session.lost.is_set():
                session.cut()
            await session.close()

    async def _open(self) -> Session:
        transport = _KeptTransport(self._url)
        connection = aio_pika.Connection(self._url)
        connection.kwargs["transport_factory"] = transport
        try:
            async with within(CONNECT_WITHIN_S, "connecting"):
                await connection.connect()
            return Session(connection, transport)
        except BaseException:
            transport.cut()
            # Marks it as closed, or the library would close it once more when it is collected; there is nothing left to wait for.
            with contextlib.suppress(BrokerUnavailable):
                async with within(CLOSE_WITHIN_S, "closing"):
                    await connection.close()
            raise


async def _until_lost(session: Session) -> None:
    """Ask the broker something small again and again, and cut the connection when it does not answer."""
    channel = await session.channel()
    while not session.lost.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASK_EVERY_S):
                await session.lost.wait()
        if not session.lost.is_set():
            try:
                async with within(ANSWER_WITHIN_S, "asking the broker"):
                    await channel.set_qos(prefetch_count=1)
            except BrokerUnavailable as error:
                log.warning("broker_silent", reason=error.message)
                session.cut()


class _KeptTransport(TransportFactory):
    """Opens the socket as the library does and keeps it, so that it can be cut."""

    def __init__(self, url: URL) -> None:
        self._of_library = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        self._writer: StreamWriter | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[StreamReader, StreamWriter]:  # Any: the library's arguments
        reader, self._writer = await self._of_library.create(url, **kwargs)
        return reader, self._writer

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:200]
