"""Faults at every step of the message path: a process that dies, a database or a broker that goes away, before or after each call.

The steps are counted as they are passed, so that a test can run once undisturbed, learn how many there are, and then go through
them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.message import Envelope
from shared.db.unit_of_work import COMMAND_TIMEOUT_S, Database, Reach, UnitOfWork
from shared.errors import BrokerUnavailable, DatabaseUnavailable
from tests.support.deliveries import HandDelivery


class ProcessDied(BaseException):
    """Stands for kill -9: nothing that handles errors sees it, and the database rolls back what is open."""


class Faults:
    """Counts steps, and at one of them raises once."""

    def __init__(self, at: int = 0, *, is_death: bool = True) -> None:
        self.steps: list[str] = []
        self._at = at
        self._is_death = is_death

    def step(self, name: str) -> None:
        """Pass a step, or do not."""
        self.steps.append(name)
        if len(self.steps) == self._at:
            if self._is_death:
                raise ProcessDied(name)
            raise DatabaseUnavailable(name) if name.startswith("database") else BrokerUnavailable(name)


class FaultyDatabase:
    """A database with a step before and after each transaction's begin, statement and commit."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults
        self.on_outbox_commit: Callable[[Sequence[Any]], None] = lambda _: None

    @asynccontextmanager
    async def unit_of_work(
        self, reach: Reach, *, command_timeout_s: float = COMMAND_TIMEOUT_S, is_durable: bool = True
    ) -> AsyncIterator[UnitOfWork]:
        """A transaction with steps."""
        self._faults.step("database: begin")
        async with self._database.unit_of_work(
            reach, command_timeout_s=command_timeout_s, is_durable=is_durable
        ) as uow:
            self._watch(uow.connection)
            yield uow
            self._faults.step("database: commit")
        self._faults.step("database: committed")

    @asynccontextmanager
    async def reading(self, reach: Reach) -> AsyncIterator[AsyncConnection]:
        """A snapshot with steps."""
        self._faults.step("database: begin to read")
        async with self._database.reading(reach) as connection:
            self._watch(connection)
            yield connection
        self._faults.step("database: read")

    def _watch(self, connection: AsyncConnection) -> None:
        def before(*args: Any) -> None:
            self._faults.step(f"database: {str(args[2])[:60]}")

        def after(*args: Any) -> None:
            self._faults.step(f"database: done {str(args[2])[:60]}")

        event.listen(connection.sync_connection, "before_cursor_execute", before)
        event.listen(connection.sync_connection, "after_cursor_execute", after)


class Broker:
    """What a broker remembers while the processes around it die: messages not yet acknowledged, and dead letters."""

    def __init__(self) -> None:
        self.waiting: list[Envelope] = []
        self.dead: list[tuple[Envelope, str]] = []


class FaultyBus:
    """The broker as one process reaches it, with a step before and after each call. Only what a relay needs of the port."""

    is_connected = True

    def __init__(self, broker: Broker, faults: Faults) -> None:
        self._broker = broker
        self._faults = faults

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Keep the messages."""
        self._faults.step("broker: publish")
        for envelope in envelopes:
            reason = envelope.headers.get("busbar-dead-reason")
            if reason is None:
                self._broker.waiting.append(envelope)
            else:
                self._broker.dead.append((envelope, reason))
        self._faults.step("broker: published")


class FaultyDelivery(HandDelivery):
    """A message in a process's hands; it stays the broker's until its end has got there."""

    def __init__(self, broker: Broker, envelope: Envelope, faults: Faults) -> None:
        super().__init__(envelope)
        self._broker = broker
        self._faults = faults

    async def ack(self) -> None:
        """Tell the broker."""
        self._faults.step("broker: ack")
        self._end()
        self._faults.step("broker: acked")

    async def dead_letter(self, reason: str) -> None:
        """Tell the broker."""
        self._faults.step("broker: dead letter")
        assert self.envelope is not None
        self._broker.dead.append((self.envelope, reason))
        self._faults.step("broker: dead letter kept")
        self._end()

    def _end(self) -> None:
        assert self.envelope is not None
        self._broker.waiting.remove(self.envelope)
