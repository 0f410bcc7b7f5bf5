"""What surrounds jobs in their tests: assets, sensors, values and wishes as the gateway and the telemetry service write them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from services.optimizer.flexibility.forecasts import Forecasts
from services.optimizer.flexibility.jobs import Jobs, Limits
from services.optimizer.flexibility.schedules import Schedules
from services.optimizer.questions import Workers
from shared.beliefs import NewSeries, Series, knowledge_horizon, microseconds
from shared.beliefs.reading_store import SensorOf, read_beliefs
from shared.beliefs.source_store import USER, NewSource, source_id_of
from shared.beliefs.writing_store import hold_sensors, write_beliefs
from shared.bus.handler import Handler
from shared.clock import Clock, SystemClock
from shared.contracts.flexibility import ForecastRequested, ScheduleRequested
from shared.db.engine import PostgresDatabase
from shared.db.models import flexibility as tables
from shared.db.models.identity import accounts
from shared.db.models.infrastructure import outbox
from shared.db.unit_of_work import EVERY_ACCOUNT, Database, Reach
from shared.flexibility.forecast_request import ForecastRequest
from shared.ids import OPEN_ACCOUNT_ID, AccountId, JobId, SensorId, uuid7

START = datetime(2024, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2023, 12, 31, tzinfo=UTC)


def job_handlers(
    database: Database, pool: Workers, limits: Limits | None = None, clock: Clock | None = None
) -> tuple[Handler[Any, Any], ...]:  # Any: of two contracts
    """The handlers of jobs, as the service makes them."""
    limits = limits or Limits(data_wait_s=5.0)
    clock = clock or SystemClock()
    jobs = Jobs(database, clock, limits)
    return (
        jobs.handler(ScheduleRequested, Schedules(database, pool, clock, limits)),
        jobs.handler(ForecastRequested, Forecasts(database, pool, clock, limits)),
    )


@dataclass(frozen=True)
class Outcome:
    """How a job stands, as a client sees it."""

    state: str
    result: Any
    failure: str | None
    info: Any
    ended_at: datetime | None


@dataclass
class Site:
    """One account's assets (None: public ones) and what is asked for about them."""

    database: PostgresDatabase
    account_id: AccountId | None = OPEN_ACCOUNT_ID

    @property
    def reach(self) -> Reach:
        return EVERY_ACCOUNT if self.account_id is None else self.account_id

    async def other_account(self) -> AccountId:
        account_id = AccountId(uuid7())
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(insert(accounts).values(account_id=account_id, name=str(account_id)))
        return account_id

    async def asset(
        self, name: str, kind: str = "battery", parent: int | None = None, **stored: Mapping[str, object]
    ) -> int:
        row: dict[str, object] = {
            "account_id": self.account_id,
            "name": f"{name} {uuid7()}",
            "asset_type": kind,
            "parent_asset_id": parent,
            "attributes": {},
            "flex_context": {},
            "flex_model": {},
            "sensors_to_show": [],
            "sensors_to_show_as_kpis": [],
        }
        return await self._insert(tables.assets, {**row, **stored}, "asset_id")

    async def sensor(
        self,
        asset_id: int,
        name: str,
        unit: str = "kW",
        resolution_s: int = 3600,
        timezone: str = "UTC",
        **attributes: bool,
    ) -> int:
        row = {
            "account_id": self.account_id,
            "asset_id": asset_id,
            "name": name,
            "unit": unit,
            "event_resolution_s": resolution_s,
            "timezone": timezone,
            "attributes": attributes,
        }
        return await self._insert(tables.sensors, row, "sensor_id")

    async def post(
        self,
        sensor_id: int,
        values: Sequence[float],
        *,
        start: datetime = START,
        step_s: int = 3600,
        believed_at: datetime = LONG_AGO,
        stated_by: AccountId | None = None,
    ) -> None:
        """Values as they are after telemetry has stored them."""
        first_us = microseconds(start)
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            source_id = await source_id_of(uow.connection, stated_by or self.account_id, NewSource("somebody", USER))
            series = NewSeries(
                self.account_id,
                SensorId(sensor_id),
                source_id,
                range(first_us, first_us + len(values) * step_s * 1_000_000, step_s * 1_000_000),
                array("d", values),
                knowledge_horizon({}, resolution_s=step_s, timezone="UTC"),
                believed_at,
            )
            await hold_sensors(uow.connection, [SensorId(sensor_id)])
            (written,) = await write_beliefs(uow.connection, [series])
        assert not written.is_refused

    async def data_waits(self, sensor_id: int) -> JobId:
        """Data were accepted and are not stored yet."""
        return await self._job(tables.INGESTION, {"kind": "values"}, sensor_id=sensor_id, data=b"values")

    async def data_are_stored(self, job_id: JobId) -> None:
        async with self.database.unit_of_work(self.reach) as uow:
            await uow.connection.execute(update(tables.jobs).where(tables.jobs.c.job_id == job_id).values(data=None))

    async def ask_for_forecast(self, request: ForecastRequest) -> ForecastRequested:
        job_id = await self._job(tables.FORECASTING, request.as_arguments(), sensor_id=request.sensor_id)
        return ForecastRequested(job_id=job_id)

    async def ask_for_schedule(
        self,
        asset_id: int,
        flex_model: object,
        flex_context: object,
        *,
        hours: float = 4,
        sequential: bool = False,
        prior: datetime | None = None,
        resolution: str | None = None,
        start: str = START.isoformat(),
        duration: str | None = None,
    ) -> ScheduleRequested:
        arguments = {
            "trigger": "asset",
            "asset_id": asset_id,
            "start": start,
            "duration": duration or f"PT{round(hours * 60)}M",
            "resolution": resolution,
            "prior": None if prior is None else prior.isoformat(),
            "flex_model": flex_model,
            "flex_context": flex_context,
            "sequential": sequential,
        }
        return ScheduleRequested(job_id=await self._job(tables.SCHEDULING, arguments, asset_id=asset_id))

    async def outcome(self, job_id: JobId) -> Outcome | None:
        states = tables.job_states.c
        wanted = select(states.state, states.result, states.failure, states.info, states.ended_at)
        async with self.database.reading(self.reach) as connection:
            row = (await connection.execute(wanted.where(states.job_id == job_id))).one_or_none()
        return None if row is None else Outcome(*row)

    async def output(self, job_id: JobId, sensor_id: int) -> list[float] | None:
        outputs = tables.job_outputs.c
        wanted = select(outputs["values"]).where(outputs.job_id == job_id, outputs.sensor_id == sensor_id)
        async with self.database.reading(self.reach) as connection:
            found: list[float] | None = (await connection.execute(wanted)).scalar_one_or_none()
        return found

    async def stored(
        self, sensor_id: int, *, start: datetime = START, hours: float = 4, resolution_s: int = 3600
    ) -> Series:
        sensor = SensorOf(self.account_id, SensorId(sensor_id), resolution_s)
        async with self.database.reading(self.reach) as connection:
            return await read_beliefs(connection, sensor, start, start + timedelta(hours=hours))

    async def told_of(self) -> list[UUID]:
        """The jobs that events in the outbox tell of."""
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            rows = await connection.execute(
                select(outbox.c.body).where(outbox.c.name == "flexibility.jobs.finished").order_by(outbox.c.message_id)
            )
            bodies = list(rows.scalars())
        from shared.contracts.flexibility import JobsFinished

        return [job_id for body in bodies for job_id in JobsFinished.model_validate_json(body).job_ids]

    async def _job(
        self,
        kind: str,
        arguments: Mapping[str, object],
        *,
        asset_id: int | None = None,
        sensor_id: int | None = None,
        data: bytes | None = None,
    ) -> JobId:
        job_id = JobId(uuid7())
        row = {
            "job_id": job_id,
            "account_id": self.account_id,
            "kind": kind,
            "asset_id": asset_id,
            "sensor_id": sensor_id,
            "arguments": dict(arguments),
            "data": data,
        }
        async with self.database.unit_of_work(self.reach) as uow:
            await uow.connection.execute(insert(tables.jobs).values(**row))
        return job_id

    async def _insert(self, table: Any, row: Mapping[str, object], key: str) -> int:  # Any: a table
        async with self.database.unit_of_work(self.reach) as uow:
            made = await uow.connection.execute(insert(table).values(**row).returning(table.c[key]))
            number: int = made.scalar_one()
        return number
