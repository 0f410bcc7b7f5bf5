"""Whose a credential is, on a real database, as several gateways see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import pytest_asyncio
from sqlalchemy import event, func, select, update

from services.gateway.auth import credential_store
from services.gateway.auth import verifier as verifier_module
from services.gateway.auth.access_tokens import Claims
from services.gateway.auth.auth import Auth
from services.gateway.auth.identity import Identity
from services.gateway.auth.last_use import LastUse
from services.gateway.auth.tokens import TokenHasher
from services.gateway.auth.verifier import Verifier
from shared.db.engine import PostgresDatabase
from shared.db.models.identity import accounts, api_keys, user_tokens, users, web_sessions
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DatabaseUnavailable
from shared.identity import administration
from shared.identity.principals import SCOPES, User
from tests.support.eventually import eventually
from tests.support.principals import (
    TESTER,
    KnownTokens,
    MovedClock,
    StillClock,
    make_account,
    make_auth,
    make_key,
    make_user,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = frozenset(SCOPES)


@dataclass
class World:
    """Two gateways on one database, and a user."""

    database: PostgresDatabase
    clock: MovedClock
    tokens: KnownTokens
    here: Auth
    there: Auth
    user: User

    async def change(self, statement: object) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as work:
            await work.connection.execute(statement)  # type: ignore[call-overload]  # an UPDATE or DELETE


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_database: PostgresDatabase) -> AsyncIterator[World]:
    database = shared_database
    clock, tokens = MovedClock(), KnownTokens()
    here, there = (make_auth(database, clock=clock, tokens=tokens) for _ in range(2))
    user = await make_user(database, await make_account(database), roles=("account-admin",))
    yield World(database, clock, tokens, here, there, user)
    for auth in (here, there):
        await auth.stop()


async def whose(verifier: Verifier, credential: str) -> str | None:
    identity = await verifier.identify(credential)
    return None if identity is None else identity.subject


async def test_a_user_token_reaches_everything_that_its_user_may(world: World) -> None:
    token = await world.here.sign_in.issue_token(world.user)
    expected = Identity(
        world.user.account_id,
        world.user.subject,
        "user",
        ALL,
        frozenset({"account-admin", "api_consumer", "asset_admin", "platform_admin"}),
        grid_owners=None,
        user_number=world.user.number,
    )
    assert await world.here.verifier.identify(token) == expected
    assert await world.there.verifier.identify(token) == expected


async def test_a_token_is_stored_as_its_hmac_only(world: World) -> None:
    token = await world.here.sign_in.issue_token(world.user)
    session = await world.here.sign_in.open_session(world.user)
    async with world.database.reading(EVERY_ACCOUNT) as connection:
        stored: list[bytes] = []
        for column in (user_tokens.c.token_hash, web_sessions.c.session_hash):
            mine = select(column).where(column.table.c.user_id == world.user.user_id)
            stored += (await connection.execute(mine)).scalars().all()
    assert [len(each) for each in stored] == [32, 32]
    assert not any(secret.encode() in each for each in stored for secret in (token, session))


async def test_a_token_is_good_until_the_second_of_its_expiry_and_not_longer(world: World) -> None:
    token = await world.here.sign_in.issue_token(world.user)
    assert await whose(world.here.verifier, token) == world.user.subject
    world.clock.move(6 * 3600 - 60)
    assert await whose(world.here.verifier, token) == world.user.subject  # remembered, and looked up again
    world.clock.move(60)
    assert await whose(world.here.verifier, token) is None  # though it is remembered
    assert await whose(world.there.verifier, token) is None


async def test_a_key_acts_with_its_scopes_and_only_a_key_of_all_scopes_leads(world: World) -> None:
    few = await world.here.verifier.identify(await make_key(world.database, world.user, scopes=["read", "jobs"]))
    every = await world.here.verifier.identify(await make_key(world.database, world.user))
    assert few is not None and every is not None
    assert (few.kind, few.subject) == ("key", world.user.subject)
    assert few.scopes == {"read", "jobs"}
    assert few.roles == {"account-admin", "api_consumer"}
    assert every.roles >= {"asset_admin", "platform_admin"}


async def test_a_key_expires(world: World) -> None:
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    key = await make_key(world.database, world.user, expires_at=expires_at)
    assert await whose(world.here.verifier, key) == world.user.subject
    world.clock.move(300)
    assert await whose(world.here.verifier, key) is None


async def test_a_key_with_a_wrong_secret_is_nobodys(world: World) -> None:
    key = await make_key(world.database, world.user)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert await whose(world.here.verifier, wrong) is None


@pytest.mark.parametrize(
    "credential",
    [
        "",
        " ",
        "bb_",
        "bb_abcdefgh_short",
        "bb_abcdefgh_" + "x" * 300,
        "a b",
        "a\tb",
        "\u00e9" * 43,
        "x" * 42,
        "a.b",
        "\ud800",
        "y" * 20_000,
        "x" * 42 + "=",
    ],
)
async def test_what_cannot_be_a_credential_never_reaches_the_database(world: World, credential: str) -> None:
    async with counting(world.database) as statements:
        assert await whose(world.here.verifier, credential) is None
        assert await world.here.verifier.identify_session(credential) is None
    assert statements == []


async def test_a_token_is_no_session_and_a_session_no_token(world: World) -> None:
    token = await world.here.sign_in.issue_token(world.user)
    session = await world.here.sign_in.open_session(world.user)
    assert await world.here.verifier.identify_session(token) is None
    assert await whose(world.here.verifier, session) is None
    identity = await world.here.verifier.identify_session(session)
    assert identity is not None and identity.kind == "session"


async def test_a_client_acts_with_the_scopes_that_its_roles_name(world: World) -> None:
    expires_at = world.clock.now() + timedelta(seconds=600)
    roles = frozenset({"api_consumer", "jobs", "ingest"})
    world.tokens.claims["a.b.c"] = Claims(
        "c-1", world.user.account_id, "eu", roles, frozenset({"g"}), "production", expires_at
    )
    identity = await world.here.verifier.identify("a.b.c")
    assert identity == Identity(
        world.user.account_id,
        "client:c-1",
        "client",
        frozenset({"read", "jobs"}),
        roles,
        frozenset({"g"}),
        region="eu",
    )
    world.clock.move(599)
    assert await whose(world.here.verifier, "a.b.c") == "client:c-1"
    world.clock.move(1)
    assert await whose(world.here.verifier, "a.b.c") is None


async def test_a_client_of_an_account_that_was_disabled_is_nobody(world: World) -> None:
    claims = Claims("c", world.user.account_id, "eu", frozenset(), None, "production", world.clock.now())
    world.tokens.claims["a.b.c"] = claims
    await world.change(update(accounts).where(accounts.c.account_id == world.user.account_id).values(is_active=False))
    assert await whose(world.here.verifier, "a.b.c") is None


@pytest.mark.parametrize("what", ["user", "account", "key", "password", "deleted user"])
async def test_a_revocation_is_effective_within_five_seconds_in_every_process(world: World, what: str) -> None:
    user, database = world.user, world.database
    credentials = {"key": await make_key(database, user)}
    if what != "key":
        credentials["token"] = await world.here.sign_in.issue_token(user)
    session = await world.here.sign_in.open_session(user)
    gateways = (world.here, world.there)
    for auth in gateways:
        for credential in credentials.values():
            assert await whose(auth.verifier, credential) == user.subject
        assert await auth.verifier.identify_session(session) is not None
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        if what == "user":
            await administration.set_user_active(work, TESTER, user, is_active=False)
        elif what == "deleted user":
            await administration.delete_user(work, TESTER, user)
        elif what == "account":
            mine = accounts.c.account_id == user.account_id
            await work.connection.execute(update(accounts).where(mine).values(is_active=False))
        elif what == "key":
            of_user = api_keys.c.user_id == user.user_id
            await work.connection.execute(update(api_keys).where(of_user).values(is_active=False))
        else:
            await administration.set_password(work, TESTER, user, None)
    dead = [text for kind, text in credentials.items() if not (what == "password" and kind == "key")]

    async def all_gone() -> bool:
        found: list[object] = [await whose(auth.verifier, text) for auth in gateways for text in dead]
        if what != "key":
            found += [await auth.verifier.identify_session(session) for auth in gateways]
        return not any(found)

    await eventually(all_gone, within=5.0, every=0.2)


async def test_what_is_revoked_through_a_process_is_gone_there_at_once(world: World) -> None:
    token = await world.here.sign_in.issue_token(world.user)
    assert await whose(world.here.verifier, token) is not None
    await world.change(update(users).where(users.c.user_id == world.user.user_id).values(is_active=False))
    world.here.verifier.forget()
    assert await whose(world.here.verifier, token) is None


async def test_many_requests_with_one_credential_ask_the_database_once(world: World) -> None:
    token = await world.here.sign_in.issue_token(world.user)
    async with counting(world.database) as statements:
        found = await asyncio.gather(*(whose(world.here.verifier, token) for _ in range(200)))
        assert set(found) == {world.user.subject}
        assert await whose(world.here.verifier, token) == world.user.subject
    assert len(statements) == 1


async def test_one_wrong_credential_over_and_over_asks_the_database_hardly_at_all(world: World) -> None:
    wrong = "w" * 43
    async with counting(world.database) as statements:
        for _ in range(500):
            assert await whose(world.here.verifier, wrong) is None
    assert len(statements) <= 10  # one a second


async def test_memory_is_bounded_and_guesses_push_no_user_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_FOUND", "MOST_NOT_FOUND"):
        monkeypatch.setattr(verifier_module, name, 5)
    token = await world.here.sign_in.issue_token(world.user)
    assert await whose(world.here.verifier, token)
    for number in range(20):
        assert await whose(world.here.verifier, f"{number:043d}") is None
    assert len(world.here.verifier._not_found) == 5
    assert len(world.here.verifier._found) == 1


async def test_a_database_that_is_away_is_no_reason_to_turn_a_credential_down() -> None:
    auth = make_auth(PostgresDatabase("postgresql://nobody@127.0.0.1:1/none", application_name="tests"))
    for credential in ("t" * 43, "bb_abcdefgh_" + "k" * 43):
        with pytest.raises(DatabaseUnavailable):
            await auth.verifier.identify(credential)
    with pytest.raises(DatabaseUnavailable):
        await auth.verifier.identify_session("s" * 43)
    await auth.stop()


async def test_times_of_last_use_are_written_at_most_once_a_minute_and_off_the_request(world: World) -> None:
    key = await make_key(world.database, world.user)

    async def last_used() -> tuple[datetime, datetime]:
        async with world.database.reading(EVERY_ACCOUNT) as connection:
            mine = users.c.user_id == world.user.user_id
            seen = (await connection.execute(select(users.c.last_seen_at).where(mine))).scalar_one()
            of_user = api_keys.c.user_id == world.user.user_id
            used = (await connection.execute(select(api_keys.c.last_used_at).where(of_user))).scalar_one()
        return cast("datetime", seen), cast("datetime", used)

    async def use_and_write() -> tuple[datetime, datetime]:
        world.here.verifier.forget()
        await whose(world.here.verifier, key)
        await world.here.last_use.write()
        return await last_used()

    async with counting(world.database) as statements:
        await whose(world.here.verifier, key)
    assert len(statements) == 1
    first = await use_and_write()
    assert None not in first
    world.clock.move(50)
    assert await use_and_write() == first
    world.clock.move(11)
    second = await use_and_write()
    assert second[0] > first[0] and second[1] > first[1]


async def test_what_is_remembered_is_seen_too_and_asking_for_it_again_is_no_use(world: World) -> None:
    seen: list[tuple[int | None, str | None]] = []

    class Notes(LastUse):
        def note(self, user_number: int | None, key_id: str | None) -> None:
            seen.append((user_number, key_id))

    key = await make_key(world.database, world.user)
    hasher = TokenHasher(b"k" * 32)
    notes = Notes(world.database, world.clock)
    verifier = Verifier(world.database, hasher, world.tokens, world.clock, last_use=notes)
    standing = await verifier.known(key)
    assert standing is not None and len(seen) == 1
    for _ in range(3):
        verifier.forget()
        assert await standing.identity() == standing.owner
    assert len(seen) == 1
    assert await whose(verifier, key)  # which the question before has found
    assert seen == [(world.user.number, key.split("_")[1])] * 2


@pytest.mark.parametrize("kind", ["key", "token", "session", "client"])
async def test_a_credential_can_be_asked_for_again_and_none_is_kept(world: World, kind: str) -> None:
    verifier, secret = world.here.verifier, "a.b.c"
    if kind == "session":
        secret = await world.here.sign_in.open_session(world.user)
    elif kind == "client":
        ends_at = world.clock.now() + timedelta(seconds=600)
        world.tokens.claims[secret] = Claims("c", world.user.account_id, "eu", ALL, None, "production", ends_at)
    elif kind == "key":
        secret = await make_key(
            world.database, world.user, expires_at=world.clock.now().astimezone(UTC) + timedelta(seconds=600)
        )
    else:
        secret = await world.here.sign_in.issue_token(world.user)
    standing = await (verifier.known_session(secret) if kind == "session" else verifier.known(secret))
    assert standing is not None
    assert await standing.identity() == standing.owner
    reached = texts_within(standing.lookup.find) | {repr(standing.lookup.key)}
    assert not any(secret in text or secret.rpartition("_")[2] in text for text in reached if kind != "client")
    assert (standing.lookup.find.func == verifier._find_client) is (kind == "client")  # type: ignore[attr-defined]
    assert not standing.has_expired()
    world.clock.move(10 * 24 * 3600)
    assert standing.has_expired()
    async with counting(world.database) as statements:
        assert await standing.identity() is None
    assert len(statements) <= 1


def texts_within(found: object) -> set[str]:
    """What a partial function has of texts."""
    return {repr(argument) for argument in getattr(found, "args", ())}


async def test_expired_tokens_and_sessions_are_swept_and_others_stay(world: World) -> None:
    old = make_auth(world.database, clock=StillClock(datetime.now(UTC) - timedelta(days=2)))
    for auth in (old, world.here):
        await auth.sign_in.issue_token(world.user)
        session = await auth.sign_in.open_session(world.user)
    async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await credential_store.forget_expired_tokens(work.connection, 100) >= 1
        assert await credential_store.forget_expired_sessions(work.connection, 100) >= 1
        for table in (user_tokens, web_sessions):
            mine = select(func.count()).select_from(table).where(table.c.user_id == world.user.user_id)
            assert (await work.connection.execute(mine)).scalar_one() == 1
    assert await world.there.verifier.identify_session(session) is not None
    await old.stop()


async def test_a_session_is_over_at_the_second_of_its_expiry(world: World) -> None:
    session = await world.here.sign_in.open_session(world.user)
    assert await world.here.verifier.identify_session(session) is not None
    world.clock.move(12 * 3600)
    assert await world.here.verifier.identify_session(session) is None  # though it is remembered


class counting:  # noqa: N801  # reads as a verb
    """The statements on a database during the block."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._engine = database._engine.sync_engine
        self._statements: list[str] = []

    def _note(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._statements.append(statement)

    async def __aenter__(self) -> list[str]:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self._statements

    async def __aexit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)
