"""Deliveries made by hand, and what a database holds: for tests of handlers that need no bus."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.handler import Handler
from shared.bus.inprocess import InProcessBus
from shared.bus.runner import Runner
from shared.contracts.message import Envelope
from shared.db.unit_of_work import EVERY_ACCOUNT, Database


class HandDelivery:
    """A delivery that remembers how it was ended."""

    def __init__(self, envelope: Envelope | None, raw_body: bytes = b"") -> None:
        self._envelope = envelope
        self._raw_body = envelope.body if envelope is not None else raw_body
        self.ended: list[str] = []
        self.reason: str | None = None

    @property
    def envelope(self) -> Envelope | None:
        """The message."""
        return self._envelope

    @property
    def raw_body(self) -> bytes:
        """Its body."""
        return self._raw_body

    async def ack(self) -> None:
        """Remember."""
        self.ended.append("acked")

    async def requeue(self) -> None:
        """Remember."""
        self.ended.append("requeued")

    async def dead_letter(self, reason: str) -> None:
        """Remember, and why."""
        self.ended.append("dead")
        self.reason = reason


def runner_of(database: Database, *handlers: Handler[Any, Any]) -> Runner:
    """A runner to which deliveries are handed by hand; it is not started. Retries are due at once."""
    return Runner(database, InProcessBus(database, instance="not started"), handlers, prefetch=1, retry_pause_s=0.0)


async def dump_tables(connection: AsyncConnection, *, but: Collection[str] = ("workers",)) -> dict[str, list[str]]:
    """Every row of every table as text, sorted, so that two moments can be compared."""
    tables = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"))
    dump: dict[str, list[str]] = {}
    for name in tables.scalars().all():
        if name not in but:
            rows = await connection.execute(text(f'SELECT t::text FROM "{name}" t'))
            dump[name] = sorted(rows.scalars())
    return dump


async def assert_duplicates_change_nothing(
    database: Database, handler: Handler[Any, Any], envelopes: Collection[Envelope]
) -> None:
    """Deliver each message once, and then again alone, twice and five times at once on two consumers; nothing may change."""
    first, second = runner_of(database, handler), runner_of(database, handler)
    for envelope in envelopes:
        await first.handle(HandDelivery(envelope))
        async with database.reading(EVERY_ACCOUNT) as connection:
            before = await dump_tables(connection)
        for times in (1, 2, 5):
            copies = [HandDelivery(envelope) for _ in range(times)]
            runners = [first, second] * times
            await asyncio.gather(*(runner.handle(copy) for runner, copy in zip(runners, copies, strict=False)))
            assert [copy.ended for copy in copies] == [["acked"]] * times
            async with database.reading(EVERY_ACCOUNT) as connection:
                assert await dump_tables(connection) == before, f"{envelope.name} delivered {times} times more"
