"""The telemetry service's SQL: which jobs wait, who works on a large one, and what came of each.

It serves all accounts together: what waits is taken as it came, whoever posted it. Whose a sensor is, is read with the sensor.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.connections import driver_connection
from shared.db.models.flexibility import FAILED, FINISHED, INGESTION, POSTED_VALUES, STARTED, job_states, jobs
from shared.identity.reach import account_id_of
from shared.ids import AccountId, JobId, SensorId


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that nobody has done yet."""

    job_id: JobId
    sensor_id: SensorId
    data_bytes: int


@dataclass(frozen=True, slots=True)
class IngestionJob:
    """A job with what is to be stored. ``account_id`` is the job's, which for a public sensor is its poster's."""

    job_id: JobId
    account_id: AccountId
    sensor_id: SensorId
    arguments: Mapping[str, Any]  # as JSON holds it
    data: bytes


@dataclass(frozen=True, slots=True)
class SensorRow:
    """A sensor as ingestion needs it; attributes of its asset count where it has none of that name."""

    sensor_id: SensorId
    account_id: AccountId | None
    unit: str
    resolution_s: int
    timezone: str
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a job: it is done with a ``result``, or has failed for good."""

    job: IngestionJob
    result: Mapping[str, object] = field(default_factory=dict)
    failure: str | None = None


def _is_waiting() -> tuple[ColumnElement[bool], ...]:
    return jobs.c.kind == INGESTION, jobs.c.data.is_not(None)


_SIZE = func.octet_length(jobs.c.data)  # known without reading the data
_KIND = jobs.c.arguments["kind"].astext

# Straight to the driver, as they are run for every batch: the toolkit would take longer than the database.
_SMALL = """
SELECT job_id, sensor_id, octet_length(data) AS size FROM flexibility_jobs
WHERE kind = 'ingestion' AND data IS NOT NULL AND arguments ->> 'kind' = 'values' AND octet_length(data) <= $1
ORDER BY created_at, job_id LIMIT $2
"""
_WITH_DATA = """
SELECT job_id, account_id, sensor_id, arguments::text AS arguments, data FROM flexibility_jobs
WHERE job_id = ANY($1::uuid[]) AND kind = 'ingestion' AND data IS NOT NULL
ORDER BY created_at, job_id
"""
_SENSORS = """
SELECT s.sensor_id, s.account_id, s.unit, s.event_resolution_s, s.timezone,
       s.attributes::text AS attributes, a.attributes::text AS of_asset
FROM flexibility_sensors s JOIN flexibility_assets a USING (asset_id)
WHERE s.sensor_id = ANY($1::bigint[])
"""
_END = """
WITH told AS (
    INSERT INTO flexibility_job_states (job_id, account_id, state, started_at, ended_at, result, failure)
    SELECT job_id, account_id, state, now(), clock_timestamp(), result::jsonb, failure
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
        AS ended(job_id, account_id, state, result, failure)
    ON CONFLICT (job_id) DO UPDATE SET
        state = excluded.state, ended_at = excluded.ended_at, result = excluded.result, failure = excluded.failure
)
UPDATE flexibility_jobs SET data = NULL WHERE job_id = ANY($1::uuid[])
"""


async def small_waiting_jobs(connection: AsyncConnection, *, most_bytes: int, limit: int) -> list[WaitingJob]:
    """Jobs of all accounts with few values, oldest first."""
    rows = await driver_connection(connection).fetch(_SMALL, most_bytes, limit)
    return [WaitingJob(JobId(row["job_id"]), SensorId(row["sensor_id"]), row["size"]) for row in rows]


async def claim_large_job(
    connection: AsyncConnection, *, most_small_bytes: int, claim: timedelta, besides: Collection[JobId]
) -> IngestionJob | None:
    """The oldest file, or job with many values, that nobody works on; from the commit on it is ours until the claim runs out.

    First come accounts of which no such job is worked on, so that one with many files keeps no other waiting for more than one.
    """
    has_lapsed = (job_states.c.state == STARTED) & (job_states.c.started_at < func.now() - claim)
    statement = (
        select(jobs)
        .outerjoin(job_states, job_states.c.job_id == jobs.c.job_id)
        .where(*_is_waiting(), or_(_KIND != POSTED_VALUES, most_small_bytes < _SIZE))
        .where(or_(job_states.c.job_id.is_(None), has_lapsed), jobs.c.job_id.not_in(list(besides)))
        .order_by(jobs.c.created_at, jobs.c.job_id)
        .limit(1)
        .with_for_update(of=jobs, skip_locked=True)
    )
    has_none_in_hand = jobs.c.account_id.not_in(await _accounts_in_hand(connection, claim))
    row = (await connection.execute(statement.where(has_none_in_hand))).one_or_none()
    row = row or (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    begun = {"job_id": row.job_id, "account_id": row.account_id, "state": STARTED, "started_at": func.now()}
    claimed = insert(job_states).values(**begun)
    again = claimed.on_conflict_do_update(
        index_elements=[job_states.c.job_id], set_={"started_at": func.now()}, where=has_lapsed
    )
    return _job(row) if (await connection.execute(again)).rowcount else None


async def _accounts_in_hand(connection: AsyncConnection, claim: timedelta) -> list[AccountId]:
    """The accounts of which somebody works on a large job."""
    is_in_hand = (job_states.c.state == STARTED) & (job_states.c.started_at >= func.now() - claim)
    statement = (
        select(jobs.c.account_id)
        .join(job_states, job_states.c.job_id == jobs.c.job_id)
        .where(*_is_waiting(), is_in_hand)
        .distinct()
    )
    return [account_id_of(found) for found in (await connection.execute(statement)).scalars()]


async def renew_claims(connection: AsyncConnection, job_ids: Collection[JobId]) -> None:
    """Keep large jobs that are worked on."""
    own = job_states.c.job_id.in_(list(job_ids)) & (job_states.c.state == STARTED)
    await connection.execute(update(job_states).where(own).values(started_at=func.now()))


async def give_up_claim(connection: AsyncConnection, job: IngestionJob) -> None:
    """Leave a large job to whoever looks next."""
    own = (job_states.c.job_id == job.job_id) & (job_states.c.state == STARTED)
    await connection.execute(job_states.delete().where(own))


async def waiting_jobs(connection: AsyncConnection, job_ids: Collection[JobId]) -> list[IngestionJob]:
    """Those of these jobs that still wait, oldest first, with their data. Their sensors must be held, so that they go on waiting."""
    rows = await driver_connection(connection).fetch(_WITH_DATA, list(job_ids))
    return [
        IngestionJob(
            job_id=JobId(row["job_id"]),
            account_id=account_id_of(row["account_id"]),
            sensor_id=SensorId(row["sensor_id"]),
            arguments=orjson.loads(row["arguments"]),
            data=row["data"],
        )
        for row in rows
    ]


async def is_waiting(connection: AsyncConnection, job_id: JobId) -> bool:
    """Whether a job still waits. Its sensor must be held, so that the answer stays true."""
    statement = select(jobs.c.job_id).where(jobs.c.job_id == job_id, *_is_waiting())
    return (await connection.execute(statement)).first() is not None


async def sensor_rows(connection: AsyncConnection, sensor_ids: Collection[SensorId]) -> dict[SensorId, SensorRow]:
    """Sensors by their ids."""
    found = {}
    for row in await driver_connection(connection).fetch(_SENSORS, list(sensor_ids)):
        sensor_id = SensorId(row["sensor_id"])
        owner = None if row["account_id"] is None else account_id_of(row["account_id"])
        attributes = {**_object(row["of_asset"]), **_object(row["attributes"])}
        unit, resolution_s, timezone = row["unit"], row["event_resolution_s"], row["timezone"]
        found[sensor_id] = SensorRow(sensor_id, owner, unit, resolution_s, timezone, attributes)
    return found


async def end_jobs(connection: AsyncConnection, ended: Sequence[Ended]) -> None:
    """Write what came of jobs, and let go of their data."""
    if not ended:
        return
    columns = (
        [each.job.job_id for each in ended],
        [each.job.account_id for each in ended],
        [FINISHED if each.failure is None else FAILED for each in ended],
        [orjson.dumps(dict(each.result)).decode() for each in ended],
        [each.failure for each in ended],
    )
    await driver_connection(connection).fetch(_END, *columns)


async def backlog(connection: AsyncConnection) -> tuple[int, float]:
    """How many jobs wait, and for how long the oldest has [s]."""
    age = func.extract("epoch", func.now() - func.min(jobs.c.created_at))
    row = (await connection.execute(select(func.count(), age).where(*_is_waiting()))).one()
    return row[0], float(row[1] or 0.0)


def _job(row: Any) -> IngestionJob:  # Any: a row of jobs
    account_id = account_id_of(row.account_id)
    return IngestionJob(row.job_id, account_id, row.sensor_id, row.arguments, row.data)


def _object(stored: str) -> Mapping[str, object]:
    given = orjson.loads(stored)
    return given if isinstance(given, dict) else {}
