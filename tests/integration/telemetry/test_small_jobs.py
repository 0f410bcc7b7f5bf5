"""Posted values become beliefs: many posts in one transaction, each told what came of it, none in another's way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert

from services.telemetry import small_jobs
from services.telemetry.small_jobs import SmallJobs
from shared.beliefs.source_store import sources_of
from shared.beliefs.waiting_store import is_data_waiting
from shared.beliefs.writing_store import hold_sensors
from shared.db.engine import PostgresDatabase
from shared.db.models.flexibility import sensors as sensor_rows
from shared.db.models.identity import accounts
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, AccountId, uuid7
from tests.integration.optimizer.deliveries import Died, MortalDatabase
from tests.integration.telemetry.posts import Posts
from tests.support.sensors import NAN, D, Sensors

HOUR = timedelta(hours=1)
REASONS = ["does not fit", "start: Field required", "knowledge_horizon must be", "out of the calendar"]
NOW = D + timedelta(days=10_000)


@pytest.fixture
def small(database: PostgresDatabase) -> SmallJobs:
    return SmallJobs(database)


async def test_posts_that_wait_are_stored_together_and_told_what_came_of_them(
    small: SmallJobs, posts: Posts, sensors: Sensors
) -> None:
    one, two = await sensors.make(), await sensors.make(name="other")
    jobs = [
        await posts.values(one, [1, 2, 3, 4]),
        await posts.values(one, [1, 2, 3, 4]),
        await posts.values(one, [1, 2, 3, 5]),
        await posts.values(two, [4.5, 5, NAN, 6.25]),
        await posts.values(one, [1, 2], D + HOUR, step_s=1800),
    ]
    assert not await small.store()
    assert await posts.outcomes(jobs) == [
        "processed",
        "already_received",
        "invalid_replacement",
        "processed",
        "processed",
    ]
    found = [await posts.outcome(job) for job in jobs]
    assert [(each.state, each.result["num-beliefs"], each.has_data) for each in found if each] == [
        ("FINISHED", 4, False),
        ("FINISHED", 0, False),
        ("FINISHED", 0, False),
        ("FINISHED", 3, False),
        ("FINISHED", 4, False),
    ]
    assert await sensors.values(one, D, 8) == [1, 2, 3, 4, 1, 1, 2, 2]
    assert await sensors.values(two, D, 4) == [4.5, 5, None, 6.25]
    assert await posts.finished() == [set(jobs)]
    assert not await small.store()


async def test_a_post_that_can_never_be_done_fails_with_its_reason_and_the_others_are_stored(
    small: SmallJobs, posts: Posts, sensors: Sensors
) -> None:
    sensor = await sensors.make()
    odd = await sensors.make(attributes={"knowledge_horizon": "noon"})
    jobs = [
        await posts.values(sensor, [1]),
        await posts.values(sensor, [1], start=D, step_s=525),
        await posts.job(sensor, {"kind": "values"}, b""),
        await posts.values(odd, [1]),
        await posts.values(sensor, [1], belief_time=None, horizon_s=3e11),
        await posts.values(sensor, [1], start=datetime(9999, 12, 31, tzinfo=UTC), step_s=86_400),
        await posts.values(sensor, [2], D + HOUR),
    ]
    await small.store()
    assert await posts.outcomes(jobs) == ["processed", *["failed"] * 4, "processed", "processed"]
    failures = [(await posts.outcome(job)) for job in jobs[1:5]]
    for found, reason in zip(failures, REASONS, strict=True):
        assert found is not None and found.state == "FAILED" and not found.has_data
        assert reason in str(found.failure) and found.result["message"] == found.failure
    assert await sensors.values(sensor, D, 5) == [1, None, None, None, 2]


async def test_a_post_that_breaks_the_whole_statement_fails_alone(
    small: SmallJobs, posts: Posts, sensors: Sensors
) -> None:
    """A source of an account that is gone is refused by the database, whose transaction is then over for all."""
    sensor = await sensors.make()
    jobs = [
        await posts.values(sensor, [1]),
        await posts.values(sensor, [9], source={"name": "ghost", "account": str(uuid7())}),
        await posts.values(sensor, [2], D + HOUR),
    ]
    await small.store()
    assert await posts.outcomes(jobs) == ["processed", "failed", "processed"]
    crashed = await posts.outcome(jobs[1])
    assert crashed is not None and crashed.result["code"] == "internal_error" and "log" in str(crashed.failure)
    assert await sensors.values(sensor, D, 5) == [1, None, None, None, 2]


async def test_a_sensor_that_another_holds_is_left_for_later_and_keeps_nobody_waiting(
    small: SmallJobs, posts: Posts, sensors: Sensors
) -> None:
    held, free = await sensors.make(), await sensors.make()
    first, second = await posts.values(held, [1]), await posts.values(free, [2])
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await hold_sensors(uow.connection, {held.sensor_id})
        await small.store()
        assert await posts.outcomes([first, second]) == [None, "processed"]
    await small.store()
    assert await posts.outcomes([first]) == ["processed"]


async def test_many_at_once_store_each_post_once(posts: Posts, sensors: Sensors, database: PostgresDatabase) -> None:
    some = [await sensors.make() for _ in range(4)]
    jobs = [await posts.values(some[at % 4], [float(at)], D + at * HOUR) for at in range(40)]

    async def store_all() -> None:
        while await posts.waiting():
            await SmallJobs(database).store()

    await asyncio.gather(*(store_all() for _ in range(4)))
    assert await posts.outcomes(jobs) == ["processed"] * 40
    assert [await sensors.rows(each) for each in some] == [10] * 4
    told = await posts.finished()
    assert set().union(*told) == set(jobs) and sum(map(len, told)) == 40


async def test_a_transaction_has_a_bound_and_the_rest_is_stored_next(
    small: SmallJobs, posts: Posts, sensors: Sensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_jobs, "MOST_BYTES", 10 * 8)
    sensor = await sensors.make()
    jobs = [await posts.values(sensor, [float(at)] * 4, D + at * HOUR) for at in range(5)]
    assert await small.store()
    assert await posts.outcomes(jobs) == ["processed"] * 2 + [None] * 3
    assert await small.store()
    assert not await small.store()
    assert await posts.outcomes(jobs) == ["processed"] * 5


async def test_each_account_hears_of_its_own_jobs_and_every_user_is_a_source_of_their_account(
    small: SmallJobs, posts: Posts, sensors: Sensors
) -> None:
    other = AccountId(uuid7())
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(insert(accounts).values(account_id=other, name="other"))
    ours, theirs = await sensors.make(), await sensors.make(account_id=other)
    public = await sensors.make(account_id=None)
    guest = {"user_number": 9, "name": "guest", "account": str(other)}
    mine, yours = await posts.values(ours, [1]), await posts.values(theirs, [2], source=guest)
    everybodys = await posts.values(public, [3])
    await small.store()
    assert await posts.outcomes([mine, yours, everybodys]) == ["processed"] * 3
    assert sorted(map(len, await posts.finished())) == [1, 2]
    async with sensors.database.reading(EVERY_ACCOUNT) as connection:
        (planner,) = await sources_of(connection, [OPEN_ACCOUNT_ID], only_latest=False)
        (visitor,) = await sources_of(connection, [other], only_latest=False)
    assert (planner.name, planner.type, planner.user_number) == ("planner", "user", 4)
    assert (visitor.name, visitor.user_number) == ("guest", 9)
    assert await sensors.values(public, D, 1) == [3]


async def test_whoever_needs_the_data_can_tell_that_they_are_still_to_come(
    small: SmallJobs, posts: Posts, sensors: Sensors
) -> None:
    sensor, other = await sensors.make(), await sensors.make()

    async def is_waiting(*wanted: object) -> bool:
        async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
            return await is_data_waiting(connection, OPEN_ACCOUNT_ID, wanted, NOW)  # type: ignore[arg-type]

    assert not await is_waiting(sensor.sensor_id)
    await posts.values(sensor, [1])
    assert await is_waiting(sensor.sensor_id, other.sensor_id)
    assert not await is_waiting(other.sensor_id)
    async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
        assert not await is_data_waiting(connection, OPEN_ACCOUNT_ID, [sensor.sensor_id], D)
    await small.store()
    assert not await is_waiting(sensor.sensor_id)


async def test_a_sensor_that_is_deleted_takes_its_posts_along(small: SmallJobs, posts: Posts, sensors: Sensors) -> None:
    sensor = await sensors.make()
    job = await posts.values(sensor, [1])
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(delete(sensor_rows).where(sensor_rows.c.sensor_id == sensor.sensor_id))
    assert not await small.store()
    assert await posts.outcome(job) is None and not await posts.waiting()


async def test_death_between_any_two_steps_loses_nothing_and_doubles_nothing(
    posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    """Every statement, begin and commit, before and after, one after the other."""
    await posts.values(await sensors.make(), [1])
    await SmallJobs(database).store()  # makes the source, which is a step that happens once
    at, steps = 0, 1
    while at <= steps:
        sensor = await sensors.make()
        jobs = [
            await posts.values(sensor, [1, 2]),
            await posts.values(sensor, [1, 3]),
            await posts.values(sensor, [7], D + HOUR),
        ]
        before = len(await posts.finished())
        mortal = MortalDatabase(database, at=at)
        if at == 0:
            await SmallJobs(mortal).store()
            steps = mortal.steps
        else:
            with pytest.raises(Died):
                await SmallJobs(mortal).store()
        await SmallJobs(database).store()
        assert await posts.outcomes(jobs) == ["processed", "invalid_replacement", "processed"], (
            f"death at {at} of {steps}"
        )
        assert await sensors.values(sensor, D, 5) == [1, 2, None, None, 7]
        assert len(await posts.finished()) == before + 1
        at += 1
    assert steps >= 12
