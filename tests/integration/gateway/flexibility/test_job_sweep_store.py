"""Jobs are forgotten a while after they have ended, and never before."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, insert, select

from services.gateway.dialects.flexibility.job_sweep_store import forget_ended_jobs
from shared.db.engine import PostgresDatabase
from shared.db.models.flexibility import FINISHED, STARTED, job_states, jobs
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, JobId, uuid7


async def test_only_jobs_that_ended_more_than_a_week_ago_are_forgotten(database: PostgresDatabase) -> None:
    async def job(ended_days_ago: float | None, state: str | None = FINISHED) -> JobId:
        job_id = JobId(uuid7())
        row = {"job_id": job_id, "account_id": OPEN_ACCOUNT_ID}
        async with database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
            await uow.connection.execute(insert(jobs).values(kind="ingestion", arguments={}, **row))
            if state is not None:
                ended = None if ended_days_ago is None else func.now() - timedelta(days=ended_days_ago)
                await uow.connection.execute(insert(job_states).values(state=state, ended_at=ended, **row))
        return job_id

    old = [await job(days) for days in (9, 30, 365)]
    kept = [await job(7), await job(0), await job(None, STARTED), await job(None, None)]
    swept = []
    for _ in range(3):
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            swept.append(await forget_ended_jobs(uow.connection, 2))
    assert swept == [2, 1, 0]
    async with database.reading(EVERY_ACCOUNT) as connection:
        assert set((await connection.execute(select(jobs.c.job_id))).scalars()) == set(kept)
        assert (await connection.execute(select(func.count()).select_from(job_states))).scalar_one() == 3
    assert not set(old) & set(kept)
