"""What every message is: a named, versioned, frozen model, and the envelope in which it travels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from shared.ids import AccountId, MessageId


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue of commands. Its dead letters wait in ``dead_letters``.

    ``delivery_limit`` bounds how often the broker hands out one message before it is dead-lettered.
    """

    name: str
    delivery_limit: int = 5

    @property
    def dead_letters(self) -> str:
        """Name of the queue where this queue's dead letters wait."""
        return f"{self.name}.dead"


class Message(BaseModel):
    """A contract. A command names the queue that receives it; an event has none and goes to whoever listens."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    name: ClassVar[str]
    version: ClassVar[int] = 1
    queue: ClassVar[Queue | None] = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message under way: the body as bytes and what the bus needs to know of it.

    ``queue`` is None for an event. ``routing_key`` is the contract's name, or for a reply the asking process's own key.
    ``attempt`` counts how often the message has been tried again after a transient failure.
    """

    message_id: MessageId
    account_id: AccountId
    name: str
    version: int
    body: bytes
    routing_key: str
    queue: str | None = None
    correlation_id: str = ""
    traceparent: str = ""
    reply_to: str | None = None
    attempt: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
