"""The jobs about an asset and its sensors: what was asked for lately, and how it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import job_store, sensor_store
from services.gateway.dialects.flexibility.access import readable_asset
from services.gateway.dialects.flexibility.asset_store import AssetRow
from services.gateway.dialects.flexibility.errors import UnknownAsset
from services.gateway.dialects.flexibility.job_store import JobRow
from services.gateway.dialects.flexibility.jobs import is_composed, status_of
from services.gateway.dialects.flexibility.permissions import caller_of
from services.gateway.dialects.flexibility.reading import number_in_path
from services.gateway.dialects.flexibility.schemas import AnswerModel
from services.gateway.dialects.flexibility.schemas import Moment as MomentText
from services.gateway.dialects.flexibility.sensor_store import SensorRow
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import json_text, object_reply
from services.gateway.http.call import Call, Reply
from shared.db.unit_of_work import EVERY_ACCOUNT

MOST_JOBS = 100


class AssetJob(AnswerModel):
    """A job."""

    job_id: str
    queue: str
    asset_or_sensor_type: str
    """``asset`` or ``sensor``."""
    entity: str
    """What it is about, with its name."""
    status: str
    err: str | None
    enqueued_at: MomentText
    metadata: str
    """What was asked for, a JSON object as text."""
    metadata_hash: str


class AssetJobs(AnswerModel):
    """The jobs about an asset."""

    jobs: list[AssetJob]
    # FlexMeasures' pages look for this one, which names its broker.
    redis_connection_err: None = None
    message_broker_err: None = None
    status: int = 200


async def list_asset_jobs(app: Flexibility, call: Call[None, None]) -> Reply:
    """The newest jobs about an asset and its sensors; of data that were posted only what waits or failed."""
    number = number_in_path(call, UnknownAsset)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_asset(connection, caller_of(call.identity), number)
        found = await job_store.list_about(connection, number, limit=MOST_JOBS)
        sensors = await sensor_store.find_sensors(connection, {job.sensor_id for job in found if job.sensor_id})
        told = [await _job_of(connection, row, sensors, job) for job in found]
    return object_reply(AssetJobs(jobs=told))


async def _job_of(
    connection: AsyncConnection, asset: AssetRow, sensors: Mapping[int, SensorRow], job: JobRow
) -> AssetJob:
    children = await job_store.children_of(connection, job.account_id, job.job_id) if is_composed(job) else ()
    sensor = None if job.sensor_id is None else sensors.get(job.sensor_id)
    kind = "asset" if sensor is None else "sensor"
    entity = f"asset: {asset.name} (Id: {asset.asset_id})"
    if sensor is not None:
        entity = f"sensor: {sensor.name} (Id: {sensor.sensor_id})"
    asked_for = json_text(job.arguments)
    return AssetJob(
        job_id=str(job.job_id),
        queue=job.kind,
        asset_or_sensor_type=kind,
        entity=entity,
        status=status_of(job, children),
        err=None if job.state is None else job.state.failure,
        enqueued_at=job.created_at,
        metadata=asked_for,
        metadata_hash=hashlib.sha256(asked_for.encode()).hexdigest(),
    )
