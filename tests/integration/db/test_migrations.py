from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.telemetry.small_jobs import SmallJobs
from shared.db import migrate
from shared.db.connections import connector
from shared.db.embedded import EmbeddedPostgres
from shared.db.embedded.binaries import package_folder
from shared.db.engine import PostgresDatabase
from shared.db.models import flexibility, infrastructure, reconfiguration  # noqa: F401  # they register their tables
from shared.db.models.base import metadata
from shared.errors import DatabaseUnavailable
from shared.ids import OPEN_ACCOUNT_ID, AccountId
from tests.integration.telemetry.posts import Posts
from tests.support.databases import TestDatabases
from tests.support.eventually import eventually
from tests.support.principals import make_account, make_user
from tests.support.processes import free_port
from tests.support.sensors import D, Sensors

CHUNK_TABLES = {
    "reconfiguration_network_uploads",
    "reconfiguration_network_model_chunks",
    "reconfiguration_session_uploads",
    "reconfiguration_solution_uploads",
    "reconfiguration_session_demand_chunks",
    "reconfiguration_solution_chunks",
}


BEFORE_FLEXIBILITY = "0006"


@pytest.fixture
async def empty_url(databases: TestDatabases) -> AsyncIterator[str]:
    url = databases.create_empty()
    yield url
    databases.drop(url)


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}


async def differences(url: str) -> list[object]:
    def compare(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    connect = connector(url, application_name="tests")
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        return await connection.run_sync(compare)


async def up_down_and_up_again(url: str) -> None:
    assert await migrate.current(url) is None
    await migrate.upgrade(url)
    assert await migrate.current(url) == migrate.head()
    assert await tables(url) == set(metadata.tables) | {"alembic_version"}
    assert await differences(url) == []
    await migrate.move_to(url, "base")
    assert await migrate.current(url) is None
    assert await tables(url) == {"alembic_version"}
    await migrate.upgrade(url)
    assert await differences(url) == []


async def test_migrations_make_what_the_models_say_and_take_it_back(empty_url: str) -> None:
    await up_down_and_up_again(empty_url)


async def test_migrations_hold_on_the_embedded_packages_version(tmp_path: Path) -> None:
    binaries = package_folder()
    assert binaries is not None, "the extra `embedded` belongs to the development environment"
    embedded = EmbeddedPostgres(tmp_path / "data", binaries=binaries)
    try:
        await up_down_and_up_again(await embedded.start())
    finally:
        await embedded.stop(within_s=5.0)


async def test_the_open_account_is_there_from_the_start(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT account_id, name FROM accounts")
    await connection.close()
    assert [tuple(row) for row in rows] == [(UUID("00000000-0000-7000-8000-000000000001"), "open")]
    assert rows[0]["account_id"] == OPEN_ACCOUNT_ID


async def test_chunks_are_stored_as_they_are_without_compression(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT c.relname, a.attstorage FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE a.attname = 'chunk' AND c.relkind = 'r'"
    )
    await connection.close()
    assert {row["relname"]: row["attstorage"] for row in rows} == dict.fromkeys(CHUNK_TABLES, b"e")


async def test_deleting_a_network_takes_everything_of_it_along(database_url: str) -> None:
    network, session, run, account, solution = (UUID(int=number) for number in (1, 2, 3, 4, 5))
    connection = await asyncpg.connect(database_url)
    statements = {
        "INSERT INTO reconfiguration_networks (network_key, account_id, owner, kind, network_id, state) "
        "VALUES ($1, $2, 'o', 'json', 'n', 'loaded')": (network, account),
        "INSERT INTO reconfiguration_network_uploads VALUES ($1, 0, '\\x00', $2)": (network, account),
        "INSERT INTO reconfiguration_network_model_chunks VALUES ($1, 0, '\\x00', $2)": (network, account),
        "INSERT INTO reconfiguration_sessions (session_key, account_id, owner, kind, session_id, network_key, state, "
        "allow_unspecified_demands, weights) VALUES ($1, $2, 'o', 'json', 's', $3, 'loaded', false, '{1}')": (
            session,
            account,
            network,
        ),
        "INSERT INTO reconfiguration_session_uploads VALUES ($1, 'demands', 0, '\\x00', $2)": (session, account),
        "INSERT INTO reconfiguration_session_demand_chunks VALUES ($1, 0, '\\x00', $2)": (session, account),
        "INSERT INTO reconfiguration_runs (run_id, account_id, session_key, seed) VALUES ($1, $2, $3, 1)": (
            run,
            account,
            session,
        ),
        "INSERT INTO reconfiguration_run_states (run_id, account_id, state) VALUES ($1, $2, 'working')": (run, account),
        "INSERT INTO reconfiguration_solutions (session_key, solution_id, account_id, configuration, is_feasible, "
        "violation_amount, objective_values, verdict) VALUES ($1, 'best', $2, '\\x00', true, 0, '{1}', '{}')": (
            session,
            account,
        ),
        "INSERT INTO reconfiguration_solution_chunks VALUES ($1, 'best', 0, '\\x00', $2)": (session, account),
        "INSERT INTO reconfiguration_pool_solutions (solution_key, account_id, session_key, solution_id, state) "
        "VALUES ($1, $2, $3, 'mine', 'loaded')": (solution, account, session),
        "INSERT INTO reconfiguration_solution_uploads VALUES ($1, 0, '\\x00', $2)": (solution, account),
        "INSERT INTO reconfiguration_solutions (session_key, solution_id, account_id, configuration, is_feasible, "
        "violation_amount, objective_values, verdict, solution_key) VALUES ($1, 'key', $2, '\\x00', true, 0, '{1}', '{}', $3)": (
            session,
            account,
            solution,
        ),
    }
    for statement, values in statements.items():
        await connection.execute(statement, *values)
    await connection.execute("DELETE FROM reconfiguration_networks WHERE network_key = $1", network)
    left = [
        table
        for table in sorted(metadata.tables)
        if table.startswith("reconfiguration_") and await connection.fetchval(f"SELECT count(*) FROM {table}")
    ]
    await connection.close()
    assert left == []


async def test_flexibility_comes_to_goes_from_and_comes_back_to_an_installation_in_use(empty_url: str) -> None:
    await migrate.move_to(empty_url, BEFORE_FLEXIBILITY)
    database = PostgresDatabase(empty_url, application_name="tests")
    account = await make_account(database)
    await make_user(database, account)
    before = await rows_of(empty_url)
    await migrate.upgrade(empty_url)
    assert await rows_of(empty_url) == before
    await use_flexibility(database, account.account_id)
    assert await rows_of(empty_url) == before
    await migrate.move_to(empty_url, BEFORE_FLEXIBILITY)
    assert await rows_of(empty_url) == before
    assert not any(name.startswith("flexibility_") for name in await tables(empty_url))
    await migrate.upgrade(empty_url)
    assert await differences(empty_url) == []
    await use_flexibility(database, account.account_id)
    assert await rows_of(empty_url) == before
    await database.close()


async def use_flexibility(database: PostgresDatabase, account_id: AccountId) -> None:
    """An asset with a sensor, values, and a job that has ended, of an installation that has none yet."""
    sensors, posts = Sensors(database), Posts(database)
    sensor = await sensors.make(account_id=account_id)
    assert sensor.sensor_id == 1, "numbers begin anew"
    job = await posts.values(sensor, [1.0, 2.0])
    await SmallJobs(database).store()
    assert await posts.outcomes([job]) == ["processed"]
    assert await sensors.values(sensor, D, 2) == [1.0, 2.0]


async def rows_of(url: str) -> dict[str, list[str]]:
    """What is stored, messages under way and flexibility apart."""
    connection = await asyncpg.connect(url)
    try:
        names = sorted(name for name in metadata.tables if not name.startswith(("flexibility_", "outbox")))
        there = await tables(url)
        rows = {name: await connection.fetch(f"SELECT t::text AS row FROM {name} t") for name in names if name in there}
    finally:
        await connection.close()
    return {name: sorted(row["row"] for row in found) for name, found in rows.items()}


async def test_processes_that_migrate_at_once_take_turns(empty_url: str) -> None:
    await asyncio.gather(*(migrate.upgrade(empty_url) for _ in range(4)))
    assert await differences(empty_url) == []


async def test_a_step_gives_way_to_whoever_uses_its_table(database_url: str) -> None:
    user = await asyncpg.connect(database_url)
    try:
        async with user.transaction():
            await user.execute("LOCK TABLE reconfiguration_run_states IN ROW EXCLUSIVE MODE")
            migrating = asyncio.create_task(migrate.move_to(database_url, "base"))

            async def is_waiting() -> bool:
                query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'reconfiguration_run_states'::regclass"
                return bool(await user.fetchval(query))

            await eventually(is_waiting, within=5)
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable, match="lock timeout"):
                await migrating
            assert time.monotonic() - started < 2.0  # it gives up after 1 s
    finally:
        await user.close()
    assert await differences(database_url) == []


async def test_a_database_that_is_away_is_said_to_be_away() -> None:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await migrate.current(url)
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await migrate.upgrade(url)


def test_only_an_older_schema_is_behind() -> None:
    assert migrate.is_behind(None)
    assert not migrate.is_behind(migrate.head())
    # A newer program has migrated already: an old service goes on during a rolling upgrade.
    assert not migrate.is_behind("9999_unheard_of")
