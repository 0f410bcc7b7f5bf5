"""The outbox: messages written in the transaction that causes them, and the SQL by which the relay sends them on.

A row is 'pending' until the broker has its message. A relay claims due rows for a few seconds, publishes them and deletes
those whose claim is still its own; one that dies in between leaves a claim that runs out, and the message goes out again.
Not for what the in-process bus does with the same table afterwards: that is ``command_queue.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, Integer, Interval, Row, bindparam, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.message import Envelope, Message
from shared.db.models.infrastructure import outbox
from shared.ids import AccountId, MessageId, uuid7
from shared.observability import tracing

# A message is a wake-up and carries ids and small facts; whoever needs more room has taken it for a document.
MAX_BODY_BYTES = 256 * 1024
# A routing key's length is one byte in AMQP.
MAX_ROUTING_KEY_BYTES = 255
# An envelope with this header is a dead letter: the bus puts it into the dead letters of its queue, not into the queue.
DEAD_REASON_HEADER = "busbar-dead-reason"
MAX_REASON_CHARS = 2000


# Built once: what is done for every message would take longer to put together than the database takes to do it.
_FREE = or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < func.now())
_DUE = (
    select(outbox.c.message_id)
    .where(outbox.c.state == "pending", outbox.c.available_at <= func.now(), _FREE)
    .order_by(outbox.c.available_at, outbox.c.message_id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(outbox)
    .where(outbox.c.message_id.in_(select(_DUE.c.message_id)))
    .values(claimed_until=func.now() + bindparam("claim", type_=Interval))
    .returning(outbox)
)
_FORGET = delete(outbox).where(
    outbox.c.message_id.in_(bindparam("ids", expanding=True)),
    outbox.c.state == "pending",
    outbox.c.claimed_until == bindparam("until", type_=DateTime(timezone=True)),
)
_ADD = insert(outbox)


class SqlOutbox:
    """The outbox of one unit of work. Ids of messages that may go out at once are appended to ``added``."""

    def __init__(self, connection: AsyncConnection, added: list[MessageId]) -> None:
        self._connection = connection
        self._added = added

    async def add(
        self,
        account_id: AccountId,
        message: Message,
        *,
        routing_key: str | None = None,
        reply_to: str | None = None,
        delay_s: float = 0.0,
    ) -> MessageId:
        """Write one message into the outbox; it is published after the commit, not before ``delay_s`` has passed.

        Raises:
            ValueError: the message is no wake-up but a document, or a routing key is longer than the protocol allows.
        """
        key = routing_key or message.name
        body = message.model_dump_json().encode()
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"{message.name} has {len(body)} bytes; a message may have {MAX_BODY_BYTES}")
        if max(len(key.encode()), len((reply_to or "").encode())) > MAX_ROUTING_KEY_BYTES:
            raise ValueError(f"a routing key may have {MAX_ROUTING_KEY_BYTES} bytes: {key}, {reply_to}")
        envelope = Envelope(
            message_id=MessageId(uuid7()),
            account_id=account_id,
            name=message.name,
            version=message.version,
            body=body,
            routing_key=key,
            queue=message.queue.name if message.queue else None,
            correlation_id=tracing.current_correlation_id(),
            traceparent=tracing.current_traceparent(),
            reply_to=reply_to,
        )
        await _insert(self._connection, row_of(envelope), delay_s)
        if delay_s <= 0:
            self._added.append(envelope.message_id)
        return envelope.message_id


async def put_again(connection: AsyncConnection, envelope: Envelope, *, delay_s: float) -> MessageId:
    """Write the next attempt of a message: the same in all but its id and its count.

    The bytes are copied, not parsed and written anew: an older program would drop the optional fields that it does not know.
    """
    row = row_of(envelope) | {"message_id": uuid7(), "attempt": envelope.attempt + 1}
    await _insert(connection, row, delay_s)
    return MessageId(row["message_id"])


async def put_dead(connection: AsyncConnection, envelope: Envelope, reason: str) -> None:
    """Write a message as a dead letter, in the transaction that records its failure; the relay takes it to the others.

    Where the message's own row is still in the table (the in-process bus, or a relay that has not yet deleted what it has
    published), that row becomes the dead letter; losing its claim keeps the relay from deleting it.
    """
    row = row_of(envelope) | {"dead_reason": reason[:MAX_REASON_CHARS]}
    becomes = {"state": "pending", "claimed_until": None, "deliveries": 0, "dead_reason": row["dead_reason"]}
    statement = insert(outbox).values(**row)
    await connection.execute(statement.on_conflict_do_update(index_elements=[outbox.c.message_id], set_=becomes))


@dataclass(frozen=True)
class Claim:
    """Messages that one relay may publish until ``until``; that moment also tells its claim from any later one."""

    envelopes: list[Envelope]
    until: datetime | None


async def claim_due(connection: AsyncConnection, *, limit: int, claim_s: float) -> Claim:
    """Claim messages that are due, oldest first, and that no other relay has in hand."""
    found = await connection.execute(_CLAIM, {"most": limit, "claim": timedelta(seconds=claim_s)})
    rows = sorted(found.all(), key=lambda row: (row.available_at, row.message_id))
    return Claim([envelope_of(row) for row in rows], rows[0].claimed_until if rows else None)


async def forget_published(connection: AsyncConnection, claim: Claim, message_ids: Sequence[MessageId]) -> None:
    """Delete published messages, but none whose claim has run out or that has become something else meanwhile."""
    await connection.execute(_FORGET, {"ids": message_ids, "until": claim.until})


async def give_back(connection: AsyncConnection, claim: Claim, message_ids: Sequence[MessageId]) -> None:
    """End the claim of messages that the broker did not take; any relay may try again at once."""
    await connection.execute(update(outbox).where(*_claimed(claim, message_ids)).values(claimed_until=None))


async def postpone(connection: AsyncConnection, claim: Claim, message_ids: Sequence[MessageId]) -> None:
    """End the claim of messages that the broker refuses while it takes others; each refusal doubles the pause up to a minute."""
    pause = func.make_interval(0, 0, 0, 0, 0, 0, func.least(60.0, func.power(2.0, func.least(outbox.c.deliveries, 6))))
    later = {"claimed_until": None, "deliveries": outbox.c.deliveries + 1, "available_at": func.now() + pause}
    await connection.execute(update(outbox).where(*_claimed(claim, message_ids)).values(**later))


async def is_pending(connection: AsyncConnection, message_id: MessageId) -> bool:
    """Whether a message still waits to be published."""
    statement = select(outbox.c.message_id).where(outbox.c.message_id == message_id, outbox.c.state == "pending")
    return (await connection.execute(statement)).first() is not None


async def withdraw(connection: AsyncConnection, message_id: MessageId) -> bool:
    """Delete a message that was not published; False when it is out, or gone already.

    One that a relay is publishing right now is deleted too and may arrive all the same, as with any unconfirmed publish.
    """
    statement = delete(outbox).where(outbox.c.message_id == message_id, outbox.c.state == "pending")
    return (await connection.execute(statement)).rowcount > 0


@dataclass(frozen=True)
class Backlog:
    """What waits to be published."""

    count: int
    oldest_s: float


async def backlog(connection: AsyncConnection) -> Backlog:
    """How many messages are due and not yet published, and since when the oldest has been due."""
    age = func.extract("epoch", func.now() - func.min(outbox.c.available_at))
    due = (outbox.c.state == "pending", outbox.c.available_at <= func.now())
    row = (await connection.execute(select(func.count(), age).where(*due))).one()
    return Backlog(count=row[0], oldest_s=float(row[1] or 0.0))


async def commit_without_flush(connection: AsyncConnection) -> None:
    """Let this transaction's commit not wait for the disk: for what costs a duplicate at most if a crash of the server undoes it."""
    await connection.execute(text("SET LOCAL synchronous_commit TO off"))


def row_of(envelope: Envelope) -> dict[str, Any]:  # Any: a column's value
    """An envelope as the columns of its row."""
    return {
        "message_id": envelope.message_id,
        "account_id": envelope.account_id,
        "name": envelope.name,
        "version": envelope.version,
        "queue": envelope.queue,
        "routing_key": envelope.routing_key,
        "reply_to": envelope.reply_to,
        "correlation_id": envelope.correlation_id,
        "traceparent": envelope.traceparent,
        "body": envelope.body,
        "attempt": envelope.attempt,
        "dead_reason": envelope.headers.get(DEAD_REASON_HEADER),
    }


def envelope_of(row: Row[Any]) -> Envelope:  # Any: SQLAlchemy's rows do not carry their columns' types
    """A row's envelope; that of a dead letter says so in its headers."""
    return Envelope(
        message_id=MessageId(row.message_id),
        account_id=AccountId(row.account_id),
        name=row.name,
        version=row.version,
        body=row.body,
        routing_key=row.routing_key,
        queue=row.queue,
        correlation_id=row.correlation_id,
        traceparent=row.traceparent,
        reply_to=row.reply_to,
        attempt=row.attempt,
        headers={DEAD_REASON_HEADER: row.dead_reason} if row.dead_reason else {},
    )


async def _insert(connection: AsyncConnection, row: dict[str, Any], delay_s: float) -> None:  # Any: a column's value
    if delay_s > 0:
        await connection.execute(_ADD.values(**row, available_at=func.now() + timedelta(seconds=delay_s)))
    else:
        await connection.execute(_ADD, row)


def _claimed(claim: Claim, message_ids: Sequence[MessageId]) -> tuple[Any, ...]:  # Any: SQL conditions
    return outbox.c.message_id.in_(message_ids), outbox.c.state == "pending", outbox.c.claimed_until == claim.until
