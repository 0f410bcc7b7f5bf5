"""Storing and reading time series against the bare database: what do comparing with what is known, and saying what came of it, cost?

Floors are measured in the same run, on the same server, in turns: the same rows by a bare ``INSERT … SELECT FROM unnest`` and by
binary COPY into a table with the same key; a bare commit of the posted bytes; a bare SELECT of the same values.
"""

from __future__ import annotations

import asyncio
import logging
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import structlog
import uvloop
from sqlalchemy import insert, text

from benchmarks.cases import is_quick
from benchmarks.report import Row
from services.telemetry.small_jobs import SmallJobs
from shared.beliefs import KnowledgeHorizon, NewSeries, dense, microseconds
from shared.beliefs.reading_store import SensorOf, read_overlapping
from shared.beliefs.writing_store import hold_sensors, write_beliefs
from shared.contracts.flexibility import IngestRequested
from shared.db.connections import driver_connection
from shared.db.engine import PostgresDatabase
from shared.db.models.flexibility import INGESTION, jobs
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.ids import OPEN_ACCOUNT_ID, JobId, SensorId, SourceId, uuid7
from tests.support import servers
from tests.support.databases import TestDatabases
from tests.support.sensors import Sensors

YEAR = 35_040
QUARTER_US = 900_000_000
START = datetime(2025, 1, 1, tzinfo=UTC)
ROUNDS = 5
CLIENTS = 8
A_DAY = 96
POSTS = 800
# So many years are in the table before anything is measured: five million rows, less where little is to be measured.
YEARS_BEFORE = 150

_BARE_TABLE = """
CREATE TABLE bare (LIKE flexibility_beliefs INCLUDING ALL);
GRANT SELECT, INSERT ON bare TO busbar_service;
"""
_BARE_INSERT = """
INSERT INTO bare (sensor_id, event_start, source_id, belief_time, value, cumulative_probability, account_id)
SELECT $1, 'epoch'::timestamptz + start_us * interval '1 microsecond', 1, $2, value, 0.5, $3
FROM unnest($4::bigint[], $5::float8[]) AS e(start_us, value)
"""
_FILL = """
INSERT INTO flexibility_beliefs (sensor_id, event_start, source_id, belief_time, value, cumulative_probability, account_id)
SELECT 1000000 + s, '2025-01-01Z'::timestamptz + i * interval '15 min', 1, '2024-12-31Z', random(), 0.5, NULL
FROM generate_series(1, :years) s, generate_series(0, 35039) i
"""
_COLUMNS = ["sensor_id", "event_start", "source_id", "belief_time", "value", "cumulative_probability", "account_id"]


def run() -> Sequence[Row]:
    """Measure on the server that the tests use."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with servers.available() as endpoints:
        databases = TestDatabases(endpoints.database_url)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measure(databases.create()))
        finally:
            databases.drop_all()


@dataclass
class _Bench:
    """A database with sensors, and the bare table."""

    database: PostgresDatabase
    sensors: Sensors
    source: SourceId
    made: int = 0

    async def sensor(self) -> SensorOf:
        self.made += 1
        return await self.sensors.make(name=f"sensor {self.made}")

    async def write(self, *series: NewSeries) -> float:
        """Seconds that a transaction takes which writes these series."""
        begun = time.perf_counter()
        async with self.database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=60) as uow:
            await hold_sensors(uow.connection, {each.sensor_id for each in series})
            written = await write_beliefs(uow.connection, series)
        assert sum(each.stored for each in written) == sum(len(each.starts_us) for each in series)
        return time.perf_counter() - begun

    async def bare(self, work: Callable[[Any], Awaitable[object]]) -> float:
        """Seconds that a transaction takes which does this (Any: the driver has no types)."""
        begun = time.perf_counter()
        async with self.database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=60) as uow:
            await work(driver_connection(uow.connection))
        return time.perf_counter() - begun


def _series(sensor: SensorOf, source: SourceId, count: int, *, day: int = 0, offset: float = 0.0) -> NewSeries:
    first = microseconds(START)
    return NewSeries(
        account_id=sensor.account_id,
        sensor_id=sensor.sensor_id,
        source_id=source,
        starts_us=range(first, first + count * QUARTER_US, QUARTER_US),
        values=array("d", [at % 97 + offset for at in range(count)]),
        knowledge=KnowledgeHorizon(QUARTER_US),
        belief_time=START - timedelta(days=30 - day),
    )


async def _measure(database_url: str) -> list[Row]:
    owner = PostgresDatabase(database_url, application_name="bench", role=None)
    async with owner.unit_of_work(EVERY_ACCOUNT, command_timeout_s=300) as uow:
        for statement in _BARE_TABLE.split(";")[:2]:
            await uow.connection.execute(text(statement))
        await uow.connection.execute(text(_FILL), {"years": 4 if is_quick() else YEARS_BEFORE})
    await owner.close()
    database = PostgresDatabase(database_url, pool_size=CLIENTS + 2, application_name="bench")
    sensors = Sensors(database)
    bench = _Bench(database, sensors, await sensors.source("bench"))
    rows = [*await _years(bench), await _posts(bench), *await _reading(bench)]
    await database.close()
    return rows


async def _years(bench: _Bench) -> list[Row]:
    ours: dict[str, list[float]] = {"a first statement": [], "a correction": []}
    floors: dict[str, list[float]] = {"unnest": [], "COPY": []}
    for number in range(2 if is_quick() else ROUNDS):
        sensor = await bench.sensor()
        series = _series(sensor, bench.source, YEAR)
        floors["unnest"].append(await bench.bare(_inserted(number * 2, series)))
        ours["a first statement"].append(await bench.write(series))
        floors["COPY"].append(await bench.bare(_copied(number * 2 + 1, series)))
        ours["a correction"].append(await bench.write(_series(sensor, bench.source, YEAR, day=1, offset=0.5)))
    return [
        _rate(f"a year of quarter hours, {name}", YEAR, median(times), median(floors[floor]), f"bare {floor}", target)
        for name, times in ours.items()
        for floor, target in (("unnest", ">= 0.3"), ("COPY", ""))
    ]


def _inserted(number: int, series: NewSeries) -> Callable[[Any], Awaitable[object]]:
    async def insert_all(raw: Any) -> None:
        starts, values = list(series.starts_us), list(series.values)
        await raw.execute(_BARE_INSERT, number, series.belief_time, series.account_id, starts, values)

    return insert_all


def _copied(number: int, series: NewSeries) -> Callable[[Any], Awaitable[object]]:
    async def copy_all(raw: Any) -> None:
        records = [
            (number, START + timedelta(microseconds=start - microseconds(START)), 1, START, value, 0.5, OPEN_ACCOUNT_ID)
            for start, value in zip(series.starts_us, series.values, strict=True)
        ]
        await raw.copy_records_to_table("bare", records=records, columns=_COLUMNS)

    return copy_all


async def _posts(bench: _Bench) -> Row:
    """Posts of a day each by eight clients, from the first accept to the last one stored, against bare commits of the same bytes."""
    count = 80 if is_quick() else POSTS
    some = [await bench.sensor() for _ in range(CLIENTS)]
    packed = array("d", range(A_DAY)).tobytes()
    floor = await _by_clients(count, lambda client, number: _post(bench, some[client], number, packed, kind="bare"))
    small = SmallJobs(bench.database)
    is_posted = asyncio.Event()

    async def store() -> None:
        while True:
            was_posted = is_posted.is_set()
            if not await small.store():
                if was_posted:
                    return
                await asyncio.sleep(0.001)

    begun = time.perf_counter()
    storing = asyncio.create_task(store())
    await _by_clients(count, lambda client, number: _post(bench, some[client], number, packed, kind=INGESTION))
    is_posted.set()
    await storing
    ours = time.perf_counter() - begun
    assert sum([await bench.sensors.rows(sensor) for sensor in some]) == count * A_DAY
    name = f"posts of {A_DAY} values by {CLIENTS} clients, accepted and stored"
    return _rate(name, count * A_DAY, ours, floor, "bare commits of what is posted", ">= 0.4")


async def _post(bench: _Bench, sensor: SensorOf, number: int, packed: bytes, *, kind: str) -> None:
    job_id = JobId(uuid7())
    start = START + timedelta(days=number)
    arguments = {
        "kind": "values",
        "start": start.isoformat(),
        "step_s": 900,
        "belief_time": START.isoformat(),
        "source": {"user_number": 1, "name": "bench", "account": str(OPEN_ACCOUNT_ID)},
    }
    row = {"account_id": OPEN_ACCOUNT_ID, "kind": kind, "sensor_id": sensor.sensor_id, "arguments": arguments}
    async with bench.database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
        await uow.connection.execute(insert(jobs).values(job_id=job_id, data=packed, **row))
        await _tell(uow, job_id)


async def _tell(uow: UnitOfWork, job_id: JobId) -> None:
    await uow.outbox.add(OPEN_ACCOUNT_ID, IngestRequested(job_id=job_id))


async def _by_clients(count: int, post: Callable[[int, int], Awaitable[None]]) -> float:
    async def client(number: int) -> None:
        for at in range(count // CLIENTS):
            await post(number, at)

    begun = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return time.perf_counter() - begun


async def _reading(bench: _Bench) -> list[Row]:
    sensor = await bench.sensor()
    for day in range(3):
        await bench.write(_series(sensor, bench.source, YEAR, day=day, offset=day / 4))
    plain = await bench.sensor()
    await bench.write(_series(plain, bench.source, YEAR))
    bare: list[float] = []
    ours: dict[str, list[float]] = {
        "a year of quarter hours": [],
        "a year by days": [],
        "a year with two corrections": [],
    }
    for _ in range(4 if is_quick() else 4 * ROUNDS):
        bare.append(await _read_bare(bench, plain.sensor_id))
        ours["a year of quarter hours"].append(await _read(bench, plain, QUARTER_US))
        ours["a year by days"].append(await _read(bench, plain, 96 * QUARTER_US))
        ours["a year with two corrections"].append(await _read(bench, sensor, QUARTER_US))
    target = {"a year of quarter hours": "<= 2"}
    return [
        Row(
            f"reading {name}",
            f"{median(times) * 1e3:.0f} ms",
            f"{median(bare) * 1e3:.0f} ms",
            median(times) / median(bare),
            "time against a bare SELECT of a year's values; lower is better",
            target.get(name, ""),
        )
        for name, times in ours.items()
    ]


async def _read(bench: _Bench, sensor: SensorOf, step_us: int) -> float:
    begun = time.perf_counter()
    async with bench.database.reading(OPEN_ACCOUNT_ID) as connection:
        found = await read_overlapping(connection, sensor, START, START + timedelta(days=365))
    count = YEAR * QUARTER_US // step_us
    values = dense(found, start_us=microseconds(START), step_us=step_us, count=count, resolution_us=QUARTER_US)
    assert len(values) == count and None not in values
    return time.perf_counter() - begun


async def _read_bare(bench: _Bench, sensor_id: SensorId) -> float:
    query = "SELECT value FROM flexibility_beliefs WHERE sensor_id = $1 ORDER BY event_start"
    begun = time.perf_counter()
    async with bench.database.reading(OPEN_ACCOUNT_ID) as connection:
        rows = await driver_connection(connection).fetch(query, sensor_id)
    assert len([row["value"] for row in rows]) == YEAR
    return time.perf_counter() - begun


def _rate(name: str, values: int, ours_s: float, floor_s: float, floor: str, target: str) -> Row:
    meaning = f"rate against {floor}; higher is better"
    return Row(
        name, f"{values / ours_s:,.0f} values/s", f"{values / floor_s:,.0f} values/s", floor_s / ours_s, meaning, target
    )
