"""The inbox: which messages have had their effect, written in the same transaction as the effect.

A message id has exactly one committed outcome for each handler, whatever it was: handled, handed on to a next attempt under
a new id, or failed for good. Whoever inserts the row first decides; a duplicate finds the row and does nothing.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import pruning
from shared.db.models.infrastructure import inbox
from shared.ids import MessageId

# Built once, as they are run for every message.
_CLAIM = insert(inbox).on_conflict_do_nothing()
_FIND = select(inbox.c.message_id).where(
    inbox.c.handler == bindparam("of_handler"), inbox.c.message_id == bindparam("wanted")
)


async def first_time(connection: AsyncConnection, handler: str, message_id: MessageId) -> bool:
    """Claim the message's outcome for this transaction; False when another has it.

    Waits for a transaction that has inserted the same row and not yet ended.
    """
    return (await connection.execute(_CLAIM, {"handler": handler, "message_id": message_id})).rowcount > 0


async def was_processed(connection: AsyncConnection, handler: str, message_id: MessageId) -> bool:
    """Whether the message's outcome is committed, as far as this transaction sees."""
    found = await connection.execute(_FIND, {"of_handler": handler, "wanted": message_id})
    return found.first() is not None


async def forget_older_than(connection: AsyncConnection, age_s: float, limit: int) -> int:
    """Delete up to ``limit`` rows of messages that no broker can still deliver again; returns how many."""
    return await pruning.forget_older_than(connection, inbox.c.processed_at, age_s, limit)
