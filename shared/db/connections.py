"""How a connection to Postgres is opened: every wait on it, also those inside the driver, ends after a few seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from shared.db.failures import DatabaseNotReady, describe
from shared.db.unit_of_work import COMMAND_TIMEOUT_S

CONNECT_TIMEOUT_S = 3.0
LOCK_TIMEOUT_S = 2.0
# A transaction may wait for its client (a streamed upload), but not for ever: it holds locks and keeps the vacuum away.
IDLE_IN_TRANSACTION_TIMEOUT_S = 30.0
# SQLAlchemy closes a connection that failed as politely as any, which on a silent one would add to the time already lost.
CLOSE_TIMEOUT_S = 0.3
# The server gives up first, so that the usual outcome is its clean error and a connection that can still be used.
SERVER_GIVES_UP_EARLIER_S = 0.2


class BoundedConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """asyncpg's connection without its unbounded waits, and with a command timeout that can be changed."""

    _config: Any  # asyncpg's own, a named tuple

    async def _cleanup_stmts(self) -> None:
        # asyncpg closes evicted prepared statements with no timeout, which on a silent connection is for ever.
        async with asyncio.timeout(self._config.command_timeout):
            await super()._cleanup_stmts()

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # the driver's own signature
        """Close in an orderly way if that is quick, else drop the connection."""
        with contextlib.suppress(TimeoutError):
            await super().close(timeout=min(timeout or CLOSE_TIMEOUT_S, CLOSE_TIMEOUT_S))

    def bound_commands(self, timeout_s: float | None) -> None:
        """Set the time that commands may take from now on; asyncpg itself takes it only when it connects."""
        self._config = self._config._replace(command_timeout=timeout_s)


def connector(
    url: str,
    *,
    application_name: str,
    role: str | None = None,
    command_timeout_s: float | None = COMMAND_TIMEOUT_S,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    idle_in_transaction_timeout_s: float = IDLE_IN_TRANSACTION_TIMEOUT_S,
) -> Callable[[], Awaitable[BoundedConnection]]:
    """A function that opens one connection.

    ``url`` is as libpq writes it (``postgresql://user:password@host/name?sslmode=…``, or ``?host=/folder`` for a unix socket).
    With a ``role`` the connection acts as that one from the first moment; RESET ROLE leads back to it, too.
    ``command_timeout_s`` of None lets commands take as long as they need.
    """
    dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    settings = {
        "application_name": application_name[:63],
        "statement_timeout": server_statement_timeout(command_timeout_s),
        "lock_timeout": _milliseconds(lock_timeout_s),
        "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_timeout_s),
    } | ({} if role is None else {"role": role})

    async def connect() -> BoundedConnection:
        try:
            connection: BoundedConnection = await asyncpg.connect(
                dsn,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=command_timeout_s,
                server_settings=settings,
                connection_class=BoundedConnection,
            )
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:
            if role is None or role not in str(error):
                raise
            raise DatabaseNotReady(
                f"the database does not let us act as {role} ({describe(error)}): run `busbar migrate` as the owner of the "
                f"tables; a login that is not the owner's needs `GRANT {role} TO` it"
            ) from error
        return connection

    return connect


def driver_connection(connection: Any) -> BoundedConnection:
    """The asyncpg connection under one of SQLAlchemy's (Any: SQLAlchemy does not know the driver's type)."""
    raw: BoundedConnection = connection.sync_connection.connection.driver_connection
    return raw


def server_statement_timeout(command_timeout_s: float | None) -> str:
    """What to tell the server so that it gives up a little earlier than the client; "0" is never."""
    if command_timeout_s is None:
        return "0"
    return _milliseconds(max(command_timeout_s - SERVER_GIVES_UP_EARLIER_S, command_timeout_s / 2))


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
