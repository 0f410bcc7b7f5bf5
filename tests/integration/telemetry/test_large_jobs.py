"""Files, and posts of many values: read in a child, claimed while they are worked on, and stored once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, TypeVarTuple, Unpack

import pytest
from sqlalchemy import select

from services.telemetry.large_jobs import LargeJobs
from services.telemetry.small_jobs import MOST_SMALL_BYTES, SmallJobs
from shared.db.engine import PostgresDatabase
from shared.db.models.flexibility import job_states
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DatabaseUnavailable, WorkerDied, WorkTimedOut
from tests.integration.optimizer.deliveries import Died, HereAndNow, MortalDatabase
from tests.integration.telemetry.posts import Posts
from tests.support.eventually import eventually
from tests.support.principals import make_account
from tests.support.sensors import QUARTER_HOUR, D, Sensors

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

TABLE = b"when,kw\n2024-03-01 00:00,1\n2024-03-01 00:15,2\n"
LARGE = MOST_SMALL_BYTES // 8 + 5000


class Failing:
    """Children that end as told, one call after the other, and then do what children do."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts, deadline_s: float) -> R:
        if self.failures:
            raise self.failures.pop(0)
        return function(*args)


@pytest.fixture
def large(database: PostgresDatabase) -> LargeJobs:
    return LargeJobs(database, HereAndNow())


async def test_a_file_is_stored_and_told_of(large: LargeJobs, posts: Posts, sensors: Sensors) -> None:
    sensor = await sensors.make()
    job = await posts.upload(sensor, TABLE)
    assert await large.store()
    assert not await large.store()
    found = await posts.outcome(job)
    assert found is not None and (found.state, found.has_data) == ("FINISHED", False)
    assert (found.result["outcome"], found.result["num-beliefs"]) == ("processed", 2)
    assert await sensors.values(sensor, D, 2) == [1, 2]
    assert await posts.finished() == [{job}]
    again = await posts.upload(sensor, TABLE)
    await large.store()
    assert await posts.outcomes([again]) == ["already_received"]


async def test_measured_instantly_is_known_at_the_end_of_the_event(
    large: LargeJobs, posts: Posts, sensors: Sensors
) -> None:
    from shared.beliefs import BeliefFilter

    sensor = await sensors.make()
    await posts.upload(sensor, TABLE, is_measured_instantly=True, belief_time=(D + timedelta(days=9)).isoformat())
    await large.store()
    assert await sensors.values(sensor, D, 2, BeliefFilter(prior=D + QUARTER_HOUR)) == [1, None]
    assert await sensors.values(sensor, D, 2, BeliefFilter(prior=D + 2 * QUARTER_HOUR)) == [1, 2]


async def test_attributes_of_the_sensor_or_its_asset_say_how_files_are_taken(
    large: LargeJobs, posts: Posts, sensors: Sensors
) -> None:
    sensor = await sensors.make(attributes={"floor_datetimes_to_resolution": False})
    level = await sensors.make(resolution=timedelta(0), unit="kWh", attributes={"frequency": "5min"})
    await posts.upload(sensor, b"when,kw\n2024-03-01 00:02,1\n2024-03-01 00:17,2\n")
    await posts.upload(level, b"when,kwh\n2024-03-01 00:02,5\n")
    assert await large.store() and await large.store()
    off = D + timedelta(minutes=2)
    assert await sensors.values(sensor, off, 2) == [1, 2]
    assert await sensors.values(level, D, 10, step=timedelta(minutes=1)) == [5, *[None] * 9]


async def test_a_file_that_is_no_good_fails_with_what_is_wrong(
    large: LargeJobs, posts: Posts, sensors: Sensors
) -> None:
    sensor = await sensors.make()
    bad = await posts.upload(sensor, b"when,kw\n2024-03-01 00:00,many\n", "g.csv")
    odd = await posts.job(sensor, {"kind": "upload"}, TABLE)
    unknown = await posts.job(sensor, {"kind": "guess"}, TABLE)
    for _ in range(3):
        assert await large.store()
    found = await posts.outcome(bad)
    assert found is not None and (found.state, found.has_data) == ("FAILED", False)
    assert found.failure == "g.csv, row 2: 'many' is not a number; values should be numeric."
    assert (found.result["field"], found.result["code"]) == ("uploaded-files", "upload_invalid")
    assert await posts.outcomes([odd, unknown]) == ["failed", "failed"]
    assert len(await posts.finished()) == 3


async def test_many_values_are_stored_by_themselves_and_small_posts_do_not_wait_for_them(
    large: LargeJobs, posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    sensor = await sensors.make()
    values = [float(at % 97) for at in range(LARGE)]
    year, small = await posts.values(sensor, values), await posts.values(sensor, [5], D - QUARTER_HOUR)
    await SmallJobs(database).store()
    assert await posts.outcomes([year, small]) == [None, "processed"]
    assert await large.store()
    assert await posts.outcomes([year]) == ["processed"]
    assert await sensors.values(sensor, D - QUARTER_HOUR, LARGE + 1) == [5, *values]
    changed = await posts.values(sensor, [*values[:-1], -1.0])
    assert await large.store()
    assert await posts.outcomes([changed]) == ["invalid_replacement"]


async def test_a_child_that_dies_is_given_a_second_try_and_a_file_that_kills_it_again_fails(
    posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    sensor = await sensors.make()
    first = await posts.upload(sensor, TABLE)
    await LargeJobs(database, Failing(WorkerDied("killed"))).store()
    assert await posts.outcomes([first]) == ["processed"]
    second, third = await posts.upload(sensor, TABLE), await posts.upload(sensor, TABLE)
    await LargeJobs(database, Failing(WorkerDied("killed"), WorkerDied("killed again"))).store()
    await LargeJobs(database, Failing(WorkTimedOut("too long"))).store()
    assert await posts.outcomes([second, third]) == ["failed", "failed"]
    found = await posts.outcome(second)
    assert found is not None and found.failure == "killed again"


async def test_what_cannot_be_done_now_is_given_back_at_once(
    posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    sensor = await sensors.make()
    job = await posts.upload(sensor, TABLE)
    with pytest.raises(DatabaseUnavailable):
        await LargeJobs(database, Failing(DatabaseUnavailable("away"))).store()
    assert await posts.outcome(job) is None
    assert await LargeJobs(database, HereAndNow()).store()
    assert await posts.outcomes([job]) == ["processed"]


async def test_a_job_is_worked_on_by_one_and_by_another_once_the_claim_has_run_out(
    posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    sensor = await sensors.make()
    job = await posts.upload(sensor, TABLE)
    slow = HereAndNow()
    slow.after_s = 3600.0
    frozen, claim = LargeJobs(database, slow, claim=timedelta(seconds=0.3)), timedelta(seconds=0.3)
    working = asyncio.create_task(frozen.store())

    async def is_begun() -> bool:
        found = await posts.outcome(job)
        return found is not None and found.state == "STARTED"

    await eventually(is_begun, within=5)
    assert not await frozen.store(), "it has it in hand itself"
    await frozen.renew_claims()
    other = LargeJobs(database, HereAndNow(), claim=claim)
    assert not await other.store()
    await eventually(other.store, within=5)
    assert await posts.outcomes([job]) == ["processed"]
    slow.after_s = 0.0
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await posts.outcomes([job]) == ["processed"], "who has lost it takes nothing back"
    assert await sensors.rows(sensor) == 2


async def test_one_account_with_many_files_keeps_no_other_waiting(
    posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    account = await make_account(database)
    mine, theirs = await sensors.make(), await sensors.make(account_id=account.account_id)
    files = [await posts.upload(mine, TABLE) for _ in range(5)]
    slow = HereAndNow()
    slow.after_s = 3600.0
    working = asyncio.create_task(LargeJobs(database, slow).store())

    async def is_begun() -> bool:
        return await posts.outcome(files[0]) is not None

    await eventually(is_begun, within=5)
    late = await posts.upload(theirs, TABLE)
    free = LargeJobs(database, HereAndNow())
    assert await free.store()
    assert await posts.outcomes([late, files[1]]) == ["processed", None], "the last file is next, since it is another's"
    assert await free.store()
    assert await posts.outcomes([files[1]]) == ["processed"], "where nobody else waits, nothing is held back"
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_a_late_finish_of_a_job_that_another_has_done_changes_nothing(
    posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    sensor = await sensors.make()
    await posts.upload(sensor, TABLE)
    slow = HereAndNow()
    slow.after_s = 0.8
    zombie = asyncio.create_task(LargeJobs(database, slow, claim=timedelta(seconds=0.1)).store())
    await asyncio.sleep(0)
    other = LargeJobs(database, HereAndNow(), claim=timedelta(seconds=0.1))

    async def is_claimed() -> bool:
        async with database.reading(EVERY_ACCOUNT) as connection:
            return (await connection.execute(select(job_states.c.state))).first() is not None

    await eventually(is_claimed, within=5)
    await eventually(other.store, within=5)
    await zombie
    assert await sensors.rows(sensor) == 2
    assert len(await posts.finished()) == 1


async def test_death_between_any_two_steps_is_made_good_by_another(
    posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    await posts.upload(await sensors.make(), TABLE)
    await LargeJobs(database, HereAndNow()).store()  # makes the source, which is a step that happens once
    at, steps = 0, 1
    while at <= steps:
        sensor = await sensors.make()
        job = await posts.upload(sensor, TABLE)
        before = len(await posts.finished())
        mortal = MortalDatabase(database, at=at)
        if at == 0:
            await LargeJobs(mortal, HereAndNow()).store()
            steps = mortal.steps
        else:
            with pytest.raises(Died):
                await LargeJobs(mortal, HereAndNow()).store()
        other = LargeJobs(database, HereAndNow(), claim=timedelta(0))
        await other.store()
        assert await posts.outcomes([job]) == ["processed"], f"death at {at} of {steps}"
        assert await sensors.values(sensor, D, 2) == [1, 2]
        assert len(await posts.finished()) == before + 1
        at += 1
    assert steps >= 20
