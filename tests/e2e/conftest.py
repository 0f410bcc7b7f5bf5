"""Busbar as operators run it, once for all journeys: services on real servers, and everything in one process on the embedded default."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pgo import PgoClient
from tests.support.stack import ServiceProcess, Stack, busbar_up, client_of

if TYPE_CHECKING:
    from tests.support.databases import TestDatabases


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, databases: TestDatabases, broker_url: str) -> Iterator[Stack]:
    """One process of each service on the run's PostgreSQL and RabbitMQ."""
    made = Stack(tmp_path_factory.mktemp("stack"), databases.create(), broker_url)
    try:
        made.run("optimizer", "telemetry", "gateway")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="package")
def on_servers(stack: Stack) -> ServiceProcess:
    """The stack's gateway."""
    return next(service for service in stack.services if service.name.startswith("gateway"))


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """``busbar up`` on a new folder."""
    folder = tmp_path_factory.mktemp("embedded")
    made = busbar_up(folder / "data", folder / "up.log")
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(params=["on_servers", "embedded"])
def busbar(request: pytest.FixtureRequest) -> ServiceProcess:
    """Both ways of running Busbar, one after the other."""
    service: ServiceProcess = request.getfixturevalue(request.param)
    return service


@pytest.fixture
async def client(busbar: ServiceProcess) -> AsyncIterator[PgoClient]:
    """A client of each; afterwards the server is empty again."""
    async with client_of(busbar) as made:
        yield made
        await empty(made)


@pytest.fixture
async def server_client(on_servers: ServiceProcess) -> AsyncIterator[PgoClient]:
    """A client of the services on real servers; afterwards the server is empty again."""
    async with client_of(on_servers) as made:
        yield made
        await empty(made)


async def empty(client: PgoClient) -> None:
    """Delete all networks, and so all sessions."""
    for network_id in (await client.server()).expect(200).json()["networks"]:
        (await client.delete_network(network_id)).expect(200)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for ``busbar up`` that does not exist yet."""
    return tmp_path / "data"
