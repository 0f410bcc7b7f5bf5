from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.db.failures import DatabaseOutOfSpace, connect_failures, is_connection_lost, unavailable
from shared.errors import DatabaseUnavailable


def wrapped(error: BaseException) -> DBAPIError:
    """As SQLAlchemy hands on an error of the driver: inside its own, which has the driver's as the cause."""
    translated = Exception("translated")
    translated.__cause__ = error
    return DBAPIError("SELECT 1", None, translated)


LOST = [
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.CrashShutdownError("crash"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.IdleInTransactionSessionTimeoutError("idle for too long"),
    asyncpg.InternalClientError("protocol"),
]
NOT_NOW = [
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.SerializationError("could not serialize access"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
    asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    asyncpg.InvalidCachedStatementError("cached plan must not change result type"),
]
WRONG = [
    asyncpg.UniqueViolationError("duplicate key"),
    asyncpg.PostgresSyntaxError("syntax error"),
    asyncpg.UndefinedTableError("no such table"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    ValueError("x"),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("wrap", [lambda error: error, wrapped], ids=["raw", "wrapped"])
def test_a_lost_connection_is_known_raw_and_wrapped(error: BaseException, wrap: object) -> None:
    assert callable(wrap)
    assert is_connection_lost(wrap(error))
    assert isinstance(unavailable(wrap(error)), DatabaseUnavailable)


@pytest.mark.parametrize("error", NOT_NOW, ids=lambda error: type(error).__name__)
def test_what_may_succeed_later_is_unavailable_with_the_connection_kept(error: BaseException) -> None:
    for seen in (error, wrapped(error)):
        assert not is_connection_lost(seen)
        assert type(unavailable(seen)) is DatabaseUnavailable


@pytest.mark.parametrize("error", WRONG, ids=lambda error: type(error).__name__)
def test_what_no_retry_can_help_is_left_as_it_is(error: BaseException) -> None:
    for seen in (error, wrapped(error)):
        assert not is_connection_lost(seen)
        assert unavailable(seen) is None


def test_a_full_disk_is_told_apart() -> None:
    found = unavailable(wrapped(asyncpg.DiskFullError("could not extend file")))
    assert isinstance(found, DatabaseOutOfSpace)
    assert found.code == "database_out_of_space"


def test_a_full_pool_is_unavailable() -> None:
    assert isinstance(unavailable(PoolTimeout("QueuePool limit")), DatabaseUnavailable)


def test_timeouts_and_files_of_the_caller_are_not_the_databases() -> None:
    def raised(error: BaseException) -> BaseException:
        try:
            raise error
        except BaseException as caught:
            return caught

    assert unavailable(raised(TimeoutError())) is None
    assert unavailable(raised(FileNotFoundError())) is None
    assert unavailable(raised(ConnectionResetError())) is None
    assert unavailable(IntegrityError("INSERT", None, Exception())) is None


def test_whatever_goes_wrong_in_connecting_is_unavailable_with_a_reason_and_no_statement() -> None:
    for error, reason in (
        (ConnectionRefusedError("refused"), "refused"),
        (TimeoutError(), "no answer in time"),
        (asyncpg.InvalidPasswordError('password authentication failed for user "busbar"'), "password"),
    ):
        with pytest.raises(DatabaseUnavailable, match=reason), connect_failures():
            raise error
