from __future__ import annotations

import pytest

from shared.db.engine import PostgresDatabase
from tests.integration.telemetry.posts import Posts
from tests.support.sensors import Sensors


@pytest.fixture
def sensors(database: PostgresDatabase) -> Sensors:
    return Sensors(database)


@pytest.fixture
def posts(database: PostgresDatabase) -> Posts:
    return Posts(database)
