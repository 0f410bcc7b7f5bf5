"""One API on one database for all tests of a module: each makes clients of its own in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from shared.db.engine import PostgresDatabase
from shared.settings import Settings
from tests.support.line_telemetry import LineTelemetry, serving_line_telemetry


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(shared_database: PostgresDatabase) -> AsyncIterator[LineTelemetry]:
    """The API without limits on how often somebody asks."""
    async with serving_line_telemetry(shared_database, settings=Settings(rate_limits="off")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(database_url: str) -> AsyncIterator[PostgresDatabase]:
    """A database that no gateway has seen yet."""
    adapter = PostgresDatabase(database_url, application_name="tests")
    await adapter.start()
    yield adapter
    await adapter.close()
