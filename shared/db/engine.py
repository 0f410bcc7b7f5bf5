"""The real database: transactions on a bounded pool of connections, where nothing waits longer than about three seconds.

A server that refuses, is silent, restarts or is out of connections comes out as DatabaseUnavailable, and as soon as it
is back the next transaction works; a connection that does not answer is thrown away rather than waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from weakref import WeakSet

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.db.connections import (
    BoundedConnection,
    connector,
    driver_connection,
    server_statement_timeout,
)
from shared.db.failures import CONNECT_ERRORS, CommitOutcomeUnknown, connect_failures, is_connection_lost, unavailable
from shared.db.outbox import SqlOutbox
from shared.db.reach import SERVICE_ROLE, begin_statement
from shared.db.unit_of_work import COMMAND_TIMEOUT_S, EVERY_ACCOUNT, Reach, UnitOfWork
from shared.errors import DatabaseUnavailable
from shared.ids import MessageId
from shared.observability import metrics

# Time to get a working connection: a place in the pool, the check of an old connection and the opening of a new one together.
ACQUIRE_TIMEOUT_S = 3.0
# A pooled connection that is silent for so long is taken for dead, which leaves time to open another.
CHECK_TIMEOUT_S = 1.0
ROLLBACK_TIMEOUT_S = 1.0
CLOSE_TIMEOUT_S = 2.0


class PostgresDatabase:
    """The ``Database`` port on a real server. ``on_outbox_commit`` hears of each message that a commit made due at once.

    Its connections act as the services' role, which the policies hold to a transaction's reach. A ``role`` of None is for looking
    at a database that may not be migrated yet: it acts as whom the URL names.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, application_name: str, role: str | None = SERVICE_ROLE
    ) -> None:
        self.on_outbox_commit: Callable[[Sequence[MessageId]], None] = lambda _: None
        self._open: WeakSet[BoundedConnection] = WeakSet()
        self._fresh: WeakSet[BoundedConnection] = WeakSet()
        self._in_use: WeakSet[BoundedConnection] = WeakSet()
        self._is_closed = False
        connect = connector(url, application_name=application_name, role=role)
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=ACQUIRE_TIMEOUT_S,
            pool_use_lifo=True,
            isolation_level="AUTOCOMMIT",  # transactions are begun and ended here, see _transaction
            hide_parameters=True,  # customers' data must not get into logs
        )
        event.listen(self._engine.sync_engine, "connect", lambda opened, _: self._opened(opened.driver_connection))

    async def start(self) -> None:
        """Open a first connection, so that the first request need not; a server that is away is no error."""
        with contextlib.suppress(DatabaseUnavailable):
            await self.ping(ACQUIRE_TIMEOUT_S)

    async def close(self) -> None:
        """Close all connections, by force where one does not close by itself; none is opened any more."""
        self._is_closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._engine.dispose()
        for raw in list(self._open):
            raw.terminate()

    @contextlib.asynccontextmanager
    async def unit_of_work(
        self, reach: Reach, *, command_timeout_s: float = COMMAND_TIMEOUT_S, is_durable: bool = True
    ) -> AsyncIterator[UnitOfWork]:
        """A transaction on the rows within reach that commits on leaving the block without an error, then runs its after-commit calls.

        The commit of one that is not ``is_durable`` does not wait for the disk.

        Raises:
            DatabaseUnavailable: it was not done; CommitOutcomeUnknown: it may have been done.
        """
        added: list[MessageId] = []
        async with self._transaction(reach, command_timeout_s, is_durable=is_durable) as connection:
            work = UnitOfWork(connection, SqlOutbox(connection, added))
            yield work
        if added:
            self.on_outbox_commit(added)
        for call in work.after_commit:
            call()

    @contextlib.asynccontextmanager
    async def reading(
        self, reach: Reach, *, command_timeout_s: float = COMMAND_TIMEOUT_S
    ) -> AsyncIterator[AsyncConnection]:
        """A read-only, consistent snapshot (repeatable read) of the rows within reach."""
        async with self._transaction(reach, command_timeout_s, is_read_only=True) as connection:
            yield connection

    async def ping(self, timeout_s: float = 1.0) -> None:
        """Ask the server for an answer.

        Raises:
            DatabaseUnavailable: there was none in time.
        """
        try:
            async with asyncio.timeout(timeout_s), self.reading(EVERY_ACCOUNT) as connection:
                await connection.execute(text("SELECT 1"))
        except TimeoutError as error:
            raise DatabaseUnavailable(f"the database did not answer within {timeout_s:g} s") from error

    @contextlib.asynccontextmanager
    async def _transaction(
        self, reach: Reach, command_timeout_s: float, *, is_read_only: bool = False, is_durable: bool = True
    ) -> AsyncIterator[AsyncConnection]:
        started = time.perf_counter()
        is_usual = command_timeout_s == COMMAND_TIMEOUT_S
        timeout = None if is_usual else server_statement_timeout(command_timeout_s)
        begin = begin_statement(reach, is_read_only=is_read_only, statement_timeout=timeout, is_durable=is_durable)
        try:
            connection = await self._begin(begin)
        except DatabaseUnavailable:
            metrics.DATABASE_UNAVAILABLE.inc()
            raise
        raw = driver_connection(connection)
        is_committing = False
        try:
            raw.bound_commands(command_timeout_s)
            yield connection
            is_committing = not is_read_only
            if is_committing:
                await raw.execute("COMMIT")
        except BaseException as error:
            if raw.is_closed() or is_connection_lost(error) or not await self._roll_back(connection, raw):
                await self._discard(connection, raw)
            failure = unavailable(error)
            if failure is None:
                raise
            metrics.DATABASE_UNAVAILABLE.inc()
            if is_committing and is_connection_lost(error):
                failure = CommitOutcomeUnknown("the connection to the database was lost during the commit")
            raise failure from error
        finally:
            raw.bound_commands(COMMAND_TIMEOUT_S)
            await self._give_back(connection, raw)
            metrics.DATABASE_TRANSACTION_SECONDS.observe(time.perf_counter() - started)

    async def _begin(self, begin: str) -> AsyncConnection:
        """A connection that has just answered, with a transaction begun."""
        if self._is_closed:
            raise DatabaseUnavailable("we have closed the database")
        with connect_failures():
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                while True:
                    connection = await self._engine.connect()
                    raw = driver_connection(connection)
                    self._in_use.add(raw)
                    if await self._has_begun(connection, raw, begin):
                        return connection
        raise AssertionError  # not reached: the loop ends by return or error

    async def _has_begun(self, connection: AsyncConnection, raw: BoundedConnection, begin: str) -> bool:
        """Begin a transaction; False on a pooled connection that is dead, which is thrown away.

        To begin is also the check of the connection: a check of its own would cost each request one more way to the server.
        """
        is_fresh = raw in self._fresh
        self._fresh.discard(raw)
        try:
            if not raw.is_closed():
                async with asyncio.timeout(None if is_fresh else CHECK_TIMEOUT_S):
                    await raw.execute(begin)
                return True
        except (asyncio.CancelledError, *CONNECT_ERRORS) as error:
            await self._discard(connection, raw)
            if is_fresh or isinstance(error, asyncio.CancelledError):
                raise
            if isinstance(error, TimeoutError):
                self._terminate_idle()
            return False
        await self._discard(connection, raw)
        return False

    def _terminate_idle(self) -> None:
        """Drop the unused connections: what silenced one has most likely silenced all, and each check would cost a second."""
        for raw in list(self._open):
            if raw not in self._in_use:
                raw.terminate()

    async def _roll_back(self, connection: AsyncConnection, raw: BoundedConnection) -> bool:
        try:
            async with asyncio.timeout(ROLLBACK_TIMEOUT_S):
                if raw.is_in_transaction():
                    await raw.execute("ROLLBACK")
        except asyncio.CancelledError:
            await self._discard(connection, raw)
            raise
        except CONNECT_ERRORS:
            return False
        return True

    async def _give_back(self, connection: AsyncConnection, raw: BoundedConnection) -> None:
        """Return a connection to the pool; a transaction that only read is ended by this, and one cut after its last answer is none."""
        if raw.is_closed():
            await self._discard(connection, raw)
            return
        try:
            async with asyncio.timeout(ROLLBACK_TIMEOUT_S):
                if not connection.closed and raw.is_in_transaction():
                    await raw.execute("ROLLBACK")
                await connection.close()
        except (asyncio.CancelledError, *CONNECT_ERRORS) as error:
            await self._discard(connection, raw)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._in_use.discard(raw)

    async def _discard(self, connection: AsyncConnection, raw: BoundedConnection) -> None:
        """Throw a connection away without another word to the server."""
        raw.terminate()
        self._in_use.discard(raw)
        if not connection.closed:
            await connection.invalidate()
            await connection.close()

    def _opened(self, raw: BoundedConnection) -> None:
        self._open.add(raw)
        self._fresh.add(raw)
