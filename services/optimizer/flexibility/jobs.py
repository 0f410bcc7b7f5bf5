"""What schedule and forecast jobs have in common: a job is held by its message, worked on in a child, and ended in one transaction.

A job is a matter of seconds, so it needs no lease: whoever has its message works on it, and if they die the broker hands the
message to another. What came of it (beliefs, outputs, state, the event that tells of it) is written together with the inbox row,
so that it takes effect once. That somebody works on it is written apart, before, and only where it takes long enough to be seen.

A job that cannot be done for its own reasons (no prices, nothing to learn from, no room) has failed, and its message is done. One
whose child died is tried once more. Only what nobody had thought of ends in the dead letters, and the job as failed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from services.optimizer import metrics
from services.optimizer.flexibility import job_store
from services.optimizer.flexibility.job_store import Job, JobEnd, Output
from services.optimizer.flexibility.site_store import OwnedSensor
from shared.beliefs import NewSeries
from shared.beliefs.replacing_store import take_back
from shared.beliefs.source_store import NewSource, source_id_of
from shared.beliefs.writing_store import hold_sensors, write_beliefs
from shared.bus.handler import Handler
from shared.clock import Clock
from shared.contracts.flexibility import ForecastRequested, JobsFinished, ScheduleRequested
from shared.contracts.message import Envelope
from shared.db.models.flexibility import DEFERRED, FAILED
from shared.db.unit_of_work import Database, UnitOfWork
from shared.errors import BusbarError, DependencyUnavailable, WorkerDied, WorkTimedOut
from shared.ids import AccountId, JobId

log = structlog.get_logger()

Command = TypeVar("Command", ScheduleRequested, ForecastRequested)

# Somebody who looks sooner than that sees a job that waits, which is as good.
SHOWN_AS_STARTED_AFTER_S = 0.1
# To write what came of a job, after the time that it may take.
APPLY_WITHIN_S = 10.0
# Of a child's death: more tries are for a child that was killed for another's memory.
ATTEMPTS = 3


class JobTimedOut(BusbarError):
    """The job took longer than it may."""

    code = "job_timed_out"


class NotTheJobsSensor(BusbarError):
    """What a job finds can only be stored on sensors of its own account."""

    code = "not_the_jobs_sensor"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take. ``job_s`` is all of a job, the wait for data included; ``solver_s`` and ``mip_gap`` are the solver's."""

    job_s: float = 180.0
    data_wait_s: float = 60.0
    solver_s: float = 60.0
    mip_gap: float = 0.0

    @property
    def child_s(self) -> float:
        """How long a job waits for a child and for its work: a little less, so that it is known which of the two took so long.

        One that found no child in time is handed on, and has not failed.
        """
        return 0.98 * self.job_s


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job: its end, what it found for each sensor, and what ``source`` is to state (the series name none yet).

    ``follow`` writes, in the same transaction, what comes after it; it returns the ids of further jobs that have ended by that.
    """

    job: Job
    end: JobEnd
    outputs: tuple[Output, ...] = ()
    beliefs: tuple[NewSeries, ...] = ()
    source: NewSource | None = None
    follow: Callable[[UnitOfWork], Awaitable[list[JobId]]] | None = None


class Kind(Protocol):
    """What tells jobs of one kind from the other. ``name`` is what metrics call it."""

    @property
    def name(self) -> str:
        """One of schedule and forecast."""
        ...

    async def work(self, job: Job) -> Done:
        """Do the job.

        Raises:
            BusbarError: it cannot be done, and why.
        """
        ...

    def failed(self, job: Job, end: JobEnd) -> Done:
        """What becomes of a job that has failed."""
        ...


class Jobs:
    """Makes the handlers of jobs."""

    def __init__(self, database: Database, clock: Clock, limits: Limits) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits

    def handler(self, contract: type[Command], kind: Kind) -> Handler[Command, Done | None]:
        """The consumer of one kind of jobs."""

        async def work(envelope: Envelope, wanted: Command) -> Done | None:
            job = await self._open(envelope.account_id, wanted.job_id)
            return None if job is None else await self._done(job, kind)

        async def apply(uow: UnitOfWork, _: Envelope, __: Command, done: Done | None) -> None:
            if done is not None:
                await write_end(uow, done)
                uow.after_commit.append(lambda: self._observe(kind, done))

        async def on_failure(uow: UnitOfWork, envelope: Envelope, wanted: Command, failure: BusbarError) -> None:
            job = await job_store.find_open(uow.connection, envelope.account_id, wanted.job_id)
            if job is not None:
                done = kind.failed(job, self._failure(failure, self._clock.now()))
                await write_end(uow, done)
                uow.after_commit.append(lambda: self._observe(kind, done))

        return Handler(contract, work, apply, on_failure, self._limits.job_s + APPLY_WITHIN_S, ATTEMPTS)

    async def _open(self, account_id: AccountId, job_id: JobId) -> Job | None:
        async with self._database.reading(account_id) as connection:
            return await job_store.find_open(connection, account_id, job_id)

    async def _done(self, job: Job, kind: Kind) -> Done:
        started_at = self._clock.now()
        try:
            async with self._shown(job), asyncio.timeout(self._limits.job_s):
                return await kind.work(job)
        except WorkerDied:
            metrics.CHILD_DEATHS.labels(kind.name).inc()
            raise
        except DependencyUnavailable:
            raise
        except (TimeoutError, WorkTimedOut):
            late = JobTimedOut(f"the job took longer than {self._limits.job_s:g} s")
            return kind.failed(job, self._failure(late, started_at))
        except BusbarError as failure:
            log.info("job_failed", code=failure.code, reason=failure.message[:500])
            return kind.failed(job, self._failure(failure, started_at))

    def _observe(self, kind: Kind, done: Done) -> None:
        metrics.JOBS_ENDED.labels(kind.name, done.end.state.lower()).inc()
        if done.end.state != DEFERRED:
            waited = self._clock.now() - done.job.created_at
            metrics.JOB_SECONDS.labels(kind.name).observe(max(0.0, waited.total_seconds()))

    def _failure(self, failure: BusbarError, started_at: datetime) -> JobEnd:
        error_type = getattr(failure, "error_type", type(failure).__name__)
        return JobEnd(
            FAILED, started_at, failure=f"{error_type}: {failure.message}", info=getattr(failure, "info", None)
        )

    @asynccontextmanager
    async def _shown(self, job: Job) -> AsyncIterator[None]:
        """Let clients see that the job is worked on, from soon after its start."""
        showing = asyncio.create_task(self._show(job))
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.wait([showing])

    async def _show(self, job: Job) -> None:
        await asyncio.sleep(SHOWN_AS_STARTED_AFTER_S)
        # Only a sight: without a database the job itself is held, and tells.
        with contextlib.suppress(DependencyUnavailable):
            async with self._database.unit_of_work(job.account_id) as uow:
                await job_store.mark_started(uow.connection, job.account_id, job.job_id)


def check_owned(job: Job, sensors: Sequence[OwnedSensor]) -> None:
    """Make sure that what a job finds can be stored.

    Raises:
        NotTheJobsSensor: a sensor is public, or another account's.
    """
    for sensor in sensors:
        if sensor.account_id != job.account_id:
            whose = "public" if sensor.account_id is None else "of another account"
            raise NotTheJobsSensor(
                f"Sensor {sensor.facts.sensor_id} ({sensor.facts.name}) is {whose}: results can only be stored on sensors of the account "
                "that they are made for. Name one of its own."
            )


async def write_end(uow: UnitOfWork, done: Done) -> None:
    """Write what came of a job and tell of it; nothing where the job has ended already, or is gone."""
    job = done.job
    if not await job_store.end_job(uow.connection, job.account_id, job.job_id, done.end):
        return
    if done.source is not None:
        source_id = await source_id_of(uow.connection, job.account_id, done.source)
        await _state(uow, [replace(series, source_id=source_id) for series in done.beliefs])
    await job_store.write_outputs(uow.connection, job.account_id, job.job_id, done.outputs)
    ended = [] if done.end.state == DEFERRED else [job.job_id]
    if done.follow is not None:
        ended += await done.follow(uow)
    if ended:
        await uow.outbox.add(job.account_id, JobsFinished(job_ids=tuple(ended)))


async def _state(uow: UnitOfWork, beliefs: Sequence[NewSeries]) -> None:
    """Store beliefs. Where the source had stated something else at the same moment, as when a plan is made again as of then, the new one counts."""
    await hold_sensors(uow.connection, {series.sensor_id for series in beliefs})
    written = await write_beliefs(uow.connection, beliefs)
    refused = [series for series, outcome in zip(beliefs, written, strict=True) if outcome.is_refused]
    if refused:
        await take_back(uow.connection, refused)
        await write_beliefs(uow.connection, refused)
