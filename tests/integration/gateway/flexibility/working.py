"""The API with whoever does its jobs: telemetry on the same Postgres and a real broker, and people with an asset and sensors."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from services.telemetry.main import Telemetry
from shared.db import presence
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity.principals import User
from tests.integration.gateway.flexibility.conftest import Api, People, invite, serving_flexibility
from tests.support.apis import Got
from tests.support.eventually import eventually
from tests.support.rabbitmq_queues import delete_objects_of

DAY = "2024-03-01T00:00:00+01:00"


def later(minutes: float, start: str = DAY) -> str:
    """A moment so many minutes after the beginning of a day."""
    return (datetime.fromisoformat(start) + timedelta(minutes=minutes)).isoformat()


@dataclass
class Site:
    """The API, its people, and an asset of the first account's on which they work."""

    api: Api
    people: People
    asset_id: int

    @property
    def chief(self) -> User:
        return self.people.chief

    async def sensor(self, unit: str = "kW", resolution: str = "PT15M", *, by: User | None = None, **given: Any) -> int:
        """A new sensor on the asset."""
        body = {
            "name": f"sensor {secrets.token_hex(4)}",
            "unit": unit,
            "event_resolution": resolution,
            "timezone": "Europe/Amsterdam",
            "generic_asset_id": self.asset_id,
        }
        got = await self.api.post("sensors", by or self.chief, **(body | given))
        assert got.status == 201, got.text
        return int(got.json["id"])

    async def post(
        self,
        sensor: int,
        start: str,
        duration: str,
        values: object,
        unit: str = "kW",
        by: User | None = None,
        **more: Any,
    ) -> Got:
        body = {"start": start, "duration": duration, "values": values, "unit": unit} | more
        return await self.api.post(f"sensors/{sensor}/data", by or self.chief, **body)

    async def stored(
        self, sensor: int, start: str, duration: str, values: object, unit: str = "kW", **more: Any
    ) -> None:
        """Post values that have to be news."""
        got = await self.post(sensor, start, duration, values, unit, **more)
        assert (got.status, got.json["status"]) == (200, "PROCESSED"), got.text

    async def read(
        self, sensor: int, start: str, duration: str, unit: str = "kW", by: User | None = None, **more: Any
    ) -> Got:
        query = urlencode({"start": start, "duration": duration, "unit": unit} | more)
        return await self.api.get(f"sensors/{sensor}/data?{query}", by or self.chief)

    async def values(self, sensor: int, start: str, duration: str, unit: str = "kW", **more: Any) -> list[float | None]:
        got = await self.read(sensor, start, duration, unit, **more)
        assert got.status == 200, got.text
        values: list[float | None] = got.json["values"]
        return values


@asynccontextmanager
async def working(database_url: str, broker_url: str, **settings: Any) -> AsyncIterator[Site]:
    """The API and telemetry for the time of the block."""
    prefix = f"flex-{secrets.token_hex(4)}"
    given = {"rate_limits": "off", "broker_url": broker_url, "broker_prefix": prefix} | settings
    try:
        async with serving_flexibility(database_url, services=("gateway", "telemetry"), **given) as api:
            telemetry = Telemetry(api.process)
            await telemetry.start()
            try:
                await eventually(lambda: _is_there(api))
                people = await invite(api)
                yield Site(api, people, await new_asset(api, people.chief, people.depot.number))
            finally:
                await telemetry.stop(within_s=3.0)
    finally:
        delete_objects_of(broker_url, prefix)


async def new_asset(api: Api, by: User, account: int, *, kind: int = 6, parent: int | None = None, **more: Any) -> int:
    """A new asset of an account."""
    body = {"name": f"asset {secrets.token_hex(4)}", "generic_asset_type_id": kind, "account_id": account} | more
    got = await api.post("assets", by, **body | ({} if parent is None else {"parent_asset_id": parent}))
    assert got.status == 201, got.text
    return int(got.json["id"])


async def _is_there(api: Api) -> bool:
    async with api.process.database.reading(EVERY_ACCOUNT) as connection:
        return await presence.live(connection, "telemetry") > 0
