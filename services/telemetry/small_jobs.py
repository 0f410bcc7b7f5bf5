"""Many jobs with few values each: whoever can hold their sensors stores them together, oldest first."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from services.telemetry import metrics, store
from services.telemetry.batches import Batch, crashed, storing, write
from services.telemetry.preparing import SourceIds, failed, posted_series, values_of
from services.telemetry.store import WaitingJob
from shared.beliefs.writing_store import hold_sensors
from shared.db.unit_of_work import Database, UnitOfWork
from shared.errors import DependencyUnavailable, InvalidInput

log = structlog.get_logger()

VALUE_BYTES = 8
# Larger jobs would keep the small ones waiting.
MOST_SMALL_BYTES = 10_000 * VALUE_BYTES
# Of one transaction: 100,000 values take about half a second (benchmark `beliefs`), which is how long the next ones may wait.
MOST_JOBS, MOST_BYTES = 500, 100_000 * VALUE_BYTES


class SmallJobs:
    """Stores small jobs of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self) -> bool:
        """Store what waits, as much as goes into one transaction; whether there is more that can be stored at once."""
        begun = time.perf_counter()
        waiting: list[WaitingJob] = []
        chosen: list[WaitingJob] = []
        try:
            async with storing(self._database) as uow:
                waiting = await store.small_waiting_jobs(uow.connection, most_bytes=MOST_SMALL_BYTES, limit=MOST_JOBS)
                chosen = _within_bounds(waiting)
                if not chosen:
                    return False
                done = await _store_together(uow, chosen)
        except DependencyUnavailable:
            raise
        except Exception:
            # One of them must be at fault. Each by itself, so that it does not keep the others from being stored.
            log.exception("ingestion_batch_failed", jobs=len(chosen))
            done = sum([await self._store_alone(job) for job in chosen])
        metrics.BATCH_SECONDS.observe(time.perf_counter() - begun)
        metrics.BATCH_JOBS.observe(done)
        return done > 0 and (len(chosen) < len(waiting) or len(waiting) == MOST_JOBS)

    async def _store_alone(self, job: WaitingJob) -> int:
        try:
            async with storing(self._database) as uow:
                return await _store_together(uow, [job])
        except DependencyUnavailable:
            raise
        except Exception:
            log.exception("ingestion_job_failed", job_id=str(job.job_id))
        async with storing(self._database) as uow:
            await hold_sensors(uow.connection, {job.sensor_id})
            jobs = await store.waiting_jobs(uow.connection, [job.job_id])
            await write(uow, Batch(ended=[crashed(each) for each in jobs]))
        return len(jobs)


async def _store_together(uow: UnitOfWork, chosen: Sequence[WaitingJob]) -> int:
    """Store those whose sensors are free and that still wait then; how many."""
    held = await hold_sensors(uow.connection, {job.sensor_id for job in chosen}, only_free=True)
    ours = [job.job_id for job in chosen if job.sensor_id in held]
    jobs = await store.waiting_jobs(uow.connection, ours)
    sensors = await store.sensor_rows(uow.connection, {job.sensor_id for job in jobs})
    sources = SourceIds(uow.connection)
    batch = Batch()
    for job in jobs:
        try:
            arguments = values_of(job)
            source_id = await sources.of(arguments.source)
            series = posted_series(job, arguments, sensors[job.sensor_id], source_id)
        except InvalidInput as error:
            batch.ended.append(failed(job, error))
        else:
            batch.jobs.append(job)
            batch.series.append(series)
    await write(uow, batch)
    return len(jobs)


def _within_bounds(waiting: Sequence[WaitingJob]) -> list[WaitingJob]:
    """The first of what waits, up to so many bytes, and at least one."""
    chosen: list[WaitingJob] = []
    size = 0
    for job in waiting:
        size += job.data_bytes
        if chosen and size > MOST_BYTES:
            break
        chosen.append(job)
    return chosen
