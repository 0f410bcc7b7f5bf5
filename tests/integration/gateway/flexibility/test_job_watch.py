"""Who waits for a job is woken by the event that it has ended, and finds it ended where the event is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from services.gateway.dialects.flexibility import job_watch
from services.gateway.dialects.flexibility.errors import UnknownSensor
from services.gateway.dialects.flexibility.job_store import NewJob
from services.gateway.dialects.flexibility.job_watch import JobWatch, Patience
from services.gateway.dialects.flexibility.posting_desk import PostingDesk
from shared.contracts.flexibility import JobsFinished
from shared.db.models.flexibility import INGESTION, job_states
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import AccountId, JobId, uuid7
from shared.process import Process, open_process
from shared.settings import Settings
from tests.support.flexibility import make_asset, make_ingestion, make_sensor
from tests.support.principals import make_account


async def end(process: Process, account_id: AccountId, job_id: JobId, *, is_told: bool) -> None:
    now = datetime.now(UTC)
    row = {"job_id": job_id, "account_id": account_id, "state": "FINISHED", "started_at": now, "ended_at": now}
    async with process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(insert(job_states).values(**row, result={"outcome": "processed"}))
        if is_told:
            await work.outbox.add(account_id, JobsFinished(job_ids=(job_id,)))


@pytest.mark.parametrize("is_told", [True, False])
async def test_whoever_waits_hears_of_the_end_also_without_an_event(database_url: str, is_told: bool) -> None:
    async with open_process(Settings(), database_url=database_url, services=["gateway"], ops_port=0) as process:
        account = await make_account(process.database)
        sensor = await make_sensor(
            process.database, account.account_id, await make_asset(process.database, account.account_id)
        )
        job_id = await make_ingestion(process.database, account.account_id, sensor)
        watch = JobWatch(process.database, process.bus)
        await watch.start()
        try:
            with watch.waiting_for(job_id) as one, watch.waiting_for(job_id) as other:
                waiting = [asyncio.create_task(waiter.wait(20)) for waiter in (one, other)]
                assert await one.wait(0) is None
                await end(process, account.account_id, job_id, is_told=is_told)
                states = await asyncio.gather(*waiting)
            assert [state.result for state in states if state is not None] == [{"outcome": "processed"}] * 2
        finally:
            await watch.stop()


async def test_more_than_may_wait_are_answered_as_things_stand(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "MOST_WAITING", 1)
    async with open_process(Settings(), database_url=database_url, services=["gateway"], ops_port=0) as process:
        watch = JobWatch(process.database, process.bus)
        with watch.waiting_for(JobId(uuid7())), watch.waiting_for(JobId(uuid7())) as late:
            assert await late.wait(20) is None


def test_only_the_first_question_about_a_job_is_waited_for() -> None:
    patience, job_id = Patience(), JobId(uuid7())
    assert [patience.is_first(job_id) for _ in range(3)] == [True, False, False]
    assert patience.is_first(JobId(uuid7()))


async def test_a_sensor_that_goes_meanwhile_does_not_spoil_the_postings_of_others(database_url: str) -> None:
    async with open_process(Settings(), database_url=database_url, services=["gateway"], ops_port=0) as process:
        account_id = (await make_account(process.database)).account_id
        sensor = await make_sensor(process.database, account_id, await make_asset(process.database, account_id))
        desk = PostingDesk(process.database)

        def job(sensor_id: int) -> NewJob:
            return NewJob(JobId(uuid7()), account_id, INGESTION, {}, None, sensor_id=sensor_id, data=b"")

        outcomes = await asyncio.gather(
            *(desk.accept(job(number)) for number in (sensor, 999_999, sensor)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [type(None), UnknownSensor, type(None)]
