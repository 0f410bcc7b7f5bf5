"""The optimizer's SQL around the steps of a sequential job. Steps are the one kind of jobs that nobody asked for: their job did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.optimizer.flexibility.job_store import Job, JobEnd, job_id_of
from shared.db.models.flexibility import SCHEDULING, job_outputs, job_states, jobs
from shared.ids import AccountId, JobId


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a job; ``end`` is None while it is under way, or before."""

    job_id: JobId
    end: JobEnd | None


async def add_steps(connection: AsyncConnection, job: Job, ids: Sequence[JobId]) -> None:
    """Write the steps of a job in their order. They count as asked for when it was."""
    rows = [
        {
            "job_id": job_id,
            "account_id": job.account_id,
            "kind": SCHEDULING,
            "asset_id": job.asset_id,
            "sensor_id": job.sensor_id,
            "requested_by": job.requested_by,
            "arguments": dict(job.arguments),
            "parent_job_id": job.job_id,
            "position": position,
            "created_at": job.created_at,
        }
        for position, job_id in enumerate(ids)
    ]
    await connection.execute(insert(jobs), rows)


async def steps_of(connection: AsyncConnection, account_id: AccountId, job_id: JobId) -> list[Step]:
    """The steps of a job in their order, and how those that are over ended."""
    state = job_states.c
    statement = (
        select(jobs.c.job_id, state.state, state.started_at, state.ended_at, state.result, state.failure, state.info)
        .outerjoin(job_states, state.job_id == jobs.c.job_id)
        .where(jobs.c.account_id == account_id, jobs.c.parent_job_id == job_id)
        .order_by(jobs.c.position)
    )
    steps = []
    for row in await connection.execute(statement):
        is_over = row.ended_at is not None
        end = JobEnd(row.state, row.started_at, row.result, row.failure, row.info) if is_over else None
        steps.append(Step(job_id_of(row.job_id), end))
    return steps


async def gather_outputs(connection: AsyncConnection, account_id: AccountId, job_id: JobId) -> None:
    """Let a job have found what its steps have found; of a sensor of several steps, what the last one says."""
    found = job_outputs.c
    columns = (
        found.sensor_id,
        found.account_id,
        found.start,
        found.resolution_s,
        found.unit,
        found["values"],
        found.stored_sign,
    )
    latest = (
        select(literal(job_id, found.job_id.type), *columns)
        .join(jobs, jobs.c.job_id == found.job_id)
        .where(jobs.c.account_id == account_id, jobs.c.parent_job_id == job_id)
        .ext(distinct_on(found.sensor_id))
        .order_by(found.sensor_id, jobs.c.position.desc())
    )
    await connection.execute(delete(job_outputs).where(found.account_id == account_id, found.job_id == job_id))
    names = ["job_id", *(column.name for column in columns)]
    await connection.execute(insert(job_outputs).from_select(names, latest))
