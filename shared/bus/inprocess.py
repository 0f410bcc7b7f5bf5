"""The bus without a broker: commands stay in the outbox table until they are done, events go from hand to hand in memory.

It loses as little as a broker does: a command is a row until its consumer acknowledges it, and a process that dies leaves a
claim that runs out. Events are for whoever listens in this process while it lives, which is all that events promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.background import BackgroundLoop
from shared.bus.codec import matches, replay_id
from shared.bus.in_hand import InHand
from shared.bus.listener import Listener
from shared.bus.port import Consumer, DeadLetter, OnDelivery, OnEvent
from shared.contracts.message import Envelope, Queue
from shared.db import command_queue
from shared.db.command_queue import Claimed
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import BrokerUnavailable, DatabaseUnavailable
from shared.ids import MessageId

LOOK_EVERY_S = 0.2
CLAIM_S = 6.0
# Of a stop's time, what the loops may take; work in hand gets the rest.
LOOP_STOPS_WITHIN_S = 0.5


class Work(Protocol):
    """A transaction of the bus."""

    def __call__(self, *, is_durable: bool = True) -> AbstractAsyncContextManager[AsyncConnection]:
        """As ``Database.unit_of_work``."""
        ...


class InProcessBus:
    """The ``Bus`` port on the outbox table."""

    def __init__(self, database: Database, *, instance: str, claim_s: float = CLAIM_S) -> None:
        self._database = database
        self._instance = instance
        self._claim_s = claim_s
        self._is_running = False
        self._consumers: set[_Consumer] = set()
        self._subscriptions: set[_Subscription] = set()

    async def start(self) -> None:
        """Take part; there is nothing to connect to."""
        self._is_running = True

    async def close(self, *, within_s: float = 5.0) -> None:
        """Stop consumers and subscriptions."""
        self._is_running = False
        running: list[Consumer] = [*self._consumers, *self._subscriptions]
        await asyncio.gather(*(each.stop(within_s=within_s) for each in running))

    @property
    def is_connected(self) -> bool:
        """Whether it runs; whether the database answers is the database's to say."""
        return self._is_running

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Queue the commands and hand the events round."""
        if not self._is_running:
            raise BrokerUnavailable("the bus is closed")
        commands = [envelope for envelope in envelopes if envelope.queue is not None]
        if commands:
            async with self._work() as connection:
                await command_queue.enqueue(connection, commands)
            self._wake_consumers({envelope.queue for envelope in commands})
        for event in (envelope for envelope in envelopes if envelope.queue is None):
            for subscription in self._subscriptions:
                subscription.offer(event)

    async def consume(self, queue: Queue, on_delivery: OnDelivery, *, prefetch: int) -> Consumer:
        """Receive the commands of a queue, competing with other consumers of it, in other processes too."""
        consumer = _Consumer(
            self._work,
            queue,
            InHand(on_delivery, prefetch),
            claim_s=self._claim_s,
            name=f"{self._instance}: {queue.name}",
        )
        self._consumers.add(consumer)
        consumer.start(on_stop=lambda: self._consumers.discard(consumer))
        return consumer

    async def subscribe(self, routing_keys: Sequence[str], on_event: OnEvent) -> Consumer:
        """Receive events that are published in this process."""
        subscription = _Subscription(tuple(routing_keys), Listener(on_event), self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    async def queue_depth(self, queue: Queue) -> int:
        """How many commands wait in a queue."""
        async with self._work() as connection:
            return await command_queue.depth(connection, queue)

    async def dead_letters(self, queue: Queue, *, limit: int = 100) -> list[DeadLetter]:
        """A queue's dead letters, oldest first."""
        async with self._work() as connection:
            dead = await command_queue.dead(connection, queue, limit=limit)
        return [
            DeadLetter(
                queue=queue.name,
                message_id=each.envelope.message_id,
                name=each.envelope.name,
                reason=each.reason,
                body=each.envelope.body,
                died_at=each.died_at,
            )
            for each in dead
        ]

    async def dead_letter_count(self, queue: Queue) -> int:
        """How many dead letters a queue has."""
        async with self._work() as connection:
            return await command_queue.count_dead(connection, queue)

    async def replay(self, queue: Queue, message_id: MessageId | None) -> int:
        """Put dead letters back into their queue, under ids of their own."""
        async with self._work() as connection:
            dead = await command_queue.take_dead(connection, queue, message_id)
            again = [replace(each, message_id=replay_id(each.message_id), attempt=0, headers={}) for each in dead]
            if again:
                await command_queue.enqueue(connection, again)
        self._wake_consumers({queue.name})
        return len(again)

    async def drop(self, queue: Queue, message_id: MessageId | None) -> int:
        """Delete dead letters."""
        async with self._work() as connection:
            return len(await command_queue.take_dead(connection, queue, message_id))

    def _wake_consumers(self, queues: set[str | None]) -> None:
        for consumer in self._consumers:
            if consumer.queue.name in queues:
                consumer.wake()

    @asynccontextmanager
    async def _work(self, *, is_durable: bool = True) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.unit_of_work(EVERY_ACCOUNT, is_durable=is_durable) as uow:
                yield uow.connection
        except DatabaseUnavailable as error:
            raise BrokerUnavailable(f"the bus's database is away: {error.message}") from error


class _Consumer:
    """Claims commands whenever there is room for them, and keeps the claims of those at work."""

    def __init__(self, work: Work, queue: Queue, in_hand: InHand, *, claim_s: float, name: str) -> None:
        self.queue = queue
        self._work = work
        self._claim_s = claim_s
        self._on_stop: Callable[[], None] = lambda: None
        self._in_hand = in_hand
        self._in_hand.on_room = self.wake
        self._claims = BackgroundLoop(f"{name}: claim", self._claim, every_s=LOOK_EVERY_S)
        self._renewals = BackgroundLoop(f"{name}: renew", self._renew, every_s=claim_s / 4)

    def start(self, *, on_stop: Callable[[], None]) -> None:
        self._on_stop = on_stop
        self._claims.start()
        self._renewals.start()

    def wake(self) -> None:
        """There may be something to claim, or room for it."""
        self._claims.wake()

    async def stop(self, *, within_s: float) -> None:
        """Claim no more, wait for those in hand up to the deadline, hand the rest back."""
        await self._claims.stop(within_s=LOOP_STOPS_WITHIN_S)
        await self._in_hand.stop(within_s=max(0.0, within_s - 2 * LOOP_STOPS_WITHIN_S))
        await self._renewals.stop(within_s=LOOP_STOPS_WITHIN_S)
        self._on_stop()

    async def _claim(self) -> bool:
        room = self._in_hand.room
        if not room:
            return False
        async with self._work(is_durable=False) as connection:
            claimed = await command_queue.claim(connection, self.queue, limit=room, claim_s=self._claim_s)
        for each in claimed:
            self._in_hand.take(_Delivery(self._work, self.queue, each))
        return len(claimed) == room

    async def _renew(self) -> None:
        keys = [each.claimed.key for each in self._in_hand.at_work if isinstance(each, _Delivery)]
        if keys:
            async with self._work(is_durable=False) as connection:
                await command_queue.renew(connection, keys, self._claim_s)


@dataclass(frozen=True)
class _Delivery:
    """A claimed row. Its acknowledgement need not reach the disk: undone by a crash, the row is delivered again, as a duplicate."""

    work: Work
    queue: Queue
    claimed: Claimed

    @property
    def envelope(self) -> Envelope:
        return self.claimed.envelope

    @property
    def raw_body(self) -> bytes:
        return self.claimed.envelope.body

    async def ack(self) -> None:
        async with self.work(is_durable=False) as connection:
            await command_queue.acknowledge(connection, self.claimed)

    async def requeue(self) -> None:
        async with self.work() as connection:
            await command_queue.hand_back(connection, self.queue, self.claimed)

    async def dead_letter(self, reason: str) -> None:
        async with self.work() as connection:
            await command_queue.bury(connection, self.claimed, reason)


@dataclass(frozen=True, eq=False)
class _Subscription:
    routing_keys: tuple[str, ...]
    listener: Listener
    on_stop: Callable[[_Subscription], None]

    def offer(self, event: Envelope) -> None:
        if any(matches(pattern, event.routing_key) for pattern in self.routing_keys):
            self.listener.offer(event)

    async def stop(self, *, within_s: float) -> None:
        self.on_stop(self)
        await self.listener.stop(within_s=within_s)
