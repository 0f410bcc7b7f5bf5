"""The bus on RabbitMQ: commands in durable quorum queues with confirms both ways, events to whoever listens.

Two connections, one to publish and one to receive: a broker that is short of memory or disk stops reading from connections that
publish, and acknowledgements must not be stuck behind those.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError
from aiormq.abc import DeliveredMessage

from shared.bus import rabbitmq_dead_letters
from shared.bus.amqp import DIED_AT_HEADER, dead_copy, message_id_of, replay_copy, to_amqp
from shared.bus.codec import replay_id
from shared.bus.port import Consumer, DeadLetter, OnDelivery, OnEvent
from shared.bus.rabbitmq_consumer import RabbitMqConsumer, RabbitMqSubscription
from shared.bus.rabbitmq_link import Link, Session
from shared.bus.rabbitmq_topology import Names, declare_exchanges, declare_queues
from shared.clock import SystemClock
from shared.contracts.message import Envelope, Queue
from shared.contracts.registry import CONTRACTS
from shared.db.outbox import DEAD_REASON_HEADER
from shared.errors import BrokerUnavailable
from shared.ids import MessageId


@dataclass(frozen=True)
class _Outgoing:
    """A message and where it goes. One that must arrive somewhere is an error where no queue takes it."""

    message: aio_pika.Message
    exchange: str
    routing_key: str
    is_mandatory: bool = True


class RabbitMqBus:
    """The ``Bus`` port on a RabbitMQ server. ``prefix`` stands before the names of all that it declares there."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "busbar",
        instance: str,
        publish_timeout_s: float = 2.0,
        heartbeat_s: int = 5,
        queues: Sequence[Queue] | None = None,
    ) -> None:
        self._names = Names(prefix)
        self._instance = re.sub("[^A-Za-z0-9_.:+-]", "-", instance)
        self._publish_timeout_s = publish_timeout_s
        self._queues = _queues_of_contracts() if queues is None else list(queues)
        self._publisher: _Publisher | None = None
        self._receivers: list[Consumer] = []
        self._sending = Link(
            url, name=f"{self._instance}:publish", heartbeat_s=heartbeat_s, on_open=self._open_publisher
        )
        self._receiving = Link(
            url, name=f"{self._instance}:receive", heartbeat_s=heartbeat_s, on_open=_nothing_to_prepare
        )

    async def start(self) -> None:
        """Connect, or begin to try; declares all exchanges and queues."""
        await asyncio.gather(self._sending.start(), self._receiving.start())

    async def close(self, *, within_s: float = 5.0) -> None:
        """Stop consumers and disconnect."""
        await asyncio.gather(*(receiver.stop(within_s=within_s) for receiver in self._receivers))
        await asyncio.gather(self._sending.close(), self._receiving.close())

    @property
    def is_connected(self) -> bool:
        """Whether both connections answered lately."""
        return self._sending.session is not None and self._receiving.session is not None

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Hand over messages, all at once; returns when the broker has confirmed each.

        Raises:
            BrokerUnavailable: not all were confirmed in time (some may have arrived all the same).
        """
        await self._publish([self._routed(envelope) for envelope in envelopes])

    async def consume(self, queue: Queue, on_delivery: OnDelivery, *, prefetch: int) -> Consumer:
        """Receive commands of a queue, at most ``prefetch`` at a time."""
        consumer = RabbitMqConsumer(
            self._receiving, self._names, queue, on_delivery, prefetch=prefetch, bury=self._bury
        )
        self._receivers.append(consumer)
        await consumer.start()
        return consumer

    async def subscribe(self, routing_keys: Sequence[str], on_event: OnEvent) -> Consumer:
        """Receive events that match any of the keys while this process lives."""
        subscription = RabbitMqSubscription(self._receiving, self._names, routing_keys, on_event)
        self._receivers.append(subscription)
        await subscription.start()
        return subscription

    async def queue_depth(self, queue: Queue) -> int:
        """How many commands wait in a queue."""
        return await rabbitmq_dead_letters.count(self._session(), self._names, queue.name)

    async def dead_letters(self, queue: Queue, *, limit: int = 100) -> list[DeadLetter]:
        """A queue's dead letters, oldest first."""
        return await rabbitmq_dead_letters.look(self._session(), self._names, queue, limit=limit)

    async def dead_letter_count(self, queue: Queue) -> int:
        """How many dead letters a queue has."""
        return await rabbitmq_dead_letters.count(self._session(), self._names, queue.dead_letters)

    async def replay(self, queue: Queue, message_id: MessageId | None) -> int:
        """Put dead letters back into their queue, under ids of their own and with a fresh count of deliveries."""

        async def send(delivered: DeliveredMessage) -> None:
            old_id = message_id_of(delivered)
            message = replay_copy(delivered, replay_id(old_id) if old_id else None)
            await self._publish([_Outgoing(message, self._names.commands, self._names.queue(queue.name))])

        return await rabbitmq_dead_letters.take(self._session(), self._names, queue, message_id, send)

    async def drop(self, queue: Queue, message_id: MessageId | None) -> int:
        """Delete dead letters."""
        return await rabbitmq_dead_letters.take(self._session(), self._names, queue, message_id, _nothing_more)

    async def _open_publisher(self, session: Session) -> None:
        channel = await session.channel()
        await declare_exchanges(channel, self._names)
        await declare_queues(channel, self._names, self._queues)
        names = (self._names.commands, self._names.events, self._names.dead)
        exchanges = {name: await channel.get_exchange(name, ensure=False) for name in names}
        self._publisher = _Publisher(session, exchanges)

    def _routed(self, envelope: Envelope) -> _Outgoing:
        message = to_amqp(envelope, sender=self._instance)
        if envelope.queue is None:
            return _Outgoing(message, self._names.events, envelope.routing_key, is_mandatory=False)
        if DEAD_REASON_HEADER in envelope.headers:
            message.headers[DIED_AT_HEADER] = SystemClock().now().isoformat()
            return _Outgoing(message, self._names.dead, self._names.queue(envelope.queue))
        return _Outgoing(message, self._names.commands, self._names.queue(envelope.queue))

    async def _bury(self, queue: Queue, delivered: DeliveredMessage, reason: str) -> None:
        message = dead_copy(delivered, reason=reason, died_at=SystemClock().now())
        await self._publish([_Outgoing(message, self._names.dead, self._names.queue(queue.name))])

    async def _publish(self, outgoing: Sequence[_Outgoing]) -> None:
        publisher = self._publisher
        if publisher is None or publisher.session is not self._sending.session:
            raise BrokerUnavailable("not connected to the broker")
        if outgoing:
            await publisher.send(outgoing, within_s=self._publish_timeout_s)

    def _session(self) -> Session:
        session = self._receiving.session
        if session is None:
            raise BrokerUnavailable("not connected to the broker")
        return session


class _Publisher:
    """Publishes on one session. A message that the broker gives no word on costs the session: nothing else would end the wait."""

    def __init__(self, session: Session, exchanges: Mapping[str, AbstractExchange]) -> None:
        self.session = session
        self._exchanges = exchanges

    async def send(self, outgoing: Sequence[_Outgoing], *, within_s: float) -> None:
        # Each in a task of its own: so they are confirmed together, and a cancellation by the library, which it deals out when it
        # gives up a connection, ends that task and is not taken for one of ours.
        tasks = [asyncio.create_task(self._send(each)) for each in outgoing]
        for task in tasks:
            task.add_done_callback(_failure)
        try:
            _, late = await asyncio.wait(tasks, timeout=within_s)
        finally:
            for task in tasks:
                task.cancel()
        if late:
            self.session.cut()
            raise BrokerUnavailable(
                f"the broker confirmed {len(tasks) - len(late)} of {len(tasks)} messages within {within_s:g} s"
            )
        failures = [failure for task in tasks if (failure := _failure(task)) is not None]
        if not failures:
            return
        if any(_means_broken(failure) for failure in failures):
            self.session.cut()
        raise BrokerUnavailable(
            f"the broker did not take {len(failures)} of {len(tasks)} messages: {failures[0]!r}"
        ) from failures[0]

    async def _send(self, each: _Outgoing) -> None:
        exchange = self._exchanges[each.exchange]
        await exchange.publish(each.message, each.routing_key, mandatory=each.is_mandatory)


def _means_broken(failure: BaseException) -> bool:
    # A message that is returned or refused says that the connection is well.
    return isinstance(failure, (asyncio.CancelledError, *CONNECTION_EXCEPTIONS)) and not isinstance(
        failure, DeliveryError
    )


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return asyncio.CancelledError("given up by the client library") if task.cancelled() else task.exception()


def _queues_of_contracts() -> list[Queue]:
    return list({contract.queue: None for contract in CONTRACTS if contract.queue is not None})


async def _nothing_to_prepare(_: Session) -> None:
    return


async def _nothing_more(_: DeliveredMessage) -> None:
    return
