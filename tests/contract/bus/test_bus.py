"""What either adapter of the bus must do."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from shared.bus.port import Bus, Delivery
from shared.contracts.message import Envelope
from shared.errors import BrokerUnavailable
from shared.ids import AccountId, MessageId, uuid7
from tests.contract.bus.conftest import Address, MakeBus
from tests.support.eventually import eventually
from tests.support.toys import TOY_QUEUE, ToyRequested, toy_command, toy_event


class Collector:
    """A consumer's callback that keeps what came and ends each delivery as it is told."""

    def __init__(self, end: Callable[[Delivery], Awaitable[None]] = lambda delivery: delivery.ack()) -> None:
        self.envelopes: list[Envelope] = []
        self._end = end

    async def __call__(self, delivery: Delivery) -> None:
        assert delivery.envelope is not None
        self.envelopes.append(delivery.envelope)
        await self._end(delivery)

    @property
    def ids(self) -> list[MessageId]:
        return [envelope.message_id for envelope in self.envelopes]


async def never(_: Delivery) -> None:
    await asyncio.Event().wait()


async def test_a_command_arrives_as_it_was_sent(bus: Bus) -> None:
    sent = replace(
        toy_command("x"),
        account_id=AccountId(UUID("018f0000-0000-7000-8000-00000000abcd")),
        reply_to="reply.some-process",
        attempt=2,
    )
    got = Collector()
    await bus.consume(TOY_QUEUE, got, prefetch=4)
    await bus.publish([sent])
    await eventually(lambda: got.envelopes)
    received = got.envelopes[0]
    assert received == sent
    assert ToyRequested.model_validate_json(received.body).label == "x"


async def test_commands_published_before_anybody_consumes_wait(bus: Bus) -> None:
    sent = [toy_command(str(i)) for i in range(5)]
    await bus.publish(sent)
    await eventually(lambda: _depth_is(bus, 5))
    got = Collector()
    await bus.consume(TOY_QUEUE, got, prefetch=2)
    await eventually(lambda: len(got.envelopes) == 5)
    assert sorted(got.ids) == sorted(each.message_id for each in sent)
    await eventually(lambda: _depth_is(bus, 0))


async def test_competing_consumers_share_the_work(make_bus: MakeBus) -> None:
    first_bus, second_bus = await make_bus(), await make_bus()

    async def slowly(delivery: Delivery) -> None:
        await asyncio.sleep(0.02)
        await delivery.ack()

    first, second = Collector(slowly), Collector(slowly)
    await first_bus.consume(TOY_QUEUE, first, prefetch=2)
    await second_bus.consume(TOY_QUEUE, second, prefetch=2)
    sent = [toy_command(str(i)) for i in range(30)]
    await first_bus.publish(sent)
    await eventually(lambda: len(first.envelopes) + len(second.envelopes) >= 30, within=10)
    handled = Counter(first.ids + second.ids)
    assert handled == Counter(each.message_id for each in sent)
    assert first.envelopes
    assert second.envelopes


async def test_no_more_than_the_prefetch_are_in_hand_at_a_time(bus: Bus) -> None:
    in_hand = most = done = 0

    async def work(delivery: Delivery) -> None:
        nonlocal in_hand, most, done
        in_hand += 1
        most = max(most, in_hand)
        await asyncio.sleep(0.05)
        in_hand -= 1
        done += 1
        await delivery.ack()

    await bus.publish([toy_command(str(i)) for i in range(12)])
    await bus.consume(TOY_QUEUE, work, prefetch=3)
    await eventually(lambda: done == 12, within=10)
    assert most == 3


async def test_a_requeued_message_is_handed_out_again(bus: Bus) -> None:
    async def not_at_first(delivery: Delivery) -> None:
        await (delivery.requeue() if len(got.envelopes) == 1 else delivery.ack())

    got = Collector(not_at_first)
    await bus.consume(TOY_QUEUE, got, prefetch=1)
    sent = toy_command()
    await bus.publish([sent])
    await eventually(lambda: len(got.envelopes) == 2)
    assert got.ids == [sent.message_id] * 2
    await eventually(lambda: _depth_is(bus, 0))
    assert await bus.dead_letters(TOY_QUEUE) == []


async def test_a_message_in_the_hands_of_a_killed_process_is_handed_out_again(bus: Bus, address: Address) -> None:
    sent = toy_command()
    await bus.publish([sent])
    arguments = (address.kind, address.database_url, address.broker_url, address.prefix)
    dying = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.contract.bus.dying_consumer",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert dying.stdout is not None
        async with asyncio.timeout(30):
            while await dying.stdout.readline() != f"holds {sent.message_id}\n".encode():
                assert not dying.stdout.at_eof()
        got = Collector()
        await bus.consume(TOY_QUEUE, got, prefetch=1)
        dying.kill()
        await dying.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            dying.kill()
    await eventually(lambda: got.envelopes, within=15)
    assert got.ids == [sent.message_id]


async def test_a_message_delivered_too_often_becomes_a_dead_letter(bus: Bus) -> None:
    got = Collector(lambda delivery: delivery.requeue())
    await bus.consume(TOY_QUEUE, got, prefetch=1)
    sent = toy_command()
    await bus.publish([sent])
    letters = await eventually(lambda: bus.dead_letters(TOY_QUEUE), within=10)
    # TOY_QUEUE's limit of 2 allows a first delivery and two more.
    assert got.ids == [sent.message_id] * 3
    assert [letter.message_id for letter in letters] == [sent.message_id]
    assert "acknowledgement" in letters[0].reason


async def test_a_dead_letter_shows_why_and_when_and_stays_until_dropped(bus: Bus) -> None:
    sent = toy_command("bad")
    await bus.consume(TOY_QUEUE, Collector(lambda delivery: delivery.dead_letter("it was bad")), prefetch=1)
    await bus.publish([sent])
    await eventually(lambda: _dead_count_is(bus, 1))
    for _ in range(3):
        (letter,) = await eventually(lambda: bus.dead_letters(TOY_QUEUE))
        assert (letter.queue, letter.message_id, letter.name) == (TOY_QUEUE.name, sent.message_id, ToyRequested.name)
        assert letter.reason == "it was bad"
        assert letter.body == sent.body
        assert letter.died_at is not None
    await eventually(lambda: _dead_count_is(bus, 1))
    assert await bus.drop(TOY_QUEUE, MessageId(uuid7())) == 0
    await eventually(lambda: _dead_count_is(bus, 1))
    assert await bus.drop(TOY_QUEUE, sent.message_id) == 1
    assert await bus.dead_letters(TOY_QUEUE) == []
    assert await _depth_is(bus, 0)


async def test_dead_letters_are_listed_oldest_first_and_no_more_than_asked(bus: Bus) -> None:
    await bus.consume(TOY_QUEUE, Collector(lambda delivery: delivery.dead_letter("no")), prefetch=1)
    sent = []
    for number in range(4):
        sent.append(toy_command(str(number)))
        await bus.publish(sent[-1:])
        await eventually(functools.partial(_dead_count_is, bus, number + 1))
    letters = await bus.dead_letters(TOY_QUEUE)
    assert [letter.message_id for letter in letters] == [each.message_id for each in sent]

    async def first_two() -> bool:
        listed = await bus.dead_letters(TOY_QUEUE, limit=2)
        return [letter.message_id for letter in listed] == [each.message_id for each in sent[:2]]

    await eventually(first_two)


async def test_a_replayed_dead_letter_runs_again_under_another_id(bus: Bus) -> None:
    is_bad = True

    async def as_it_is(delivery: Delivery) -> None:
        await (delivery.dead_letter("bad day") if is_bad else delivery.ack())

    got = Collector(as_it_is)
    await bus.consume(TOY_QUEUE, got, prefetch=1)
    sent = replace(toy_command("again"), attempt=2)
    other = toy_command("other")
    await bus.publish([sent, other])
    await eventually(lambda: _dead_count_is(bus, 2))
    is_bad = False
    got.envelopes.clear()
    assert await bus.replay(TOY_QUEUE, sent.message_id) == 1
    await eventually(lambda: got.envelopes)
    again = got.envelopes[0]
    assert again.message_id != sent.message_id
    assert again == replace(sent, message_id=again.message_id, attempt=0)
    await eventually(lambda: _dead_count_is(bus, 1))
    assert await bus.replay(TOY_QUEUE, None) == 1
    await eventually(lambda: len(got.envelopes) == 2)
    assert await bus.replay(TOY_QUEUE, None) == 0


async def test_a_replayed_message_may_be_delivered_as_often_as_a_new_one(bus: Bus) -> None:
    got = Collector(lambda delivery: delivery.requeue())
    await bus.consume(TOY_QUEUE, got, prefetch=1)
    await bus.publish([toy_command()])
    await eventually(lambda: _dead_count_is(bus, 1), within=10)
    assert await bus.replay(TOY_QUEUE, None) == 1
    await eventually(lambda: len(got.envelopes) == 6, within=10)
    await eventually(lambda: _dead_count_is(bus, 1), within=10)
    assert len(got.envelopes) == 6


async def test_a_dead_letter_from_the_outbox_goes_to_the_dead_letters_and_not_to_a_consumer(bus: Bus) -> None:
    got = Collector()
    await bus.consume(TOY_QUEUE, got, prefetch=1)
    dead = replace(toy_command("dead"), headers={"busbar-dead-reason": "written with the failure"})
    await bus.publish([dead, toy_command("alive")])
    await eventually(lambda: _dead_count_is(bus, 1))
    (letter,) = await eventually(lambda: bus.dead_letters(TOY_QUEUE))
    assert (letter.message_id, letter.reason) == (dead.message_id, "written with the failure")
    await eventually(lambda: got.envelopes)
    assert [ToyRequested.model_validate_json(each.body).label for each in got.envelopes] == ["alive"]


async def test_a_body_that_is_no_json_is_handed_over_as_it_is(bus: Bus) -> None:
    bodies: list[bytes] = []

    async def look(delivery: Delivery) -> None:
        bodies.append(delivery.raw_body)
        await delivery.ack()

    await bus.consume(TOY_QUEUE, look, prefetch=1)
    await bus.publish([toy_command(body=b"\xff\x00 not json {")])
    await eventually(lambda: bodies)
    assert bodies == [b"\xff\x00 not json {"]


async def test_a_message_published_twice_arrives_at_least_once_and_with_one_id(bus: Bus) -> None:
    sent = toy_command()
    await bus.publish([sent])
    await bus.publish([sent])
    got = Collector()
    await bus.consume(TOY_QUEUE, got, prefetch=2)
    await eventually(lambda: got.envelopes)
    await eventually(lambda: _depth_is(bus, 0))
    assert set(got.ids) == {sent.message_id}
    assert len(got.ids) <= 2


async def test_events_reach_those_whose_pattern_fits(bus: Bus) -> None:
    heard: dict[str, list[str]] = {"exact": [], "one word": [], "all": []}

    def listen(to: str) -> Callable[[Envelope], Awaitable[None]]:
        async def on_event(event: Envelope) -> None:
            heard[to].append(event.routing_key)

        return on_event

    await bus.subscribe(["toy.work.happened"], listen("exact"))
    await bus.subscribe(["toy.*.happened", "reply.me-7"], listen("one word"))
    await bus.subscribe(["toy.#"], listen("all"))
    keys = [
        "toy.work.happened",
        "toy.rest.happened",
        "toy.work.half.happened",
        "reply.me-7",
        "other.work.happened",
        "toy",
    ]
    await bus.publish([toy_event(key, routing_key=key) for key in keys])
    await eventually(lambda: len(heard["all"]) >= 4 and len(heard["one word"]) >= 3 and heard["exact"])
    assert heard["exact"] == ["toy.work.happened"]
    assert sorted(heard["one word"]) == ["reply.me-7", "toy.rest.happened", "toy.work.happened"]
    assert sorted(heard["all"]) == ["toy", "toy.rest.happened", "toy.work.half.happened", "toy.work.happened"]


async def test_a_listener_that_fails_hears_the_next_event(bus: Bus) -> None:
    heard: list[str] = []

    async def on_event(event: Envelope) -> None:
        heard.append(event.routing_key)
        if len(heard) == 1:
            raise RuntimeError("a bug")

    await bus.subscribe(["toy.#"], on_event)
    await bus.publish([toy_event("1", "toy.first")])
    await bus.publish([toy_event("2", "toy.second")])
    await eventually(lambda: heard == ["toy.first", "toy.second"])


async def test_an_event_that_nobody_hears_is_no_error(bus: Bus) -> None:
    await bus.publish([toy_event("x", "toy.nobody.listens")])


async def test_a_callback_that_fails_gets_the_message_again(bus: Bus) -> None:
    async def fail_first(delivery: Delivery) -> None:
        if len(got.envelopes) == 1:
            raise RuntimeError("a bug")
        await delivery.ack()

    got = Collector(fail_first)
    await bus.consume(TOY_QUEUE, got, prefetch=1)
    await bus.publish([toy_command()])
    await eventually(lambda: len(got.envelopes) == 2)


async def test_a_stopped_consumer_finishes_what_it_has_and_takes_nothing_more(bus: Bus) -> None:
    go_on = asyncio.Event()

    async def when_told(delivery: Delivery) -> None:
        await go_on.wait()
        await delivery.ack()

    got = Collector(when_told)
    consumer = await bus.consume(TOY_QUEUE, got, prefetch=1)
    await bus.publish([toy_command("1")])
    await eventually(lambda: got.envelopes)
    await bus.publish([toy_command("2")])
    stopping = asyncio.create_task(consumer.stop(within_s=5))
    await asyncio.sleep(0.3)
    assert not stopping.done()
    go_on.set()
    await stopping
    assert len(got.envelopes) == 1
    await eventually(lambda: _depth_is(bus, 1))


async def test_what_a_stopped_consumer_cannot_finish_goes_to_the_next(make_bus: MakeBus) -> None:
    stopping_bus, other_bus = await make_bus(), await make_bus()
    stuck = Collector(never)
    consumer = await stopping_bus.consume(TOY_QUEUE, stuck, prefetch=2)
    sent = [toy_command("1"), toy_command("2")]
    await stopping_bus.publish(sent)
    await eventually(lambda: len(stuck.envelopes) == 2)
    started = asyncio.get_running_loop().time()
    await consumer.stop(within_s=0.3)
    assert asyncio.get_running_loop().time() - started < 3
    got = Collector()
    await other_bus.consume(TOY_QUEUE, got, prefetch=2)
    await eventually(lambda: len(got.envelopes) == 2, within=3)
    assert sorted(got.ids) == sorted(each.message_id for each in sent)


async def test_many_messages_go_in_one_call(bus: Bus) -> None:
    got = Collector()
    await bus.consume(TOY_QUEUE, got, prefetch=50)
    sent = [toy_command(str(i)) for i in range(200)]
    await bus.publish(sent)
    await eventually(lambda: len(got.envelopes) == 200, within=10)
    assert set(got.ids) == {each.message_id for each in sent}


async def test_a_message_of_ten_megabytes_arrives(bus: Bus) -> None:
    got = Collector()
    await bus.consume(TOY_QUEUE, got, prefetch=1)
    await bus.publish([toy_command(body=b"x" * 10_000_000)])
    await eventually(lambda: got.envelopes, within=10)
    assert len(got.envelopes[0].body) == 10_000_000


async def test_a_closed_bus_takes_nothing(bus: Bus) -> None:
    states = [bus.is_connected]
    await bus.close(within_s=1)
    states.append(bus.is_connected)
    assert states == [True, False]
    with pytest.raises(BrokerUnavailable):
        await bus.publish([toy_command()])


async def _depth_is(bus: Bus, depth: int) -> bool:
    return await bus.queue_depth(TOY_QUEUE) == depth


async def _dead_count_is(bus: Bus, count: int) -> bool:
    return await bus.dead_letter_count(TOY_QUEUE) == count
