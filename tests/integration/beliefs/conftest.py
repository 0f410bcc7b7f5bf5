from __future__ import annotations

import pytest

from shared.db.engine import PostgresDatabase
from tests.support.sensors import Sensors


@pytest.fixture
def sensors(database: PostgresDatabase) -> Sensors:
    return Sensors(database)
