"""The housekeeping on a database in which one table is locked, or holds more than can be deleted at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.gateway.housekeeping import Housekeeping
from shared.db.unit_of_work import Database, Reach
from shared.errors import DatabaseUnavailable

# What the database's own function, which alone may delete audit events, says.
NOTHING_PRUNED = SimpleNamespace(scalar_one=lambda: 0)


class DatabaseWithALock:
    """Deletes one row of each table but the locked one."""

    def __init__(self, locked: str) -> None:
        self.swept: list[str] = []
        self._locked = locked

    @asynccontextmanager
    async def unit_of_work(self, reach: Reach, *, command_timeout_s: float) -> AsyncIterator[SimpleNamespace]:
        assert command_timeout_s > 0
        yield SimpleNamespace(connection=self)

    async def execute(self, statement: Any, *_: object) -> SimpleNamespace:  # Any: a DELETE, or a function's call
        if not hasattr(statement, "table"):
            return NOTHING_PRUNED
        if statement.table.name == self._locked:
            raise DatabaseUnavailable("locked")
        self.swept.append(statement.table.name)
        return SimpleNamespace(rowcount=1)


async def test_a_locked_table_does_not_keep_the_others_from_being_swept() -> None:
    database = DatabaseWithALock("inbox")
    with pytest.raises(DatabaseUnavailable):
        await Housekeeping(cast("Database", database)).sweep()
    assert {"answers", "leases", "workers", "user_tokens", "web_sessions", "sign_in_failures", "rate_counters"} <= set(
        database.swept
    )
    assert "inbox" not in database.swept


class DatabaseWithAPile:
    """Holds old inbox rows that nobody has swept for long, and deletes what it is asked to."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.deleted: list[int] = []
        self.transactions = 0

    @asynccontextmanager
    async def unit_of_work(self, reach: Reach, *, command_timeout_s: float) -> AsyncIterator[SimpleNamespace]:
        assert command_timeout_s > 0
        self.transactions += 1
        yield SimpleNamespace(connection=self)

    async def execute(self, statement: Any, *_: object) -> SimpleNamespace:  # Any: a DELETE, or a function's call
        if not hasattr(statement, "table"):
            return NOTHING_PRUNED
        if statement.table.name != "inbox":
            return SimpleNamespace(rowcount=0)
        limits = [value for name, value in statement.compile().params.items() if name.startswith("param")]
        assert limits == [5000]
        taken = min(5000, self.rows)
        self.rows -= taken
        self.deleted.append(taken)
        return SimpleNamespace(rowcount=taken)


async def test_a_pile_is_swept_in_small_transactions() -> None:
    database = DatabaseWithAPile(12_001)
    await Housekeeping(cast("Database", database)).sweep()
    assert database.deleted == [5000, 5000, 2001]
    assert database.transactions == 16  # three for the pile, one for each of the other tables


async def test_a_pile_that_is_too_large_for_one_turn_does_not_keep_the_other_tables_waiting() -> None:
    database = DatabaseWithAPile(1_000_000)
    await Housekeeping(cast("Database", database)).sweep()
    assert database.deleted == [5000] * 20
    assert database.transactions == 33
    await Housekeeping(cast("Database", database)).sweep()
    assert database.rows == 800_000
