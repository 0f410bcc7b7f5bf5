"""Contracts, envelopes and a table for tests of the message path, which know nothing of any service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid

from shared.contracts.asks import Question
from shared.contracts.message import Envelope, Message, Queue
from shared.ids import OPEN_ACCOUNT_ID, AskId, MessageId, uuid7

TOY_QUEUE = Queue("busbar.toy", delivery_limit=2)

# Not of the application's own tables: tests make it where they need it.
toy_metadata = MetaData()
toy_effects = Table(
    "toy_effects",
    toy_metadata,
    Column("label", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("failure", Text),
    Column("caused_by", Uuid),
)


class ToyRequested(Question):
    """A command that the tests' handlers understand."""

    name = "toy.work.requested"
    queue: ClassVar[Queue | None] = TOY_QUEUE
    label: str
    ask_id: AskId = Field(default_factory=lambda: AskId(uuid7()))


class ToyHappened(Message):
    """An event."""

    name = "toy.work.happened"
    label: str


def toy_command(label: str = "a", *, message_id: MessageId | None = None, body: bytes | None = None) -> Envelope:
    """An envelope with a toy command, as a relay makes it from an outbox row."""
    return Envelope(
        message_id=message_id or MessageId(uuid7()),
        account_id=OPEN_ACCOUNT_ID,
        name=ToyRequested.name,
        version=1,
        body=ToyRequested(label=label).model_dump_json().encode() if body is None else body,
        routing_key=ToyRequested.name,
        queue=TOY_QUEUE.name,
        correlation_id=f"correlation of {label}",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def toy_event(label: str, routing_key: str = ToyHappened.name) -> Envelope:
    """An envelope with a toy event."""
    return Envelope(
        message_id=MessageId(uuid7()),
        account_id=OPEN_ACCOUNT_ID,
        name=ToyHappened.name,
        version=1,
        body=ToyHappened(label=label).model_dump_json().encode(),
        routing_key=routing_key,
    )
