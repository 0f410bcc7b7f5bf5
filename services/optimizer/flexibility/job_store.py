"""The optimizer's SQL around flexibility jobs: what was asked for in; states, outputs and further steps out. The account comes first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.flexibility import DEFERRED, STARTED, job_outputs, job_states, jobs
from shared.identity.reach import account_id_of
from shared.ids import AccountId, JobId, SensorId


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for. ``arguments`` are as the gateway has written them, or, of a step, as its job has them."""

    account_id: AccountId
    job_id: JobId
    asset_id: int | None
    sensor_id: int | None
    requested_by: int | None
    arguments: Mapping[str, Any]  # Any: JSON
    parent_job_id: JobId | None
    position: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Output:
    """What a job found for a sensor: ``values`` [``unit``] from ``start`` on, NaN for none; times ``stored_sign`` it is what beliefs say."""

    sensor_id: SensorId
    start: datetime
    resolution_s: int
    unit: str
    values: Sequence[float]
    stored_sign: int


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended. ``failure`` says why where it failed."""

    state: str
    started_at: datetime
    result: Mapping[str, Any] | None = None  # Any: JSON
    failure: str | None = None
    info: Mapping[str, Any] | None = None  # Any: JSON


async def find_open(connection: AsyncConnection, account_id: AccountId, job_id: JobId) -> Job | None:
    """A job that has not ended; None once it has, or where its asset or sensor is deleted."""
    statement = (
        select(
            jobs.c.asset_id,
            jobs.c.sensor_id,
            jobs.c.requested_by,
            jobs.c.arguments,
            jobs.c.parent_job_id,
            jobs.c.position,
            jobs.c.created_at,
        )
        .outerjoin(job_states, job_states.c.job_id == jobs.c.job_id)
        .where(jobs.c.account_id == account_id, jobs.c.job_id == job_id)
        .where(or_(job_states.c.state.is_(None), job_states.c.state == STARTED))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    parent_id = None if row.parent_job_id is None else job_id_of(row.parent_job_id)
    return Job(
        account_id,
        job_id,
        row.asset_id,
        row.sensor_id,
        row.requested_by,
        row.arguments,
        parent_id,
        row.position,
        row.created_at,
    )


async def find_overdue(
    connection: AsyncConnection, kinds: Collection[str], after: timedelta, at_most: int
) -> list[tuple[AccountId, JobId, str]]:
    """Jobs of all accounts that were begun longer ago than that and have not ended: account, id and kind."""
    statement = (
        select(jobs.c.account_id, jobs.c.job_id, jobs.c.kind)
        .join(job_states, job_states.c.job_id == jobs.c.job_id)
        .where(
            job_states.c.state == STARTED, job_states.c.started_at < func.now() - after, jobs.c.kind.in_(list(kinds))
        )
        .order_by(job_states.c.started_at)
        .limit(at_most)
    )
    return [(account_id_of(row[0]), job_id_of(row[1]), row[2]) for row in await connection.execute(statement)]


async def mark_started(connection: AsyncConnection, account_id: AccountId, job_id: JobId) -> None:
    """Let clients see that somebody works on a job; nothing where it has a state already, or is gone.

    Since when is told by the database's clock, which also decides when nobody will end it any more.
    """
    source = select(jobs.c.job_id, jobs.c.account_id, literal(STARTED), func.now())
    statement = insert(job_states).from_select(
        ["job_id", "account_id", "state", "started_at"],
        source.where(jobs.c.account_id == account_id, jobs.c.job_id == job_id),
    )
    await connection.execute(statement.on_conflict_do_nothing())


async def end_job(connection: AsyncConnection, account_id: AccountId, job_id: JobId, end: JobEnd) -> bool:
    """Write how a job ended; False where it had ended already, or is gone. A job that waits for its steps ends as well."""
    holding = select(jobs.c.job_id).where(jobs.c.account_id == account_id, jobs.c.job_id == job_id)
    if (await connection.execute(holding.with_for_update(read=True, key_share=True))).one_or_none() is None:
        return False
    row = {
        "state": end.state,
        "started_at": end.started_at,
        "result": end.result,
        "failure": end.failure,
        "info": end.info,
    }
    ended_at = None if end.state == DEFERRED else func.clock_timestamp()
    statement = insert(job_states).values(job_id=job_id, account_id=account_id, ended_at=ended_at, **row)
    changed = {name: statement.excluded[name] for name in (*row, "ended_at")}
    may_change = job_states.c.state.in_([STARTED, DEFERRED])
    written = await connection.execute(
        statement.on_conflict_do_update(index_elements=[job_states.c.job_id], set_=changed, where=may_change)
    )
    return bool(written.rowcount)


async def write_outputs(
    connection: AsyncConnection, account_id: AccountId, job_id: JobId, outputs: Sequence[Output]
) -> None:
    """Keep what a job found for each sensor, for whoever asks for this job's."""
    if not outputs:
        return
    rows = [
        {
            "job_id": job_id,
            "account_id": account_id,
            "sensor_id": output.sensor_id,
            "start": output.start,
            "resolution_s": output.resolution_s,
            "unit": output.unit,
            "values": list(output.values),
            "stored_sign": output.stored_sign,
        }
        for output in outputs
    ]
    await connection.execute(insert(job_outputs), rows)


def job_id_of(read: UUID) -> JobId:
    """A job's id as it was read; the driver has a class of its own."""
    return JobId(UUID(int=read.int))
