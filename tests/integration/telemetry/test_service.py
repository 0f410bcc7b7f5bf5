"""The whole telemetry service with a real child, over both buses."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy import delete

from services.telemetry.handlers import handlers
from services.telemetry.main import Telemetry
from services.telemetry.small_jobs import SmallJobs
from shared.contracts.flexibility import INGEST
from shared.contracts.registry import CONTRACTS
from shared.db.engine import PostgresDatabase
from shared.db.models.infrastructure import outbox
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.process import open_process
from shared.settings import Settings
from tests.integration.optimizer.deliveries import Handed, dump, runner_of
from tests.integration.telemetry.posts import Posts, envelope_of
from tests.support.eventually import eventually
from tests.support.sensors import QUARTER_HOUR, D, Sensors

TABLE = b"when,kw\n2024-03-01 00:00,1\n2024-03-01 00:15,2\n"


@pytest.fixture(params=["in-process", "RabbitMQ"])
def settings(request: pytest.FixtureRequest) -> Settings:
    common = Settings(data_dir="/nonexistent")  # type: ignore[arg-type]  # a folder's name
    if request.param == "in-process":
        return common
    broker_url, prefix = request.getfixturevalue("broker_url"), request.getfixturevalue("broker_prefix")
    return common.model_copy(update={"broker_url": SecretStr(broker_url), "broker_prefix": prefix})


@asynccontextmanager
async def running(settings: Settings, database_url: str) -> AsyncIterator[Telemetry]:
    async with open_process(settings, database_url=database_url, services=["telemetry"], ops_port=0) as process:
        telemetry = Telemetry(process)
        await telemetry.start()
        try:
            yield telemetry
        finally:
            await telemetry.stop(within_s=6)


async def all_done(posts: Posts) -> bool:
    return not await posts.waiting()


async def test_what_is_posted_and_uploaded_is_stored(
    settings: Settings, database_url: str, posts: Posts, sensors: Sensors
) -> None:
    sensor, other = await sensors.make(), await sensors.make()
    before = [await posts.values(sensor, [float(at)], D + at * QUARTER_HOUR) for at in range(50)]
    async with running(settings, database_url):
        file = await posts.upload(other, TABLE)
        bad = await posts.upload(other, b"when\nnever\n", "g.csv")
        after = [await posts.values(sensor, [float(at)], D + at * QUARTER_HOUR) for at in range(50, 60)]
        await eventually(lambda: all_done(posts), within=30)
        assert await posts.outcomes([*before, *after, file]) == ["processed"] * 61
        assert await posts.outcomes([bad]) == ["failed"]
    assert await sensors.values(sensor, D, 60) == [float(at) for at in range(60)]
    assert await sensors.values(other, D, 2) == [1, 2]


@pytest.mark.parametrize("settings", ["in-process"], indirect=True)
async def test_a_lost_message_costs_a_moment_and_no_data(
    settings: Settings, database_url: str, posts: Posts, sensors: Sensors, database: PostgresDatabase
) -> None:
    sensor = await sensors.make()
    async with running(settings, database_url):
        job = await posts.values(sensor, [1])
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(delete(outbox))
        await eventually(lambda: posts.is_done(job), within=5)


@pytest.mark.parametrize("settings", ["in-process"], indirect=True)
async def test_a_child_that_is_killed_is_replaced_and_its_file_read_again(
    settings: Settings, database_url: str, posts: Posts, sensors: Sensors
) -> None:
    sensor = await sensors.make()
    async with running(settings, database_url) as telemetry:
        first = await posts.upload(sensor, TABLE)
        await eventually(lambda: posts.is_done(first), within=30)
        assert telemetry.launcher_pid is not None
        launcher = psutil.Process(telemetry.launcher_pid)
        for child in launcher.children():
            child.send_signal(signal.SIGKILL)
        second = await posts.upload(sensor, TABLE)
        await eventually(lambda: posts.is_done(second), within=30)
        launcher.kill()
        third = await posts.upload(sensor, b"when,kw\n2024-03-01 06:00,1\n")
        await eventually(lambda: posts.is_done(third), within=30)
    assert await posts.outcomes([first, second, third]) == ["processed", "already_received", "processed"]


async def test_duplicate_deliveries_change_nothing(posts: Posts, sensors: Sensors, database: PostgresDatabase) -> None:
    """A message wakes the loop, whatever its number; what the loop then finds has been done, or not."""
    woken = 0

    def wake(_: int | None) -> None:
        nonlocal woken
        woken += 1

    consumed = handlers(wake)
    assert {handler.contract for handler in consumed} == {each for each in CONTRACTS if each.queue == INGEST}
    sensor = await sensors.make()
    job = await posts.values(sensor, [1, 2])
    envelope = envelope_of(job)
    await runner_of(database, consumed).handle(Handed(envelope))
    await SmallJobs(database).store()
    once = await dump(database)
    runners = [runner_of(database, consumed) for _ in range(4)]
    copies = [Handed(envelope) for _ in runners]
    await asyncio.gather(*(runner.handle(copy) for runner, copy in zip(runners, copies, strict=True)))
    await SmallJobs(database).store()
    assert await dump(database) == once
    assert [copy.endings for copy in copies] == [["ack"]] * 4
    assert woken == 1 + len(runners)
