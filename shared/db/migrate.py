"""Brings a database to a revision of the schema. One process at a time: the others wait until it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.db.connections import CONNECT_TIMEOUT_S, connector, driver_connection
from shared.db.failures import connect_failures, unavailable
from shared.errors import BusbarError, DatabaseUnavailable

# Any number that nobody else uses for an advisory lock in this database.
MIGRATION_LOCK = 0x6275_7362_6172_0001
WAIT_FOR_OTHERS_S = 120.0
# A step that cannot have its lock at once gives way to the services that are running, and is tried again by hand.
STEP_LOCK_TIMEOUT_S = 1.0
MIGRATION_TIMEOUT_S = 600.0

_FOLDER = Path(__file__).parent / "migrations"


class UnknownRevision(BusbarError):
    """There is no such revision, or the database is at one that a newer program has made."""

    code = "unknown_revision"


async def upgrade(url: str) -> None:
    """Bring a database to the newest revision.

    Raises:
        DatabaseUnavailable: it cannot be reached, or another process is migrating it and does not end.
        UnknownRevision: a newer program has migrated it.
    """
    await move_to(url, "head")


async def move_to(url: str, revision: str) -> None:
    """Bring a database up or down to a revision; "head" is the newest, "base" the empty database.

    Raises:
        DatabaseUnavailable: it cannot be reached, or another process is migrating it and does not end.
        UnknownRevision: the database is at a revision that this program does not know, or is to be brought to one.
    """
    check_known(revision)

    def act_on(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        found = MigrationContext.configure(connection).get_current_revision()
        if is_upward(ScriptDirectory.from_config(config), found, revision):
            command.upgrade(config, revision)
        else:
            command.downgrade(config, revision)

    async with _connection(url, deadline_s=MIGRATION_TIMEOUT_S) as connection:
        await _wait_for_turn(connection)
        await connection.run_sync(act_on)
        await connection.commit()


def check_known(revision: str) -> None:
    """Make sure that a database can be brought to a revision.

    Raises:
        UnknownRevision: this program has no such revision.
    """
    is_upward(ScriptDirectory.from_config(_config()), None, revision)


def is_upward(scripts: ScriptDirectory, found: str | None, wanted: str) -> bool:
    """Whether a revision comes after, or is, the one that was found; None is the empty database.

    Raises:
        UnknownRevision: one of them is not among the scripts.
    """
    oldest_first = ["base", *reversed([script.revision for script in scripts.walk_revisions()])]
    start = "base" if found is None else found
    target = oldest_first[-1] if wanted == "head" else wanted
    if target not in oldest_first:
        raise UnknownRevision(f"there is no revision '{wanted}'; there are: {', '.join(oldest_first)}, head")
    if start not in oldest_first:
        raise UnknownRevision(f"the database is at revision {start}, which belongs to a newer Busbar than this one")
    return oldest_first.index(target) >= oldest_first.index(start)


async def current(url: str) -> str | None:
    """The revision of a database, None for one without our tables."""
    async with _connection(url, deadline_s=CONNECT_TIMEOUT_S) as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


def head() -> str:
    """The newest revision that this program knows."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise AssertionError("there are no migrations")
    return newest


def is_behind(revision: str | None) -> bool:
    """Whether a database at this revision lacks something that this program needs.

    A revision that this program does not know belongs to a newer one, which only adds; so an old service goes on during a
    rolling upgrade.
    """
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return revision is None or (revision in known and revision != head())


async def _wait_for_turn(connection: AsyncConnection) -> None:
    """Take the lock that only one migrating process can have; it is given back when the connection closes."""
    raw = driver_connection(connection)
    deadline = time.monotonic() + WAIT_FOR_OTHERS_S
    while not await raw.fetchval("SELECT pg_try_advisory_lock($1)", MIGRATION_LOCK):
        if time.monotonic() > deadline:
            raise DatabaseUnavailable("another process has been migrating the database for too long")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _connection(url: str, *, deadline_s: float) -> AsyncIterator[AsyncConnection]:
    connect = connector(
        url,
        application_name="busbar migrate",
        command_timeout_s=None,
        lock_timeout_s=STEP_LOCK_TIMEOUT_S,
        idle_in_transaction_timeout_s=deadline_s,
    )
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    with connect_failures():
        connection = await engine.connect()
    raw = driver_connection(connection)
    try:
        async with asyncio.timeout(deadline_s):
            yield connection
            await connection.close()
    except BaseException as error:
        failure = unavailable(error)
        if failure is not None:
            raise failure from error
        if isinstance(error, TimeoutError):
            raise DatabaseUnavailable(f"the database did not answer within {deadline_s:g} s") from error
        raise
    finally:
        if not connection.closed:
            raw.terminate()  # and with it goes the lock; a server that is silent is not waited for
            await connection.invalidate()
            await connection.close()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
