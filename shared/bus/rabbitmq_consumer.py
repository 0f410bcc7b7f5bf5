"""Receiving from RabbitMQ: consumers of commands and subscriptions to events, which come back by themselves on each new session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import aiormq.abc
import structlog
from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage

from shared.background import back_off_s
from shared.bus.amqp import from_amqp
from shared.bus.in_hand import InHand
from shared.bus.listener import Listener
from shared.bus.port import OnDelivery, OnEvent
from shared.bus.rabbitmq_link import ANSWER_WITHIN_S, SETUP_WITHIN_S, Link, Session, within
from shared.bus.rabbitmq_topology import Names, declare_exchanges, declare_queues
from shared.contracts.message import Envelope, Queue
from shared.errors import BrokerUnavailable

log = structlog.get_logger()

SETTLE_WITHIN_S = 2.0

# Puts a message into the dead letters of a queue, with a reason; returns once the broker has it there.
Bury = Callable[[Queue, DeliveredMessage, str], Awaitable[None]]


class RabbitMqDelivery:
    """A message in this process's hands. How it ends is written to the channel that it came by, or cannot be written."""

    def __init__(self, delivered: DeliveredMessage, queue: Queue, bury: Bury) -> None:
        self._delivered = delivered
        self._queue = queue
        self._bury = bury
        self._envelope = from_amqp(delivered, queue=queue.name)

    @property
    def envelope(self) -> Envelope | None:
        """The message, or None where it is not one of ours."""
        return self._envelope

    @property
    def raw_body(self) -> bytes:
        """The body as it came."""
        return self._delivered.body

    async def ack(self) -> None:
        """Done: the message is gone."""
        async with within(SETTLE_WITHIN_S, "acknowledging"):
            await self._delivered.channel.basic_ack(self._tag)

    async def requeue(self) -> None:
        """Not now: hand it out again; counts towards the delivery limit."""
        async with within(SETTLE_WITHIN_S, "handing back"):
            await self._delivered.channel.basic_nack(self._tag, requeue=True)

    async def dead_letter(self, reason: str) -> None:
        """Never: move it to the dead-letter queue with a reason. It leaves this queue once it has arrived in the other."""
        await self._bury(self._queue, self._delivered, reason)
        await self.ack()

    @property
    def _tag(self) -> int:
        tag = self._delivered.delivery_tag
        if tag is None:
            raise BrokerUnavailable("the broker gave the message no tag")
        return tag


class RabbitMqConsumer:
    """A consumer of one queue's commands."""

    def __init__(
        self, link: Link, names: Names, queue: Queue, on_delivery: OnDelivery, *, prefetch: int, bury: Bury
    ) -> None:
        self._names = names
        self._queue = queue
        self._prefetch = prefetch
        self._bury = bury
        self._in_hand = InHand(on_delivery, prefetch)
        self._receiver = _Receiver(link, self._prepare, self._take, on_end=self._in_hand.drop_waiting)

    async def start(self) -> None:
        """Begin; without a broker too."""
        await self._receiver.start()

    async def stop(self, *, within_s: float) -> None:
        """Take no more, wait for those in hand up to the deadline, hand the rest back."""
        await self._receiver.pause()
        await self._in_hand.stop(within_s=within_s)
        await self._receiver.stop()

    async def _prepare(self, channel: AbstractChannel) -> str:
        await channel.set_qos(prefetch_count=self._prefetch)
        await declare_exchanges(channel, self._names)
        await declare_queues(channel, self._names, [self._queue])
        return self._names.queue(self._queue.name)

    def _take(self, delivered: DeliveredMessage) -> None:
        self._in_hand.take(RabbitMqDelivery(delivered, self._queue, self._bury))


class RabbitMqSubscription:
    """A subscription to events, by a queue that lives as long as the session. What is published in between is missed."""

    def __init__(self, link: Link, names: Names, routing_keys: Sequence[str], on_event: OnEvent) -> None:
        self._names = names
        self._routing_keys = tuple(routing_keys)
        self._listener = Listener(on_event)
        self._receiver = _Receiver(link, self._prepare, self._take, wants_acknowledgements=False)

    async def start(self) -> None:
        """Begin; without a broker too."""
        await self._receiver.start()

    async def stop(self, *, within_s: float) -> None:
        """Take no more; what waits is heard, up to the deadline."""
        await self._receiver.pause()
        await self._receiver.stop()
        await self._listener.stop(within_s=within_s)

    async def _prepare(self, channel: AbstractChannel) -> str:
        await declare_exchanges(channel, self._names)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        for key in self._routing_keys:
            await queue.bind(self._names.events, key)
        return queue.name

    def _take(self, delivered: DeliveredMessage) -> None:
        event = from_amqp(delivered, queue=None)
        if event is None:
            log.warning("event_unreadable", routing_key=delivered.routing_key)
        else:
            self._listener.offer(event)


class _Receiver:
    """Opens a channel on each session, prepares it, and receives until it ends, whatever ends it; then on the next."""

    def __init__(
        self,
        link: Link,
        prepare: Callable[[AbstractChannel], Awaitable[str]],
        take: Callable[[DeliveredMessage], None],
        *,
        on_end: Callable[[], None] = lambda: None,
        wants_acknowledgements: bool = True,
    ) -> None:
        self._link = link
        self._prepare = prepare
        self._take = take
        self._on_end = on_end
        self._wants_acknowledgements = wants_acknowledgements
        self._is_stopping = False
        self._consuming: tuple[aiormq.abc.AbstractChannel, str] | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; where the broker is there, returns when it delivers."""
        self._task = asyncio.create_task(self._keep())
        if self._link.session is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETUP_WITHIN_S):
                    await self._ready.wait()

    async def pause(self) -> None:
        """Ask for no more; what has come can still be acknowledged."""
        self._is_stopping = True
        if self._consuming is not None:
            channel, tag = self._consuming
            with contextlib.suppress(BrokerUnavailable):
                async with within(ANSWER_WITHIN_S, "ending to consume"):
                    await channel.basic_cancel(tag)

    async def stop(self) -> None:
        """Close the channel, on which the broker takes back what was not acknowledged."""
        self._is_stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=2 * ANSWER_WITHIN_S)

    async def _keep(self) -> None:
        failures = 0
        while not self._is_stopping:
            session = await self._link.next_session()
            self._ready.clear()
            try:
                await self._receive_on(session)
            except BrokerUnavailable as error:
                log.warning("consumer_interrupted", reason=error.message)
            except Exception:
                log.exception("consumer_failed")
            finally:
                self._consuming = None
                self._on_end()
            failures = 1 if self._ready.is_set() else failures + 1
            await asyncio.sleep(back_off_s(failures))

    async def _receive_on(self, session: Session) -> None:
        channel = await session.channel()
        try:
            ended = asyncio.Event()
            async with within(SETUP_WITHIN_S, "beginning to consume"):
                of_library = await channel.get_underlay_channel()
                closing = of_library.closing  # kept, as it is what hears of the end
                closing.add_done_callback(lambda _: ended.set())
                of_library.on_consumer_cancel_callbacks.add(lambda _: ended.set())
                queue_name = await self._prepare(channel)
                consuming = await of_library.basic_consume(
                    queue_name, self._on_message, no_ack=not self._wants_acknowledgements
                )
            self._consuming = of_library, str(consuming.consumer_tag)
            self._ready.set()
            await _first_of(session.lost, ended)
        finally:
            if not session.lost.is_set():
                with contextlib.suppress(BrokerUnavailable):
                    async with within(ANSWER_WITHIN_S, "closing a channel"):
                        await channel.close()

    async def _on_message(self, delivered: DeliveredMessage) -> None:
        # In a task of the library's, which it cancels with the connection: nothing may wait here.
        if not self._is_stopping:
            self._take(delivered)


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
