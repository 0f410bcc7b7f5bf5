"""Fixtures for all levels: databases and a broker prefix of a test's own on the real servers of the run."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from shared.contracts.message import Queue
from tests.support import servers
from tests.support.rabbitmq_queues import delete_objects_of

if TYPE_CHECKING:
    from shared.db.engine import PostgresDatabase
    from tests.support.databases import TestDatabases

pytest_plugins = ["tests.support.reliability"]

_prefix_numbers = itertools.count(1)
_run = f"test-{os.getpid()}-{secrets.token_hex(3)}"


@pytest.fixture(scope="session")
def admin_database_url() -> str:
    """Address of a real PostgreSQL, with superuser rights."""
    url = servers.listening_database()
    if url is None:
        pytest.fail(
            "no PostgreSQL for the tests: run them with `make test` or `python -m tests.support.run`", pytrace=False
        )
    return url


@pytest.fixture(scope="session")
def broker_url() -> str:
    """Address of a real RabbitMQ."""
    url = servers.listening_broker()
    if url is None:
        pytest.fail(
            "no RabbitMQ for the tests: run them with `make test` or `python -m tests.support.run`", pytrace=False
        )
    return url


@pytest.fixture(scope="session")
def databases(admin_database_url: str) -> Iterator[TestDatabases]:
    """Makes databases for tests that need several; all are dropped at the end of the run."""
    from tests.support.databases import TestDatabases

    made = TestDatabases(admin_database_url)
    made.drop_leftovers()
    yield made
    made.drop_all()


@pytest.fixture
def database_url(databases: TestDatabases) -> Iterator[str]:
    """Address of a database of the test's own, as new, with all tables."""
    url = databases.create()
    yield url
    databases.give_back(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PostgresDatabase]:
    """The real database adapter, started, on a fresh database."""
    from shared.db.engine import PostgresDatabase

    adapter = PostgresDatabase(database_url, application_name="tests")
    await adapter.start()
    yield adapter
    await adapter.close()


@pytest.fixture
def invented_queues() -> list[Queue]:
    """Queues that no contract names and a test declares all the same; it puts them here, so that they are deleted afterwards."""
    return []


@pytest.fixture
def broker_prefix(broker_url: str, invented_queues: list[Queue]) -> Iterator[str]:
    """A prefix for queues and exchanges at the broker that nobody else uses; what carries it is deleted afterwards."""
    prefix = f"{_run}-{next(_prefix_numbers)}"
    yield prefix
    delete_objects_of(broker_url, prefix, invented_queues)
