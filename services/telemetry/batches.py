"""One transaction's worth of jobs, written: their beliefs, their states, the end of their data, and one event for each account."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.telemetry import metrics, store
from services.telemetry.preparing import failed, told
from services.telemetry.store import Ended, IngestionJob
from shared.beliefs import NewSeries
from shared.beliefs.writing_store import write_beliefs
from shared.contracts.flexibility import JobsFinished
from shared.db.models.flexibility import NOT_STORED
from shared.db.unit_of_work import EVERY_ACCOUNT, Database, UnitOfWork
from shared.errors import BusbarError
from shared.ids import AccountId, JobId

# A statement that writes 10,000 values takes 0.1 s; on a disk that is busy much longer.
COMMAND_TIMEOUT_S = 60.0


class JobCrashed(BusbarError):
    """Storing a job ended in an error that nobody had thought of; the log has its traceback."""

    code = "internal_error"


@dataclass
class Batch:
    """``jobs`` with the ``series`` that each of them has to write, and others that have ``ended`` before that."""

    jobs: list[IngestionJob] = field(default_factory=list)
    series: list[NewSeries] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)


@asynccontextmanager
async def storing(database: Database) -> AsyncIterator[UnitOfWork]:
    """A transaction that may take long."""
    async with database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=COMMAND_TIMEOUT_S) as uow:
        yield uow


async def write(uow: UnitOfWork, batch: Batch) -> None:
    """Write all of a batch. The sensors must be held."""
    written = await write_beliefs(uow.connection, batch.series)
    ended = batch.ended + [told(job, each) for job, each in zip(batch.jobs, written, strict=True)]
    await store.end_jobs(uow.connection, ended)
    of_account: dict[AccountId, list[JobId]] = {}
    for each in ended:
        of_account.setdefault(each.job.account_id, []).append(each.job.job_id)
    for account_id, job_ids in of_account.items():
        await uow.outbox.add(account_id, JobsFinished(job_ids=tuple(job_ids)))
    stored = sum(each.stored for each in written)
    uow.after_commit.append(lambda: _count(ended, stored))


def crashed(job: IngestionJob) -> Ended:
    """What a job is told that ended in an error of ours."""
    return failed(job, JobCrashed("It could not be stored for an internal reason; the server's log says more."))


def _count(ended: list[Ended], stored: int) -> None:
    for outcome, number in Counter(str(each.result.get("outcome", NOT_STORED)) for each in ended).items():
        metrics.JOBS_ENDED.labels(outcome).inc(number)
    metrics.VALUES_STORED.inc(stored)
