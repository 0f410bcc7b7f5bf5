"""The first OAuth2 client, made from the settings."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import account_store, client_store, credential_administration
from shared.identity.bootstrap_client import BootstrapClient
from shared.identity.passwords import PasswordHasher
from shared.identity.principals import Client
from shared.settings import Settings, SettingsError
from tests.support.principals import TESTER

SECRET = "a first secret of 32 characters and more"


def settings(client_id: str | None = "first", secret: str | None = SECRET) -> Settings:
    return Settings(
        bootstrap_client_id=client_id, bootstrap_client_secret=None if secret is None else SecretStr(secret)
    )


async def start(database: PostgresDatabase, given: Settings) -> None:
    hasher = PasswordHasher()
    client = BootstrapClient(database, hasher, given)
    await client.start()
    await client.stop()
    hasher.close()


async def clients(database: PostgresDatabase) -> list[Client]:
    async with database.reading(EVERY_ACCOUNT) as connection:
        return await client_store.list_clients(connection, EVERY_ACCOUNT)


async def test_gateways_that_start_at_once_make_one_client_that_administers(database: PostgresDatabase) -> None:
    await asyncio.gather(*(start(database, settings()) for _ in range(3)))
    (made,) = await clients(database)
    assert (made.client_id, made.roles, made.region, made.environment) == (
        "first",
        ("platform_admin",),
        "eu",
        "production",
    )
    async with database.reading(EVERY_ACCOUNT) as connection:
        record = await client_store.find_client_record(connection, "first")
        account = await account_store.find_account(connection, EVERY_ACCOUNT, made.account_id)
    assert record is not None and account is not None
    assert account.name == "Administration"
    hasher = PasswordHasher()
    (secret_hash,) = record.secret_hashes.values()
    assert await hasher.verify(secret_hash, SECRET)
    hasher.close()


async def test_where_a_client_administers_none_is_made(database: PostgresDatabase) -> None:
    await start(database, settings())
    await start(database, settings("second"))
    assert [client.client_id for client in await clients(database)] == ["first"]
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await credential_administration.delete_client(
            work, TESTER, (await client_store.list_clients(work.connection, EVERY_ACCOUNT))[0]
        )
    await start(database, settings("second"))
    assert [client.client_id for client in await clients(database)] == ["second"]


async def test_without_the_settings_nothing_is_made(database: PostgresDatabase) -> None:
    await start(database, settings(None, None))
    assert await clients(database) == []


@pytest.mark.parametrize(("client_id", "secret"), [("first", None), (None, SECRET), ("first", "short")])
async def test_half_of_it_stops_the_start(
    database: PostgresDatabase, client_id: str | None, secret: str | None
) -> None:
    with pytest.raises(SettingsError, match="BUSBAR_BOOTSTRAP_CLIENT_SECRET"):
        await start(database, settings(client_id, secret))
