"""Busbar as it is run, for benchmarks: ``busbar up`` with what it brings along, and a process for each service on real servers."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import psutil

from benchmarks.http_client import Client
from shared.db.embedded import EmbeddedPostgres
from tests.support import servers
from tests.support.databases import TestDatabases
from tests.support.stack import ServiceProcess, Stack, busbar_up

PASSWORD, EMAIL, ACCOUNT = "correct horse battery 7", "bench@site.example", "Bench BV"
# Counted as always, and never reached.
SETTINGS = {"FLEXIBILITY_REQUESTS_PER_MINUTE": "100000000", "FLEXIBILITY_TRIGGERS_PER_5_MINUTES": "100000000"}


@dataclass
class Platform:
    """A running Busbar with a user. ``database_url`` is of the database that it uses."""

    name: str
    gateway: ServiceProcess
    services: Sequence[ServiceProcess]
    database_url: str
    account: int = 0
    token: str = ""

    def client(self) -> Client:
        """A connection of the user."""
        return Client(urlsplit(self.gateway.url).port or 0, {"Authorization": self.token})

    def processor_s(self) -> float:
        """Processor time that its processes have taken so far; that of a database server of its own is included."""
        taken = 0.0
        for service in self.services:
            for process in [psutil.Process(service.process.pid), *service.process.descendants()]:
                try:
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                taken += times.user + times.system
        return taken

    async def sign_in(self) -> None:
        """Make a user and sign them in."""
        self.account = self.gateway.printed("account", "create", ACCOUNT)["account_id"]
        user = ("user", "create", EMAIL, "--account", ACCOUNT, "--role", "account-admin", "--password-stdin")
        self.gateway.printed(*user, stdin=f"{PASSWORD}\n")
        credentials = orjson.dumps({"email": EMAIL, "password": PASSWORD})
        client = self.client()
        self.token = orjson.loads(await client.ask("POST", "/api/requestAuthToken", credentials))["auth_token"]
        client.close()


@asynccontextmanager
async def all_in_one() -> AsyncIterator[Platform]:
    """``busbar up`` on an empty folder."""
    with tempfile.TemporaryDirectory(prefix="busbar-bench-") as name:
        folder = Path(name)
        up = busbar_up(folder / "data", folder / "up.log", **SETTINGS)
        # What runs a command beside it has to find the same folder.
        up.environment = {**up.environment, "BUSBAR_DATA_DIR": str(folder / "data")}
        postgres = EmbeddedPostgres(folder / "data")
        try:
            up.start()
            platform = Platform("busbar up", up, [up], await postgres.join())
            await platform.sign_in()
            yield platform
        finally:
            await postgres.stop(within_s=1.0)
            up.close()


@asynccontextmanager
async def separate_processes() -> AsyncIterator[Platform]:
    """Gateway, telemetry and optimizer on the servers that the tests use."""
    with tempfile.TemporaryDirectory(prefix="busbar-bench-") as name, servers.available() as endpoints:
        databases = TestDatabases(endpoints.database_url)
        stack = Stack(Path(name), databases.create(), endpoints.broker_url, settings=SETTINGS)
        try:
            stack.run("optimizer", "telemetry", "gateway")
            (gateway,) = stack.of_kind("gateway")
            platform = Platform("separate processes", gateway, stack.services, stack.database_url)
            await platform.sign_in()
            yield platform
        finally:
            stack.close()
            databases.drop_all()
