from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from shared.contracts.reconfiguration import NetworkAnalysisRequested
from shared.db import migrate
from shared.db.connections import driver_connection
from shared.db.engine import PostgresDatabase
from shared.db.failures import CommitOutcomeUnknown
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DatabaseUnavailable
from shared.ids import OPEN_ACCOUNT_ID, AskId, MessageId, NetworkKey
from tests.support.eventually import eventually
from tests.support.postgres_server import PostgresServer, find_binaries
from tests.support.processes import free_port
from tests.support.proxy import Blackhole, Pass, Proxy, ProxyLoop, Reset
from tests.support.seeds import new_seed

# What a caller may have to wait for the news that the database is away.
NEWS_WITHIN_S = 3.5
RECOVERED_WITHIN_S = 5.0

ADD_ACCOUNT = text("INSERT INTO accounts (account_id, name) VALUES (gen_random_uuid(), :name)")
COUNT_ACCOUNTS = text("SELECT count(*) FROM accounts WHERE name = :name")


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with ProxyLoop() as loop:
        yield loop.open(urlsplit(database_url).port or 5432)


@pytest.fixture
async def distant(database_url: str, proxy: Proxy) -> AsyncIterator[PostgresDatabase]:
    """The database as seen through the proxy."""
    parts = urlsplit(database_url)
    adapter = PostgresDatabase(
        parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl(),
        pool_size=4,
        application_name="tests",
    )
    await adapter.start()
    yield adapter
    proxy.set(Pass())
    await adapter.close()


async def count_accounts(database: PostgresDatabase, name: str) -> int:
    async with database.reading(EVERY_ACCOUNT) as connection:
        return int((await connection.execute(COUNT_ACCOUNTS, {"name": name})).scalar_one())


async def use(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("SELECT 1"))


async def works(database: PostgresDatabase) -> bool:
    try:
        await use(database)
    except DatabaseUnavailable:
        return False
    return True


# ------------------------------------------------------------------ transactions


async def test_a_unit_of_work_commits_on_leaving(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(ADD_ACCOUNT, {"name": "kept"})
        assert await count_accounts(database, "kept") == 0
    assert await count_accounts(database, "kept") == 1


async def test_an_error_takes_everything_back_and_comes_out_as_it_is(database: PostgresDatabase) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(ADD_ACCOUNT, {"name": "lost"})
            raise ZeroDivisionError
    assert await count_accounts(database, "lost") == 0


async def test_wrong_statements_are_errors_of_the_program_and_not_of_the_database(database: PostgresDatabase) -> None:
    with pytest.raises(ProgrammingError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(text("SELECT nonsense"))
    with pytest.raises(IntegrityError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(ADD_ACCOUNT, {"name": "open"})
    await use(database)


async def test_a_timeout_or_a_missing_file_inside_the_block_is_not_the_databases_doing(
    database: PostgresDatabase, tmp_path: Path
) -> None:
    with pytest.raises(TimeoutError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(text("SELECT 1"))
            async with asyncio.timeout(0.01):
                await asyncio.sleep(1)
    with pytest.raises(FileNotFoundError):
        async with database.unit_of_work(EVERY_ACCOUNT):
            (tmp_path / "absent").read_bytes()


async def test_after_commit_calls_run_only_after_the_commit(database: PostgresDatabase) -> None:
    heard: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            uow.after_commit.append(lambda: heard.append("undone"))
            raise ZeroDivisionError
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        uow.after_commit.append(lambda: heard.append("done"))
        assert heard == []
    assert heard == ["done"]


async def test_the_relay_hears_of_messages_that_are_due_before_the_after_commit_calls(
    database: PostgresDatabase,
) -> None:
    heard: list[object] = []
    database.on_outbox_commit = lambda ids: heard.append(list(ids))
    message = NetworkAnalysisRequested(ask_id=AskId(UUID(int=1)), network_key=NetworkKey(UUID(int=2)))
    due: list[MessageId] = []
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        due.append(await uow.outbox.add(OPEN_ACCOUNT_ID, message))
        await uow.outbox.add(OPEN_ACCOUNT_ID, message, delay_s=60)
        uow.after_commit.append(lambda: heard.append("after commit"))
    assert heard == [due, "after commit"]
    async with database.unit_of_work(EVERY_ACCOUNT):
        pass
    assert heard == [due, "after commit"]


async def test_reading_sees_one_moment_and_cannot_write(database: PostgresDatabase) -> None:
    async with database.reading(EVERY_ACCOUNT) as connection:
        assert (await connection.execute(COUNT_ACCOUNTS, {"name": "later"})).scalar_one() == 0
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(ADD_ACCOUNT, {"name": "later"})
        assert (await connection.execute(COUNT_ACCOUNTS, {"name": "later"})).scalar_one() == 0
    assert await count_accounts(database, "later") == 1
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        async with database.reading(EVERY_ACCOUNT) as connection:
            await connection.execute(ADD_ACCOUNT, {"name": "written"})
    # The connection that only read writes again afterwards.
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(ADD_ACCOUNT, {"name": "written"})


async def test_cancellation_passes_and_leaves_the_pool_whole(database_url: str) -> None:
    database = PostgresDatabase(database_url, pool_size=1, application_name="tests")

    async def be_slow(statement: str) -> None:
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(ADD_ACCOUNT, {"name": "cancelled"})
            await uow.connection.execute(text(statement))
            await asyncio.sleep(10)

    for statement in ("SELECT pg_sleep(10)", "SELECT 1"):
        task = asyncio.create_task(be_slow(statement))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 1.0
        await use(database)
    assert await count_accounts(database, "cancelled") == 0
    await database.close()


# ------------------------------------------------------------------ bounds


async def test_a_slow_statement_ends_after_three_seconds_unless_the_block_allows_more(
    database: PostgresDatabase,
) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(text("SELECT pg_sleep(10)"))
    assert 2.0 < time.monotonic() - started < NEWS_WITHIN_S
    async with database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=10) as uow:
        await uow.connection.execute(text("SELECT pg_sleep(3.3)"))
    # The allowance was for that block: the same connection is bounded again.
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await use_slowly(database)
    assert time.monotonic() - started < NEWS_WITHIN_S


async def use_slowly(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("SELECT pg_sleep(10)"))


async def test_the_driver_gives_up_too_where_the_server_does_not(database: PostgresDatabase) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="no answer in time"):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(text("SET LOCAL statement_timeout = 0"))
            await uow.connection.execute(text("SELECT pg_sleep(10)"))
    assert time.monotonic() - started < NEWS_WITHIN_S
    await use(database)


async def test_waiting_for_a_lock_ends_before_a_statement_would(database: PostgresDatabase) -> None:
    lock = text("SELECT 1 FROM accounts WHERE name = 'open' FOR UPDATE")
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(lock)
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            async with database.unit_of_work(EVERY_ACCOUNT) as other:
                await other.connection.execute(lock)
        assert time.monotonic() - started < 2.5


async def test_raw_driver_calls_are_bounded_and_told_apart_as_well(database: PostgresDatabase) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("SELECT 1"))
        await driver_connection(uow.connection).execute("CREATE TEMPORARY TABLE t (x int) ON COMMIT DROP")
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await driver_connection(uow.connection).execute("SELECT * FROM t")
    with pytest.raises(DatabaseUnavailable):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await driver_connection(uow.connection).execute("SELECT pg_sleep(10)")


async def test_a_full_pool_is_an_answer_in_time_and_not_a_wait_for_ever(database_url: str) -> None:
    database = PostgresDatabase(database_url, pool_size=1, application_name="tests")
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("SELECT 1"))
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await use(database)
        assert time.monotonic() - started < NEWS_WITHIN_S
    await use(database)
    await database.close()


# ------------------------------------------------------------------ the server is away


async def test_start_and_close_do_not_need_the_server() -> None:
    database = PostgresDatabase(f"postgresql://postgres@127.0.0.1:{free_port()}/x", application_name="tests")
    await database.start()
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await database.ping()
    assert time.monotonic() - started < 1.0
    await database.close()


async def test_a_wrong_password_or_name_is_said_and_not_a_crash(database_url: str) -> None:
    parts = urlsplit(database_url)
    database = PostgresDatabase(parts._replace(path="/no_such_database").geturl(), application_name="tests")
    await database.start()
    with pytest.raises(DatabaseUnavailable, match="no_such_database"):
        await use(database)
    await database.close()


async def test_connections_that_are_cut_are_replaced_without_anybody_noticing(
    distant: PostgresDatabase, proxy: Proxy
) -> None:
    await asyncio.gather(*(use(distant) for _ in range(4)))
    proxy.set(Reset())
    with pytest.raises(DatabaseUnavailable):
        await use(distant)
    proxy.set(Pass())
    await asyncio.gather(*(use(distant) for _ in range(4)))


async def test_a_connection_cut_inside_a_transaction_is_the_databases_doing(
    distant: PostgresDatabase, proxy: Proxy
) -> None:
    with pytest.raises(DatabaseUnavailable, match="lost"):
        async with distant.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(ADD_ACCOUNT, {"name": "cut"})
            proxy.set(Reset())
            await uow.connection.execute(text("SELECT 1"))
    proxy.set(Pass())
    assert await count_accounts(distant, "cut") == 0


async def test_whoever_comes_after_the_end_is_refused_and_opens_nothing(database_url: str) -> None:
    database = PostgresDatabase(database_url, application_name="tests")
    await use(database)
    await database.close()
    with pytest.raises(DatabaseUnavailable, match="closed"):
        await use(database)


async def test_a_connection_cut_after_the_last_answer_costs_a_reader_nothing(distant: PostgresDatabase) -> None:
    for _ in range(5):  # more often than the pool has places
        async with distant.reading(EVERY_ACCOUNT) as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar() == 1
            driver_connection(connection).terminate()
    await asyncio.gather(*(use(distant) for _ in range(4)))


async def test_silence_is_told_in_time_by_every_step_and_recovery_needs_no_restart(
    distant: PostgresDatabase, proxy: Proxy
) -> None:
    await asyncio.gather(*(use(distant) for _ in range(4)))  # fill the pool

    async def news_of(work: asyncio.Task[None]) -> float:
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await work
        return time.monotonic() - started

    async with asyncio.TaskGroup() as group:
        in_block = group.create_task(fail_in_block(distant, proxy))
    assert in_block.result() < NEWS_WITHIN_S
    # Twice as many as there are connections: those that wait for a place are told in time as well.
    waits = await asyncio.gather(*(news_of(asyncio.create_task(use(distant))) for _ in range(8)))
    assert max(waits) < NEWS_WITHIN_S
    assert await news_of(asyncio.create_task(distant.ping(1.0))) < 1.5
    proxy.set(Pass())
    back = time.monotonic()
    await eventually(lambda: works(distant), within=RECOVERED_WITHIN_S)
    await asyncio.gather(*(use(distant) for _ in range(8)))
    assert time.monotonic() - back < RECOVERED_WITHIN_S


async def fail_in_block(distant: PostgresDatabase, proxy: Proxy) -> float:
    started = 0.0
    with pytest.raises(DatabaseUnavailable):
        async with distant.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(text("SELECT 1"))
            proxy.set(Blackhole())
            started = time.monotonic()
            await uow.connection.execute(text("SELECT 2"))
    return time.monotonic() - started


async def test_silence_during_the_commit_says_that_the_outcome_is_unknown(
    distant: PostgresDatabase, proxy: Proxy
) -> None:
    heard: list[str] = []
    started = 0.0
    with pytest.raises(CommitOutcomeUnknown):
        async with distant.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(ADD_ACCOUNT, {"name": "who knows"})
            uow.after_commit.append(lambda: heard.append("committed"))
            proxy.set(Blackhole())
            started = time.monotonic()
    assert time.monotonic() - started < NEWS_WITHIN_S
    assert heard == []


async def test_an_error_of_the_caller_during_silence_comes_out_soon(distant: PostgresDatabase, proxy: Proxy) -> None:
    started = 0.0
    with pytest.raises(ZeroDivisionError):
        async with distant.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(text("SELECT 1"))
            proxy.set(Blackhole())
            started = time.monotonic()
            raise ZeroDivisionError
    assert time.monotonic() - started < 1.5


async def test_cancellation_during_silence_passes_soon(distant: PostgresDatabase, proxy: Proxy) -> None:
    task = asyncio.create_task(fail_in_block(distant, proxy))
    await eventually(lambda: isinstance(proxy.mode, Blackhole), within=2)
    await asyncio.sleep(0.1)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < NEWS_WITHIN_S


async def test_closing_during_silence_ends_soon(database_url: str, proxy: Proxy) -> None:
    parts = urlsplit(database_url)
    database = PostgresDatabase(
        parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl(), application_name="tests"
    )
    await asyncio.gather(*(use(database) for _ in range(5)))
    proxy.set(Blackhole())
    started = time.monotonic()
    await database.close()
    assert time.monotonic() - started < 2.5


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server of the test's own, in a folder that an unprivileged user can reach."""
    binaries = find_binaries()
    assert binaries is not None
    with tempfile.TemporaryDirectory(prefix="busbar-test-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder), binaries)
        server.create()
        server.start()
        yield server
        server.close()


async def test_a_server_that_is_killed_and_comes_back_is_used_again_without_a_restart(
    own_server: PostgresServer,
) -> None:
    await migrate.upgrade(own_server.url)
    database = PostgresDatabase(own_server.url, pool_size=4, application_name="tests")
    await database.start()
    await asyncio.gather(*(use(database) for _ in range(4)))
    own_server.kill()
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await use(database)
    assert time.monotonic() - started < NEWS_WITHIN_S
    own_server.start()
    await eventually(lambda: works(database), within=RECOVERED_WITHIN_S)
    await asyncio.gather(*(use(database) for _ in range(8)))
    own_server.stop()
    with pytest.raises(DatabaseUnavailable):
        await use(database)
    await database.close()


async def test_a_storm_of_cancellations_and_cuts_leaves_the_pool_whole(distant: PostgresDatabase, proxy: Proxy) -> None:
    chance = random.Random(new_seed("cancellations"))

    async def write(name: str) -> None:
        async with distant.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(ADD_ACCOUNT, {"name": name})
            await uow.connection.execute(text("SELECT pg_sleep(:s)"), {"s": chance.random() * 0.02})

    async def read() -> None:
        async with distant.reading(EVERY_ACCOUNT) as connection:
            await connection.execute(text("SELECT 1"))

    for wave in range(10):
        tasks = [asyncio.create_task(write(f"{wave}-{n}") if n % 2 else read()) for n in range(30)]
        for task in tasks:
            if chance.random() < 0.5:
                asyncio.get_running_loop().call_later(chance.random() * 0.1, task.cancel)
        if chance.random() < 0.4:
            await asyncio.sleep(chance.random() * 0.1)
            proxy.set(Reset())
            proxy.set(Pass())
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, (asyncio.CancelledError, DatabaseUnavailable)), repr(outcome)
    # All four places of the pool are there, and all four connections work at the same time.
    together = asyncio.Barrier(4)

    async def meet() -> None:
        async with distant.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(text("SELECT 1"))
            async with asyncio.timeout(5):
                await together.wait()

    await asyncio.gather(*(meet() for _ in range(4)))
