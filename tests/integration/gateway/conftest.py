"""A gateway on real Postgres and the in-process bus, a scripted worker behind it, and a client before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import orjson
import pytest_asyncio
from aiohttp import ClientSession
from sqlalchemy import text
from yarl import URL

from services.gateway.main import Gateway
from shared.db import presence
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.process import Process, open_process
from shared.settings import Settings
from tests.integration.gateway.worker import Script, ScriptedWorker, scripted_worker
from tests.support.apis import Got
from tests.support.databases import TestDatabases
from tests.support.eventually import eventually
from tests.support.principals import SECRET
from tests.unit.gateway.http.streams import FORM_TYPE, form_body, part


@dataclass
class Served:
    """The running gateway with everything around it."""

    process: Process
    gateway: Gateway
    worker: ScriptedWorker
    client: ClientSession

    async def call(
        self, method: str, path: str, *, data: Any = None, json: object = ..., headers: dict[str, str] | None = None
    ) -> Got:
        """One request; the path is sent as it is given."""
        url = URL(f"http://127.0.0.1:{self.gateway.port}{path}", encoded=True)
        given = dict(headers or {})
        if json is not ...:
            data, given["Content-Type"] = orjson.dumps(json), "application/json; charset=utf-8"
        async with self.client.request(method, url, data=data, headers=given, allow_redirects=False) as response:
            return Got(response.status, response.headers.copy(), await response.read())

    async def form(self, path: str, *parts: bytes, headers: dict[str, str] | None = None) -> Got:
        return await self.call(
            "POST", path, data=BytesIO(form_body(*parts)), headers={"Content-Type": FORM_TYPE} | (headers or {})
        )

    async def load(
        self, network_id: str, document: bytes = b'{"name": "north"}', *, headers: dict[str, str] | None = None
    ) -> Got:
        return await self.form(
            f"/api/networks/{network_id}", part("networkDescription", document, "n.json"), headers=headers
        )

    async def create(
        self,
        session_id: str,
        network_id: str,
        *others: bytes,
        headers: dict[str, str] | None = None,
    ) -> Got:
        demands = part("demands", b'{"periods": []}', "d.json")
        parts = (part("networkId", network_id), demands, *others)
        return await self.form(f"/api/sessions/{session_id}", *parts, headers=headers)

    async def status(self, session_id: str) -> Any:
        return (await self.call("GET", f"/api/sessions/{session_id}")).json

    async def run(self, session_id: str, on: bool) -> Got:
        return await self.call("PUT", f"/api/sessions/{session_id}/runOptimization", json=on)


async def optimizer_is_known(process: Process) -> bool:
    """Whether the database has heard of the worker; before that no question is asked."""
    async with process.database.reading(EVERY_ACCOUNT) as connection:
        return await presence.live(connection, "optimizer") > 0


@asynccontextmanager
async def serving(database_url: str, **settings: Any) -> AsyncIterator[Served]:
    """A gateway for the time of the block."""
    given = Settings.model_validate({"port": 0, "ask_deadline_s": 5.0, "secret_key": SECRET} | settings)
    services = ["gateway", "optimizer"]
    async with (
        open_process(given, database_url=database_url, services=services, ops_port=0) as process,
        scripted_worker(process) as worker,
        ClientSession() as client,
    ):
        gateway = Gateway(process)
        await gateway.start()
        await eventually(lambda: optimizer_is_known(process))
        try:
            yield Served(process, gateway, worker, client)
        finally:
            await gateway.stop(within_s=3.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway_of_module(databases: TestDatabases) -> AsyncIterator[Served]:
    """One gateway for all tests of a module: to start one takes longer than most tests."""
    database_url = databases.create()
    async with serving(database_url) as running:
        yield running
    databases.drop(database_url)


@pytest_asyncio.fixture(loop_scope="module")
async def served(gateway_of_module: Served) -> Served:
    """The module's gateway with nothing in it."""
    async with gateway_of_module.process.database.unit_of_work(EVERY_ACCOUNT) as work:
        await work.connection.execute(text("DELETE FROM reconfiguration_networks"))
    gateway_of_module.worker.script = Script()
    return gateway_of_module


@pytest_asyncio.fixture(loop_scope="module")
async def served_alone(database_url: str) -> AsyncIterator[Served]:
    """A gateway for tests that leave it in no good state."""
    async with serving(database_url) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(databases: TestDatabases) -> AsyncIterator[Served]:
    """A gateway that asks for credentials."""
    url = databases.create()
    async with serving(url, reconfiguration_open=False) as running:
        yield running
    databases.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_database(databases: TestDatabases) -> AsyncIterator[PostgresDatabase]:
    """One for all tests of a module: each makes accounts of its own in it, or empties what it needs empty."""
    url = databases.create()
    adapter = PostgresDatabase(url, application_name="tests")
    await adapter.start()
    yield adapter
    await adapter.close()
    databases.drop(url)
