"""Files, and jobs with many values: each by itself, claimed for as long as it is worked on, since a file is read before the transaction."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

import structlog

from services.telemetry import metrics, store
from services.telemetry.batches import Batch, crashed, storing, write
from services.telemetry.preparing import (
    SourceIds,
    failed,
    grid_of,
    posted_series,
    upload_of,
    uploaded_series,
    values_of,
)
from services.telemetry.small_jobs import MOST_SMALL_BYTES
from services.telemetry.store import Ended, IngestionJob, SensorRow
from services.telemetry.tasks import UploadTask, read_upload
from services.telemetry.uploads import Events
from shared.beliefs.writing_store import hold_sensors
from shared.db.models.flexibility import UPLOADED_FILE
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DependencyUnavailable, InvalidInput, WorkerDied, WorkTimedOut
from shared.ids import JobId

log = structlog.get_logger()

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# Renewed while the job is worked on; after the death of who did, another begins so much later.
CLAIM = timedelta(seconds=30)
READ_WITHIN_S = 120.0
# A file that kills its child does so again; the second try is for a child that was killed for another's memory.
READ_ATTEMPTS = 2
GIVE_UP_WITHIN_S = 1.0

MakeBatch = Callable[[SensorRow, SourceIds], Awaitable[Batch]]


class Workers(Protocol):
    """Has functions run in children; the real one is ``shared.workers.WorkerPool``."""

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts, deadline_s: float) -> R:
        """The function's result, or what it raises."""
        ...


class LargeJobs:
    """Stores large jobs of all accounts, one at each call; calls may overlap."""

    def __init__(self, database: Database, children: Workers, *, claim: timedelta = CLAIM) -> None:
        self._database = database
        self._children = children
        self._claim = claim
        self._in_hand: set[JobId] = set()

    async def store(self) -> bool:
        """Store the oldest job that nobody works on; whether there was one."""
        async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
            job = await store.claim_large_job(
                uow.connection, most_small_bytes=MOST_SMALL_BYTES, claim=self._claim, besides=self._in_hand
            )
        if job is None:
            return False
        self._in_hand.add(job.job_id)
        try:
            await self._store(job)
        except (DependencyUnavailable, asyncio.CancelledError):
            await self._give_up(job)
            raise
        finally:
            self._in_hand.discard(job.job_id)
        return True

    async def renew_claims(self) -> None:
        """Keep what is worked on."""
        if self._in_hand:
            async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
                await store.renew_claims(uow.connection, self._in_hand)

    async def _store(self, job: IngestionJob) -> None:
        try:
            await self._finish(job, await self._what_to_write(job))
        except DependencyUnavailable:
            raise
        except (InvalidInput, WorkerDied, WorkTimedOut) as error:
            await self._end(job, failed(job, error))
        except Exception:
            log.exception("ingestion_job_failed", job_id=str(job.job_id))
            await self._end(job, crashed(job))

    async def _what_to_write(self, job: IngestionJob) -> MakeBatch:
        """What takes long is done before the transaction."""
        if job.arguments.get("kind") != UPLOADED_FILE:
            values = values_of(job)

            async def of_values(sensor: SensorRow, sources: SourceIds) -> Batch:
                source_id = await sources.of(values.source)
                return Batch([job], [await asyncio.to_thread(posted_series, job, values, sensor, source_id)])

            return of_values
        upload = upload_of(job)
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            sensors = await store.sensor_rows(connection, [job.sensor_id])
        events = [
            await self._read(UploadTask(upload.filename, job.data, upload.unit, grid_of(sensor)))
            for sensor in sensors.values()
        ]

        async def of_upload(sensor: SensorRow, sources: SourceIds) -> Batch:
            source_id = await sources.of(upload.source)
            return Batch([job], [uploaded_series(upload, events[0], sensor, source_id)])

        return of_upload

    async def _read(self, task: UploadTask) -> Events:
        for attempt in range(1, READ_ATTEMPTS + 1):
            begun = time.perf_counter()
            try:
                return await self._children.run(read_upload, task, deadline_s=READ_WITHIN_S)
            except WorkerDied:
                metrics.CHILD_DEATHS.inc()
                if attempt == READ_ATTEMPTS:
                    raise
            finally:
                metrics.UPLOAD_SECONDS.observe(time.perf_counter() - begun)
        raise AssertionError  # not reached: the last attempt returns or raises

    async def _finish(self, job: IngestionJob, make: MakeBatch) -> None:
        """Write what comes of a job, unless another has, or it is gone with its sensor."""
        async with storing(self._database) as uow:
            await hold_sensors(uow.connection, {job.sensor_id})
            sensors = await store.sensor_rows(uow.connection, [job.sensor_id])
            if sensors and await store.is_waiting(uow.connection, job.job_id):
                await write(uow, await make(sensors[job.sensor_id], SourceIds(uow.connection)))

    async def _end(self, job: IngestionJob, ended: Ended) -> None:
        async def of_failure(_: SensorRow, __: SourceIds) -> Batch:
            return Batch(ended=[ended])

        await self._finish(job, of_failure)

    async def _give_up(self, job: IngestionJob) -> None:
        with contextlib.suppress(DependencyUnavailable, TimeoutError):  # else the claim runs out
            async with asyncio.timeout(GIVE_UP_WITHIN_S), self._database.unit_of_work(EVERY_ACCOUNT) as uow:
                await store.give_up_claim(uow.connection, job)
