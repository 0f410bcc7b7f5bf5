"""Customers that post data, trigger schedules and read while things die, and what is there of it when the dust has settled.

Each has an account, a user and sensors of their own, and writes down what they were told. What was acknowledged has to be there
once; of what was refused, or had no answer, either all or nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

import aiohttp
import asyncpg
import orjson

from shared.db.unit_of_work import Database
from tests.support.flexibility import make_asset, make_sensor
from tests.support.pgo import Answer, PgoClient
from tests.support.principals import make_account, make_key, make_user

Wish = Literal["post", "schedule"]

START = datetime(2024, 3, 1, tzinfo=UTC)
# Of a post or a schedule, which are an hour long.
VALUES = 4
ACKNOWLEDGED = (200, 202)
PAUSE_S = 0.1
PAUSE_AFTER_REFUSAL_S = 0.3
BATTERY = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}
PRICES = {"consumption-price": "100 EUR/MWh"}


@dataclass(frozen=True)
class Told:
    """One request and what its sender heard; ``status`` is None where no answer came, and 0 where nobody listened."""

    wish: Wish
    number: int
    status: int | None
    job_id: str | None = None
    seconds: float = 0.0
    text: str = ""

    @property
    def is_acknowledged(self) -> bool:
        """Whether it has to take effect."""
        return self.status in ACKNOWLEDGED


@dataclass
class Customer:
    """Somebody with a meter, to which they post, and a battery, for which they ask for schedules."""

    api_key: str
    meter: int
    battery: int
    told: list[Told] = field(default_factory=list)

    async def post(self, gateway: PgoClient, number: int) -> Answer:
        """The values of the hour of this number."""
        body = {
            "start": hour(number).isoformat(),
            "duration": "PT1H",
            "values": values_of(number),
            "unit": "kW",
            "prior": START.isoformat(),
        }
        return await self._ask(gateway, "POST", f"sensors/{self.meter}/data", body)

    async def schedule(self, gateway: PgoClient, number: int) -> Answer:
        """A schedule for the hour of this number."""
        body = {
            "start": hour(number).isoformat(),
            "duration": "PT1H",
            "flex-model": BATTERY,
            "flex-context": PRICES,
            "force-new-job-creation": True,
        }
        return await self._ask(gateway, "POST", f"sensors/{self.battery}/schedules/trigger", body)

    async def read(self, gateway: PgoClient, hours: int) -> Answer:
        """The first hours of the meter."""
        query = urlencode({"start": START.isoformat(), "duration": f"PT{hours}H", "unit": "kW"})
        return await self._ask(gateway, "GET", f"sensors/{self.meter}/data?{query}")

    async def job(self, gateway: PgoClient, job_id: str) -> Answer:
        """How a job stands."""
        return await self._ask(gateway, "GET", f"jobs/{job_id}")

    async def tell(self, wish: Wish, number: int, request: Awaitable[Answer]) -> Answer | None:
        """Send a request and write down what came of it; None if no answer came."""
        answer = None
        try:
            answer = await request
        except aiohttp.ClientConnectorError as error:
            told = Told(wish, number, 0, text=repr(error))
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            told = Told(wish, number, None, text=repr(error))
        else:
            job_id = answer.json().get("job") if answer.status == 202 else None
            told = Told(wish, number, answer.status, job_id, answer.seconds, answer.text[:300])
        self.told.append(told)
        return answer

    async def _ask(self, gateway: PgoClient, method: str, path: str, body: object = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        data = None if body is None else orjson.dumps(body)
        return await gateway.request(method, f"/api/v3_0/{path}", data=data, headers=headers)


@dataclass
class FlexibilityLoad:
    """Customers on all gateways in turn."""

    urls: Sequence[str]
    customers: Sequence[Customer]
    seed: int
    timeout_s: float = 20.0
    retries: int = 0
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def told(self) -> list[Told]:
        """What all of them heard."""
        return [told for customer in self.customers for told in customer.told]

    async def run(self, during: Awaitable[None]) -> None:
        """Let the customers work until ``during`` is over."""
        async with AsyncExitStack() as stack:
            gateways = [await stack.enter_async_context(PgoClient(url, timeout_s=self.timeout_s)) for url in self.urls]
            async with asyncio.TaskGroup() as group:
                for number, customer in enumerate(self.customers):
                    group.create_task(self._work(number, customer, gateways))
                try:
                    await during
                finally:
                    self._stopped.set()

    def never_acknowledged(self) -> list[Told]:
        """The last try of each request that no try got through with."""
        last = [{(told.wish, told.number): told for told in customer.told}.values() for customer in self.customers]
        return [told for of_customer in last for told in of_customer if not told.is_acknowledged]

    def server_errors(self) -> list[Told]:
        """Answers that are bugs: 500 and above, but for 503, which says "later"."""
        return [told for told in self.told if (told.status or 0) >= 500 and told.status != 503]

    async def _work(self, number: int, customer: Customer, gateways: list[PgoClient]) -> None:
        chance = random.Random(self.seed * 1000 + number)
        turns = itertools.cycle(gateways[number % len(gateways) :] + gateways[: number % len(gateways)])
        for count in itertools.count():
            if self._stopped.is_set():
                return
            if count % 5 == 4:
                await self._send("schedule", count, customer, turns)
            else:
                await self._send("post", count, customer, turns)
            if chance.random() < 0.3:
                await self._look(customer, count, turns)

    async def _send(self, wish: Wish, number: int, customer: Customer, turns: itertools.cycle[PgoClient]) -> None:
        """Send, once more per retry to the next gateway."""
        ask: Callable[[PgoClient, int], Awaitable[Answer]] = customer.post if wish == "post" else customer.schedule
        for _ in range(1 + self.retries):
            answer = await customer.tell(wish, number, ask(next(turns), number))
            if answer is not None and answer.status in ACKNOWLEDGED:
                await asyncio.sleep(PAUSE_S)
                return
            await asyncio.sleep(PAUSE_AFTER_REFUSAL_S)

    async def _look(self, customer: Customer, hours: int, turns: itertools.cycle[PgoClient]) -> None:
        """Read, as clients do all the time; what comes of it is judged at the end."""
        try:
            await customer.read(next(turns), max(hours, 1))
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(PAUSE_AFTER_REFUSAL_S)


async def make_customers(database: Database, count: int) -> list[Customer]:
    """Customers of a new installation."""
    made = []
    for _ in range(count):
        account = await make_account(database)
        api_key = await make_key(database, await make_user(database, account, roles=["account-admin"]))
        asset_id = await make_asset(database, account.account_id)
        meter, battery = [await make_sensor(database, account.account_id, asset_id) for _ in range(2)]
        made.append(Customer(api_key, meter, battery))
    return made


async def differences(customers: Sequence[Customer], url: str, database_url: str) -> list[str]:
    """Where what is there and what customers were told differ, in words; empty once everything is done and every promise kept."""
    found: list[str] = []
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        async with PgoClient(url) as gateway:
            for customer in customers:
                found += await _values_that_differ(customer, gateway, connection)
                found += await _jobs_that_differ(customer, gateway, connection)
    finally:
        await connection.close()
    return found


async def _values_that_differ(customer: Customer, gateway: PgoClient, connection: asyncpg.Connection) -> list[str]:
    posts = [told for told in customer.told if told.wish == "post"]
    if not posts:
        return []
    hours = max(told.number for told in posts) + 1
    values = (await customer.read(gateway, hours)).expect(200).json()["values"]
    acknowledged = {told.number for told in posts if told.is_acknowledged}
    found, stored = [], 0
    for number in {told.number for told in posts}:
        there = values[number * VALUES : (number + 1) * VALUES]
        if there == values_of(number):
            stored += 1
        elif number in acknowledged:
            found.append(f"sensor {customer.meter}: lost post {number}: {there}")
        elif any(value is not None for value in there):
            found.append(f"sensor {customer.meter}: half of post {number}: {there}")
    rows = await _rows(connection, customer.meter)
    if not found and rows != stored * VALUES:
        found.append(f"sensor {customer.meter}: {rows} beliefs of {stored} posts of {VALUES} values")
    return found


async def _jobs_that_differ(customer: Customer, gateway: PgoClient, connection: asyncpg.Connection) -> list[str]:
    found = []
    for told in customer.told:
        if told.job_id is not None:
            answer = await customer.job(gateway, told.job_id)
            if answer.status != 200 or answer.json()["status"] != "FINISHED":
                found.append(f"{told.wish} {told.number}: {answer.status} {answer.text[:300]}")
    for wish, sensor_id in (("post", customer.meter), ("schedule", customer.battery)):
        sent = [told for told in customer.told if told.wish == wish and told.status != 0]
        surely = sum(told.is_acknowledged for told in sent)
        jobs, ended = await connection.fetchrow(_JOBS, sensor_id)
        if not (surely <= jobs <= len(sent) and ended == jobs):
            found.append(f"sensor {sensor_id}: {ended} of {jobs} jobs ended; {surely} of {len(sent)} acknowledged")
        elif wish == "schedule" and await _rows(connection, sensor_id) != jobs * VALUES:
            found.append(f"sensor {sensor_id}: {jobs} schedules, {await _rows(connection, sensor_id)} beliefs")
    return found


_JOBS = """
SELECT count(*), count(*) FILTER (WHERE s.state = 'FINISHED' AND s.ended_at IS NOT NULL AND j.data IS NULL)
FROM flexibility_jobs j LEFT JOIN flexibility_job_states s USING (job_id) WHERE j.sensor_id = $1
"""


async def _rows(connection: asyncpg.Connection, sensor_id: int) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM flexibility_beliefs WHERE sensor_id = $1", sensor_id))


def hour(number: int) -> datetime:
    """When the hour of this number begins."""
    return START + timedelta(hours=number)


def values_of(number: int) -> list[float]:
    """What is posted for the hour of this number; no two hours have the same."""
    return [number + quarter / VALUES for quarter in range(VALUES)]
