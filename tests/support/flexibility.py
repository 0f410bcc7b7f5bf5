"""Assets and sensors for tests, straight into the database."""

from __future__ import annotations

from services.gateway.dialects.flexibility import asset_change_store, job_store, sensor_store
from services.gateway.dialects.flexibility.asset_change_store import AssetValues
from services.gateway.dialects.flexibility.job_store import NewJob
from services.gateway.dialects.flexibility.sensor_store import SensorValues
from shared.db.models.flexibility import INGESTION
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.ids import AccountId, JobId, uuid7


async def make_asset(
    database: Database, account_id: AccountId | None, name: str | None = None, *, parent_asset_id: int | None = None
) -> int:
    """A building of an account, or a public one; its name is made up unless it is given."""
    values = AssetValues(
        name=name or f"Building {uuid7().hex[-12:]}",
        asset_type="building",
        parent_asset_id=parent_asset_id,
        attributes="{}",
        flex_context="{}",
        flex_model="{}",
        sensors_to_show="[]",
        sensors_to_show_as_kpis="[]",
    )
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        return await asset_change_store.insert_asset(work.connection, account_id, values)


async def make_sensor(
    database: Database, account_id: AccountId | None, asset_id: int, name: str | None = None, *, unit: str = "kW"
) -> int:
    """A sensor of quarters of an hour; its name is made up unless it is given."""
    values = SensorValues(
        name=name or f"power {uuid7().hex[-12:]}", unit=unit, event_resolution_s=900, timezone="UTC", attributes="{}"
    )
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        return await sensor_store.insert_sensor(work.connection, account_id, asset_id, values)


async def make_ingestion(database: Database, account_id: AccountId, sensor_id: int) -> JobId:
    """A job that nobody does: its message is left out."""
    job = NewJob(JobId(uuid7()), account_id, INGESTION, {"kind": "values"}, None, sensor_id=sensor_id)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await job_store.add_job(work.connection, job)
    return job.job_id
