"""The outbox table as queues of commands, for the bus that has no broker: claim, renew, acknowledge, dead letters.

A row becomes 'queued' in place of being published, stays until a consumer acknowledges it, and is 'dead' where a broker would
move it to a dead-letter queue. A consumer's claim is a moment until which it holds, renewed while it works; the count of
deliveries tells one claim from the next, so that a consumer whose claim has run out cannot end the next one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Interval, Row, and_, bindparam, case, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from shared.contracts.message import Envelope, Queue
from shared.db.models.infrastructure import outbox
from shared.db.outbox import MAX_REASON_CHARS, commit_without_flush, envelope_of, row_of
from shared.ids import MessageId

LIMIT_REASON = "delivered {} times without an acknowledgement"


# Built once, as they are run for every command.
_IS_DEAD = outbox.c.dead_reason.is_not(None)
_QUEUE = (
    update(outbox)
    .where(outbox.c.message_id.in_(bindparam("ids", expanding=True)), outbox.c.state == "pending")
    .values(
        state=case((_IS_DEAD, "dead"), else_="queued"),
        died_at=case((_IS_DEAD, func.now())),
        claimed_until=None,
        deliveries=0,
    )
    .returning(outbox.c.message_id)
)
_READY = (
    outbox.c.state == "queued",
    outbox.c.queue == bindparam("of_queue"),
    outbox.c.available_at <= func.now(),
    or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < func.now()),
)
_OLDEST = (
    select(outbox.c.message_id)
    .where(*_READY)
    .order_by(outbox.c.available_at, outbox.c.message_id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("ready")
)
_CLAIM = (
    update(outbox)
    .where(outbox.c.message_id.in_(select(_OLDEST.c.message_id)))
    .values(claimed_until=func.now() + bindparam("claim", type_=Interval), deliveries=outbox.c.deliveries + 1)
    .returning(outbox)
)
_ACKNOWLEDGE = delete(outbox).where(
    outbox.c.message_id == bindparam("wanted"),
    outbox.c.deliveries == bindparam("of_delivery"),
    outbox.c.state == "queued",
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A command in a consumer's hands, and which delivery of it this is."""

    envelope: Envelope
    delivery: int

    @property
    def key(self) -> tuple[MessageId, int]:
        """What tells this claim from any other."""
        return self.envelope.message_id, self.delivery


async def enqueue(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
    """Queue commands, whether their rows wait in the outbox or do not exist; dead letters go to their queue's others at once."""
    ids = [envelope.message_id for envelope in envelopes]
    found = set((await connection.execute(_QUEUE, {"ids": ids})).scalars())
    absent = [row_of(envelope) for envelope in envelopes if envelope.message_id not in found]
    if not absent:
        await commit_without_flush(connection)  # they are in the table for good, and would only be queued once more
    else:
        rows = [{**row, "state": "dead" if row["dead_reason"] else "queued"} for row in absent]
        await connection.execute(insert(outbox).values(rows).on_conflict_do_nothing())


async def claim(connection: AsyncConnection, queue: Queue, *, limit: int, claim_s: float) -> list[Claimed]:
    """Take the oldest commands that nobody holds. One that was delivered too often is dead instead."""
    wanted = {"of_queue": queue.name, "most": limit, "claim": timedelta(seconds=claim_s)}
    found = await connection.execute(_CLAIM, wanted)
    rows = sorted(found.all(), key=lambda row: (row.available_at, row.message_id))
    # As at the broker, where the limit is of deliveries again after the first.
    worn_out = [row.message_id for row in rows if row.deliveries > queue.delivery_limit + 1]
    if worn_out:
        reason = LIMIT_REASON.format(queue.delivery_limit + 1)
        await connection.execute(update(outbox).where(outbox.c.message_id.in_(worn_out)).values(**_dead(reason)))
    return [Claimed(envelope_of(row), row.deliveries) for row in rows if row.message_id not in worn_out]


async def renew(connection: AsyncConnection, keys: Iterable[tuple[MessageId, int]], claim_s: float) -> None:
    """Hold claims for longer. Rows that are locked right now are being ended; they are left alone."""
    held = select(outbox.c.message_id).where(_is_held(keys)).with_for_update(skip_locked=True).cte("held")
    statement = update(outbox).where(outbox.c.message_id.in_(select(held.c.message_id)))
    await connection.execute(statement.values(claimed_until=func.now() + timedelta(seconds=claim_s)))


async def acknowledge(connection: AsyncConnection, claimed: Claimed) -> None:
    """Delete a command that is done."""
    await connection.execute(_ACKNOWLEDGE, {"wanted": claimed.envelope.message_id, "of_delivery": claimed.delivery})


async def hand_back(connection: AsyncConnection, queue: Queue, claimed: Claimed) -> None:
    """Let the next consumer have it, or bury it where it was handed out too often."""
    changes: dict[str, Any] = {"claimed_until": None}  # Any: SQL expressions
    if claimed.delivery > queue.delivery_limit:
        changes = _dead(LIMIT_REASON.format(claimed.delivery))
    await connection.execute(update(outbox).where(_is_held([claimed.key])).values(**changes))


async def bury(connection: AsyncConnection, claimed: Claimed, reason: str) -> None:
    """Make a command a dead letter."""
    await connection.execute(update(outbox).where(_is_held([claimed.key])).values(**_dead(reason)))


async def depth(connection: AsyncConnection, queue: Queue) -> int:
    """How many commands wait in a queue; those in a consumer's hands do not."""
    statement = select(func.count()).select_from(outbox).where(*_READY)
    return (await connection.execute(statement, {"of_queue": queue.name})).scalar_one()


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead letter's row."""

    envelope: Envelope
    reason: str
    died_at: datetime | None


async def dead(connection: AsyncConnection, queue: Queue, *, limit: int) -> list[Dead]:
    """A queue's dead letters, oldest first."""
    statement = (
        select(outbox).where(*_dead_of(queue, None)).order_by(outbox.c.died_at, outbox.c.message_id).limit(limit)
    )
    rows: Sequence[Row[Any]] = (
        await connection.execute(statement)
    ).all()  # Any: rows do not carry their columns' types
    return [Dead(envelope_of(row), row.dead_reason, row.died_at) for row in rows]


async def count_dead(connection: AsyncConnection, queue: Queue) -> int:
    """How many dead letters a queue has."""
    statement = select(func.count()).select_from(outbox).where(*_dead_of(queue, None))
    return (await connection.execute(statement)).scalar_one()


async def take_dead(connection: AsyncConnection, queue: Queue, message_id: MessageId | None) -> list[Envelope]:
    """Remove one or all dead letters of a queue, and return them without the reason."""
    rows = (await connection.execute(delete(outbox).where(*_dead_of(queue, message_id)).returning(outbox))).all()
    rows = sorted(rows, key=lambda row: (row.died_at, row.message_id))
    return [envelope_of(row) for row in rows]


def _is_held(keys: Iterable[tuple[MessageId, int]]) -> ColumnElement[bool]:
    return and_(tuple_(outbox.c.message_id, outbox.c.deliveries).in_(list(keys)), outbox.c.state == "queued")


def _dead(reason: str) -> dict[str, Any]:  # Any: SQL expressions
    return {"state": "dead", "dead_reason": reason[:MAX_REASON_CHARS], "died_at": func.now(), "claimed_until": None}


def _dead_of(queue: Queue, message_id: MessageId | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [outbox.c.state == "dead", outbox.c.queue == queue.name]
    return conditions if message_id is None else [*conditions, outbox.c.message_id == message_id]
