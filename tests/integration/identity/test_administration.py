"""What administrators do, on a real database: who is made, found, changed, disabled and deleted, and what the audit record says of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select

from services.cli.named import require_account, require_client, require_user
from shared.db.engine import PostgresDatabase
from shared.db.models.identity import api_keys, audit_events, user_tokens, users, web_sessions
from shared.db.models.reconfiguration import networks, sessions
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import Conflict, InvalidInput, NotFound
from shared.identity import (
    account_store,
    administration,
    audit,
    client_store,
    credential_administration,
    key_store,
    user_store,
)
from shared.identity.api_keys import parse_api_key
from shared.identity.client_store import NewClient
from shared.identity.principals import CONSULTANCY_ROLE, SCOPES, Account, Actor, Client, User
from shared.ids import OPEN_ACCOUNT_ID, AccountId, uuid7

ACTOR = Actor("cli:tester", "192.0.2.7")


@pytest.fixture
async def account(database: PostgresDatabase) -> Account:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        return await administration.create_account(work, ACTOR, "Depot BV")


@pytest.fixture
async def user(database: PostgresDatabase, account: Account) -> User:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        return await administration.create_user(
            work, ACTOR, account, "Planner@depot.example", roles=["account-admin"], password_hash="$argon2id$x"
        )


@pytest.fixture
async def client(database: PostgresDatabase, account: Account) -> Client:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        new = NewClient("scada", ("ingest", "read"), grid_owners=("g1",))
        return await credential_administration.create_client(work, ACTOR, account.account_id, new, "$argon2id$first")


async def sign_in(database: PostgresDatabase, user: User) -> None:
    """A token and a web session, as signing in leaves them."""
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        for table, key in ((user_tokens, "token_hash"), (web_sessions, "session_hash")):
            await work.connection.execute(
                insert(table).values(
                    {
                        key: uuid4().bytes,
                        "account_id": user.account_id,
                        "user_id": user.user_id,
                        "expires_at": func.now() + timedelta(hours=6),
                    }
                )
            )


async def sign_ins(database: PostgresDatabase) -> int:
    async with database.reading(EVERY_ACCOUNT) as connection:
        counts = [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (user_tokens, web_sessions)
        ]
    return sum(counts)


async def events_of(database: PostgresDatabase, account_id: AccountId) -> list[str]:
    """Names of an account's events, oldest first."""
    async with database.reading(account_id) as connection:
        return [event.event for event in reversed(await audit.list_events(connection, account_id))]


# ------------------------------------------------------------------ accounts


async def test_accounts_are_numbered_and_found_by_name_and_number(database: PostgresDatabase, account: Account) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        other = await administration.create_account(work, ACTOR, "Consultants", roles=[CONSULTANCY_ROLE])
        assert other.number > account.number
        assert other.roles == (CONSULTANCY_ROLE,)
        assert await require_account(work, "Depot BV") == account
        by_number = await account_store.find_account_by_number(work.connection, EVERY_ACCOUNT, account.number)
        assert by_number == account
        listed = await account_store.list_accounts(work.connection, EVERY_ACCOUNT)
        assert [entry.name for entry in listed if entry.account_id != OPEN_ACCOUNT_ID] == ["Depot BV", "Consultants"]
        assert await account_store.list_accounts(work.connection, other.account_id) == [other]
        assert await account_store.find_account(work.connection, other.account_id, account.account_id) is None


async def test_a_taken_account_name_is_a_conflict_that_names_the_field(
    database: PostgresDatabase, account: Account
) -> None:
    with pytest.raises(Conflict) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.create_account(work, ACTOR, account.name)
    assert refused.value.field == "name"
    assert "Depot BV" in refused.value.message
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        other = await administration.create_account(work, ACTOR, "Other")
    with pytest.raises(Conflict) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.update_account(work, ACTOR, other, {"name": "Depot BV"})
    assert refused.value.field == "name"


@pytest.mark.parametrize("name", ["", " Depot", "Depot ", "De\npot", "x" * 201])
async def test_what_cannot_be_an_account_name_is_refused(database: PostgresDatabase, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.create_account(work, ACTOR, name)
    assert refused.value.field == "name"


async def test_fields_of_an_account_change_and_the_consultancy_is_told_by_number(
    database: PostgresDatabase, account: Account
) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        consultancy = await administration.create_account(work, ACTOR, "Consultants")
        changed = await administration.update_account(
            work,
            ACTOR,
            account,
            {
                "attributes": {"a": [1]},
                "primary_color": "#102030",
                "consultancy_account_id": consultancy.account_id,
                "plan_id": 3,
            },
        )
        assert changed.attributes == {"a": [1]}
        assert (changed.primary_color, changed.plan_id) == ("#102030", 3)
        assert changed.consultancy_account_number == consultancy.number
        cleared = await administration.update_account(work, ACTOR, account, {"consultancy_account_id": None})
        assert cleared.consultancy_account_number is None


async def test_disabling_an_account_ends_its_sign_ins_and_makes_clients_invalid(
    database: PostgresDatabase, account: Account, user: User, client: Client
) -> None:
    await sign_in(database, user)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        disabled = await administration.set_account_active(work, ACTOR, account, is_active=False)
    assert not disabled.is_active
    assert await sign_ins(database) == 0
    async with database.reading(EVERY_ACCOUNT) as connection:
        found = await client_store.find_client_record(connection, client.client_id)
        record = await user_store.find_sign_in(connection, user.email)
    assert found is not None and not found.is_valid
    assert record is not None and not record.is_account_active and record.user.is_active
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await administration.set_account_active(work, ACTOR, account, is_active=True)
        found = await client_store.find_client_record(work.connection, client.client_id)
    assert found is not None and found.is_valid
    names = await events_of(database, account.account_id)
    assert names[-2:] == ["account:disabled", "account:enabled"]


async def test_deleting_an_account_takes_everything_of_it_and_nothing_of_others(
    database: PostgresDatabase, account: Account, user: User, client: Client
) -> None:
    await sign_in(database, user)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        other = await administration.create_account(work, ACTOR, "Other")
        neighbour = await administration.create_user(work, ACTOR, other, "n@other.example")
        await credential_administration.create_key(work, ACTOR, user, name="script")
        for owner in (account, other):
            key = uuid7()
            common = {"account_id": owner.account_id, "owner": "user:1", "kind": "json", "state": "loaded"}
            await work.connection.execute(insert(networks).values(**common, network_key=key, network_id="n"))
            session = {"allow_unspecified_demands": False, "weights": [1.0] * 5, "session_id": "s"}
            await work.connection.execute(
                insert(sessions).values(**common, **session, session_key=uuid7(), network_key=key)
            )
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await administration.delete_account(work, ACTOR, account)
    async with database.reading(EVERY_ACCOUNT) as connection:
        for table in (networks, sessions):
            owners = (await connection.execute(select(table.c.account_id))).scalars().all()
            assert owners == [other.account_id]
        assert (await connection.execute(select(users.c.user_id))).scalars().all() == [neighbour.user_id]
        assert (await connection.execute(select(api_keys.c.key_id))).scalars().all() == []
        assert await client_store.find_client_record(connection, client.client_id) is None
        assert await account_store.find_account_by_name(connection, EVERY_ACCOUNT, account.name) is None
        assert [entry.event for entry in await audit.list_events(connection, EVERY_ACCOUNT, limit=1)] == [
            "account:deleted"
        ]


async def test_the_account_of_open_access_can_neither_be_deleted_nor_disabled(database: PostgresDatabase) -> None:
    async with database.reading(EVERY_ACCOUNT) as connection:
        kept = await account_store.find_account(connection, EVERY_ACCOUNT, OPEN_ACCOUNT_ID)
    assert kept is not None
    disable = partial(administration.set_account_active, is_active=False)
    for act in (administration.delete_account, disable):
        with pytest.raises(Conflict):
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                await act(work, ACTOR, kept)


# ------------------------------------------------------------------ users


async def test_a_user_is_found_by_address_in_whichever_case(
    database: PostgresDatabase, user: User, account: Account
) -> None:
    assert (user.email, user.username) == ("Planner@depot.example", "Planner")
    assert (user.account_number, user.account_name, user.roles) == (account.number, "Depot BV", ("account-admin",))
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await require_user(work, "PLANNER@DEPOT.EXAMPLE") == user
        record = await user_store.find_sign_in(work.connection, "planner@depot.example")
        assert record is not None
        assert (record.user, record.password_hash, record.is_account_active) == (user, "$argon2id$x", True)
        assert "$argon2id" not in repr(record)
        with pytest.raises(NotFound):
            await require_user(work, "nobody@depot.example")


async def test_a_taken_address_or_username_is_a_conflict_that_names_the_field(
    database: PostgresDatabase, user: User, account: Account
) -> None:
    with pytest.raises(Conflict) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.create_user(work, ACTOR, account, "planner@DEPOT.example")
    assert refused.value.field == "email"
    with pytest.raises(Conflict) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.create_user(work, ACTOR, account, "other@depot.example", username="planner")
    assert refused.value.field == "username"
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        other = await administration.create_user(work, ACTOR, account, "other@depot.example")
    for field, changes in (
        ("email", user_store.UserChanges(email="planner@depot.example")),
        ("username", user_store.UserChanges(username="PLANNER")),
    ):
        with pytest.raises(Conflict) as refused:
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                await administration.update_user(work, ACTOR, other, changes)
        assert refused.value.field == field


async def test_usernames_that_are_not_given_are_made_unique(
    database: PostgresDatabase, user: User, account: Account
) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        second = await administration.create_user(work, ACTOR, account, "planner@north.example")
        third = await administration.create_user(work, ACTOR, account, "planner@south.example")
        percent = await administration.create_user(work, ACTOR, account, "p%@south.example")
    assert (second.username, third.username, percent.username) == ("planner-2", "planner-3", "p%")


@pytest.mark.parametrize(
    "email", ["", "planner", "@depot.example", "planner@", "a b@depot.example", "a@b@c", "é\x00@x"]
)
async def test_what_is_no_address_is_refused(database: PostgresDatabase, account: Account, email: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.create_user(work, ACTOR, account, email)
    assert refused.value.field == "email"


async def test_an_unknown_role_or_timezone_is_refused_with_what_is_accepted(
    database: PostgresDatabase, account: Account, user: User
) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.create_user(work, ACTOR, account, "x@depot.example", roles=["root"])
    assert refused.value.field == "role"
    assert "'root'" in refused.value.message and "account-admin" in refused.value.message
    with pytest.raises(InvalidInput, match=r"Timezone Mars doesn.t exist\."):
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await administration.update_user(work, ACTOR, user, {"timezone": "Mars"})


@pytest.mark.parametrize("how", ["password", "cleared", "disabled", "deleted"])
async def test_what_ends_a_users_sign_ins(database: PostgresDatabase, user: User, how: str) -> None:
    await sign_in(database, user)
    assert await sign_ins(database) == 2
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        match how:
            case "password":
                await administration.set_password(work, ACTOR, user, "$argon2id$new")
            case "cleared":
                await administration.set_password(work, ACTOR, user, None)
            case "disabled":
                await administration.set_user_active(work, ACTOR, user, is_active=False)
            case _:
                await administration.delete_user(work, ACTOR, user)
    assert await sign_ins(database) == 0
    event = {
        "password": "user:password:changed",
        "cleared": "user:password:cleared",
        "disabled": "user:disabled",
        "deleted": "user:deleted",
    }[how]
    assert (await events_of(database, user.account_id))[-1] == event
    async with database.reading(EVERY_ACCOUNT) as connection:
        record = await user_store.find_sign_in(connection, user.email)
    if how == "deleted":
        assert record is None
    else:
        assert record is not None
        assert record.password_hash == {"password": "$argon2id$new", "cleared": None}.get(how, "$argon2id$x")
        assert record.user.is_active == (how in {"password", "cleared"})


async def test_logins_are_remembered(database: PostgresDatabase, user: User) -> None:
    assert (user.last_login_at, user.last_seen_at) == (None, None)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await user_store.note_login(work.connection, user)
        signed_in = await user_store.find_user(work.connection, EVERY_ACCOUNT, user.user_id)
    assert signed_in is not None and signed_in.last_login_at is not None
    assert signed_in.last_seen_at == signed_in.last_login_at


async def test_two_gateways_that_make_the_same_user_at_once_make_one(
    database: PostgresDatabase, account: Account
) -> None:
    async def make() -> str:
        try:
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                await administration.create_user(work, ACTOR, account, "twin@depot.example")
        except Conflict as error:
            return str(error.field)
        return "made"

    assert sorted(await asyncio.gather(*(make() for _ in range(4)))) == ["email", "email", "email", "made"]


# ------------------------------------------------------------------ API keys


async def test_a_key_is_found_by_its_id(database: PostgresDatabase, user: User) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        everything = await credential_administration.create_key(work, ACTOR, user, name="all")
        little = await credential_administration.create_key(
            work, ACTOR, user, name="some", scopes=["read", "jobs", "read"]
        )
    assert everything.key.scopes == SCOPES
    assert little.key.scopes == ("read", "jobs")
    assert everything.api_key not in repr(everything)
    parsed = parse_api_key(little.api_key)
    assert parsed is not None
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await key_store.find_key(work.connection, user.account_id, parsed[0]) == little.key
        assert little.key.user_number == user.number
        assert await key_store.list_keys(work.connection, user.account_id, user_id=user.user_id) == [
            everything.key,
            little.key,
        ]
        assert await key_store.find_key(work.connection, EVERY_ACCOUNT, "00000000") is None


async def test_a_key_without_a_scope_is_refused(database: PostgresDatabase, user: User) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await credential_administration.create_key(work, ACTOR, user, name="k", scopes=[])
    assert refused.value.field == "scope" and "reconfiguration" in refused.value.message


async def test_a_key_cannot_be_made_for_an_unknown_scope_or_a_past_moment(
    database: PostgresDatabase, user: User
) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await credential_administration.create_key(work, ACTOR, user, name="k", scopes=["everything"])
    assert refused.value.field == "scope" and "reconfiguration" in refused.value.message
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            past = await audit.now(work.connection) - timedelta(seconds=1)
            await credential_administration.create_key(work, ACTOR, user, name="k", expires_at=past)
    assert refused.value.field == "expires_at"


# ------------------------------------------------------------------ OAuth2 clients


async def test_a_client_has_at_most_two_active_secrets_also_when_many_are_added_at_once(
    database: PostgresDatabase, client: Client
) -> None:
    async def add(number: int) -> str:
        try:
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                await credential_administration.add_client_secret(work, ACTOR, client, f"$argon2id${number}")
        except Conflict as error:
            return str(error.field)
        return "added"

    assert sorted(await asyncio.gather(*map(add, range(4)))) == ["added", "secrets", "secrets", "secrets"]
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        first, second = await client_store.list_secrets(work.connection, EVERY_ACCOUNT, client.client_id)
        await credential_administration.delete_client_secret(work, ACTOR, client, first.secret_id)
        with pytest.raises(NotFound):
            await credential_administration.delete_client_secret(work, ACTOR, client, first.secret_id)
        record = await client_store.find_client_record(work.connection, client.client_id)
        assert record is not None
        assert record.is_valid and len(record.secret_hashes) == 1
        assert (record.client.grid_owners, record.client.roles) == (("g1",), ("ingest", "read"))
        assert "$argon2id" not in repr(record)
        assert await client_store.list_secrets(work.connection, AccountId(uuid7()), client.client_id) == []
        assert await client_store.list_secrets(work.connection, client.account_id, client.client_id) == [second]


async def test_an_expired_secret_does_not_count(database: PostgresDatabase, client: Client) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        soon = await audit.now(work.connection) + timedelta(seconds=0.2)
        await credential_administration.add_client_secret(work, ACTOR, client, "$argon2id$short", expires_at=soon)
    await asyncio.sleep(0.3)  # the database's clock decides, which no test can move
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        record = await client_store.find_client_record(work.connection, client.client_id)
        assert record is not None and list(record.secret_hashes.values()) == ["$argon2id$first"]
        await credential_administration.add_client_secret(work, ACTOR, client, "$argon2id$next")


@pytest.mark.parametrize(
    ("field", "new"),
    [
        ("role", NewClient("c", ("root",))),
        ("region", NewClient("c", ("read",), region="mars")),
        ("environment", NewClient("c", ("read",), environment="test")),
        ("name", NewClient("", ("read",))),
    ],
)
async def test_what_cannot_be_a_client_is_refused(
    database: PostgresDatabase, account: Account, field: str, new: NewClient
) -> None:
    with pytest.raises(InvalidInput) as refused:
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            await credential_administration.create_client(work, ACTOR, account.account_id, new, "$argon2id$x")
    assert refused.value.field == field


async def test_a_client_is_changed_disabled_and_deleted(database: PostgresDatabase, client: Client) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        changed = await credential_administration.update_client(
            work, ACTOR, client, {"roles": ("api_consumer",), "grid_owners": None}
        )
        assert (changed.roles, changed.grid_owners) == (("api_consumer",), None)
        await credential_administration.set_client_active(work, ACTOR, client, is_active=False)
        record = await client_store.find_client_record(work.connection, client.client_id)
        assert record is not None and not record.is_valid
        assert [c.client_id for c in await client_store.list_clients(work.connection, client.account_id)] == [
            client.client_id
        ]
        await credential_administration.delete_client(work, ACTOR, client)
        with pytest.raises(NotFound):
            await require_client(work, client.client_id)
    names = await events_of(database, client.account_id)
    assert names == ["account:created", "client:created", "client:changed", "client:disabled", "client:deleted"]


# ------------------------------------------------------------------ audit


async def test_an_event_says_who_did_what_to_which_object_from_where(database: PostgresDatabase, user: User) -> None:
    async with database.unit_of_work(user.account_id) as work:
        await audit.record(
            work.connection,
            user.account_id,
            "network:created",
            actor=Actor(user.subject, "198.51.100.3"),
            object_kind="network",
            object_id="feeder",
            details={"bytes": 12},
        )
    async with database.reading(user.account_id) as connection:
        newest = (await audit.list_events(connection, user.account_id))[0]
        assert (newest.event, newest.subject, newest.address) == ("network:created", user.subject, "198.51.100.3")
        assert (newest.object_kind, newest.object_id, newest.details) == ("network", "feeder", {"bytes": 12})
        now = await audit.now(connection)
        assert abs(now - newest.occurred_at) < timedelta(minutes=1)
        assert await audit.list_events(connection, user.account_id, since=now + timedelta(seconds=1)) == []
        mine = await audit.list_events(
            connection, EVERY_ACCOUNT, subject=user.subject, about=("user", str(user.number))
        )
        assert [event.event for event in mine] == ["network:created", "user:created"]
        assert [event.event for event in await audit.list_events(connection, user.account_id, limit=1, offset=1)] == [
            "user:created"
        ]


async def test_events_are_kept_for_400_days_and_so_many_pruned_at_a_time(
    database: PostgresDatabase, account: Account
) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        for days in (399, 401, 402, 403):
            await work.connection.execute(
                insert(audit_events).values(
                    event_id=uuid7(),
                    account_id=account.account_id,
                    occurred_at=func.now() - timedelta(days=days),
                    event="account:changed",
                    subject=f"cli:{days}",
                    object_kind="account",
                    object_id=str(account.number),
                )
            )
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await audit.prune(work.connection, 2) == 2
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await audit.prune(work.connection, 2) == 1
        assert await audit.prune(work.connection, 2) == 0
        kept = await audit.list_events(work.connection, EVERY_ACCOUNT)
    assert [event.subject for event in kept] == [ACTOR.subject, "cli:399"]
