"""The way in for values: sensors are looked up, and jobs written, together for all who post at the same moment.

Each alone would take three transactions; most of what that costs is the way to the database. One message wakes whoever stores the
values: it is for all jobs of a transaction, as the one who hears it takes everything that waits.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility import data_store, job_store
from services.gateway.dialects.flexibility.batching import Batching
from services.gateway.dialects.flexibility.data_store import Sought, Target
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownSensor
from services.gateway.dialects.flexibility.job_store import NewJob
from services.gateway.dialects.flexibility.permissions import caller_of, may_work_on
from shared.contracts.flexibility import IngestRequested
from shared.db.unit_of_work import EVERY_ACCOUNT, Database

LOOK_UPS_AT_ONCE = 2


class PostingDesk:
    """Takes postings of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look_ups = Batching("look-ups of sensors", self._find, at_once=LOOK_UPS_AT_ONCE)
        self._writes = Batching("postings", self._write)

    async def sensor(self, identity: Identity, sensor_id: int) -> Target:
        """A sensor that the caller may post to.

        Raises:
            UnknownSensor: there is none of this id. NotPermitted: they may not.
        """
        found = await self._look_ups.answer(Sought(sensor_id, identity.user_number))
        if found is None:
            raise UnknownSensor(sensor_id)
        if not may_work_on(caller_of(identity), found.owner):
            raise NotPermitted
        return found

    async def accept(self, job: NewJob) -> None:
        """Keep a job about a sensor; when this returns it is safe.

        Raises:
            UnknownSensor: it was deleted meanwhile.
        """
        if not await self._writes.answer(job):
            raise UnknownSensor(job.sensor_id)

    async def _find(self, sought: Sequence[Sought]) -> Sequence[Target | None]:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            return await data_store.find_targets(connection, sought)

    async def _write(self, new: Sequence[NewJob]) -> Sequence[bool]:
        async with self._database.unit_of_work(EVERY_ACCOUNT) as work:
            added = await job_store.add_jobs_of_sensors(work.connection, new)
            kept = [job for job in new if job.job_id in added]
            if kept:
                most_bytes = max(len(job.data or b"") for job in kept)
                await work.outbox.add(kept[0].account_id, IngestRequested(job_id=kept[0].job_id, most_bytes=most_bytes))
        return [job.job_id in added for job in new]
