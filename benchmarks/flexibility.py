"""The flexibility API over HTTP, from a request to what comes of it, as ``busbar up`` and as separate processes.

Floors are measured in the same run and on the same database: what is posted by bare commits and bare inserts, what is read by bare
SELECTs, what is planned and forecast by the same functions in this process, small reads by an authenticated request without a database.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any

import asyncpg
import orjson
import structlog
import uvloop

from benchmarks.cases import is_quick
from benchmarks.forecasting import cloudy_output
from benchmarks.http_client import Client, UnexpectedAnswer, request_bytes
from benchmarks.platforms import Platform, all_in_one, separate_processes
from benchmarks.report import Row
from services.optimizer.flexibility.schedules import trigger_of
from services.optimizer.forecasting import ForecastTask, Viewpoint, forecast
from services.optimizer.tasks import schedules
from services.optimizer.tasks.flexibility_values import Events, ScheduleInput, SolverLimits
from shared.beliefs import microseconds
from shared.flexibility.facts import AssetFacts, SensorFacts

V3 = "/api/v3_0"
QUARTER_S, DAY, YEAR = 900, 96, 35_040
START = datetime(2025, 1, 1, tzinfo=UTC)
CLIENTS = 8
POSTS = 1200  # of a day each
YEARS = 4
READS = 200
WITHIN_S = 60.0

_BARE_POSTS = "CREATE TABLE bare_posts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea NOT NULL)"
_BARE_BELIEFS = "CREATE TABLE bare_beliefs (LIKE flexibility_beliefs INCLUDING ALL)"
_BARE_INSERT = """
INSERT INTO bare_beliefs (sensor_id, event_start, source_id, belief_time, value, cumulative_probability, account_id)
SELECT $1, $2::timestamptz + at * interval '15 min', 1, $2, value, 0.5, NULL
FROM unnest($3::float8[]) WITH ORDINALITY AS e(value, at)
"""
_BARE_READ = "SELECT value FROM flexibility_beliefs WHERE sensor_id = $1 ORDER BY event_start"


def run() -> Sequence[Row]:
    """Measure both ways of running it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return [row for start in (all_in_one, separate_processes) for row in runner.run(_measure(start()))]


async def _measure(starting: AbstractAsyncContextManager[Platform]) -> list[Row]:
    async with starting as platform, _bench(platform) as bench:
        return [
            *await _small_reads(bench),
            await _small_posts(bench, "posts of a day each by 8 clients", offset=0.0),
            await _small_posts(bench, "the same, corrected", offset=0.5),
            *await _years(bench),
            await _schedule(bench, "day of a battery", devices=1, days=1, target="<= 100 ms"),
            await _schedule(bench, "day of 50 devices", devices=50, days=1, target="<= 600 ms"),
            await _schedule(bench, "week of ten devices", devices=10, days=7, target="<= 1500 ms"),
            await _forecast(bench),
        ]


@dataclass
class _Bench:
    """A platform, clients of it, and its database without anything around it."""

    platform: Platform
    clients: list[Client]
    bare: asyncpg.Pool[Any]  # Any: the driver has no types
    site: int = 0
    day_sensors: Sequence[int] = ()

    def row(self, name: str, ours: str, floor: str, ratio: float, meaning: str, target: str = "") -> Row:
        return Row(f"{self.platform.name}: {name}", ours, floor, ratio, meaning, target)

    async def post(self, path: str, body: object, *, expected: int) -> dict[str, Any]:  # Any: whatever JSON holds
        answer = await self.clients[0].ask("POST", f"{V3}{path}", orjson.dumps(body), expected=expected)
        found: dict[str, Any] = orjson.loads(answer)
        return found

    async def asset(self, name: str, kind: int, parent: int | None = None) -> int:
        body = {"name": name, "generic_asset_type_id": kind, "account_id": self.platform.account}
        return int((await self.post("/assets", body | {"parent_asset_id": parent}, expected=201))["id"])

    async def sensor(self, name: str, *, unit: str = "kW", resolution: str = "PT15M", asset: int | None = None) -> int:
        body = {"name": name, "unit": unit, "event_resolution": resolution, "generic_asset_id": asset or self.site}
        attributes = {"consumption_is_positive": True}
        return int((await self.post("/sensors", body | {"attributes": attributes}, expected=201))["id"])

    async def ended(self, job: str) -> None:
        """Wait for a job."""
        await self.settled(f"/jobs/{job}")

    async def settled(self, path: str) -> dict[str, Any]:  # Any: whatever JSON holds
        """What is told there, once it is no longer waited for.

        Raises:
            UnexpectedAnswer: what was waited for failed.
        """
        status, answer, begun = 202, b"", time.perf_counter()
        while status == 202 and time.perf_counter() - begun < WITHIN_S:
            status, answer = await self.clients[0].answer("GET", f"{V3}{path}")
            await asyncio.sleep(0.005 if status == 202 else 0)
        if status != 200:
            raise UnexpectedAnswer(f"{path}: {status}: {answer[:1000]!r}")
        found: dict[str, Any] = orjson.loads(answer)
        return found


@asynccontextmanager
async def _bench(platform: Platform) -> AsyncIterator[_Bench]:
    clients = [platform.client() for _ in range(CLIENTS)]
    bare = await asyncpg.create_pool(platform.database_url, min_size=CLIENTS, max_size=CLIENTS)
    try:
        for statement in (_BARE_POSTS, _BARE_BELIEFS):
            await bare.execute(statement)
        bench = _Bench(platform, clients, bare)
        bench.site = await bench.asset("site", 6)
        bench.day_sensors = [await bench.sensor(f"day {number}") for number in range(CLIENTS)]
        yield bench
    finally:
        for client in clients:
            client.close()
        await bare.close()


async def _by_clients(count: int, work: Callable[[int, int], Awaitable[object]]) -> float:
    """Seconds until each of the clients has done its share of the work, one after the other."""

    async def client(number: int) -> None:
        for turn in range(count // CLIENTS):
            await work(number, turn)

    begun = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return time.perf_counter() - begun


async def _median_s(count: int, work: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def _window(start: datetime, count: int) -> dict[str, str]:
    return {"start": start.isoformat(), "duration": f"PT{count * QUARTER_S}S", "unit": "kW"}


def _query(start: datetime, count: int) -> str:
    return f"start={start:%Y-%m-%dT%H:%M:%SZ}&duration=PT{count * QUARTER_S}S&unit=kW"


# ------------------------------------------------------------------ small requests


async def _small_reads(bench: _Bench) -> list[Row]:
    client, sensor = bench.clients[0], bench.day_sensors[0]
    await bench.post(f"/sensors/{sensor}/data", _window(START, 4) | {"values": [1, 2, 3, 4]}, expected=200)
    count = 20 if is_quick() else READS
    floor = await _median_s(count, lambda: client.ask("GET", f"{V3}/assets/types"))
    meaning = "time against an authenticated request without a database; lower is better"
    rows = []
    for name, path in (
        ("read a sensor", f"{V3}/sensors/{sensor}"),
        ("read four values", f"{V3}/sensors/{sensor}/data?{_query(START, 4)}"),
    ):
        ours = await _median_s(count, partial(client.ask, "GET", path))
        rows.append(bench.row(name, _ms(ours), _ms(floor), ours / floor, meaning, "<= 3 ms"))
    return rows


async def _small_posts(bench: _Bench, name: str, *, offset: float) -> Row:
    count = 80 if is_quick() else POSTS
    per_client = count // CLIENTS
    packed = array("d", range(DAY)).tobytes()
    raw = [[_post_of(bench, client, turn, offset) for turn in range(per_client)] for client in range(CLIENTS)]

    async def post(client: int, turn: int) -> None:
        status, answer = await bench.clients[client].send(raw[client][turn])
        if status != 200:
            raise UnexpectedAnswer(f"{status}: {answer!r}")

    async def commit(_client: int, _turn: int) -> None:
        await bench.bare.execute("INSERT INTO bare_posts (data) VALUES ($1)", packed)

    floor = await _by_clients(count, commit)
    before = bench.platform.processor_s()
    ours = await _by_clients(count, post)
    each_s = (bench.platform.processor_s() - before) / count
    values = count * DAY
    shown = f"{values / ours:,.0f} values/s, {_ms(each_s)} of processor time for each request"
    meaning = "rate against bare commits of what is posted; higher is better"
    return bench.row(name, shown, f"{values / floor:,.0f} values/s", floor / ours, meaning, ">= 20,000 values/s")


def _post_of(bench: _Bench, client: int, turn: int, offset: float) -> bytes:
    values = [round(at % 13 + turn % 7 + offset, 3) for at in range(DAY)]
    body = orjson.dumps(_window(START + timedelta(days=1 + turn), DAY) | {"values": values})
    return request_bytes("POST", f"{V3}/sensors/{bench.day_sensors[client]}/data", body, bench.clients[client].headers)


# ------------------------------------------------------------------ years


async def _years(bench: _Bench) -> list[Row]:
    sensors = [await bench.sensor(f"year {number}") for number in range(1 if is_quick() else YEARS)]
    floors = [await _median_s(1, partial(_insert_year, bench, number)) for number in range(len(sensors))]
    rows = []
    for name, offset in (("posts of a year each", 0.0), ("the same years, corrected", 0.5)):
        taken = [await _median_s(1, partial(_post_year, bench, sensor, offset)) for sensor in sensors]
        ours, floor = median(taken), median(floors)
        meaning = "rate, until it is stored, against bare unnest; higher is better"
        shown = f"{YEAR / ours:,.0f} values/s", f"{YEAR / floor:,.0f} values/s"
        rows.append(bench.row(name, *shown, floor / ours, meaning, ">= 100,000 values/s"))
    client, sensor = bench.clients[0], await bench.sensor("another year")
    await _post_year(bench, sensor, 0.0)
    for name, read, target in (("read a year", sensor, "<= 60 ms"), ("read a corrected year", sensors[0], "")):
        path = f"{V3}/sensors/{read}/data?{_query(START, YEAR)}"
        ours = await _median_s(3 if is_quick() else 15, partial(client.ask, "GET", path))
        floor = await _median_s(3 if is_quick() else 15, lambda: bench.bare.fetch(_BARE_READ, sensor))
        meaning = "time against a bare SELECT of a year's values; lower is better"
        rows.append(bench.row(name, _ms(ours), _ms(floor), ours / floor, meaning, target))
    return rows


async def _insert_year(bench: _Bench, number: int) -> None:
    await bench.bare.execute(_BARE_INSERT, number, START, [float(at % 97) for at in range(YEAR)])


async def _post_year(bench: _Bench, sensor: int, offset: float) -> None:
    body = _window(START, YEAR) | {"values": [at % 97 + offset for at in range(YEAR)]}
    await bench.ended((await bench.post(f"/sensors/{sensor}/data", body, expected=202))["job"])


# ------------------------------------------------------------------ schedules


@dataclass(frozen=True)
class _Fleet:
    """A site with batteries and a price."""

    site: int
    price: int
    batteries: Sequence[int]
    days: int

    @property
    def model(self) -> list[dict[str, object]]:
        """Of different sizes, efficiencies and starts, each with a level to be held at the end."""
        return [
            {
                "sensor": sensor,
                "soc-at-start": f"{20 + place} kWh",
                "soc-min": "5 kWh",
                "soc-max": f"{100 + place} kWh",
                "power-capacity": f"{20 + place % 7} kW",
                "roundtrip-efficiency": 0.9,
                "soc-minima": [{"value": "60 kWh", "datetime": (START + timedelta(days=self.days)).isoformat()}],
            }
            for place, sensor in enumerate(self.batteries)
        ]

    @property
    def context(self) -> dict[str, object]:
        return {"consumption-price": {"sensor": self.price}, "site-power-capacity": f"{20 * len(self.batteries)} kW"}

    @property
    def prices(self) -> list[float]:
        return [40.0 + 30 * (hour % 7) - 12 * (hour % 5) for hour in range(24 * self.days)]


async def _schedule(bench: _Bench, name: str, *, devices: int, days: int, target: str) -> Row:
    fleet = await _fleet(bench, name, devices, days)
    taken = [await _median_s(1, lambda: _planned(bench, fleet)) for _ in range(3 if is_quick() else 9)]
    floor = await _median_s(3, lambda: asyncio.to_thread(_plan_here, fleet))
    first, again = taken[0], median(taken[1:])
    meaning = "time from the trigger to the schedule / time to plan alone, in this process"
    shown = f"{_ms(again)}, the first time {_ms(first)}"
    return bench.row(f"{name}, planned", shown, _ms(floor), again / floor, meaning, target)


async def _fleet(bench: _Bench, name: str, devices: int, days: int) -> _Fleet:
    site = await bench.asset(name, 6)
    price = await bench.sensor("price", unit="EUR/MWh", resolution="PT1H", asset=site)
    batteries = []
    for number in range(devices):
        asset = await bench.asset(f"battery {number}", 5, site)
        batteries.append(await bench.sensor("power", asset=asset))
    fleet = _Fleet(site, price, batteries, days)
    body = {"start": START.isoformat(), "duration": f"P{days}D", "unit": "EUR/MWh", "values": fleet.prices}
    await bench.post(f"/sensors/{price}/data", body, expected=200)
    return fleet


async def _planned(bench: _Bench, fleet: _Fleet) -> None:
    """From the trigger until the schedule is read; the window is planned again each time."""
    body = {
        "start": START.isoformat(),
        "duration": f"P{fleet.days}D",
        "flex-model": fleet.model,
        "flex-context": fleet.context,
        "force-new-job-creation": True,
    }
    job = (await bench.post(f"/assets/{fleet.site}/schedules/trigger", body, expected=202))["schedule"]
    found = await bench.settled(f"/sensors/{fleet.batteries[0]}/schedules/{job}?duration=PT24H")
    if len(found["values"]) != DAY:
        raise UnexpectedAnswer(f"{len(found['values'])} values")


def _plan_here(fleet: _Fleet) -> None:
    assets = {fleet.site: AssetFacts(fleet.site, None, "site", "building")}
    facts = {fleet.price: SensorFacts(fleet.price, fleet.site, "price", "EUR/MWh", 3600)}
    for number, sensor in enumerate(fleet.batteries, 1_000_000):
        assets[number] = AssetFacts(number, fleet.site, f"battery {number}", "battery")
        attributes = {"consumption_is_positive": True}
        facts[sensor] = SensorFacts(sensor, number, "power", "kW", QUARTER_S, attributes=attributes)
    arguments = {
        "trigger": "asset",
        "asset_id": fleet.site,
        "start": START.isoformat(),
        "flex_model": fleet.model,
        "flex_context": fleet.context,
    }
    given = ScheduleInput(trigger_of(arguments), START + timedelta(days=fleet.days), None, assets, facts)
    starts = itertools.islice(itertools.count(microseconds(START), 3_600_000_000), len(fleet.prices))
    prepared = schedules.prepare(given)
    schedules.plan(prepared, (Events(array("q", starts), array("d", fleet.prices)),), SolverLimits(60.0, 0.0))


# ------------------------------------------------------------------ forecasts


async def _forecast(bench: _Bench) -> Row:
    days, name = 45, "a day forecast from 45 days"
    sensor, values = await bench.sensor("sun"), cloudy_output(days)
    body = _window(START, len(values)) | {"values": values.tolist(), "prior": START.isoformat()}
    await bench.ended((await bench.post(f"/sensors/{sensor}/data", body, expected=202))["job"])
    wanted = {
        "start": (START + timedelta(days=days)).isoformat(),
        "duration": "PT24H",
        "max-forecast-horizon": "PT24H",
        "config": {"train-period": f"P{days}D"},
    }

    async def forecast_there() -> None:
        await bench.ended((await bench.post(f"/sensors/{sensor}/forecasts/trigger", wanted, expected=202))["forecast"])

    async def forecast_here() -> None:
        await asyncio.to_thread(forecast, ForecastTask(0, QUARTER_S, "UTC", values, (Viewpoint(len(values), DAY),)))

    ours = await _median_s(3, forecast_there)
    floor = await _median_s(3, forecast_here)
    meaning = "time from the trigger to the end of the job / time to forecast alone, in this process"
    return bench.row(name, _ms(ours), _ms(floor), ours / floor, meaning, "<= 1500 ms")
