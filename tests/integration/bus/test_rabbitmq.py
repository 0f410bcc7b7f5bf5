"""What is particular to RabbitMQ: broken networks, foreign messages, and what the broker does by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import aio_pika
import pytest

from shared.bus.port import Delivery
from shared.bus.rabbitmq import RabbitMqBus
from shared.bus.rabbitmq_link import broker_errors
from shared.contracts.message import Queue
from shared.errors import BrokerUnavailable
from tests.integration.bus.conftest import MakeBus
from tests.support.eventually import eventually
from tests.support.proxy import Blackhole, Pass, Proxy, Reset
from tests.support.toys import TOY_QUEUE, toy_command, toy_event

ELSEWHERE = Queue("busbar.nobody-declares-this")


async def collect(bus: RabbitMqBus, into: list[bytes], *, prefetch: int = 10) -> None:
    async def keep(delivery: Delivery) -> None:
        into.append(delivery.raw_body)
        await delivery.ack()

    await bus.consume(TOY_QUEUE, keep, prefetch=prefetch)


async def test_a_command_that_no_queue_takes_is_an_error_and_the_others_arrive(bus: RabbitMqBus) -> None:
    lost = replace(toy_command("lost"), queue=ELSEWHERE.name)
    with pytest.raises(BrokerUnavailable, match="1 of 2"):
        await bus.publish([lost, toy_command("found", body=b"found")])
    assert bus.is_connected
    got: list[bytes] = []
    await collect(bus, got)
    await eventually(lambda: got == [b"found"])


async def test_a_message_from_elsewhere_has_no_envelope_and_can_be_dead_lettered_and_replayed(
    bus: RabbitMqBus, broker_url: str, broker_prefix: str
) -> None:
    got: list[tuple[object, bytes]] = []

    async def bury_first(delivery: Delivery) -> None:
        got.append((delivery.envelope, delivery.raw_body))
        await (delivery.dead_letter("unreadable") if len(got) == 1 else delivery.ack())

    await bus.consume(TOY_QUEUE, bury_first, prefetch=1)
    connection = await aio_pika.connect(broker_url)
    async with connection:
        channel = await connection.channel()
        foreign = aio_pika.Message(b"\x00foreign", message_id="not a uuid", headers={"version": "one"})
        await channel.default_exchange.publish(foreign, f"{broker_prefix}.toy")
    letters = await eventually(lambda: bus.dead_letters(TOY_QUEUE))
    assert [(each.message_id, each.name, each.reason, each.body) for each in letters] == [
        (None, "", "unreadable", b"\x00foreign")
    ]
    assert await bus.replay(TOY_QUEUE, None) == 1
    await eventually(lambda: got == [(None, b"\x00foreign")] * 2)


async def test_strange_properties_do_not_stop_the_consumer(
    bus: RabbitMqBus, broker_url: str, broker_prefix: str
) -> None:
    got: list[bytes] = []
    await collect(bus, got, prefetch=1)
    connection = await aio_pika.connect(broker_url)
    async with connection:
        channel = await (await connection.channel()).get_underlay_channel()
        properties = aio_pika.Message(b"").properties
        properties.headers = {"x-death": "nonsense", "version": [1, {"a": None}], "account-id": 5}
        await channel.basic_publish(b"odd", routing_key=f"{broker_prefix}.toy", properties=properties)
    await bus.publish([toy_command(body=b"next")])
    await eventually(lambda: got == [b"odd", b"next"])


async def test_a_publish_into_a_black_hole_ends_in_time_and_the_next_one_fails_at_once(
    bus: RabbitMqBus, proxy: Proxy
) -> None:
    proxy.set(Blackhole())
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await bus.publish([toy_command(str(i)) for i in range(50)])
    assert time.monotonic() - started < 2.5
    assert not bus.is_connected
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await bus.publish([toy_command()])
    assert time.monotonic() - started < 0.5
    proxy.set(Pass())
    await eventually(lambda: bus.is_connected, within=8)
    await bus.publish([toy_command()])


async def test_a_silent_broker_is_noticed_without_a_publish(bus: RabbitMqBus, proxy: Proxy) -> None:
    proxy.set(Blackhole())
    await eventually(lambda: not bus.is_connected, within=4)


async def test_a_publish_under_way_when_the_connection_is_reset_fails_and_does_not_cancel_its_caller(
    bus: RabbitMqBus, proxy: Proxy
) -> None:
    proxy.set(Blackhole())
    publishing = asyncio.create_task(bus.publish([toy_command()]))
    await asyncio.sleep(0.2)
    proxy.set(Reset())
    with pytest.raises(BrokerUnavailable):
        await publishing
    assert not publishing.cancelled()


async def test_a_caller_that_is_cancelled_is_cancelled(bus: RabbitMqBus, proxy: Proxy) -> None:
    proxy.set(Blackhole())
    publishing = asyncio.create_task(bus.publish([toy_command()]))
    await asyncio.sleep(0.2)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing


@pytest.mark.parametrize("break_it", [Reset, Blackhole])
async def test_consumers_and_subscriptions_come_back_after_a_break(
    bus: RabbitMqBus, proxy: Proxy, break_it: Callable[[], Reset | Blackhole]
) -> None:
    got: list[bytes] = []
    heard: list[str] = []

    async def hear(event: object) -> None:
        heard.append(str(event))

    await collect(bus, got)
    await bus.subscribe(["toy.#"], hear)
    await bus.publish([toy_command(body=b"before")])
    await eventually(lambda: got == [b"before"])
    proxy.set(break_it())
    await eventually(lambda: not bus.is_connected, within=4)
    await asyncio.sleep(0.5)
    proxy.set(Pass())
    await eventually(lambda: bus.is_connected, within=8)
    await bus.publish([toy_command(body=b"after")])
    # The first one comes again if the break was quicker than its acknowledgement.
    await eventually(lambda: got[-1] == b"after", within=5)

    async def is_heard() -> bool:
        await bus.publish([toy_event("x")])
        return bool(heard)

    await eventually(is_heard, within=5, every=0.2)


async def test_work_in_hand_goes_on_when_the_connection_breaks_and_the_message_comes_again(
    bus: RabbitMqBus, proxy: Proxy
) -> None:
    go_on = asyncio.Event()
    ends: list[str] = []

    async def work(delivery: Delivery) -> None:
        is_first = not ends
        ends.append("begun")
        if is_first:
            await go_on.wait()
        try:
            await delivery.ack()
        except BrokerUnavailable:
            ends.append("acknowledgement failed")
        else:
            ends.append("done")

    await bus.consume(TOY_QUEUE, work, prefetch=1)
    await bus.publish([toy_command()])
    await eventually(lambda: ends == ["begun"])
    proxy.set(Reset())
    await eventually(lambda: not bus.is_connected)
    proxy.set(Pass())
    await eventually(lambda: bus.is_connected, within=8)
    # With a prefetch of 1 the redelivered copy waits for the first one's end.
    go_on.set()
    await eventually(lambda: ends == ["begun", "acknowledgement failed", "begun", "done"])


async def test_a_bus_starts_without_a_broker_and_finds_it_later(make_bus: MakeBus, proxy: Proxy) -> None:
    proxy.set(Reset())
    started = time.monotonic()
    bus = await make_bus()
    got: list[bytes] = []
    await collect(bus, got)
    assert time.monotonic() - started < 5
    assert not bus.is_connected
    with pytest.raises(BrokerUnavailable):
        await bus.publish([toy_command()])
    proxy.set(Pass())
    await eventually(lambda: bus.is_connected, within=8)
    await bus.publish([toy_command(body=b"late")])
    await eventually(lambda: got == [b"late"])


async def test_a_deleted_queue_is_declared_and_consumed_again(
    bus: RabbitMqBus, broker_url: str, broker_prefix: str
) -> None:
    got: list[bytes] = []
    await collect(bus, got)
    connection = await aio_pika.connect(broker_url)
    async with connection:
        await (await connection.channel()).queue_delete(f"{broker_prefix}.toy")

    async def arrives() -> bool:
        try:
            await bus.publish([toy_command(body=b"x")])
        except BrokerUnavailable:
            return False
        return True

    await eventually(arrives, within=5, every=0.2)
    await eventually(lambda: got)


async def test_closing_while_the_broker_is_silent_takes_no_longer_than_allowed(bus: RabbitMqBus, proxy: Proxy) -> None:
    await collect(bus, [])
    proxy.set(Blackhole())
    started = time.monotonic()
    await bus.close(within_s=1)
    assert time.monotonic() - started < 8


async def test_a_cancellation_by_the_library_means_that_the_broker_is_away() -> None:
    async def library_call() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.cancel)
        await future

    with pytest.raises(BrokerUnavailable), broker_errors("publishing"):
        await library_call()


async def test_a_cancellation_of_the_task_itself_passes() -> None:
    async def call() -> None:
        with broker_errors("publishing"):
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("call", [lambda bus: bus.queue_depth(TOY_QUEUE), lambda bus: bus.dead_letters(TOY_QUEUE)])
async def test_questions_about_queues_say_so_when_the_broker_is_silent(
    bus: RabbitMqBus, proxy: Proxy, call: Callable[[RabbitMqBus], Awaitable[object]]
) -> None:
    proxy.set(Blackhole())
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await call(bus)
    assert time.monotonic() - started < 5
