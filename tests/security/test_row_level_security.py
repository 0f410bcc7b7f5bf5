"""The second wall: with the application's own filter wrong or gone, the database shows and changes nothing of another account."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import ModuleType
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Table, delete, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.scope import Scope
from shared.db.connections import connector, driver_connection
from shared.db.engine import PostgresDatabase
from shared.db.migrations.rights import PUBLIC_POLICY
from shared.db.models.flexibility import WITH_PUBLIC_ROWS, sources
from shared.db.models.identity import audit_events
from shared.db.reach import SERVICE_ROLE
from shared.db.unit_of_work import EVERY_ACCOUNT, Reach
from shared.ids import AccountId
from tests.security import test_store_isolation as stores
from tests.security.test_store_isolation import CASES, OTHER_ACCOUNT, OWN, Case, Keys, dump, keys
from tests.support.rows import WITH_ACCOUNT, WITHOUT_ACCOUNT, Row, fill, row_of

__all__ = ["keys"]  # the fixture

OURS, THEIRS = (AccountId(UUID(f"018f0000-0000-7000-8000-0000000000{digits}")) for digits in ("a1", "b2"))
# What belongs to the installation: message ids, processes, keys of the installation, counters of hashes.
OF_THE_INSTALLATION = {"inbox", "workers", "signing_keys", "sign_in_failures", "rate_counters"}
BY_NAME = pytest.mark.parametrize("table", WITH_ACCOUNT, ids=lambda table: table.name)
REFUSED = "row-level security|permission denied"


class TakenBackError(Exception):
    """Rolls a transaction back."""


@pytest.fixture(scope="module")
def filled_url(databases: Any) -> Iterator[str]:  # Any: TestDatabases, which the fixture imports late
    """A database for the tests of a module that change nothing, or take it back."""
    url: str = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[PostgresDatabase]:
    """A database where two accounts have the same in every table."""
    database = PostgresDatabase(filled_url, application_name="tests")
    for account in (OURS, THEIRS):
        async with database.unit_of_work(account) as uow:
            if not await count(uow.connection, WITH_ACCOUNT[0]):
                await fill(uow.connection, account)
    yield database
    await database.close()


async def count(connection: AsyncConnection, table: Table) -> int:
    return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def accounts_in(database: PostgresDatabase, reach: Reach, table: Table) -> list[UUID]:
    async with database.reading(reach) as connection:
        return sorted((await connection.execute(select(table.c.account_id))).scalars())


async def owner_fetch(url: str, query: str, *arguments: object) -> list[Any]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


# ------------------------------------------------------------------ the wall stands, all round


async def test_every_table_with_an_account_has_the_wall_and_the_others_are_known(database_url: str) -> None:
    rows = await owner_fetch(
        database_url,
        "SELECT c.relname, c.relrowsecurity, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND "
        "a.attname = 'account_id' AND NOT a.attisdropped) AS has_account FROM pg_class c "
        "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace",
    )
    assert {row["relname"] for row in rows if row["has_account"]} == {table.name for table in WITH_ACCOUNT}
    assert {row["relname"] for row in rows if not row["has_account"]} == OF_THE_INSTALLATION | {"alembic_version"}
    assert {row["relname"] for row in rows if row["relrowsecurity"]} == {table.name for table in WITH_ACCOUNT}
    assert {table.name for table in WITHOUT_ACCOUNT} == OF_THE_INSTALLATION


async def test_every_policy_holds_reading_and_writing_to_the_reach(database_url: str) -> None:
    rows = await owner_fetch(database_url, "SELECT * FROM pg_policies WHERE schemaname = 'public'")
    public = [row for row in rows if row["policyname"] == PUBLIC_POLICY]
    assert sorted(row["tablename"] for row in public) == sorted(WITH_PUBLIC_ROWS)
    for row in public:
        assert (row["cmd"], row["roles"], row["qual"]) == ("SELECT", [SERVICE_ROLE], "(account_id IS NULL)")
    rows = [row for row in rows if row not in public]
    assert sorted(row["tablename"] for row in rows) == sorted(table.name for table in WITH_ACCOUNT), "one for each"
    first = rows[0]
    assert "busbar.account_id" in first["qual"]
    for row in rows:
        assert (row["cmd"], row["permissive"], row["roles"]) == ("ALL", "PERMISSIVE", [SERVICE_ROLE]), row["tablename"]
        assert row["qual"] == row["with_check"] == first["qual"], row["tablename"]


async def test_the_role_of_services_cannot_step_over_the_wall(database_url: str) -> None:
    (role,) = await owner_fetch(database_url, "SELECT * FROM pg_roles WHERE rolname = $1", SERVICE_ROLE)
    for right in ("rolsuper", "rolbypassrls", "rolcanlogin", "rolcreaterole", "rolcreatedb", "rolreplication"):
        assert not role[right], right
    rows = await owner_fetch(
        database_url,
        "SELECT relname, pg_has_role($1, relowner, 'MEMBER') AS is_owner, "
        "(SELECT array_agg(p) FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) p "
        " WHERE has_table_privilege($1, oid, p)) AS rights "
        "FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        SERVICE_ROLE,
    )
    expected = {table.name: ["SELECT", "INSERT", "UPDATE", "DELETE"] for table in WITH_ACCOUNT + WITHOUT_ACCOUNT}
    expected |= {"audit_events": ["SELECT", "INSERT"], "alembic_version": ["SELECT"]}
    assert {row["relname"]: row["rights"] for row in rows} == expected
    assert not any(row["is_owner"] for row in rows)


# ------------------------------------------------------------------ every table, without any filter


@BY_NAME
async def test_whatever_is_asked_only_rows_within_reach_are_seen(filled: PostgresDatabase, table: Table) -> None:
    assert await accounts_in(filled, OURS, table) == [OURS]
    assert await accounts_in(filled, THEIRS, table) == [THEIRS]
    assert {OURS, THEIRS} <= set(await accounts_in(filled, EVERY_ACCOUNT, table))
    async with filled.reading(OURS) as connection:
        theirs = select(table).where(table.c.account_id == THEIRS)
        assert (await connection.execute(theirs)).all() == []
        assert (await connection.execute(text(f"SELECT * FROM {table.name}"))).rowcount == 1


@BY_NAME
async def test_a_change_of_every_row_changes_none_of_another_account(filled: PostgresDatabase, table: Table) -> None:
    for statement in (update(table).values(account_id=OURS), delete(table)):
        async with taken_back(filled, OURS) as connection:
            if table is audit_events:
                with pytest.raises(DBAPIError, match="permission denied"):
                    await connection.execute(statement)
                continue
            assert (await connection.execute(statement)).rowcount == 1
            await connection.execute(text("SET LOCAL busbar.account_id = '*'"))
            theirs = select(func.count()).where(table.c.account_id == THEIRS)
            assert (await connection.execute(theirs)).scalar_one() == 1


@BY_NAME
async def test_no_row_can_be_made_for_or_given_to_another_account(filled: PostgresDatabase, table: Table) -> None:
    rows = await rows_of(filled, THEIRS)
    theirs = row_of(table, THEIRS, rows)
    async with taken_back(filled, OURS) as connection:
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(insert(table).values(**theirs))
    async with taken_back(filled, OURS) as connection:
        with pytest.raises(DBAPIError, match=REFUSED):
            await connection.execute(update(table).values(account_id=THEIRS))


@BY_NAME
async def test_where_no_reach_is_told_there_is_nothing_and_nothing_can_be_made(
    filled: PostgresDatabase, filled_url: str, table: Table
) -> None:
    rows = await rows_of(filled, OURS)
    connection = await connector(filled_url, application_name="tests", role=SERVICE_ROLE)()
    try:
        for not_told in ("RESET busbar.account_id", "SET busbar.account_id = ''"):
            await connection.execute(not_told)
            assert await connection.fetchval(f"SELECT count(*) FROM {table.name}") == 0
    finally:
        await connection.close()
    async with taken_back(filled, OURS) as session:
        await session.execute(text("SET LOCAL busbar.account_id = ''"))
        with pytest.raises(DBAPIError, match="row-level security"):
            await session.execute(insert(table).values(**row_of(table, OURS, rows)))


async def rows_of(database: PostgresDatabase, account_id: AccountId) -> dict[str, Row]:
    """The rows that an account has, by table."""
    async with database.reading(account_id) as connection:
        return {table.name: dict((await connection.execute(select(table))).one()._mapping) for table in WITH_ACCOUNT}


@asynccontextmanager
async def taken_back(database: PostgresDatabase, reach: Reach) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back at its end."""
    with suppress(TakenBackError):
        async with database.unit_of_work(reach) as uow:
            yield uow.connection
            raise TakenBackError


# ------------------------------------------------------------------ the real statements, their own filter wrong or gone


@contextmanager
def without_filter(database: PostgresDatabase) -> Iterator[None]:
    """Every condition on the account in every statement holds for every row."""
    condition = re.compile(r"((?:\w+\.)?account_id = (?:\$\d+(?:::\w+)?|(?:\w+\.)?account_id))")

    def patch(_c: Any, _r: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> tuple[str, Any]:  # Any: theirs
        head, where, tail = statement.partition("WHERE")
        return head + where + condition.sub(r"(\1 OR true)", tail), parameters

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", patch, retval=True)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", patch)


async def tried(
    database: PostgresDatabase, reach: Reach, case: Case, scope: Scope, known: Keys
) -> tuple[object, set[str], set[str]]:
    """What a call within a reach returns, None where the wall refuses it, and all rows before and after; then it is taken back."""
    async with taken_back(database, reach) as connection:
        before = await everything(connection, reach)
        await connection.execute(text("SAVEPOINT before_call"))
        got: object = None
        try:
            got = await case.call(connection, scope, known)
        except DBAPIError as error:
            assert re.search(REFUSED, str(error))
            await connection.execute(text("ROLLBACK TO before_call"))
        return got, before, await everything(connection, reach)
    raise AssertionError


async def everything(connection: AsyncConnection, reach: Reach) -> set[str]:
    """All rows of all accounts, seen from a transaction that reaches fewer."""
    await connection.execute(text("SET LOCAL busbar.account_id = '*'"))
    rows = await dump(connection)
    told = "*" if reach is EVERY_ACCOUNT else str(reach)
    await connection.execute(text(f"SET LOCAL busbar.account_id = '{told}'"))
    return rows


def is_nothing(case: Case, got: object) -> bool:
    return got is None or got == case.nothing


@pytest.mark.parametrize("module", list(CASES), ids=lambda module: module.__name__)
async def test_a_call_with_the_neighbours_account_reaches_nothing_from_ones_own(
    database: PostgresDatabase, keys: Keys, module: ModuleType
) -> None:
    """As if the wrong account had got into the store's arguments."""
    for name, case in CASES[module].items():
        got, before, after = await tried(database, OTHER_ACCOUNT, case, OWN, keys)
        assert is_nothing(case, got) or case.adds_own, name
        assert before == after, name


@pytest.mark.parametrize("module", list(CASES), ids=lambda module: module.__name__)
async def test_statements_without_their_filter_reach_nothing_of_a_neighbour(
    database: PostgresDatabase, keys: Keys, module: ModuleType
) -> None:
    neighbour = stores.NEIGHBOURS["another account"]
    with without_filter(database):
        for name, case in CASES[module].items():
            got, before, after = await tried(database, OTHER_ACCOUNT, case, neighbour, keys)
            assert is_nothing(case, got) or case.adds_own, name
            assert before <= after, name  # what is added is one's own, which the check of the policy saw to


async def test_without_their_filter_and_without_the_wall_they_reach_the_neighbours_rows(
    database: PostgresDatabase, keys: Keys
) -> None:
    """Or else the test before this one would prove nothing."""
    neighbour = stores.NEIGHBOURS["another account"]
    broken = []
    with without_filter(database):
        for cases in CASES.values():
            for name, case in cases.items():
                got, before, after = await tried(database, EVERY_ACCOUNT, case, neighbour, keys)
                if not is_nothing(case, got) or not before <= after:
                    broken.append(name)
    assert {"find_network", "delete_network", "session_row", "delete_session", "run_row", "finish_run"} <= set(broken)


# ------------------------------------------------------------------ roles and pooled connections


async def test_resetting_the_role_leads_back_to_that_of_services(filled: PostgresDatabase) -> None:
    async with filled.reading(OURS) as connection:
        for statement in ("SELECT 1", "RESET ROLE", f"SET ROLE {SERVICE_ROLE}"):
            await connection.execute(text(statement))
            assert (await connection.execute(text("SELECT current_user"))).scalar_one() == SERVICE_ROLE
        # The login may take another role that it has: against statements of our own that forget an account this is no loss.
        # An installation that wants more gives services a login that is no more than a member of their role (ADR 14).
        await connection.execute(text("SET LOCAL ROLE NONE"))
        assert (await connection.execute(text("SELECT current_user <> :r"), {"r": SERVICE_ROLE})).scalar_one()
    async with filled.reading(OURS) as connection:
        assert (await connection.execute(text("SELECT current_user"))).scalar_one() == SERVICE_ROLE


async def test_nothing_of_a_transaction_is_left_to_the_next_user_of_its_connection(filled_url: str) -> None:
    database = PostgresDatabase(filled_url, pool_size=1, application_name="tests")
    told = text("SELECT current_setting('busbar.account_id', true)")
    pids = set()
    for reach, expected in ((OURS, str(OURS)), (EVERY_ACCOUNT, "*"), (THEIRS, str(THEIRS))):
        for is_kept in (True, False):
            with suppress(TakenBackError):
                async with database.unit_of_work(reach, command_timeout_s=20) as uow:
                    assert (await uow.connection.execute(told)).scalar_one() == expected
                    pids.add((await uow.connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
                    raw = driver_connection(uow.connection)
                    if not is_kept:
                        raise TakenBackError
            assert await raw.fetchval("SELECT current_setting('busbar.account_id', true)") == ""
            assert await raw.fetchval("SELECT current_setting('statement_timeout')") == "2800ms"
            assert await raw.fetchval("SELECT count(*) FROM accounts") == 0
    assert len(pids) == 1, "the pool has one connection, which all have used"
    await database.close()


async def test_a_reach_that_is_no_account_is_a_mistake_of_the_program(filled: PostgresDatabase) -> None:
    for wrong in ("*", f"{OURS}", None, "x'; DROP TABLE accounts; --"):
        with pytest.raises(TypeError, match="reaches an account"):
            async with filled.unit_of_work(wrong):  # type: ignore[arg-type]
                raise AssertionError


# ------------------------------------------------------------------ public rows


async def test_a_row_of_nobody_is_read_within_any_reach_and_written_only_by_what_serves_the_installation(
    database: PostgresDatabase,
) -> None:
    make = insert(sources).values(name="market", type="market", attributes={}, fingerprint=b"market")
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database.unit_of_work(OURS) as uow:
            await uow.connection.execute(make)
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(make)
    for reach in (OURS, THEIRS, EVERY_ACCOUNT):
        async with database.reading(reach) as connection:
            assert (await connection.execute(select(sources.c.name))).scalars().all() == ["market"]
    async with database.unit_of_work(OURS) as uow:
        for statement in (update(sources).values(name="ours"), delete(sources)):
            assert (await uow.connection.execute(statement)).rowcount == 0
        assert (await uow.connection.execute(select(sources).with_for_update())).all() == []
