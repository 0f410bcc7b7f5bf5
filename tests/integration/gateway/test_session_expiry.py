"""Sessions whose time is over: several gateways sweeping at once, and races with starts, stops and deletions."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from statistics import median

import pytest
import pytest_asyncio
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration import run_store, session_store
from services.gateway.dialects.reconfiguration.expiry import SessionExpiry
from services.gateway.dialects.reconfiguration.quotas import NAMED_QUOTAS, Quotas
from services.gateway.dialects.reconfiguration.scope import Scope
from shared.db.engine import PostgresDatabase
from shared.db.models import reconfiguration as tables
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, RunId, uuid7
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCOPE = Scope(OPEN_ACCOUNT_ID, "commonUser", "json")
NO_LIMITS = NAMED_QUOTAS["NoLimits"]
TIMED_OUT = -1.0


@pytest_asyncio.fixture(loop_scope="module")
async def database(shared_database: PostgresDatabase) -> PostgresDatabase:
    """The module's database without any session."""
    async with shared_database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(text("DELETE FROM reconfiguration_networks"))
    return shared_database


def sweeper(database: PostgresDatabase) -> SessionExpiry:
    """A gateway's sweep, of users without limits."""
    return SessionExpiry(database, Quotas(NO_LIMITS, None), every_s=60.0)


async def have_sessions(database: PostgresDatabase, count: int, *, left_s: float = TIMED_OUT) -> list[str]:
    """Idle sessions with so much time left."""
    network = uuid7()
    scope = {"account_id": SCOPE.account_id, "owner": SCOPE.owner, "kind": SCOPE.kind, "state": "loaded"}
    names = [f"s{k}" for k in range(count)]
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(
            insert(tables.networks).values(network_key=network, network_id=f"n {network}", **scope)
        )
        for name in names:
            row = {"session_key": uuid7(), "session_id": name, "network_key": network, "weights": [1.0] * 5, **scope}
            expires = func.clock_timestamp() + timedelta(seconds=left_s)
            await work.connection.execute(
                insert(tables.sessions).values(
                    **row, allow_unspecified_demands=False, time_out_s=365 * 86_400, expires_at=expires
                )
            )
    return names


async def names_left(database: PostgresDatabase) -> set[str]:
    async with database.reading(EVERY_ACCOUNT) as connection:
        return set((await connection.execute(select(tables.sessions.c.session_id))).scalars())


async def start(connection: AsyncConnection, name: str) -> bool:
    """What a client's start does, in a transaction of the test's; whether there was such a session."""
    session = await session_store.lock_session(connection, SCOPE, name)
    if session is None:
        return False
    run = RunId(uuid7())
    assert await run_store.add_run(connection, SCOPE, session, run, seed=1, time_out_s=3600.0)
    return True


async def test_only_sessions_whose_time_is_over_go(database: PostgresDatabase) -> None:
    await have_sessions(database, 3, left_s=60.0)
    await sweeper(database).sweep()
    assert await names_left(database) == {"s0", "s1", "s2"}
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        over = update(tables.sessions).where(tables.sessions.c.session_id == "s1")
        await work.connection.execute(over.values(expires_at=func.clock_timestamp()))
    await sweeper(database).sweep()
    assert await names_left(database) == {"s0", "s2"}


async def test_what_is_being_made_is_not_the_expirys_business(database: PostgresDatabase) -> None:
    await have_sessions(database, 1)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(update(tables.sessions).values(state="pending", pending_until=func.now()))
    await sweeper(database).sweep()
    assert await names_left(database) == {"s0"}


async def test_many_go_a_few_at_a_time_and_at_once_one_after_the_other(database: PostgresDatabase) -> None:
    await have_sessions(database, 25)
    one = sweeper(database)
    assert [await one.sweep() for _ in range(3)] == [True, True, False]
    assert await names_left(database) == set()


async def test_gateways_that_sweep_at_once_delete_each_session_once(database: PostgresDatabase) -> None:
    await have_sessions(database, 40)
    await asyncio.gather(*(sweeper(database).sweep() for _ in range(6)))
    for _ in range(4):  # what one had locked the others have left
        await sweeper(database).sweep()
    assert await names_left(database) == set()


async def test_a_session_that_is_being_started_is_left_and_stays(database: PostgresDatabase) -> None:
    await have_sessions(database, 1)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await start(work.connection, "s0")
        await sweeper(database).sweep()
    await sweeper(database).sweep()
    assert await names_left(database) == {"s0"}


async def test_a_start_that_comes_after_the_deletion_finds_nothing(database: PostgresDatabase) -> None:
    await have_sessions(database, 1)
    async with database.unit_of_work(EVERY_ACCOUNT) as sweeping:
        locked = select(tables.sessions.c.session_key).with_for_update()
        await sweeping.connection.execute(locked)

        async def start_later() -> bool:
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                return await start(work.connection, "s0")

        starting = asyncio.create_task(start_later())
        await asyncio.sleep(0.2)
        assert not starting.done()
        await sweeping.connection.execute(tables.sessions.delete())
    assert await starting is False


async def test_of_a_start_and_an_expiry_at_once_either_wins_and_no_started_session_goes(
    database: PostgresDatabase,
) -> None:
    names = await have_sessions(database, 60, left_s=0.1)
    one, other = sweeper(database), sweeper(database)

    async def start_at_some_time(name: str) -> str | None:
        await asyncio.sleep(0.3 * secrets.randbelow(1000) / 1000)
        async with database.unit_of_work(EVERY_ACCOUNT) as work:
            return name if await start(work.connection, name) else None

    async def sweep_all_the_time(which: SessionExpiry) -> None:
        while True:
            await which.sweep()
            await asyncio.sleep(0.005)

    sweeping = [asyncio.create_task(sweep_all_the_time(which)) for which in (one, other)]
    started = {name for name in await asyncio.gather(*(start_at_some_time(name) for name in names)) if name}

    async def only_those_are_left() -> bool:
        return await names_left(database) == started

    await eventually(only_those_are_left, within=10)
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in sweeping), "no sweep has failed"
    for task in sweeping:
        task.cancel()
    assert await names_left(database) == started


async def test_a_stop_and_a_deletion_at_the_time_of_the_expiry_do_no_harm(database: PostgresDatabase) -> None:
    for _ in range(5):
        names = await have_sessions(database, 12)
        one, other = sweeper(database), sweeper(database)

        async def stop(name: str) -> None:
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                session = await session_store.lock_session(work.connection, SCOPE, name)
                if session is not None:
                    await run_store.request_stop(work.connection, SCOPE, session)

        async def delete(name: str) -> None:
            async with database.unit_of_work(EVERY_ACCOUNT) as work:
                await session_store.delete_session(work.connection, SCOPE, name)

        acts = [stop(name) for name in names] + [delete(name) for name in names[::2]]
        await asyncio.gather(*acts, one.sweep(), other.sweep())
        while await names_left(database):
            await one.sweep()


async def test_the_deadline_of_a_run_ends_the_grace_that_it_gives_its_session(database: PostgresDatabase) -> None:
    await have_sessions(database, 2)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(update(tables.sessions).values(time_out_s=60.0))
        for name in ("s0", "s1"):
            assert await start(work.connection, name)
        long_ago = func.clock_timestamp() - timedelta(seconds=61)
        is_first = tables.runs.c.session_key.in_(
            select(tables.sessions.c.session_key).where(tables.sessions.c.session_id == "s0")
        )
        await work.connection.execute(update(tables.runs).where(is_first).values(deadline=long_ago))
        now = func.clock_timestamp()
        await work.connection.execute(update(tables.runs).where(~is_first).values(deadline=now))
    quotas = Quotas(replace(NO_LIMITS, session_timeout=timedelta(minutes=1)), None)
    await SessionExpiry(database, quotas, every_s=60.0).sweep()
    assert await names_left(database) == {"s1"}


async def test_time_outs_of_a_started_gateway_are_given_to_what_is_there_once(database: PostgresDatabase) -> None:
    await have_sessions(database, 1, left_s=5.0)
    demo = Quotas(NAMED_QUOTAS["ForDemo"], None)

    async def left_s() -> tuple[float, float]:
        left = func.extract("epoch", tables.sessions.c.expires_at - func.clock_timestamp())
        async with database.reading(EVERY_ACCOUNT) as connection:
            row = (await connection.execute(select(tables.sessions.c.time_out_s, left.label("left")))).one()
        return row.time_out_s, float(row.left)

    await SessionExpiry(database, demo, every_s=60.0).sweep()
    time_out_s, left = await left_s()
    assert time_out_s == 86_400.0
    assert 86_300.0 < left <= 86_400.0
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        sooner = func.clock_timestamp() + timedelta(seconds=50)
        await work.connection.execute(update(tables.sessions).values(expires_at=sooner))
    await SessionExpiry(database, demo, every_s=60.0).sweep()
    assert (await left_s())[1] <= 50.0, "another gateway that starts does not begin it anew"


async def test_a_sweep_in_the_background_is_as_quick_as_its_interval(database: PostgresDatabase) -> None:
    """With time-outs of 0.2 s and sweeps of 10 ms clients count on 0.1 s to 0.3 s, on a quiet machine."""
    quotas = Quotas(NO_LIMITS, None)
    one = SessionExpiry(database, quotas, every_s=0.01)
    one.start()
    try:
        late: list[float] = []
        loop = asyncio.get_running_loop()
        for _ in range(7):
            before = loop.time()
            await have_sessions(database, 1, left_s=0.2)

            async def is_gone() -> bool:
                return not await names_left(database)

            await eventually(is_gone, within=5, every=0.005)
            late.append(loop.time() - before)
    finally:
        await one.stop()
    assert min(late) >= 0.2
    assert median(late) < 1.0, late  # this machine may be busy
