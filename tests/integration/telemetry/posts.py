"""What surrounds the telemetry service in its tests: posts as the gateway writes them, and what came of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from shared.beliefs.reading_store import SensorOf
from shared.contracts.flexibility import IngestRequested, JobsFinished
from shared.contracts.message import Envelope
from shared.db.engine import PostgresDatabase
from shared.db.models.flexibility import INGESTION, job_states, jobs
from shared.db.models.infrastructure import outbox
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, AccountId, JobId, MessageId, uuid7
from tests.support.sensors import D

PLANNER = {"user_number": 4, "name": "planner", "account": str(OPEN_ACCOUNT_ID)}


@dataclass(frozen=True)
class Outcome:
    """What came of a job, and whether its data are still there."""

    state: str
    result: Mapping[str, Any]
    failure: str | None
    has_data: bool


@dataclass(frozen=True)
class Posts:
    """Writes ingestion jobs and reads what came of them."""

    database: PostgresDatabase

    async def values(
        self, sensor: SensorOf, values: Sequence[float], start: datetime = D, **arguments: object
    ) -> JobId:
        """Values as they were posted, at the sensor's resolution unless said otherwise."""
        given = {
            "kind": "values",
            "start": start.isoformat(),
            "step_s": sensor.resolution_s,
            "factor": 1.0,
            "offset": 0.0,
            "belief_time": D.isoformat(),
            "source": PLANNER,
        }
        return await self.job(sensor, given | arguments, struct.pack(f"<{len(values)}d", *values))

    async def upload(self, sensor: SensorOf, content: bytes, filename: str = "f.csv", **arguments: object) -> JobId:
        """A file as it was uploaded."""
        given = {"kind": "upload", "filename": filename, "belief_time": D.isoformat(), "source": PLANNER}
        return await self.job(sensor, given | arguments, content)

    async def job(self, sensor: SensorOf, arguments: Mapping[str, object], data: bytes) -> JobId:
        """Any ingestion job, with its message."""
        job_id = JobId(uuid7())
        row = {
            "job_id": job_id,
            "account_id": sensor.account_id or OPEN_ACCOUNT_ID,
            "kind": INGESTION,
            "sensor_id": sensor.sensor_id,
            "arguments": arguments,
            "data": data,
        }
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(insert(jobs).values(**row))
            await uow.outbox.add(row["account_id"], IngestRequested(job_id=job_id))  # type: ignore[arg-type]
        return job_id

    async def outcome(self, job_id: JobId) -> Outcome | None:
        """What came of a job; None while nothing has."""
        statement = (
            select(job_states.c.state, job_states.c.result, job_states.c.failure, jobs.c.data)
            .join(jobs, jobs.c.job_id == job_states.c.job_id)
            .where(job_states.c.job_id == job_id)
        )
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else Outcome(row.state, row.result or {}, row.failure, row.data is not None)

    async def outcomes(self, job_ids: Sequence[JobId]) -> list[str | None]:
        """In one word each; None while nothing has come of it."""
        found = [await self.outcome(job_id) for job_id in job_ids]
        return [None if each is None else each.result.get("outcome", each.state) for each in found]

    async def is_done(self, job_id: JobId) -> bool:
        found = await self.outcome(job_id)
        return found is not None and not found.has_data

    async def finished(self) -> list[set[JobId]]:
        """The jobs of which events tell that they have ended."""
        statement = select(outbox.c.body).where(outbox.c.name == JobsFinished.name)
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            bodies = (await connection.execute(statement)).scalars().all()
        return [set(JobsFinished.model_validate_json(body).job_ids) for body in bodies]

    async def waiting(self) -> int:
        """How many jobs still have their data."""
        statement = select(func.count()).select_from(jobs).where(jobs.c.data.is_not(None))
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return int((await connection.execute(statement)).scalar_one())


def envelope_of(job_id: JobId, account_id: AccountId = OPEN_ACCOUNT_ID) -> Envelope:
    """The message about a job as it is delivered."""
    message = IngestRequested(job_id=job_id)
    assert message.queue is not None
    return Envelope(
        message_id=MessageId(uuid7()),
        account_id=account_id,
        name=message.name,
        version=message.version,
        body=message.model_dump_json().encode(),
        routing_key=message.name,
        queue=message.queue.name,
    )
