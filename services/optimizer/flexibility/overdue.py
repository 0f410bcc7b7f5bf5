"""Jobs that somebody began and nobody will end: their message is in the dead letters, because each optimizer that had it died.

Clients wait for a job's end, so it has to come. A replayed dead letter finds the job ended and does nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog

from services.optimizer import metrics
from services.optimizer.flexibility import job_store
from services.optimizer.flexibility.job_store import JobEnd
from services.optimizer.flexibility.jobs import APPLY_WITHIN_S, ATTEMPTS, Kind, Limits, write_end
from shared.db.models.flexibility import FAILED
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.ids import AccountId, JobId

log = structlog.get_logger()

# On top of all attempts, for pauses between them and for a broker that is away for a while.
GRACE_S = 600.0
# So many at a time; the others come next.
AT_ONCE = 100


class OverdueJobs:
    """Ends jobs that were begun longer ago than all attempts can take. Any number of processes may look."""

    def __init__(self, database: Database, kinds: Mapping[str, Kind], limits: Limits) -> None:
        self._database = database
        self._kinds = kinds
        self._after = timedelta(seconds=ATTEMPTS * (limits.job_s + APPLY_WITHIN_S) + GRACE_S)

    async def sweep(self) -> None:
        """End those that there are."""
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            overdue = await job_store.find_overdue(connection, self._kinds, self._after, AT_ONCE)
        for account_id, job_id, kind in overdue:
            await self._end(account_id, job_id, self._kinds[kind])

    async def _end(self, account_id: AccountId, job_id: JobId, kind: Kind) -> None:
        async with self._database.unit_of_work(account_id) as uow:
            job = await job_store.find_open(uow.connection, account_id, job_id)
            if job is None:
                return
            failure = f"JobLost: nobody has finished the job within {self._after.total_seconds():.0f} s"
            log.error("job_lost", kind=kind.name, job_id=str(job_id))
            await write_end(uow, kind.failed(job, JobEnd(FAILED, job.created_at, failure=failure)))
            uow.after_commit.append(metrics.JOBS_ENDED.labels(kind.name, "lost").inc)
