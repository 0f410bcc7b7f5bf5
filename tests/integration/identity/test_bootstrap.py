"""The first administrator on a real database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import account_store, administration, audit, user_store
from shared.identity.bootstrap import ACCOUNT_NAME, Bootstrap, bootstrap
from shared.identity.passwords import PasswordHasher
from shared.identity.principals import Actor
from shared.settings import Settings
from tests.support.eventually import eventually
from tests.support.proxy import Pass, ProxyLoop, Reset

PASSWORD = "correct horse battery 7"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, admin_email="admin@suite.example", admin_password=SecretStr(PASSWORD))


async def test_the_administrator_is_made_once_with_an_account_and_can_sign_in(
    database: PostgresDatabase, settings: Settings
) -> None:
    assert await bootstrap(database, settings)
    assert not await bootstrap(database, settings)
    async with database.reading(EVERY_ACCOUNT) as connection:
        record = await user_store.find_sign_in(connection, "ADMIN@suite.example")
        users = await user_store.list_users(connection, EVERY_ACCOUNT)
        events = await audit.list_events(connection, EVERY_ACCOUNT)
    assert record is not None and users == [record.user]
    assert (record.user.account_name, record.user.roles) == (ACCOUNT_NAME, ("admin",))
    assert record.user.is_active and record.is_account_active
    hasher = PasswordHasher()
    assert await hasher.verify(record.password_hash, PASSWORD)
    hasher.close()
    assert {event.event for event in events} == {"account:created", "user:created"}
    assert PASSWORD not in str(events)


async def test_gateways_that_start_at_once_make_one(database: PostgresDatabase, settings: Settings) -> None:
    made = await asyncio.gather(*(bootstrap(database, settings) for _ in range(4)))
    assert sorted(made) == [False, False, False, True]
    async with database.reading(EVERY_ACCOUNT) as connection:
        assert len(await user_store.list_users(connection, EVERY_ACCOUNT)) == 1


async def test_nothing_is_made_where_there_is_a_user_or_nobody_is_named(
    database: PostgresDatabase, settings: Settings, tmp_path: Path
) -> None:
    assert not await bootstrap(database, Settings(data_dir=tmp_path))
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        account = await administration.create_account(work, Actor("cli:tester"), "Depot BV")
        await administration.create_user(work, Actor("cli:tester"), account, "x@depot.example")
    assert not await bootstrap(database, settings)
    async with database.reading(EVERY_ACCOUNT) as connection:
        assert await account_store.find_account_by_name(connection, EVERY_ACCOUNT, ACCOUNT_NAME) is None


async def test_an_account_of_that_name_that_is_there_already_is_used(
    database: PostgresDatabase, settings: Settings
) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        account = await administration.create_account(work, Actor("cli:tester"), ACCOUNT_NAME)
    assert await bootstrap(database, settings)
    async with database.reading(EVERY_ACCOUNT) as connection:
        (user,) = await user_store.list_users(connection, EVERY_ACCOUNT)
    assert user.account_id == account.account_id


async def test_a_database_that_is_away_at_the_start_is_waited_for(database_url: str, settings: Settings) -> None:
    parts = urlsplit(database_url)
    with ProxyLoop() as loop:
        link = loop.open(parts.port or 5432)
        link.set(Reset())
        distant = PostgresDatabase(
            parts._replace(netloc=f"{parts.username}@127.0.0.1:{link.port}").geturl(), application_name="tests"
        )
        started = Bootstrap(distant, settings)
        try:
            await started.start()
            link.set(Pass())

            async def is_made() -> bool:
                async with distant.reading(EVERY_ACCOUNT) as connection:
                    return await user_store.is_any_user(connection)

            await eventually(is_made, within=20)
        finally:
            await started.stop()
            await distant.close()
