"""Promise: kill -9 of telemetry services loses nothing that was accepted, and stores each of it once."""

from __future__ import annotations

import asyncio
import random

import pytest

from shared.db.engine import PostgresDatabase
from shared.ids import JobId
from tests.integration.telemetry.posts import Posts
from tests.support.eventually import eventually
from tests.support.seeds import new_seed
from tests.support.sensors import QUARTER_HOUR, D, Sensors
from tests.support.stack import Stack

SENSORS, VALUES = 4, 24
POST_EVERY_S = 0.02
KILLS, KILL_EVERY_S, BACK_AFTER_S = 4, 2.0, 0.5
# The claim of a killed process on a file runs out before another takes it.
SETTLED_WITHIN_S = 60.0


@pytest.mark.timeout(300)
async def test_nothing_accepted_is_lost_or_doubled_while_telemetry_is_killed(chaos: Stack) -> None:
    chance = random.Random(new_seed("killed telemetry"))
    chaos.run("telemetry", "telemetry")
    database = PostgresDatabase(chaos.database_url, application_name="tests")
    posts, sensors = Posts(database), Sensors(database)
    some = [await sensors.make() for _ in range(SENSORS)]
    uploaded = await sensors.make()
    accepted: list[JobId] = []
    is_over = asyncio.Event()

    async def post() -> None:
        while not is_over.is_set():
            number = len(accepted)
            if number % 10 == 9:
                at = (D + number * VALUES * QUARTER_HOUR).isoformat()
                accepted.append(await posts.upload(uploaded, f"when,kw\n{at},{number}\n".encode()))
            else:
                start = D + number * VALUES * QUARTER_HOUR
                values = [number + at / 100 for at in range(VALUES)]
                accepted.append(await posts.values(some[number % SENSORS], values, start))
            await asyncio.sleep(POST_EVERY_S)

    posting = asyncio.create_task(post())
    for _ in range(KILLS):
        await asyncio.sleep(KILL_EVERY_S - BACK_AFTER_S)
        victim = chance.choice(chaos.services)
        victim.kill()
        await asyncio.sleep(BACK_AFTER_S)
        await asyncio.to_thread(victim.start, wait=False)
    is_over.set()
    await posting

    async def is_settled() -> bool:
        return not await posts.waiting()

    await eventually(is_settled, within=SETTLED_WITHIN_S, every=0.5)
    print(f"{len(accepted)} jobs accepted")
    assert len(accepted) > 100
    assert await posts.outcomes(accepted) == ["processed"] * len(accepted)
    files = [number for number in range(len(accepted)) if number % 10 == 9]
    assert await sensors.rows(uploaded) == len(files)
    for index, sensor in enumerate(some):
        mine = [n for n in range(len(accepted)) if n % SENSORS == index and n % 10 != 9]
        assert await sensors.rows(sensor) == len(mine) * VALUES
        for number in chance.sample(mine, 5):
            start = D + number * VALUES * QUARTER_HOUR
            assert await sensors.values(sensor, start, VALUES) == [number + at / 100 for at in range(VALUES)]
    await database.close()
