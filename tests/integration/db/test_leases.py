"""Leases on a real database, whose clock decides."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest
from sqlalchemy import select, text

from shared.db import leases
from shared.db.engine import PostgresDatabase
from shared.db.leases import Lease
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DatabaseUnavailable, LeaseLost
from shared.ids import OPEN_ACCOUNT_ID, AccountId
from tests.support.eventually import eventually

OTHER_ACCOUNT = AccountId(UUID("018f0000-0000-7000-8000-0000000000aa"))
RUN = "run:1"


async def acquire(
    database: PostgresDatabase,
    owner: str,
    ttl_s: float = 30.0,
    *,
    resource: str = RUN,
    account: AccountId = OPEN_ACCOUNT_ID,
) -> Lease | None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        return await leases.acquire(uow.connection, account, resource, owner, ttl_s)


async def taken(database: PostgresDatabase, owner: str, ttl_s: float = 30.0, *, resource: str = RUN) -> Lease:
    lease = await acquire(database, owner, ttl_s, resource=resource)
    assert lease is not None
    return lease


async def renew(database: PostgresDatabase, *held: Lease, ttl_s: float = 30.0) -> set[str]:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        return await leases.renew(uow.connection, held, ttl_s)


async def guard(database: PostgresDatabase, lease: Lease) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await leases.guard(uow.connection, lease)


async def expire(database: PostgresDatabase, resource: str = RUN) -> None:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(
            text("UPDATE leases SET expires_at = clock_timestamp() - interval '1 ms' WHERE resource = :r"),
            {"r": resource},
        )


async def test_a_free_lease_is_taken_and_a_held_one_is_not(database: PostgresDatabase) -> None:
    assert await acquire(database, "a") == Lease(RUN, "a", 1)
    assert await acquire(database, "b") is None
    assert await acquire(database, "a") is None
    assert await acquire(database, "b", resource="run:2") == Lease("run:2", "b", 1)


async def test_an_expired_lease_goes_to_the_next_with_a_higher_fence(database: PostgresDatabase) -> None:
    await taken(database, "a")
    await expire(database)
    assert await acquire(database, "b") == Lease(RUN, "b", 2)


async def test_a_lease_ends_by_itself_after_its_time(database: PostgresDatabase) -> None:
    await taken(database, "a", 0.3)
    started = time.monotonic()
    await eventually(lambda: acquire(database, "b"))
    assert 0.2 < time.monotonic() - started < 2


async def test_a_released_lease_can_be_taken_at_once_with_a_higher_fence(database: PostgresDatabase) -> None:
    first = await taken(database, "a")
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await leases.release(uow.connection, first)
    with pytest.raises(LeaseLost):
        await guard(database, first)
    assert await acquire(database, "a") == Lease(RUN, "a", 2)


async def test_releasing_a_lost_lease_leaves_the_new_owners_alone(database: PostgresDatabase) -> None:
    lost = await taken(database, "a")
    await expire(database)
    now = await taken(database, "b")
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await leases.release(uow.connection, lost)
    await guard(database, now)


async def test_a_lease_of_another_account_is_not_to_be_had_even_when_it_has_expired(database: PostgresDatabase) -> None:
    await taken(database, "a")
    await expire(database)
    assert await acquire(database, "b", account=OTHER_ACCOUNT) is None


async def test_renewing_says_which_leases_are_still_held(database: PostgresDatabase) -> None:
    held = await taken(database, "a", resource="held")
    expired = await taken(database, "a", resource="expired")
    stolen = await taken(database, "a", resource="stolen")
    await expire(database, "expired")
    await expire(database, "stolen")
    await taken(database, "b", resource="stolen")
    gone = Lease("gone", "a", 1)
    assert await renew(database, held, expired, stolen, gone) == {"held"}
    assert await renew(database) == set()


async def test_renewing_extends_the_time(database: PostgresDatabase) -> None:
    lease = await taken(database, "a", 0.5)
    for _ in range(4):
        await asyncio.sleep(0.2)
        assert await renew(database, lease, ttl_s=0.5) == {RUN}
    await guard(database, lease)


async def test_a_zombie_can_neither_renew_nor_write(database: PostgresDatabase) -> None:
    zombie = await taken(database, "a")
    await expire(database)
    # Before anybody else has taken it over:
    assert await renew(database, zombie) == set()
    with pytest.raises(LeaseLost):
        await guard(database, zombie)
    # And after:
    owner = await taken(database, "b")
    assert await renew(database, zombie) == set()
    with pytest.raises(LeaseLost):
        await guard(database, zombie)
    await guard(database, owner)


async def test_the_same_owner_with_an_old_fence_is_a_zombie_too(database: PostgresDatabase) -> None:
    old = await taken(database, "a")
    await expire(database)
    new = await taken(database, "a")
    with pytest.raises(LeaseLost):
        await guard(database, old)
    assert await renew(database, old) == set()
    await guard(database, new)


async def test_a_lease_that_was_never_taken_guards_nothing(database: PostgresDatabase) -> None:
    with pytest.raises(LeaseLost):
        await guard(database, Lease("run:none", "a", 1))


async def test_nobody_takes_a_lease_over_between_its_guard_and_the_commit(database: PostgresDatabase) -> None:
    lease = await taken(database, "a", 0.3)
    order: list[str] = []

    async def take_over() -> None:
        await eventually(lambda: acquire(database, "b"), within=10)
        order.append("taken over")

    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await leases.guard(uow.connection, lease)
        waiting = asyncio.create_task(take_over())
        await asyncio.sleep(0.8)  # long after the lease has run out
        order.append("committing")
    await waiting
    assert order == ["committing", "taken over"]


async def test_a_guard_that_had_to_wait_judges_by_the_time_after_the_wait(database: PostgresDatabase) -> None:
    lease = await taken(database, "a", 0.4)

    async def guard_late() -> None:
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(select(1))  # the transaction, and its now(), begin while the lease is good
            await leases.guard(uow.connection, lease)

    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("SELECT 1 FROM leases FOR UPDATE"))
        late = asyncio.create_task(guard_late())
        await asyncio.sleep(0.8)
    with pytest.raises(LeaseLost):
        await late


async def test_a_slow_guarded_write_does_not_keep_other_leases_from_being_renewed(database: PostgresDatabase) -> None:
    slow, other = await taken(database, "a", resource="slow"), await taken(database, "a", 1.0, resource="other")
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await leases.guard(uow.connection, slow)
        started = time.monotonic()
        assert await renew(database, slow, other) == {"slow", "other"}
        assert time.monotonic() - started < 1
    await asyncio.sleep(0.6)
    await guard(database, other)


async def test_two_at_once_get_one_lease(database: PostgresDatabase) -> None:
    results = await asyncio.gather(*(acquire(database, str(number)) for number in range(8)))
    assert len([lease for lease in results if lease is not None]) == 1


async def test_leases_that_ended_long_ago_are_forgotten(database: PostgresDatabase) -> None:
    await taken(database, "a", resource="held")
    await taken(database, "a", resource="ended")
    await expire(database, "ended")
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await leases.forget_older_than(uow.connection, 60, 10) == 0
        assert await leases.forget_older_than(uow.connection, 0, 10) == 1


@pytest.mark.parametrize("locks", ["guard", "renew"])
async def test_a_worker_that_goes_silent_while_it_writes_does_not_keep_the_lease_from_others(
    database: PostgresDatabase, locks: str
) -> None:
    lease = await taken(database, "a")
    with pytest.raises(DatabaseUnavailable):  # the whole transaction is the silent worker's
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            if locks == "guard":
                await leases.guard(uow.connection, lease)
            else:
                await leases.renew(uow.connection, [lease], 0.1)
            began = time.monotonic()

            async def is_taken_over() -> bool:
                try:
                    await expire(database)
                except DatabaseUnavailable:  # the row is locked
                    return False
                return await acquire(database, "b") is not None

            await eventually(is_taken_over, within=10)
            assert time.monotonic() - began < 2 * leases.SILENCE_S
            await uow.connection.execute(text("SELECT 1"))
