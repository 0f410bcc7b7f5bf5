from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text

from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from tests.support.databases import TestDatabases, contents_of
from tests.support.postgres_server import run_apart

KEPT = "INSERT INTO accounts (account_id, name) VALUES (gen_random_uuid(), 'one test only')"


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count = await connection.fetchval("SELECT count(*) FROM accounts WHERE name = 'one test only'")
    finally:
        await connection.close()
    return int(count)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_each_test_has_all_tables_and_nobody_elses_rows(databases: TestDatabases, database_url: str) -> None:
    other = databases.create()
    connection = await asyncpg.connect(other)
    await connection.execute(KEPT)
    await connection.close()
    assert (await _count(other), await _count(database_url)) == (1, 0)
    databases.drop(other)


async def test_the_started_adapter_reaches_the_tests_own_database(
    database: PostgresDatabase, database_url: str
) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text(KEPT))
    assert await _count(database_url) == 1


def test_a_database_that_was_given_back_is_as_new_for_the_next_test(databases: TestDatabases) -> None:
    url, new = databases.create(), databases.create()
    run_apart(lambda: _execute(url, KEPT, "CREATE TABLE mine (n int)", "UPDATE accounts SET name = name"))
    databases.give_back(url)
    assert databases.create() == url
    assert run_apart(lambda: contents_of(url)) == run_apart(lambda: contents_of(new))
    assert run_apart(lambda: _count(url)) == 0
    databases.drop(url)
    databases.drop(new)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE accounts RENAME COLUMN name TO title",
        "ALTER TABLE accounts DROP COLUMN name",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX mine ON accounts (name)",
        "UPDATE alembic_version SET version_num = 'mine'",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    ],
)
def test_a_database_that_is_not_as_new_any_more_is_given_to_nobody(databases: TestDatabases, change: str) -> None:
    url = databases.create()
    run_apart(lambda: _execute(url, change))
    databases.give_back(url)
    assert url.rpartition("/")[2] not in databases.names()


def test_a_database_goes_even_while_somebody_is_connected(databases: TestDatabases) -> None:
    url = databases.create_empty()

    async def drop_while_connected() -> None:
        connection = await asyncpg.connect(url)
        databases.drop(url)
        connection.terminate()

    run_apart(drop_while_connected)
    assert url.rpartition("/")[2] not in databases.names()


def test_databases_of_a_killed_run_are_found_and_dropped(admin_database_url: str, databases: TestDatabases) -> None:
    # Process ids end far below this one on every system.
    of_killed = TestDatabases(admin_database_url, process_id=999_999_999)
    left = of_killed.create_empty().rpartition("/")[2]
    kept = databases.create_empty().rpartition("/")[2]
    databases.drop_leftovers()
    assert left not in databases.names()
    assert kept in databases.names()
