"""The role of services, what it may do, and what the database says where something is missing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import text

from shared.db import migrate
from shared.db.connections import connector
from shared.db.engine import PostgresDatabase
from shared.db.failures import DatabaseNotReady
from shared.db.migrations.rights import MAKE_ROLE
from shared.db.reach import SERVICE_ROLE
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import BusbarError
from shared.ids import OPEN_ACCOUNT_ID
from tests.support.databases import TestDatabases

ADD_EVENT = """
INSERT INTO audit_events (event_id, account_id, occurred_at, event, subject, object_kind, object_id)
VALUES (gen_random_uuid(), $1, now() - make_interval(days => $2), 'user:created', 'user:1', 'user', '1')
"""


@pytest.fixture
async def login(database_url: str) -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    """A login role that may do nothing yet, by its URL for the database; and the owner's connection."""
    owner = await asyncpg.connect(database_url, timeout=10)
    name = f"busbar_test_{secrets.token_hex(4)}"
    await owner.execute(f"CREATE ROLE {name} LOGIN")
    parts = urlsplit(database_url)
    yield parts._replace(netloc=f"{name}@{parts.hostname}:{parts.port}").geturl(), owner
    await owner.execute(f"DROP OWNED BY {name}")
    await owner.execute(f"DROP ROLE {name}")
    await owner.close()


@pytest.fixture
def empty_urls(databases: TestDatabases) -> Iterator[list[str]]:
    urls = [databases.create_empty() for _ in range(3)]
    yield urls
    for url in urls:
        databases.drop(url)


async def test_the_role_is_made_once_by_many_who_migrate_databases_of_one_server_at_the_same_time(
    databases: TestDatabases,
) -> None:
    name = f"busbar_test_{secrets.token_hex(4)}"
    urls = [databases.create_empty() for _ in range(2)]
    login = f"{name}_owner"
    admin = await asyncpg.connect(urls[0], timeout=10)
    await admin.execute(f"CREATE ROLE {login} LOGIN CREATEROLE")
    try:
        for _ in range(3):
            await asyncio.gather(*(make_role(url, login, name) for url in urls * 4))
            assert await admin.fetchval("SELECT pg_has_role($1, $2, 'MEMBER')", login, name)
            await admin.execute(f"DROP ROLE {name}")
    finally:
        await admin.execute(f"DROP ROLE IF EXISTS {name}")
        await admin.execute(f"DROP ROLE {login}")
        await admin.close()
        for url in urls:
            databases.drop(url)


async def make_role(url: str, login: str, name: str) -> None:
    parts = urlsplit(url)
    own = parts._replace(netloc=f"{login}@{parts.hostname}:{parts.port}").geturl()
    connection = await asyncpg.connect(own, timeout=30)
    try:
        async with connection.transaction():
            await connection.execute(MAKE_ROLE.replace(SERVICE_ROLE, name))
            await asyncio.sleep(0.02)  # the rest of the migration
    finally:
        await connection.close()


async def test_going_back_takes_every_right_and_leaves_the_role(empty_urls: list[str]) -> None:
    url = empty_urls[0]
    await migrate.upgrade(url)
    await migrate.move_to(url, "0002")
    connection = await asyncpg.connect(url, timeout=10)
    rights = "SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%busbar_service%'"
    assert await connection.fetchval(rights) == 0
    assert await connection.fetchval("SELECT count(*) FROM pg_default_acl") == 0
    assert await connection.fetchval("SELECT count(*) FROM pg_policies") == 0
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relrowsecurity") == 0
    assert await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = 'busbar_service'") == 1
    await connection.close()
    await migrate.upgrade(url)


async def test_a_login_that_is_only_a_member_of_the_role_is_enough_for_a_service(
    login: tuple[str, asyncpg.Connection],
) -> None:
    url, owner = login
    database = PostgresDatabase(url, application_name="tests")
    with pytest.raises(DatabaseNotReady, match=f"act as {SERVICE_ROLE}.*GRANT {SERVICE_ROLE} TO"):
        await database.ping(10.0)
    await owner.execute(f"GRANT {SERVICE_ROLE} TO {urlsplit(url).username}")
    async with database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
        found = await uow.connection.execute(text("SELECT count(*) FROM accounts"))
        assert found.scalar_one() == 1
    # What the owner's login could do, this one cannot: leave the role for one that is not held.
    async with database.reading(OPEN_ACCOUNT_ID) as connection:
        await connection.execute(text("SET LOCAL ROLE NONE"))
        await connection.execute(text("SET LOCAL busbar.account_id = ''"))
        assert (await connection.execute(text("SELECT count(*) FROM accounts"))).scalar_one() == 0
    assert await migrate.current(url) == migrate.head(), "a service looks at this when it starts"
    await database.close()


async def test_a_role_that_is_not_there_is_said_with_what_to_do(database_url: str) -> None:
    database = PostgresDatabase(database_url, application_name="tests", role="busbar_of_nobody")
    with pytest.raises(DatabaseNotReady, match="run `busbar migrate`"):
        await database.ping(10.0)
    await database.close()


async def test_an_owner_who_may_not_use_the_role_is_told_what_an_administrator_has_to_do(
    login: tuple[str, asyncpg.Connection], empty_urls: list[str]
) -> None:
    url, owner = login
    name = urlsplit(url).username
    empty = urlsplit(empty_urls[0]).path[1:]
    await owner.execute(f'ALTER DATABASE "{empty}" OWNER TO {name}')
    own = urlsplit(url)._replace(path=f"/{empty}").geturl()
    with pytest.raises(BusbarError, match=f"GRANT {SERVICE_ROLE} TO {name}"):
        await migrate.upgrade(own)
    await owner.execute(f"GRANT {SERVICE_ROLE} TO {name}")
    await migrate.upgrade(own)
    database = PostgresDatabase(own, application_name="tests")
    await database.ping(10.0)
    await database.close()
    await owner.execute(f'ALTER DATABASE "{empty}" OWNER TO CURRENT_USER')
    # The tables are that login's: they go with the database, before the role.
    admin = await asyncpg.connect(empty_urls[0], timeout=10)
    await admin.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
    await admin.execute(f"DROP OWNED BY {name}")
    await admin.close()


async def test_audit_events_are_only_added_and_go_after_four_hundred_days(database_url: str) -> None:
    owner = await asyncpg.connect(database_url, timeout=10)
    for days in (0, 399, 401, 500):
        await owner.execute(ADD_EVENT, OPEN_ACCOUNT_ID, days)
    for change in ("UPDATE audit_events SET subject = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added"):
            await owner.execute(change)
    service = await connector(database_url, application_name="tests", role=SERVICE_ROLE)()
    for change in ("UPDATE audit_events SET subject = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await service.execute(change)
    assert await service.fetchval("SELECT prune_audit_events(1)") == 1
    assert await service.fetchval("SELECT prune_audit_events()") == 1
    assert await service.fetchval("SELECT prune_audit_events()") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("SET busbar.is_pruning_audit_events = 'yes'; DELETE FROM audit_events")
    await service.close()
    assert await owner.fetchval("SELECT count(*) FROM audit_events") == 2
    await owner.close()


async def test_only_services_may_prune(login: tuple[str, asyncpg.Connection]) -> None:
    stranger = await asyncpg.connect(login[0], timeout=10)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stranger.execute("SELECT prune_audit_events()")
    await stranger.close()


LOOKUPS = {
    "a network by its name": "SELECT 1 FROM reconfiguration_networks WHERE account_id = gen.id AND owner = 'o' AND kind = 'json' "
    "AND network_id = 'n'",
    "a session by its name": "SELECT 1 FROM reconfiguration_sessions WHERE account_id = gen.id AND owner = 'o' AND kind = 'json' "
    "AND session_id = 's'",
    "a session by its key": "SELECT 1 FROM reconfiguration_sessions WHERE session_key = gen.id AND account_id = gen.id",
    "runs of a session": "SELECT 1 FROM reconfiguration_runs WHERE session_key = gen.id AND account_id = gen.id",
    "a solution": "SELECT 1 FROM reconfiguration_solutions WHERE session_key = gen.id AND solution_id = 'best'",
    "a solution of the pool": "SELECT 1 FROM reconfiguration_solutions WHERE solution_key = gen.id",
    "the pool of a session": "SELECT 1 FROM reconfiguration_pool_solutions WHERE session_key = gen.id",
    "a chunk": "SELECT 1 FROM reconfiguration_network_uploads WHERE network_key = gen.id AND position = 0",
    "an answer": "SELECT 1 FROM answers WHERE ask_id = gen.id AND account_id = gen.id",
    "a lease": "SELECT 1 FROM leases WHERE resource = 'run x' AND account_id = gen.id",
    "due messages": "SELECT 1 FROM outbox WHERE state = 'pending' AND available_at <= now() ORDER BY available_at, message_id LIMIT 9",
    "a message": "SELECT 1 FROM outbox WHERE message_id = gen.id",
    "a token": "SELECT 1 FROM user_tokens WHERE token_hash = '\\x00'",
    "a web session": "SELECT 1 FROM web_sessions WHERE session_hash = '\\x00'",
    "an API key": "SELECT 1 FROM api_keys WHERE key_id = 'abcdefgh'",
    "an OAuth2 client": "SELECT 1 FROM oauth_clients WHERE client_id = 'c'",
    "a user by e-mail": "SELECT 1 FROM users WHERE email_key = lower('A@example.com')",
    "a user by number": "SELECT 1 FROM users WHERE number = 7",
    "users of an account": "SELECT 1 FROM users WHERE account_id = gen.id",
    "an account's audit": "SELECT 1 FROM audit_events WHERE account_id = gen.id AND occurred_at > now() ORDER BY occurred_at DESC LIMIT 9",
    "a sensor's beliefs": "SELECT 1 FROM flexibility_beliefs WHERE sensor_id = 7 AND event_start >= now() AND event_start < now()",
    "roots of an account": "SELECT 1 FROM flexibility_assets WHERE account_id = gen.id AND parent_asset_id IS NULL AND name = 'n'",
    "children of an asset": "SELECT 1 FROM flexibility_assets WHERE parent_asset_id = 7",
    "sensors of an asset": "SELECT 1 FROM flexibility_sensors WHERE asset_id = 7",
    "a source": "SELECT 1 FROM flexibility_sources WHERE fingerprint = '\\x00'",
    "data that wait": "SELECT 1 FROM flexibility_jobs WHERE kind = 'ingestion' AND data IS NOT NULL AND sensor_id = 7",
    "an account by name": "SELECT 1 FROM accounts WHERE name = 'open'",
}


@pytest.mark.parametrize("reach", [OPEN_ACCOUNT_ID, EVERY_ACCOUNT], ids=["one account", "every account"])
async def test_the_main_lookups_still_use_their_index(database: PostgresDatabase, reach: object) -> None:
    """With a table read from end to end as the last resort, only an index that cannot be used is not used."""
    async with database.reading(reach) as connection:  # type: ignore[arg-type]  # one of the two
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        for name, query in LOOKUPS.items():
            statement = query.replace("gen.id", f"'{OPEN_ACCOUNT_ID}'::uuid")
            plan = "\n".join((await connection.execute(text(f"EXPLAIN {statement}"))).scalars())
            assert "Seq Scan" not in plan and "Index" in plan, f"{name}\n{plan}"
            assert "Index Cond" in plan or "due" in name, f"{name}\n{plan}"
