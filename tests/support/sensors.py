"""Sensors and sources for tests, written as the gateway writes them, and what was stored about them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, insert, select

from shared.beliefs import BeliefFilter, KnowledgeHorizon, NewSeries, Written, dense, microseconds
from shared.beliefs.reading_store import SensorOf, read_overlapping
from shared.beliefs.source_store import USER, NewSource, source_id_of
from shared.beliefs.writing_store import hold_sensors, write_beliefs
from shared.db.engine import PostgresDatabase
from shared.db.models.flexibility import assets, beliefs, sensors
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, AccountId, SensorId, SourceId

QUARTER_HOUR = timedelta(minutes=15)
D = datetime(2024, 3, 1, tzinfo=UTC)
NAN = float("nan")


@dataclass(frozen=True)
class Sensors:
    """Makes sensors, states values about them and reads them back."""

    database: PostgresDatabase

    async def make(
        self,
        *,
        resolution: timedelta = QUARTER_HOUR,
        unit: str = "kW",
        account_id: AccountId | None = OPEN_ACCOUNT_ID,
        attributes: Mapping[str, object] | None = None,
        timezone: str = "UTC",
        name: str = "power",
    ) -> SensorOf:
        """A sensor on an asset of its own."""
        asset: dict[str, object] = {
            "account_id": account_id,
            "name": f"asset {datetime.now(UTC).timestamp()}",
            "asset_type": "battery",
            "attributes": {},
            "flex_context": {},
            "flex_model": {},
            "sensors_to_show": [],
            "sensors_to_show_as_kpis": [],
        }
        seconds = round(resolution.total_seconds())
        sensor = {"unit": unit, "event_resolution_s": seconds, "timezone": timezone, "attributes": attributes or {}}
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            made = await uow.connection.execute(insert(assets).values(**asset).returning(assets.c.asset_id))
            sensor |= {"account_id": account_id, "asset_id": made.scalar_one(), "name": name}
            made = await uow.connection.execute(insert(sensors).values(**sensor).returning(sensors.c.sensor_id))
            return SensorOf(account_id, SensorId(made.scalar_one()), seconds)

    async def source(self, name: str = "planner", *, version: str | None = None, kind: str = USER) -> SourceId:
        """A source of the open account."""
        async with self.database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
            source = NewSource(name, kind, None if version is None else "model", version)
            return await source_id_of(uow.connection, OPEN_ACCOUNT_ID, source)

    async def state(self, *series: NewSeries) -> list[Written]:
        """Write series in one transaction."""
        async with self.database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=60.0) as uow:
            await hold_sensors(uow.connection, {each.sensor_id for each in series})
            return await write_beliefs(uow.connection, series)

    async def values(
        self,
        sensor: SensorOf,
        start: datetime,
        count: int,
        wanted: BeliefFilter | None = None,
        *,
        step: timedelta | None = None,
    ) -> list[float | None]:
        """What is read of a sensor, at its own resolution unless said otherwise."""
        resolution = timedelta(seconds=sensor.resolution_s)
        step = step or resolution
        async with self.database.reading(EVERY_ACCOUNT, command_timeout_s=20.0) as connection:
            found = await read_overlapping(connection, sensor, start, start + count * step, wanted or BeliefFilter())
        steps = {"step_us": step // timedelta(microseconds=1), "resolution_us": sensor.resolution_s * 1_000_000}
        return dense(found, start_us=microseconds(start), count=count, **steps)

    async def rows(self, sensor: SensorOf) -> int:
        """How many beliefs are stored about a sensor."""
        statement = select(func.count()).where(beliefs.c.sensor_id == sensor.sensor_id)
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return int((await connection.execute(statement)).scalar_one())


def stated(
    sensor: SensorOf,
    source: SourceId,
    start: datetime,
    values: Sequence[float],
    belief_time: datetime | None = None,
    *,
    horizon: timedelta = timedelta(0),
    knowledge: KnowledgeHorizon | None = None,
    probability: float = 0.5,
) -> NewSeries:
    """A series from ``start`` on in steps of the sensor's resolution, believed at a time, or at a horizon before the events' ends."""
    step_us = sensor.resolution_s * 1_000_000
    first = microseconds(start)
    return NewSeries(
        account_id=sensor.account_id,
        sensor_id=sensor.sensor_id,
        source_id=source,
        starts_us=range(first, first + max(step_us, 1) * len(values), max(step_us, 1)),
        values=array("d", values),
        knowledge=knowledge or KnowledgeHorizon(step_us),
        belief_time=belief_time,
        believed_after_us=step_us - horizon // timedelta(microseconds=1),
        probability=probability,
    )
