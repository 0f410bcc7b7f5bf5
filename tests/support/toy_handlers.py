"""A handler of the toy command whose effect shows when it happens twice, and a database that has room for that effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from shared.bus.handler import Handler
from shared.contracts.message import Envelope
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.errors import BusbarError
from tests.support.toys import ToyHappened, ToyRequested, toy_effects, toy_metadata

Work = Callable[[Envelope, ToyRequested], Awaitable[str]]


async def succeed(_: Envelope, message: ToyRequested) -> str:
    """Work that is done at once."""
    return message.label


async def count_effect(uow: UnitOfWork, envelope: Envelope, message: ToyRequested, _: str) -> None:
    """Not idempotent on purpose: it counts how often it is committed."""
    await _count(uow, message.label, None)
    await uow.outbox.add(envelope.account_id, ToyHappened(label=message.label))


async def count_failure(uow: UnitOfWork, _: Envelope, message: ToyRequested, error: BusbarError) -> None:
    """The same for failures, with their code."""
    await _count(uow, f"failure of {message.label}", error.code)


def toy_handler(work: Work = succeed, **changes: Any) -> Handler[ToyRequested, str]:
    """A handler that counts its effects and failures; ``changes`` are fields of the handler."""
    fields: dict[str, Any] = {
        "contract": ToyRequested,
        "work": work,
        "apply": count_effect,
        "on_failure": count_failure,
        **changes,
    }
    return Handler(**fields)


async def make_toy_tables(database: PostgresDatabase) -> None:
    """Make the table of effects."""
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("SET LOCAL ROLE NONE"))  # as the owner, like a migration
        await uow.connection.run_sync(toy_metadata.create_all)


async def effects(database: PostgresDatabase) -> dict[str, int]:
    """How often each message took effect or failed."""
    async with database.reading(EVERY_ACCOUNT) as connection:
        rows = await connection.execute(select(toy_effects.c.label, toy_effects.c.count))
        return {str(row[0]): int(row[1]) for row in rows}


async def failures(database: PostgresDatabase) -> dict[str, str]:
    """The codes of the failures that were recorded."""
    async with database.reading(EVERY_ACCOUNT) as connection:
        rows = await connection.execute(select(toy_effects.c.label, toy_effects.c.failure))
        return {row.label: row.failure for row in rows if row.failure is not None}


async def _count(uow: UnitOfWork, label: str, failure: str | None) -> None:
    statement = insert(toy_effects).values(label=label, count=1, failure=failure)
    again = {"count": toy_effects.c.count + 1}
    await uow.connection.execute(statement.on_conflict_do_update(index_elements=["label"], set_=again))
