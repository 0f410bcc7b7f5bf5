"""Sliding windows that several gateways count together."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from services.gateway.auth import rate_limits, rate_store
from services.gateway.auth.rate_limits import SHARE_AHEAD, RateLimiter, Usage, Window
from shared.db.engine import PostgresDatabase
from shared.db.models.identity import rate_counters
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import uuid7
from tests.support.eventually import eventually
from tests.support.principals import StillClock

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = 3600
# At the beginning of an hour, so that slots are where a reader expects them.
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> StillClock:
    return StillClock(NOON)


@pytest.fixture
def counter() -> str:
    return f"test/{uuid7().hex}"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, everybody waits for their count."""
    monkeypatch.setattr(rate_limits, "WAIT_S", 30.0)


async def take(limiter: RateLimiter, counter: str, window: Window, times: int = 1) -> list[Usage]:
    return [await limiter.take(counter, window) for _ in range(times)]


async def test_used_includes_the_asking_request(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter = RateLimiter(shared_database, clock)
    usages = await take(limiter, counter, Window(3, HOUR), 3)
    assert [(usage.used, usage.remaining, usage.is_allowed) for usage in usages] == [
        (1, 2, True),
        (2, 1, True),
        (3, 0, True),
    ]


async def test_a_request_beyond_the_limit_is_refused_and_does_not_count(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter = RateLimiter(shared_database, clock)
    await take(limiter, counter, Window(3, HOUR), 3)
    refused = (await take(limiter, counter, Window(3, HOUR), 5))[-1]
    assert (refused.is_allowed, refused.used, refused.retry_after_s) == (False, 3, HOUR)
    assert await stored(shared_database, counter) == 3


async def test_the_window_slides(shared_database: PostgresDatabase, clock: StillClock, counter: str) -> None:
    window = Window(4, HOUR)
    first, other = RateLimiter(shared_database, clock), RateLimiter(shared_database, clock)
    await take(first, counter, window, 2)
    clock.move(1800)
    await take(first, counter, window, 2)
    refused = await other.take(counter, window)
    assert (refused.is_allowed, refused.retry_after_s) == (False, 1800)
    clock.move(1800)  # the first two are an hour old now
    assert [usage.is_allowed for usage in await take(RateLimiter(shared_database, clock), counter, window, 3)] == [
        True,
        True,
        False,
    ]


async def test_a_request_is_forgotten_at_most_one_slot_early(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    window = Window(1, 60, slots=12)
    clock.move(4.9)  # near the end of its slot
    await take(RateLimiter(shared_database, clock), counter, window)
    clock.move(55)
    assert not (await RateLimiter(shared_database, clock).take(counter, window)).is_allowed
    clock.move(0.2)
    assert (await RateLimiter(shared_database, clock).take(counter, window)).is_allowed


@pytest.mark.usefixtures("patience")
async def test_gateways_that_count_at_once_let_exactly_the_limit_through(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    gateways = [RateLimiter(shared_database, clock) for _ in range(4)]
    usages = await asyncio.gather(
        *(gateways[number % 4].take(counter, Window(50, HOUR)) for number in range(120)),
    )
    assert sum(usage.is_allowed for usage in usages) == 50
    assert await stored(shared_database, counter) == 50
    assert sorted(usage.used for usage in usages if usage.is_allowed) == list(range(1, 51))


async def test_what_is_full_in_one_window_counts_in_none(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter = RateLimiter(shared_database, clock)
    windows = {f"{counter}/h": Window(0, HOUR), f"{counter}/d": Window(2, 86400, slots=96)}
    for _ in range(2):
        assert (await limiter.take_all(windows)).refusal is None
    taken = await limiter.take_all(windows)
    assert taken.refusal is taken.usages[f"{counter}/d"]
    assert {name: usage.used for name, usage in taken.usages.items()} == {f"{counter}/h": 2, f"{counter}/d": 2}
    assert await stored(shared_database, counter) == 4


async def test_a_weight_of_none_only_looks(shared_database: PostgresDatabase, clock: StillClock, counter: str) -> None:
    limiter = RateLimiter(shared_database, clock)
    window = Window(2, HOUR)
    await take(limiter, counter, window, 3)
    taken = await limiter.take_all({counter: window}, weight=0)
    assert taken.refusal is None
    assert taken.usages[counter].used == 2


async def test_a_limit_of_none_is_counted_all_the_same(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    usages = await take(RateLimiter(shared_database, clock), counter, Window(0, HOUR), 3)
    assert [(usage.is_allowed, usage.used) for usage in usages] == [(True, 1), (True, 2), (True, 3)]


async def test_limits_that_are_off_refuse_nothing(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    usages = await take(RateLimiter(shared_database, clock, is_on=False), counter, Window(1, HOUR), 3)
    assert [usage.is_allowed for usage in usages] == [True, True, True]


async def test_what_is_given_back_can_be_taken_again(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter = RateLimiter(shared_database, clock)
    window = Window(1, 300)
    await take(limiter, counter, window, 2)
    await limiter.give_back(counter, window)
    assert [usage.is_allowed for usage in await take(limiter, counter, window, 2)] == [True, False]


async def test_whoever_has_hardly_begun_does_not_wait_and_is_counted_all_the_same(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter, window = RateLimiter(shared_database, clock), Window(1000, HOUR)
    used = [usage.used for usage in await take(limiter, counter, window)]
    async with shared_database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(select(rate_counters).with_for_update())
        began = time.monotonic()
        used += [usage.used for usage in await take(limiter, counter, window, 100)]
        assert time.monotonic() - began < 0.2  # what is less than it takes to give up waiting for the lock
    assert used == list(range(1, 102)), "also what is not counted yet is told"

    async def are_counted() -> bool:
        return await stored(shared_database, counter) == 101

    assert await eventually(are_counted)
    assert [usage.used for usage in await take(RateLimiter(shared_database, clock), counter, window)] == [102]


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("gateways", [1, 3])
async def test_ahead_of_the_count_only_other_gateways_let_through_more_and_no_more_than_a_share(
    shared_database: PostgresDatabase, clock: StillClock, counter: str, gateways: int
) -> None:
    limiters, window = [RateLimiter(shared_database, clock) for _ in range(gateways)], Window(100, HOUR)
    for limiter in limiters:
        await take(limiter, counter, window)
    taken = await asyncio.gather(*(limiter.take(counter, window) for limiter in limiters for _ in range(200)))
    allowed = gateways + sum(usage.is_allowed for usage in taken)
    assert 100 <= allowed <= 100 + (gateways - 1) * SHARE_AHEAD * 100
    assert await stored(shared_database, counter) == 100


async def test_what_is_not_counted_yet_can_be_given_back(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter, window = RateLimiter(shared_database, clock), Window(100, HOUR)
    await take(limiter, counter, window, 3)
    await limiter.give_back(counter, window)
    assert await stored(shared_database, counter) == 2


async def test_what_is_not_counted_yet_is_counted_before_the_end(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter, window = RateLimiter(shared_database, clock), Window(100, HOUR)
    await take(limiter, counter, window, 3)
    await limiter.stop()
    assert await stored(shared_database, counter) == 3


async def test_whoever_goes_on_asking_costs_the_database_next_to_nothing(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter = RateLimiter(shared_database, clock)
    began = time.monotonic()
    usages = await take(limiter, counter, Window(1, HOUR), 2_000)
    assert sum(usage.is_allowed for usage in usages) == 1
    assert time.monotonic() - began < 5  # two thousand transactions would take longer


async def test_counters_that_are_away_refuse_nobody_and_keep_nobody_waiting(clock: StillClock, counter: str) -> None:
    nowhere = PostgresDatabase("postgresql://nobody@127.0.0.1:1/none", application_name="tests")
    limiter = RateLimiter(nowhere, clock)
    began = time.monotonic()
    usages = await take(limiter, counter, Window(1, HOUR), 200)
    assert all(usage.is_allowed for usage in usages)
    assert time.monotonic() - began < 3
    await limiter.give_back(counter, Window(1, HOUR))


async def test_counters_that_are_locked_keep_nobody_waiting(
    shared_database: PostgresDatabase, clock: StillClock, counter: str
) -> None:
    limiter = RateLimiter(shared_database, clock)
    await take(limiter, counter, Window(9, HOUR))
    async with shared_database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(select(rate_counters).with_for_update())
        began = time.monotonic()
        usages = await asyncio.gather(*(limiter.take(counter, Window(1, HOUR)) for _ in range(50)))
        assert time.monotonic() - began < 3
    assert all(usage.is_allowed for usage in usages)


async def test_old_slots_are_swept_and_counting_ones_are_not(shared_database: PostgresDatabase, counter: str) -> None:
    clock = StillClock()
    daily = Window(0, 86400, slots=96)
    for hours in (-27, 3):
        clock.move(hours * HOUR)
        await take(RateLimiter(shared_database, clock), counter, daily)
    async with shared_database.unit_of_work(EVERY_ACCOUNT) as work:
        assert await rate_store.forget_old_slots(work.connection, 10_000) > 0
    assert await stored(shared_database, counter) == 1


async def stored(database: PostgresDatabase, counter: str) -> int:
    mine = rate_counters.c.counter.startswith(counter)
    async with database.reading(EVERY_ACCOUNT) as connection:
        return int((await connection.execute(select(func.sum(rate_counters.c.used)).where(mine))).scalar_one())
