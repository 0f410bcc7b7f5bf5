"""The port to the message broker. Two adapters keep its word: ``rabbitmq.py`` and ``inprocess.py``; one set of tests runs against both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.contracts.message import Envelope, Queue
from shared.ids import MessageId


class Delivery(Protocol):
    """A message handed to a consumer, who ends it with exactly one of the three calls."""

    @property
    def envelope(self) -> Envelope | None:
        """The message, or None where its outer form could not be read (the raw bytes are in ``raw_body``)."""
        ...

    @property
    def raw_body(self) -> bytes:
        """The body as it came."""
        ...

    async def ack(self) -> None:
        """Done: the message is gone."""
        ...

    async def requeue(self) -> None:
        """Not now: hand it out again; counts towards the delivery limit."""
        ...

    async def dead_letter(self, reason: str) -> None:
        """Never: move it to the dead-letter queue with a reason."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message in a dead-letter queue."""

    queue: str
    message_id: MessageId | None
    name: str
    reason: str
    body: bytes
    died_at: datetime | None


class Consumer(Protocol):
    """A running consumer or subscription."""

    async def stop(self, *, within_s: float) -> None:
        """Take no more messages, wait for those in hand up to the deadline, hand the rest back."""
        ...


OnDelivery = Callable[[Delivery], Awaitable[None]]
OnEvent = Callable[[Envelope], Awaitable[None]]


class Bus(Protocol):
    """Carries commands to durable queues and events to whoever listens."""

    async def start(self) -> None:
        """Connect, or begin to try; declare what must exist. Returns without a broker too, and goes on trying."""
        ...

    async def close(self, *, within_s: float = 5.0) -> None:
        """Stop consumers and disconnect."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether a publish would have a chance now."""
        ...

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Hand over messages; returns once all are safe.

        Raises:
            BrokerUnavailable: not all were confirmed in time (some may have arrived all the same).
        """
        ...

    async def consume(self, queue: Queue, on_delivery: OnDelivery, *, prefetch: int) -> Consumer:
        """Receive commands of a queue, at most ``prefetch`` at a time, competing with other consumers of it; survives reconnects."""
        ...

    async def subscribe(self, routing_keys: Sequence[str], on_event: OnEvent) -> Consumer:
        """Receive events that match any of the keys (``*`` one word, ``#`` any) while this process lives; not durable."""
        ...

    async def queue_depth(self, queue: Queue) -> int:
        """How many commands wait in a queue."""
        ...

    async def dead_letters(self, queue: Queue, *, limit: int = 100) -> list[DeadLetter]:
        """What waits in a queue's dead-letter queue, oldest first; nothing is removed."""
        ...

    async def dead_letter_count(self, queue: Queue) -> int:
        """How many messages wait in a queue's dead-letter queue."""
        ...

    async def replay(self, queue: Queue, message_id: MessageId | None) -> int:
        """Put one dead letter (or with None all) back into its queue; returns how many."""
        ...

    async def drop(self, queue: Queue, message_id: MessageId | None) -> int:
        """Delete one dead letter (or with None all); returns how many."""
        ...
