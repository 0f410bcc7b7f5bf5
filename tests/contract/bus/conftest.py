"""Both adapters of the bus, for tests that either must pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shared.bus.handler import Handler
from shared.bus.inprocess import InProcessBus
from shared.bus.port import Bus
from shared.bus.rabbitmq import RabbitMqBus
from shared.bus.relay import Relay
from shared.bus.runner import Runner
from shared.contracts.message import Queue
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, MessageId
from tests.support.toy_handlers import make_toy_tables
from tests.support.toys import TOY_QUEUE, ToyRequested

MakeBus = Callable[[], Awaitable[Bus]]


@dataclass(frozen=True)
class Address:
    """Where the buses of one test meet, for a process outside that wants to take part."""

    kind: str
    database_url: str
    broker_url: str
    prefix: str


@pytest.fixture(params=["rabbitmq", "inprocess"])
def address(
    request: pytest.FixtureRequest,
    database_url: str,
    broker_url: str,
    broker_prefix: str,
    invented_queues: list[Queue],
) -> Address:
    """One of the two kinds of bus, with queues of the test's own."""
    invented_queues.append(TOY_QUEUE)
    return Address(request.param, database_url, broker_url, broker_prefix)


@pytest.fixture
async def make_bus(address: Address, database: PostgresDatabase) -> AsyncIterator[MakeBus]:
    """Makes started buses that share queues, as processes do."""
    made: list[Bus] = []

    async def make() -> Bus:
        bus: Bus
        if address.kind == "rabbitmq":
            bus = RabbitMqBus(
                address.broker_url, prefix=address.prefix, instance=f"test-{len(made)}", queues=[TOY_QUEUE]
            )
        else:
            bus = InProcessBus(database, instance=f"test-{len(made)}", claim_s=1.5)
        await bus.start()
        made.append(bus)
        return bus

    yield make
    for bus in made:
        await bus.close(within_s=1.0)


@pytest.fixture
async def bus(make_bus: MakeBus) -> Bus:
    """One started bus."""
    return await make_bus()


@dataclass(frozen=True)
class Party:
    """What one process of the message path has."""

    database: PostgresDatabase
    bus: Bus
    relay: Relay
    runners: list[Runner]

    async def run(self, *handlers: Handler[Any, Any], prefetch: int = 4) -> Runner:
        """Start to handle messages."""
        runner = Runner(self.database, self.bus, handlers, prefetch=prefetch, retry_pause_s=0.05)
        self.runners.append(runner)
        await runner.start()
        return runner

    async def send(self, *labels: str, delay_s: float = 0.0) -> list[MessageId]:
        """Commit commands, as a service does that accepts a request."""
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            return [
                await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label=label), delay_s=delay_s) for label in labels
            ]


@pytest.fixture
async def party(database: PostgresDatabase, bus: Bus) -> AsyncIterator[Party]:
    """A process with a running relay, and the toy handlers' table."""
    await make_toy_tables(database)
    relay = Relay(database, bus)
    await relay.start()
    made = Party(database, bus, relay, [])
    yield made
    for runner in made.runners:
        await runner.stop(within_s=1.0)
    await relay.stop(within_s=1.0)
