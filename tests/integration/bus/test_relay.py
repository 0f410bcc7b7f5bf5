"""The relay when the broker, other relays or single messages make difficulties."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import cast
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert, text

from shared.bus.asks import Asks
from shared.bus.port import Bus
from shared.bus.rabbitmq import RabbitMqBus
from shared.bus.relay import Relay
from shared.contracts.asks import Question
from shared.contracts.message import Envelope
from shared.db.engine import PostgresDatabase
from shared.db.models.infrastructure import workers
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.errors import BrokerUnavailable
from shared.ids import OPEN_ACCOUNT_ID, AskId, MessageId
from tests.integration.bus.conftest import MakeBus
from tests.support.eventually import eventually
from tests.support.proxy import Blackhole, Pass, Proxy, ProxyLoop
from tests.support.toys import TOY_QUEUE, ToyRequested


class ScriptedBus:
    """A broker that can be away, and that refuses messages with certain labels."""

    def __init__(self) -> None:
        self.is_connected = True
        self.refuses: set[bytes] = set()
        self.published: list[Envelope] = []
        self.calls = 0

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.calls += 1
        if not self.is_connected:
            raise BrokerUnavailable("away")
        if any(label in envelope.body for envelope in envelopes for label in self.refuses):
            raise BrokerUnavailable("a message has no queue")
        self.published += envelopes

    @property
    def ids(self) -> list[MessageId]:
        return [envelope.message_id for envelope in self.published]


@pytest.fixture
def scripted() -> ScriptedBus:
    return ScriptedBus()


@pytest.fixture
async def relay(database: PostgresDatabase, scripted: ScriptedBus) -> AsyncIterator[Relay]:
    made = Relay(database, cast("Bus", scripted))
    await made.start()
    yield made
    await made.stop(within_s=1.0)


async def send(database: PostgresDatabase, *labels: str) -> list[MessageId]:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        return [await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label=label)) for label in labels]


async def waiting(database: PostgresDatabase) -> int:
    async with database.reading(EVERY_ACCOUNT) as connection:
        return int((await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one())


@pytest.mark.usefixtures("relay")
async def test_messages_go_out_in_the_order_of_their_making_and_leave_the_outbox(
    database: PostgresDatabase, scripted: ScriptedBus
) -> None:
    ids = await send(database, *(str(number) for number in range(450)))
    await eventually(lambda: len(scripted.published) == 450, within=10)
    assert scripted.ids == ids

    async def is_empty() -> bool:
        return await waiting(database) == 0

    await eventually(is_empty)


async def test_a_commit_is_heard_and_waits_for_no_sweep(
    database: PostgresDatabase, scripted: ScriptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.relay.SWEEP_EVERY_S", 60.0)
    relay = Relay(database, cast("Bus", scripted))
    await relay.start()
    for number in range(20):
        await send(database, str(number))
        await eventually(lambda wanted=number + 1: len(scripted.published) == wanted, within=20, every=0.002)  # type: ignore[misc]
    await relay.stop(within_s=1.0)


async def test_messages_of_a_process_that_died_are_swept_by_another(
    database: PostgresDatabase, scripted: ScriptedBus, relay: Relay
) -> None:
    database.on_outbox_commit = lambda _: None  # nobody hears of the commit
    (message_id,) = await send(database, "a")
    await eventually(lambda: scripted.ids == [message_id], within=2)
    assert await relay.published(message_id, 1.0)


@pytest.mark.usefixtures("relay")
async def test_an_outage_of_the_broker_keeps_everything_and_is_no_busy_loop(
    database: PostgresDatabase, scripted: ScriptedBus
) -> None:
    scripted.is_connected = False
    ids = []
    for number in range(10):
        ids += await send(database, str(number))
        await asyncio.sleep(0.05)
    assert scripted.calls == 0
    scripted.is_connected = True
    await eventually(lambda: scripted.ids == ids, within=5)


@pytest.mark.usefixtures("relay")
async def test_a_message_that_is_refused_holds_up_no_other(database: PostgresDatabase, scripted: ScriptedBus) -> None:
    scripted.refuses.add(b"stray")
    await send(database, "1", "stray", "2", "3")
    await eventually(lambda: len(scripted.published) == 3)

    async def one_is_left() -> bool:
        return await waiting(database) == 1

    await eventually(one_is_left)
    scripted.refuses.clear()
    await eventually(lambda: len(scripted.published) == 4, within=5)


async def test_two_relays_share_the_work_and_hear_of_each_others(
    database: PostgresDatabase, scripted: ScriptedBus, relay: Relay
) -> None:
    other_bus = ScriptedBus()
    other = Relay(database, cast("Bus", other_bus))
    await other.start()
    ids = await send(database, *(str(number) for number in range(400)))
    assert all(await asyncio.gather(*(each.published(ids[-1], 5.0) for each in (relay, other))))
    await eventually(lambda: len(scripted.published) + len(other_bus.published) == 400)
    assert sorted(scripted.ids + other_bus.ids) == ids
    await other.stop(within_s=1.0)


async def test_a_stopped_relay_publishes_no_more(database: PostgresDatabase, scripted: ScriptedBus) -> None:
    relay = Relay(database, cast("Bus", scripted))
    await relay.start()
    await relay.stop(within_s=1.0)
    await send(database, "a")
    await asyncio.sleep(0.5)
    assert scripted.published == []


# ------------------------------------------------------------------ with a broker behind a broken network


async def test_what_is_accepted_while_the_broker_is_silent_goes_out_when_it_is_back(
    database: PostgresDatabase, make_bus: MakeBus, proxy: Proxy
) -> None:
    bus = await make_bus()
    relay = Relay(database, bus)
    await relay.start()
    proxy.set(Blackhole())
    ids = []
    for number in range(20):
        started = time.monotonic()
        ids += await send(database, str(number))
        assert time.monotonic() - started < 1.0, "accepting work waits for no broker"
    await asyncio.sleep(3)
    proxy.set(Pass())
    for message_id in ids:
        assert await relay.published(message_id, 15.0)
    assert await bus.queue_depth(TOY_QUEUE) >= 20  # some may be there twice
    await relay.stop(within_s=1.0)


async def test_a_question_into_a_black_hole_fails_in_time_and_is_withdrawn(
    database: PostgresDatabase, make_bus: MakeBus, proxy: Proxy
) -> None:
    bus: RabbitMqBus = await make_bus()
    relay = Relay(database, bus)
    await relay.start()
    asks = Asks(database, bus, relay, instance="test")
    await asks.start()
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(insert(workers).values(instance="w", service="toy", version="1"))

    async def prepare(_: UnitOfWork, ask_id: AskId) -> Question:
        return ToyRequested(label="x", ask_id=ask_id)

    proxy.set(Blackhole())
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await asks.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=30)
    assert time.monotonic() - started < 5
    assert await waiting(database) == 0
    await asks.stop()
    await relay.stop(within_s=3.0)


# ------------------------------------------------------------------ with a database behind one


@pytest.fixture
def database_proxy(database_url: str) -> Iterator[Proxy]:
    address = urlsplit(database_url)
    with ProxyLoop() as loop:
        yield loop.open(address.port or 5432, address.hostname or "127.0.0.1")


async def test_the_relay_goes_on_after_an_outage_of_the_database(
    database: PostgresDatabase, database_url: str, database_proxy: Proxy, scripted: ScriptedBus
) -> None:
    through_proxy = database_url.replace(f":{urlsplit(database_url).port}", f":{database_proxy.port}")
    behind = PostgresDatabase(through_proxy, application_name="tests")
    await behind.start()
    relay = Relay(behind, cast("Bus", scripted))
    await relay.start()
    database_proxy.set(Blackhole())
    (message_id,) = await send(database, "a")
    await asyncio.sleep(4)
    database_proxy.set(Pass())
    # A claim made just before may have to run out first.
    await eventually(lambda: message_id in scripted.ids, within=15)
    await relay.stop(within_s=1.0)
    await behind.close()
