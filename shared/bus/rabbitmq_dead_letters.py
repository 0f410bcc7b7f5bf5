"""The dead-letter queues at RabbitMQ: look at them, replay, drop. For an operator's hand, not for many at a time.

A message is taken out unacknowledged, looked at, and goes back to where it was when the channel closes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiormq.abc
from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage

from shared.bus.amqp import death_of, message_id_of
from shared.bus.port import DeadLetter
from shared.bus.rabbitmq_link import ANSWER_WITHIN_S, Session, within
from shared.bus.rabbitmq_topology import Names
from shared.contracts.message import Queue
from shared.errors import BrokerUnavailable
from shared.ids import MessageId

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


async def count(session: Session, names: Names, queue_name: str) -> int:
    """How many messages wait in a queue; a passive declare, since the broker's lists lag behind."""
    channel = await session.channel()
    try:
        async with within(ANSWER_WITHIN_S, "counting messages"):
            declared = await channel.declare_queue(names.queue(queue_name), passive=True)
        return declared.declaration_result.message_count or 0
    finally:
        await _close(channel)


async def look(session: Session, names: Names, queue: Queue, *, limit: int) -> list[DeadLetter]:
    """A queue's dead letters, oldest first."""
    found: list[DeadLetter] = []
    async with _reading(session, names, queue) as reader:
        while len(found) < limit and (delivered := await reader.next()) is not None:
            reason, died_at = death_of(delivered)
            name = delivered.header.properties.message_type or ""
            found.append(DeadLetter(queue.name, message_id_of(delivered), name, reason, delivered.body, died_at))
    return sorted(found, key=lambda letter: letter.died_at or _LONG_AGO)


async def take(
    session: Session,
    names: Names,
    queue: Queue,
    message_id: MessageId | None,
    then: Callable[[DeliveredMessage], Awaitable[None]],
) -> int:
    """Remove one or all dead letters, each once ``then`` is done with it; returns how many."""
    waiting = await count(session, names, queue.dead_letters)
    taken = 0
    async with _reading(session, names, queue) as reader:
        # No more than there were: what dies again meanwhile is for the next time.
        for _ in range(waiting):
            delivered = await reader.next()
            if delivered is None:
                break
            if message_id is None or message_id_of(delivered) == message_id:
                await then(delivered)
                await reader.remove(delivered)
                taken += 1
    return taken


class _Reader:
    """Takes messages out of a dead-letter queue one by one, and remembers how many of them have to go back."""

    def __init__(self, channel: aiormq.abc.AbstractChannel, queue_name: str) -> None:
        self.to_go_back = 0
        self._channel = channel
        self._queue_name = queue_name

    async def next(self) -> DeliveredMessage | None:
        """The next message, or None at the end."""
        async with within(ANSWER_WITHIN_S, "reading dead letters"):
            delivered = await self._channel.basic_get(self._queue_name)
        if delivered.delivery_tag is None:
            return None
        self.to_go_back += 1
        return delivered

    async def remove(self, delivered: DeliveredMessage) -> None:
        """Let it not go back."""
        async with within(ANSWER_WITHIN_S, "removing a dead letter"):
            await self._channel.basic_ack(delivered.delivery_tag or 0)
        self.to_go_back -= 1


@asynccontextmanager
async def _reading(session: Session, names: Names, queue: Queue) -> AsyncIterator[_Reader]:
    channel = await session.channel()
    reader = _Reader(await channel.get_underlay_channel(), names.queue(queue.dead_letters))
    try:
        yield reader
    finally:
        await _close(channel)
    await _until_back(session, names, queue, reader.to_go_back)


async def _until_back(session: Session, names: Names, queue: Queue, at_least: int) -> None:
    """Wait until the queue shows again what went back, or whoever looks next would miss it; others may take it meanwhile."""
    give_up = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
    while at_least and await count(session, names, queue.dead_letters) < at_least:
        if asyncio.get_running_loop().time() > give_up:
            return
        await asyncio.sleep(0.02)


async def _close(channel: AbstractChannel) -> None:
    with contextlib.suppress(BrokerUnavailable):
        async with within(ANSWER_WITHIN_S, "closing a channel"):
            await channel.close()
