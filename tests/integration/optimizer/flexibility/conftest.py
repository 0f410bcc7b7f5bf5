from __future__ import annotations

import pytest

from shared.db.engine import PostgresDatabase
from tests.integration.optimizer.flexibility.world import Site


@pytest.fixture
def site(database: PostgresDatabase) -> Site:
    return Site(database)
