"""Messages handed to the runner as a broker would, a database in which a process can die at every step, and dumps to compare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar, TypeVarTuple, Unpack

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.runner import Runner
from shared.contracts.message import Envelope
from shared.db.connections import driver_connection
from shared.db.engine import PostgresDatabase
from shared.db.models.base import metadata
from shared.db.outbox import SqlOutbox
from shared.db.unit_of_work import COMMAND_TIMEOUT_S, EVERY_ACCOUNT, Database, Reach, UnitOfWork

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

# Times, and what differs from one writing to the next for no other reason than that it is another one.
VOLATILE = frozenset(
    {
        "created_at",
        "updated_at",
        "started_at",
        "pending_until",
        "finished_at",
        "heartbeat_at",
        "expires_at",
        "seen_at",
        "available_at",
        "claimed_until",
        "requested_at",
        "deadline",
        "sequence",
        "message_id",
        "correlation_id",
        "traceparent",
    }
)


@dataclass
class Handed:
    """A delivery, and how it was ended."""

    envelope: Envelope
    endings: list[str] = field(default_factory=list)

    @property
    def raw_body(self) -> bytes:
        return self.envelope.body

    async def ack(self) -> None:
        self.endings.append("ack")

    async def requeue(self) -> None:
        self.endings.append("requeue")

    async def dead_letter(self, reason: str) -> None:
        self.endings.append(f"dead: {reason}")


class HereAndNow:
    """Does what children do, in this process: for tests of what becomes of it."""

    waiting = 0

    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None
        self.after_s = 0.0
        self.calls = 0

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts, deadline_s: float) -> R:
        self.calls += 1
        self.before()
        result = function(*args)
        await asyncio.sleep(self.after_s)
        return result


class Died(BaseException):
    """The process ends here; nobody catches this."""


class MortalDatabase:
    """A database whose user dies before or after its ``at``-th step: a statement, a begin or a commit."""

    def __init__(self, real: PostgresDatabase, *, at: int = 0) -> None:
        self._real = real
        self._at = at
        self.steps = 0

    def step(self) -> None:
        """Count one step more, and die if it is the one."""
        self.steps += 1
        if self.steps == self._at:
            raise Died

    @asynccontextmanager
    async def unit_of_work(
        self, reach: Reach, *, command_timeout_s: float = COMMAND_TIMEOUT_S, is_durable: bool = True
    ) -> AsyncIterator[UnitOfWork]:
        self.step()
        after_commit: list[Callable[[], None]] = []
        async with self._real.unit_of_work(reach, command_timeout_s=command_timeout_s, is_durable=is_durable) as uow:
            connection: Any = _MortalConnection(uow.connection, self)  # Any: stands in for a connection
            yield UnitOfWork(connection, SqlOutbox(connection, []), after_commit)
            self.step()
        self.step()
        for call in after_commit:
            call()

    @asynccontextmanager
    async def reading(self, reach: Reach) -> AsyncIterator[AsyncConnection]:
        self.step()
        async with self._real.reading(reach) as connection:
            mortal: Any = _MortalConnection(connection, self)  # Any: stands in for a connection
            yield mortal
        self.step()


class _MortalConnection:
    """A connection, the toolkit's or the driver's, each statement of which is two steps."""

    def __init__(self, real: Any, database: MortalDatabase) -> None:  # Any: one of two kinds
        self._real = real
        self._database = database

    async def execute(self, *args: Any, **kwargs: Any) -> Any:  # Any: as the real one's, here and below
        return await self._stepping(self._real.execute, *args, **kwargs)

    async def fetch(self, *args: Any) -> Any:
        return await self._stepping(self._real.fetch, *args)

    async def fetchrow(self, *args: Any) -> Any:
        return await self._stepping(self._real.fetchrow, *args)

    @property
    def sync_connection(self) -> Any:
        """What ``driver_connection`` looks through."""
        driver = _MortalConnection(driver_connection(self._real), self._database)
        return SimpleNamespace(connection=SimpleNamespace(driver_connection=driver))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def _stepping(self, method: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        self._database.step()
        result = await method(*args, **kwargs)
        self._database.step()
        return result


def runner_of(database: Database, handlers: Any) -> Runner:  # Any: handlers of several contracts
    """A runner that is handed deliveries by hand."""
    bus: Any = None  # only for starting, which these tests do not
    return Runner(database, bus, handlers, prefetch=1, retry_pause_s=0.01)


async def dump(database: PostgresDatabase) -> dict[str, list[str]]:
    """Everything in all tables but the inbox, without what is volatile; a row is a line."""
    found: dict[str, list[str]] = {}
    async with database.reading(EVERY_ACCOUNT) as connection:
        for table in metadata.sorted_tables:
            if table.name == "inbox":
                continue
            rows = (await connection.execute(select(table))).mappings()
            found[table.name] = sorted(
                orjson.dumps({str(k): v for k, v in row.items() if k not in VOLATILE}, default=repr).decode()
                for row in rows
            )
    return found
