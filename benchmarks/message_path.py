"""The message path against its parts by themselves: what do outbox, relay, runner and inbox add to a bare client and a bare commit?

Peers are measured in the same run: aio-pika publishing with confirms to a quorum queue of its own, aio-pika consuming with one
commit per message, one commit per accepted request.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
import structlog
import uvloop
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from sqlalchemy import insert

from benchmarks.report import Row
from shared.bus.inprocess import InProcessBus
from shared.bus.port import Bus
from shared.bus.rabbitmq import RabbitMqBus
from shared.bus.relay import Relay
from shared.bus.runner import Runner
from shared.contracts.message import Envelope
from shared.db.engine import PostgresDatabase
from shared.db.models.identity import accounts
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.ids import OPEN_ACCOUNT_ID, AccountId, uuid7
from tests.support import servers
from tests.support.databases import TestDatabases
from tests.support.rabbitmq_queues import delete_objects_of
from tests.support.toy_handlers import toy_handler
from tests.support.toys import TOY_QUEUE, ToyRequested, toy_command

PUBLISHED = 1000
BATCH = 100
ACCEPTED = 300
CLIENTS = 20
CONSUMED = 400
PREFETCH = 8
TRIED = 120


def run() -> Sequence[Row]:
    """Measure on the servers that the tests use."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with servers.available() as endpoints:
        databases = TestDatabases(endpoints.database_url)
        prefix = f"bench-{secrets.token_hex(3)}"
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measure(databases.create(), endpoints.broker_url, prefix))
        finally:
            databases.drop_all()
            delete_objects_of(endpoints.broker_url, prefix, [TOY_QUEUE])


@dataclass
class _Bare:
    """A bare client with a quorum queue of its own, and the database without outbox and inbox."""

    channel: AbstractChannel
    queue: str
    database: PostgresDatabase
    moments: list[float] = field(default_factory=list)

    async def publish(self) -> None:
        message = aio_pika.Message(toy_command().body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self.channel.default_exchange.publish(message, self.queue)

    async def commit(self) -> None:
        account_id = AccountId(uuid7())
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(insert(accounts).values(account_id=account_id, name=str(account_id)))

    async def consume(self, *, with_commit: bool) -> None:
        async def work(message: AbstractIncomingMessage) -> None:
            self.moments.append(time.perf_counter())
            if with_commit:
                await self.commit()
            await message.ack()

        await self.channel.set_qos(prefetch_count=PREFETCH)
        await (await self.channel.get_queue(self.queue, ensure=False)).consume(work, consumer_tag="bench")

    async def stop(self) -> None:
        queue = await self.channel.get_queue(self.queue, ensure=False)
        await queue.cancel("bench")
        self.moments.clear()


async def _measure(database_url: str, broker_url: str, prefix: str) -> list[Row]:
    async with AsyncExitStack() as stack:
        database = PostgresDatabase(database_url, pool_size=CLIENTS, application_name="bench")
        await database.start()
        stack.push_async_callback(database.close)
        bare = await stack.enter_async_context(_bare(broker_url, prefix, database))
        rabbitmq = RabbitMqBus(broker_url, prefix=prefix, instance="bench", queues=[TOY_QUEUE])
        await rabbitmq.start()
        stack.push_async_callback(rabbitmq.close, within_s=1.0)
        return [
            await _publishing(bare, rabbitmq),
            await _accepting(bare, database, rabbitmq),
            await _consuming(bare, database, rabbitmq),
            *await _starting(bare, database, rabbitmq),
        ]


async def _publishing(bare: _Bare, bus: Bus) -> Row:
    async def batch_of_bare() -> None:
        await asyncio.gather(*(bare.publish() for _ in range(BATCH)))

    async def batch_of_ours() -> None:
        await bus.publish([toy_command() for _ in range(BATCH)])

    peer = PUBLISHED / await _time(lambda: _repeat(batch_of_bare, PUBLISHED // BATCH))
    ours = PUBLISHED / await _time(lambda: _repeat(batch_of_ours, PUBLISHED // BATCH))
    return _rates(f"publish with confirms, {BATCH} at a time", ours, peer, "aio-pika", ">= 0.5")


async def _accepting(bare: _Bare, database: PostgresDatabase, bus: Bus) -> Row:
    relay = Relay(database, bus)
    await relay.start()

    async def accept() -> None:
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="x"))

    async def accept_all() -> None:
        await _by_clients(accept)
        async with database.unit_of_work(EVERY_ACCOUNT) as uow:
            last = await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="last"))
        if not await relay.published(last, 30.0):
            raise TimeoutError("the relay did not get through")

    peer = ACCEPTED / await _time(lambda: _by_clients(bare.commit))
    ours = ACCEPTED / await _time(accept_all)
    await relay.stop(within_s=1.0)
    return _rates(f"commit and publish, {CLIENTS} clients", ours, peer, "a bare commit", ">= 0.5")


async def _consuming(bare: _Bare, database: PostgresDatabase, bus: Bus) -> Row:
    async def bare_consumer() -> None:
        await bare.consume(with_commit=True)
        await _until(lambda: len(bare.moments) >= CONSUMED)

    # Both queues are full from the measurement of publishing.
    peer = CONSUMED / await _time(bare_consumer)
    await bare.stop()
    begun: list[float] = []
    runner = Runner(database, bus, [toy_handler(_note(begun), apply=_nothing)], prefetch=PREFETCH)

    async def our_consumer() -> None:
        await runner.start()
        await _until(lambda: len(begun) >= CONSUMED)

    ours = CONSUMED / await _time(our_consumer)
    await _until(lambda: len(begun) >= PUBLISHED)
    await runner.stop(within_s=1.0)
    return _rates(
        f"consume with one commit each, prefetch {PREFETCH}", ours, peer, "aio-pika and a bare commit", ">= 0.25"
    )


async def _starting(bare: _Bare, database: PostgresDatabase, rabbitmq: Bus) -> list[Row]:
    """From the moment when a request comes in to the moment when its work begins, against the bare client's way."""
    await (await bare.channel.get_queue(bare.queue, ensure=False)).purge()
    await bare.consume(with_commit=False)
    inprocess = InProcessBus(database, instance="bench")
    await inprocess.start()
    rows = []
    for name, bus in (("RabbitMQ", rabbitmq), ("in-process bus", inprocess)):
        begun: list[float] = []
        relay = Relay(database, bus)
        runner = Runner(database, bus, [toy_handler(_note(begun), apply=_nothing)], prefetch=PREFETCH)
        await relay.start()
        await runner.start()
        await asyncio.sleep(0.5)  # what the measurements before have left

        async def accept() -> None:
            async with database.unit_of_work(EVERY_ACCOUNT) as uow:
                await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="x"))

        # In turns, so that whatever else the machine does slows both.
        floor, ours = [], []
        for _ in range(TRIED):
            floor.append(await _latency(bare.publish, bare.moments))
            ours.append(await _latency(accept, begun))
        await runner.stop(within_s=1.0)
        await relay.stop(within_s=1.0)
        for share in (0.5, 0.99):
            ratio = _quantile(ours, share) / _quantile(floor, share)
            texts = [f"{_quantile(each, share) * 1e3:.1f} ms" for each in (ours, floor)]
            meaning = "time against aio-pika, publish to callback; lower is better"
            rows.append(
                Row(f"request to start of work, {name}, p{share * 100:g}", texts[0], texts[1], ratio, meaning, "<= 10")
            )
    await inprocess.close(within_s=1.0)
    await bare.stop()
    return rows


async def _latency(send: Callable[[], Awaitable[None]], begun: list[float]) -> float:
    """Seconds by which a work's beginning follows the beginning of the request that caused it."""
    before = len(begun)
    started = time.perf_counter()
    await send()
    await _until(lambda: len(begun) > before)
    return begun[before] - started


@asynccontextmanager
async def _bare(broker_url: str, prefix: str, database: PostgresDatabase) -> AsyncIterator[_Bare]:
    connection = await aio_pika.connect(broker_url)
    async with connection:
        channel = await connection.channel()
        queue = f"{prefix}.bare"
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        yield _Bare(channel, queue, database)
        await channel.queue_delete(queue)


async def _by_clients(request: Callable[[], Awaitable[None]]) -> None:
    async def client() -> None:
        for _ in range(ACCEPTED // CLIENTS):
            await request()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def _repeat(call: Callable[[], Awaitable[None]], times: int) -> None:
    for _ in range(times):
        await call()


async def _time(call: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


async def _until(is_reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_reached():  # noqa: ASYNC110 - the callbacks of the bare client have nothing to wait on
            await asyncio.sleep(0.0005)


def _note(begun: list[float]) -> Callable[[Envelope, ToyRequested], Awaitable[str]]:
    async def work(_: Envelope, message: ToyRequested) -> str:
        begun.append(time.perf_counter())
        return message.label

    return work


async def _nothing(*_: UnitOfWork | Envelope | ToyRequested | str) -> None:
    return


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _rates(name: str, ours: float, peer: float, peer_name: str, target: str) -> Row:
    meaning = f"rate against {peer_name}; higher is better"
    return Row(name, f"{ours:.0f}/s", f"{peer:.0f}/s", ours / peer, meaning, target)
