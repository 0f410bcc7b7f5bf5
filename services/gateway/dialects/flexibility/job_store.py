"""The SQL of jobs: what was asked for is written here, what came of it is read. Not for doing them: that is for who works on them.

What finds one thing does so for whoever asks, and its user asks ``permissions`` before anything of it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, Row, Select, Uuid, bindparam, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.permissions import Owner
from shared.db.connections import driver_connection
from shared.db.models.flexibility import (
    CANCELED,
    FAILED,
    FINISHED,
    INGESTION,
    assets,
    job_outputs,
    job_states,
    jobs,
    sensors,
)
from shared.db.models.identity import accounts
from shared.identity.reach import account_id_of
from shared.ids import AccountId, JobId, SensorId

# An identical trigger within this time is answered with the job that there is.
ANSWERED_AGAIN_FOR = timedelta(hours=1)
# Nothing is to be had from these.
ENDED_BADLY = (FAILED, CANCELED)


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is asked for. ``account_id`` is that of the asset or sensor; of a public one, the caller's."""

    job_id: JobId
    account_id: AccountId
    kind: str
    arguments: Mapping[str, object]
    requested_by: int | None
    asset_id: int | None = None
    sensor_id: int | None = None
    data: bytes | None = None
    cache_key: str | None = None
    position: int | None = None
    parent_job_id: JobId | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """What came of a job so far; a job that has none has not begun."""

    state: str
    started_at: datetime | None
    ended_at: datetime | None
    result: Any  # as JSON holds it
    failure: str | None
    info: Mapping[str, Any] | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job, whose it is (None: about something public), and what came of it."""

    job_id: JobId
    account_id: AccountId
    owner: Owner | None
    kind: str
    asset_id: int | None
    sensor_id: int | None
    arguments: Mapping[str, Any]
    position: int | None
    created_at: datetime
    state: JobState | None


@dataclass(frozen=True, slots=True)
class OutputRow:
    """What a job computed for a sensor: ``values`` [``unit``] from ``start`` on, consumption positive where they are power."""

    start: datetime
    resolution_s: int
    unit: str
    values: Sequence[float]
    stored_sign: int


_STATE = (
    job_states.c.state,
    job_states.c.started_at,
    job_states.c.ended_at,
    job_states.c.result,
    job_states.c.failure,
    job_states.c.info,
)
_OF = func.coalesce(assets.c.account_id, sensors.c.account_id)
_JOB: Select[Any] = (
    select(
        jobs.c.job_id,
        jobs.c.account_id,
        jobs.c.kind,
        jobs.c.asset_id,
        jobs.c.sensor_id,
        jobs.c.arguments,
        jobs.c.position,
        jobs.c.created_at,
        accounts.c.account_id.label("owner_id"),
        accounts.c.consultancy_account_id,
        *_STATE,
    )
    .select_from(
        jobs.outerjoin(assets, assets.c.asset_id == jobs.c.asset_id)
        .outerjoin(sensors, sensors.c.sensor_id == jobs.c.sensor_id)
        .outerjoin(accounts, accounts.c.account_id == _OF)
        .outerjoin(job_states, job_states.c.job_id == jobs.c.job_id)
    )
    .order_by(jobs.c.position)
)
_BY_ID = _JOB.where(jobs.c.job_id == bindparam("wanted", type_=Uuid))
_CHILDREN = _JOB.where(jobs.c.parent_job_id == bindparam("parent", type_=Uuid))
# Straight to the driver, as these are run for every posting: the toolkit would take longer than the database.
_STATES = """
SELECT job_id, state, started_at, ended_at, result::text AS result, failure, info::text AS info
FROM flexibility_job_states WHERE job_id = ANY($1::uuid[])
"""
# A sensor that was deleted meanwhile must not spoil the transaction of the others.
_ADD_TOGETHER = """
INSERT INTO flexibility_jobs (job_id, account_id, kind, sensor_id, requested_by, arguments, data)
SELECT n.job_id, n.account_id, n.kind, n.sensor_id, n.requested_by, n.arguments::jsonb, n.data
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bytea[])
     AS n(job_id, account_id, kind, sensor_id, requested_by, arguments, data)
JOIN flexibility_sensors s USING (sensor_id)
RETURNING job_id
"""
_LOCK = select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger)))
_SAME = (
    select(jobs.c.job_id)
    .where(
        jobs.c.account_id == bindparam("account", type_=Uuid),
        jobs.c.cache_key == bindparam("key"),
        jobs.c.created_at > func.now() - ANSWERED_AGAIN_FOR,
        ~exists(
            select(job_states.c.job_id).where(job_states.c.job_id == jobs.c.job_id, job_states.c.state.in_(ENDED_BADLY))
        ),
    )
    .order_by(jobs.c.created_at.desc())
    .limit(1)
)
_OUTPUT = select(
    job_outputs.c.start,
    job_outputs.c.resolution_s,
    job_outputs.c.unit,
    job_outputs.c["values"],
    job_outputs.c.stored_sign,
).where(
    job_outputs.c.job_id == bindparam("wanted", type_=Uuid),
    job_outputs.c.sensor_id == bindparam("of_sensor", type_=BigInteger),
)


async def add_job(connection: AsyncConnection, new: NewJob) -> None:
    """Write what is asked for, in the account that it names."""
    row = {
        "job_id": new.job_id,
        "account_id": new.account_id,
        "kind": new.kind,
        "asset_id": new.asset_id,
        "sensor_id": new.sensor_id,
        "requested_by": new.requested_by,
        "arguments": new.arguments,
        "data": new.data,
        "cache_key": new.cache_key,
        "position": new.position,
        "parent_job_id": new.parent_job_id,
    }
    await connection.execute(insert(jobs), row)


async def find_job(connection: AsyncConnection, job_id: UUID) -> JobRow | None:
    """A job by its id, whoever asks; whether they may know is for the caller of this to decide."""
    row = (await connection.execute(_BY_ID, {"wanted": job_id})).one_or_none()
    return None if row is None else _job(row)


async def children_of(connection: AsyncConnection, account_id: AccountId, job_id: JobId) -> list[JobRow]:
    """The jobs that a job waits for, in their order."""
    rows = await connection.execute(_CHILDREN.where(jobs.c.account_id == account_id), {"parent": job_id})
    return [_job(row) for row in rows]


async def list_about(connection: AsyncConnection, asset_id: int, *, limit: int) -> list[JobRow]:
    """The newest jobs about an asset and its sensors, whoever asks; of ingestion only those that wait or have failed."""
    of_asset = select(sensors.c.sensor_id).where(sensors.c.asset_id == asset_id)
    is_about = or_(jobs.c.asset_id == asset_id, jobs.c.sensor_id.in_(of_asset))
    is_of_interest = or_(jobs.c.kind != INGESTION, func.coalesce(job_states.c.state, "") != FINISHED)
    statement = (
        _JOB.where(is_about, is_of_interest).order_by(None).order_by(jobs.c.created_at.desc(), jobs.c.job_id.desc())
    )
    return [_job(row) for row in await connection.execute(statement.limit(limit))]


async def add_jobs_of_sensors(connection: AsyncConnection, new: Sequence[NewJob]) -> set[JobId]:
    """Write jobs about sensors, each in the account that it names; returns those whose sensor was still there."""
    columns = (
        [job.job_id for job in new],
        [job.account_id for job in new],
        [job.kind for job in new],
        [job.sensor_id for job in new],
        [job.requested_by for job in new],
        [orjson.dumps(job.arguments).decode() for job in new],
        [job.data for job in new],
    )
    rows = await driver_connection(connection).fetch(_ADD_TOGETHER, *columns)
    return {_job_id(row["job_id"]) for row in rows}


async def states_of(connection: AsyncConnection, job_ids: Collection[JobId]) -> dict[JobId, JobState]:
    """How jobs of all accounts stand, for whoever waits for them."""
    rows = await driver_connection(connection).fetch(_STATES, list(job_ids))
    return {
        _job_id(row["job_id"]): JobState(
            row["state"], row["started_at"], row["ended_at"], _json(row["result"]), row["failure"], _json(row["info"])
        )
        for row in rows
    }


async def find_output(connection: AsyncConnection, job: JobRow, sensor_id: SensorId) -> OutputRow | None:
    """What a job computed for a sensor."""
    row = (await connection.execute(_OUTPUT, {"wanted": job.job_id, "of_sensor": sensor_id})).one_or_none()
    return None if row is None else OutputRow(*row)


async def lock_key(connection: AsyncConnection, key: int) -> None:
    """Wait until nobody else holds the key (a signed number of 64 bits), and hold it until the transaction ends."""
    await connection.execute(_LOCK, {"key": key})


async def find_same(connection: AsyncConnection, account_id: AccountId, cache_key: str) -> JobId | None:
    """The newest job of the last hour with this key that has not ended badly."""
    found = (await connection.execute(_SAME, {"account": account_id, "key": cache_key})).scalar_one_or_none()
    return None if found is None else _job_id(found)


def _job(row: Row[Any]) -> JobRow:
    owner = None
    if row.owner_id is not None:
        consultancy = row.consultancy_account_id
        owner = Owner(account_id_of(row.owner_id), None if consultancy is None else account_id_of(consultancy))
    return JobRow(
        job_id=_job_id(row.job_id),
        account_id=account_id_of(row.account_id),
        owner=owner,
        kind=row.kind,
        asset_id=row.asset_id,
        sensor_id=row.sensor_id,
        arguments=row.arguments,
        position=row.position,
        created_at=row.created_at,
        state=None if row.state is None else _state(row),
    )


def _state(row: Row[Any]) -> JobState:
    return JobState(row.state, row.started_at, row.ended_at, row.result, row.failure, row.info)


def _job_id(read: UUID) -> JobId:
    """An id without the driver's own kind of UUID."""
    return JobId(UUID(int=read.int))


def _json(text: str | None) -> Any:  # Any: whatever JSON holds
    return None if text is None else orjson.loads(text)
