"""Signing in with a password, and how guessing is slowed down, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import func, select, update

from services.gateway.auth import credential_store
from services.gateway.auth.auth import Auth
from services.gateway.auth.gate import TooManyRequests
from services.gateway.auth.sign_in import InactiveUser, SignInFailed, UnknownEmail, WrongPassword
from shared.db.engine import PostgresDatabase
from shared.db.models.identity import accounts, audit_events, sign_in_failures, user_tokens, users, web_sessions
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DatabaseUnavailable, DependencyUnavailable
from shared.identity import account_store, administration, user_store
from shared.identity.passwords import PasswordHasher
from shared.identity.principals import User
from shared.ids import uuid7
from tests.support.principals import PASSWORD, TESTER, StillClock, make_account, make_auth, make_user

pytestmark = pytest.mark.asyncio(loop_scope="module")


class CheapPasswords(PasswordHasher):
    """Compares without work: where a test needs many attempts and not their cost."""

    def __init__(self) -> None:
        super().__init__()
        self.checked = 0

    async def verify(self, known_hash: str | None, secret: str) -> bool:
        self.checked += 1
        await asyncio.sleep(0)
        return known_hash is not None and secret == PASSWORD


class SaturatedPasswords(PasswordHasher):
    async def verify(self, known_hash: str | None, secret: str) -> bool:
        raise DependencyUnavailable("too many")


@dataclass
class World:
    database: PostgresDatabase
    clock: StillClock
    passwords: CheapPasswords
    here: Auth
    there: Auth
    user: User
    home: str

    async def guess(self, times: int, *, email: str | None = None, address: str = "203.0.113.9") -> list[str]:
        """What so many wrong passwords were answered with."""
        return [await self.outcome(email or self.user.email, "wrong", address) for _ in range(times)]

    async def outcome(self, email: str, password: str, address: str) -> str:
        try:
            await self.here.sign_in.sign_in(email, password, address)
        except (SignInFailed, TooManyRequests) as error:
            return error.code
        return "signed_in"


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_database: PostgresDatabase) -> AsyncIterator[World]:
    clock, passwords = StillClock(), CheapPasswords()
    here, there = (make_auth(shared_database, clock=clock, passwords=passwords) for _ in range(2))
    user = await make_user(shared_database, await make_account(shared_database))
    async with shared_database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(sign_in_failures.delete())
    yield World(shared_database, clock, passwords, here, there, user, "198.51.100.7")
    for auth in (here, there):
        await auth.stop()


async def test_the_right_password_signs_in_and_is_recorded(world: World) -> None:
    user = await world.here.sign_in.sign_in(f" {world.user.email.upper()} ", PASSWORD, world.home)
    assert user.number == world.user.number
    await world.here.sign_in.issue_token(user, address=world.home)
    async with world.database.reading(EVERY_ACCOUNT) as connection:
        mine = audit_events.c.subject == user.subject
        events = (await connection.execute(select(audit_events.c.event, audit_events.c.address).where(mine))).all()
        last = select(users.c.last_login_at).where(users.c.user_id == user.user_id)
        assert (await connection.execute(last)).scalar_one() is not None
    assert [tuple(event) for event in events] == [("user:token:issued", world.home)]


async def test_each_reason_has_an_error_of_its_own(world: World) -> None:
    with pytest.raises(UnknownEmail):
        await world.here.sign_in.sign_in("x@y.z", PASSWORD, world.home)
    with pytest.raises(WrongPassword):
        await world.here.sign_in.sign_in(world.user.email, "wrong", world.home)
    for table in (accounts, users):
        mine = table.c.account_id == world.user.account_id
        async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
            await work.connection.execute(update(table).where(mine).values(is_active=False))
        with pytest.raises(InactiveUser):
            await world.here.sign_in.sign_in(world.user.email, PASSWORD, world.home)
        with pytest.raises(WrongPassword):
            await world.here.sign_in.sign_in(world.user.email, "wrong", world.home)
        async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
            await work.connection.execute(update(table).where(mine).values(is_active=True))


@pytest.mark.parametrize("password", ["x" * 100_000, "", "\ud800", "nul\0nul"])
async def test_a_password_that_nobody_has_is_wrong(world: World, password: str) -> None:
    with pytest.raises(WrongPassword):
        await world.here.sign_in.sign_in(world.user.email, password, world.home)


@pytest.mark.parametrize("email", ["\ud800@x", "nul\0@x", "", "x" * 5000])
async def test_an_address_that_nobody_has_is_unknown(world: World, email: str) -> None:
    with pytest.raises(UnknownEmail):
        await world.here.sign_in.sign_in(email, PASSWORD, world.home)


async def test_a_user_without_a_password_signs_in_with_none(world: World) -> None:
    bare = await make_user(world.database, await make_account(world.database), password_hash=None)
    with pytest.raises(WrongPassword):
        await world.here.sign_in.sign_in(bare.email, "", world.home)


@pytest.mark.parametrize("is_known", [True, False])
async def test_the_wait_doubles_with_each_failure_after_the_first_five(world: World, is_known: bool) -> None:
    email = world.user.email if is_known else f"{uuid7().hex}@nowhere.example"
    expected = "wrong_password" if is_known else "unknown_user"
    assert await world.guess(6, email=email) == [expected] * 6
    for wait_s in (1, 2, 4, 8):
        assert await world.guess(1, email=email) == ["too_many_requests"]
        world.clock.move(wait_s - 0.5)
        with pytest.raises(TooManyRequests) as refused:
            await world.there.sign_in.sign_in(email, "wrong", "203.0.113.9")  # counted together
        assert refused.value.retry_after_s == 1
        world.clock.move(0.5)
        assert await world.guess(1, email=email) == [expected]


async def test_the_wait_grows_no_longer_than_a_quarter_of_an_hour_and_is_forgotten_in_time(world: World) -> None:
    await world.guess(6)
    for _ in range(15):
        world.clock.move(900)
        assert await world.guess(1) == ["wrong_password"]
    assert await world.guess(1) == ["too_many_requests"]
    world.clock.move(3601)
    assert await world.guess(5) == ["wrong_password"] * 5


async def test_a_thousand_wrong_passwords_are_tried_a_few_times_only(world: World) -> None:
    answers = await world.guess(1000)
    assert answers.count("too_many_requests") >= 990
    assert world.passwords.checked <= 10


async def test_two_hundred_at_once_are_no_more_than_one_after_the_other(world: World) -> None:
    gateways = (world.here, world.there)

    async def attempt(number: int) -> str:
        try:
            await gateways[number % 2].sign_in.sign_in(world.user.email, "wrong", "203.0.113.9")
        except (SignInFailed, TooManyRequests, DependencyUnavailable) as error:
            return error.code
        return "signed_in"

    answers = await asyncio.gather(*(attempt(number) for number in range(200)))
    assert answers.count("wrong_password") == 6
    assert answers.count("too_many_requests") + answers.count("dependency_unavailable") == 194


async def test_an_address_that_guesses_at_many_users_is_slowed_down(world: World) -> None:
    answers = [(await world.guess(1, email=f"{number}@nowhere.example"))[0] for number in range(60)]
    assert answers.count("unknown_user") == 31
    assert await world.outcome(world.user.email, PASSWORD, world.home) == "signed_in"


async def test_a_whole_network_of_version_6_counts_as_one_address(world: World) -> None:
    answers = [(await world.guess(1, address=f"2001:db8:1:2::{number:x}"))[0] for number in range(20)]
    assert answers.count("wrong_password") == 6


async def test_the_user_gets_in_while_others_guess(world: World) -> None:
    user = await world.here.sign_in.sign_in(world.user.email, PASSWORD, world.home)
    await world.here.sign_in.issue_token(user, address=world.home)
    for number in range(60):
        await world.guess(1, address=f"192.0.2.{number}")
    assert await world.guess(1, address="192.0.2.200") == ["too_many_requests"]  # the subject is slowed down
    assert await world.outcome(user.email, PASSWORD, world.home) == "signed_in"  # not where the user comes from
    # From a new address the wait is short, however long others go on.
    with pytest.raises(TooManyRequests) as refused:
        await world.there.sign_in.sign_in(user.email, PASSWORD, "192.0.2.201")
    assert refused.value.retry_after_s <= 10
    world.clock.move(refused.value.retry_after_s)
    assert await world.outcome(user.email, PASSWORD, "192.0.2.201") == "signed_in"


async def test_success_makes_earlier_failures_from_there_forgotten(world: World) -> None:
    for _ in range(4):
        await world.guess(5, address=world.home)
        assert await world.outcome(world.user.email, PASSWORD, world.home) == "signed_in"


async def test_what_could_not_be_tried_does_not_count(world: World, shared_database: PostgresDatabase) -> None:
    auth = make_auth(shared_database, clock=world.clock, passwords=SaturatedPasswords())
    for _ in range(20):
        with pytest.raises(DependencyUnavailable):
            await auth.sign_in.sign_in(world.user.email, PASSWORD, world.home)
    assert await world.outcome(world.user.email, PASSWORD, world.home) == "signed_in"
    await auth.stop()


async def test_counters_that_are_locked_refuse_nobody(world: World) -> None:
    await world.guess(1, address=world.home)
    async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(select(sign_in_failures).with_for_update())
        assert await world.outcome(world.user.email, PASSWORD, world.home) == "signed_in"


async def test_without_the_database_nobody_signs_in_and_nobody_is_turned_down() -> None:
    nowhere = PostgresDatabase("postgresql://nobody@127.0.0.1:1/none", application_name="tests")
    auth = make_auth(nowhere)
    with pytest.raises(DatabaseUnavailable):
        await auth.sign_in.sign_in("ann@north.example", PASSWORD, "198.51.100.7")
    await auth.stop()


async def _change(world: World, how: str, user: User) -> None:
    async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
        match how:
            case "password":
                await administration.set_password(work, TESTER, user, "$argon2id$new")
            case "user":
                await administration.set_user_active(work, TESTER, user, is_active=False)
            case "account":
                account = await account_store.find_account(work.connection, EVERY_ACCOUNT, user.account_id)
                assert account is not None
                await administration.set_account_active(work, TESTER, account, is_active=False)
            case "deleted":
                await administration.delete_user(work, TESTER, user)


async def _tokens_and_sessions(world: World, user: User) -> int:
    async with world.database.reading(EVERY_ACCOUNT) as connection:
        counts = [
            select(func.count()).select_from(table).where(table.c.user_id == user.user_id)
            for table in (user_tokens, web_sessions)
        ]
        return sum([(await connection.execute(count)).scalar_one() for count in counts])


@pytest.mark.parametrize("how", ["password", "user", "account", "deleted"])
async def test_whoever_is_locked_out_between_password_and_token_gets_none(world: World, how: str) -> None:
    user = await world.here.sign_in.sign_in(world.user.email, PASSWORD, world.home)
    await _change(world, how, user)
    with pytest.raises(WrongPassword):
        await world.there.sign_in.issue_token(user, address=world.home)
    with pytest.raises(WrongPassword):
        await world.there.sign_in.open_session(user, address=world.home)
    assert await _tokens_and_sessions(world, user) == 0


@pytest.mark.parametrize("how", ["password", "user", "account", "deleted"])
async def test_a_token_that_is_being_made_ends_with_what_locks_its_user_out(world: World, how: str) -> None:
    user = world.user
    async with world.database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await user_store.note_login(work.connection, user)
        expires_at = world.clock.now() + timedelta(hours=1)
        await credential_store.add_token(work.connection, user.account_id, user.user_id, uuid7().bytes, expires_at)
        locking_out = asyncio.create_task(_change(world, how, user))
        await asyncio.sleep(0.2)  # it waits for this transaction
        assert not locking_out.done()
    await locking_out
    assert await _tokens_and_sessions(world, user) == 0


async def test_the_table_tells_nobody_who_was_guessed_at(world: World) -> None:
    await world.guess(1)
    async with world.database.reading(EVERY_ACCOUNT) as connection:
        buckets = (await connection.execute(select(sign_in_failures.c.bucket))).scalars().all()
    assert buckets
    assert not any("north" in bucket or "203.0" in bucket for bucket in buckets)
