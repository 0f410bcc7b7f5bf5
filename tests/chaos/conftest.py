"""A PostgreSQL and a RabbitMQ to be killed, and services that reach them through proxies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.db.engine import PostgresDatabase
from tests.support.flexibility_load import Customer, make_customers
from tests.support.proxy import Pass, ProxyLoop
from tests.support.servers import server_folder
from tests.support.stack import OwnServers, Stack

# Short, so that a takeover does not take long; the promise is relative to it.
LEASE_S = 3.0
# Customers ask for more schedules here than people do.
SETTINGS = {"LEASE_TTL_S": str(LEASE_S), "HEARTBEAT_S": "1", "FLEXIBILITY_TRIGGERS_PER_5_MINUTES": "0"}
CUSTOMERS = 3


@pytest.fixture(scope="package")
def is_full() -> bool:
    """Whether outages last as long as the promises say."""
    return os.environ.get("BUSBAR_TEST_CHAOS_FULL") == "1"


@pytest.fixture(scope="package")
def links() -> Iterator[ProxyLoop]:
    """The loop of all proxies."""
    with ProxyLoop() as loop:
        yield loop


@pytest.fixture(scope="package")
def own_servers() -> Iterator[OwnServers]:
    """Servers of these tests' own."""
    with server_folder() as folder:
        made = OwnServers(folder)
        try:
            made.start()
            yield made
        finally:
            made.close()


@pytest.fixture
def chaos(tmp_path: Path, own_servers: OwnServers, links: ProxyLoop) -> Iterator[Stack]:
    """An installation without services yet, on a new database and under a new prefix."""
    own_servers.ensure_running()
    url = own_servers.databases.create()
    stack = Stack(tmp_path, url, own_servers.broker.url, links=links, settings=SETTINGS)
    try:
        yield stack
    finally:
        stack.set_database_links(Pass())
        stack.set_broker_links(Pass())
        own_servers.ensure_running()
        stack.close()
        own_servers.databases.give_back(url)


@pytest.fixture
async def customers(chaos: Stack) -> AsyncIterator[list[Customer]]:
    """Users of the flexibility API, each with an account of their own."""
    database = PostgresDatabase(chaos.database_url, application_name="tests")
    try:
        yield await make_customers(database, CUSTOMERS)
    finally:
        await database.close()
