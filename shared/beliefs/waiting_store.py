"""The SQL that tells whether data which were accepted for sensors are still to be stored."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.flexibility import INGESTION, jobs
from shared.db.unit_of_work import Reach
from shared.identity.reach import within
from shared.ids import SensorId


async def is_data_waiting(
    connection: AsyncConnection, reach: Reach, sensor_ids: Collection[SensorId], accepted_before: datetime
) -> bool:
    """Whether data for any of the sensors, accepted before a moment, are not stored yet.

    Jobs about public sensors belong to whoever asked, so that only ``EVERY_ACCOUNT`` sees all that wait for those.
    """
    waiting = select(jobs.c.job_id).where(
        jobs.c.kind == INGESTION,
        jobs.c.data.is_not(None),
        jobs.c.sensor_id.in_(list(sensor_ids)),
        jobs.c.created_at <= accepted_before,
        within(reach, jobs.c.account_id),
    )
    return bool((await connection.execute(select(exists(waiting)))).scalar_one())
