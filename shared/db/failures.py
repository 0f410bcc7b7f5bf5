"""Which errors of the driver mean that the database is away or cannot do it now, as against those that say the statement is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import DatabaseUnavailable


class CommitOutcomeUnknown(DatabaseUnavailable):
    """The connection went away during the commit: either all of the transaction took effect, or nothing did."""

    code = "commit_outcome_unknown"


class DatabaseNotReady(DatabaseUnavailable):
    """The role that services act as is not there, or not this login's to use: the database is not migrated yet, or lacks a grant."""

    code = "database_not_ready"


class DatabaseOutOfSpace(DatabaseUnavailable):
    """The database's disk is full; reading still works."""

    code = "database_out_of_space"


# Anything but a wrong program can end an attempt to connect in one of these; a wrong password too, which the operator must mend.
CONNECT_ERRORS = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    SQLAlchemyError,
)

# SQLSTATE classes and codes after which the connection is of no use.
_CONNECTION_CLASSES = ("08", "57P")
_CONNECTION_CODES = frozenset({"25P03", "25P04"})  # idle in transaction, or in one transaction, for too long
# Those after which the connection is well and the same work may succeed later.
_TRANSIENT_CLASSES = ("53",)  # out of memory, of disk, of connections
_TRANSIENT_CODES = frozenset(
    {
        "25006",  # read-only: the server is a standby now
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock not available in time
        "57014",  # statement timeout
        "58030",  # I/O error of the server
    }
)
_DISK_FULL = "53100"
_DRIVER_MODULES = ("asyncpg", "sqlalchemy", "shared.db.connections")


def is_connection_lost(error: BaseException) -> bool:
    """Whether an error inside a transaction means that its connection is gone or no longer answers."""
    cause = _driver_error(error)
    if isinstance(cause, asyncpg.PostgresError):
        return _has_code(cause, _CONNECTION_CLASSES, _CONNECTION_CODES)
    if isinstance(cause, asyncpg.InternalClientError):
        return True
    if isinstance(cause, asyncpg.InterfaceError):
        # Also the driver's word for being used wrongly; only on a closed connection is it about the connection.
        return "closed" in str(cause)
    # A file that cannot be read, or a caller's own deadline, is not the database's doing.
    return isinstance(cause, OSError | asyncio.TimeoutError) and _was_raised_by_driver(cause)


def unavailable(error: BaseException) -> DatabaseUnavailable | None:
    """What an error inside a transaction means for the caller, if it means: not now. None for all other errors."""
    cause = _driver_error(error)
    if is_connection_lost(error):
        return DatabaseUnavailable(f"the connection to the database was lost ({describe(cause)})")
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable("all connections to the database are in use")
    if isinstance(cause, asyncpg.InvalidCachedStatementError):
        return DatabaseUnavailable("the database's tables were changed just now")
    if isinstance(cause, asyncpg.PostgresError):
        if cause.sqlstate == _DISK_FULL:
            return DatabaseOutOfSpace("the database's disk is full")
        if _has_code(cause, _TRANSIENT_CLASSES, _TRANSIENT_CODES):
            return DatabaseUnavailable(f"the database could not do it now ({describe(cause)})")
    return None


@contextmanager
def connect_failures() -> Iterator[None]:
    """Turn whatever goes wrong in reaching the database into DatabaseUnavailable, with the reason."""
    try:
        yield
    except CONNECT_ERRORS as error:
        reason = describe(_driver_error(error))
        raise DatabaseUnavailable(f"the database cannot be reached ({reason})") from error


def describe(error: BaseException) -> str:
    """A short reason without statements or data."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _driver_error(error: BaseException) -> BaseException:
    """Asyncpg's own error under SQLAlchemy's two wrappers."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    if isinstance(error, StatementError) and error.orig is not None:
        return error.orig
    return error


def _has_code(error: asyncpg.PostgresError, classes: tuple[str, ...], codes: frozenset[str]) -> bool:
    sqlstate = error.sqlstate or ""
    return sqlstate in codes or sqlstate.startswith(classes)


def _was_raised_by_driver(error: BaseException) -> bool:
    innermost = ""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if not module.startswith("asyncio"):
            innermost = module
        trace = trace.tb_next
    return innermost.startswith(_DRIVER_MODULES)
