"""From a commit to an effect, over either bus: outbox, relay, runner, dead letters."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from shared.bus.handler import Handler
from shared.contracts.message import Envelope
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import WorkerDied
from tests.contract.bus.conftest import Party
from tests.support.eventually import eventually
from tests.support.toy_handlers import effects, failures, toy_handler
from tests.support.toys import TOY_QUEUE, ToyRequested, toy_command


async def outbox_is_empty(party: Party) -> bool:
    async with party.database.reading(EVERY_ACCOUNT) as connection:
        count = await connection.execute(text("SELECT count(*) FROM outbox WHERE state <> 'dead'"))
        return int(count.scalar_one()) == 0


async def test_what_is_committed_takes_effect_soon_and_once(party: Party) -> None:
    await party.run(toy_handler())
    labels = [str(number) for number in range(50)]
    for start in range(0, 50, 5):
        await party.send(*labels[start : start + 5])

    async def all_done() -> bool:
        return await effects(party.database) == dict.fromkeys(labels, 1)

    await eventually(all_done, within=10, every=0.1)
    await eventually(lambda: outbox_is_empty(party), every=0.1)


async def test_what_was_committed_while_nobody_ran_is_done_later(party: Party) -> None:
    await party.send("early")

    async def waits() -> bool:
        return await party.bus.queue_depth(TOY_QUEUE) == 1

    await eventually(waits)
    await party.run(toy_handler())

    async def is_done() -> bool:
        return await effects(party.database) == {"early": 1}

    await eventually(is_done)


async def test_a_delayed_message_waits(party: Party) -> None:
    moments: list[float] = []

    async def note(_: Envelope, message: ToyRequested) -> str:
        moments.append(time.monotonic())
        return message.label

    await party.run(toy_handler(note))
    started = time.monotonic()
    await party.send("later", delay_s=0.8)
    await eventually(lambda: moments)
    assert moments[0] - started >= 0.8


async def test_retries_come_to_an_end_in_the_dead_letters_and_a_replay_succeeds(party: Party) -> None:
    attempts: list[int] = []
    is_ill = True

    async def die(envelope: Envelope, message: ToyRequested) -> str:
        attempts.append(envelope.attempt)
        if is_ill:
            raise WorkerDied("the child died")
        return message.label

    await party.run(toy_handler(die, attempts=3))
    await party.send("a")

    async def dead() -> bool:
        return await party.bus.dead_letter_count(TOY_QUEUE) == 1

    await eventually(dead, within=10)
    assert attempts == [0, 1, 2]
    assert await failures(party.database) == {"failure of a": "worker_died"}
    (letter,) = await eventually(lambda: party.bus.dead_letters(TOY_QUEUE))
    assert letter.reason == "worker_died: the child died (attempt 3)"
    is_ill = False
    assert await party.bus.replay(TOY_QUEUE, letter.message_id) == 1

    async def is_done() -> bool:
        return (await effects(party.database)).get("a") == 1

    await eventually(is_done)
    assert attempts == [0, 1, 2, 0]
    assert await party.bus.dead_letter_count(TOY_QUEUE) == 0


async def time_of_one(party: Party, label: str) -> float:
    """How long a healthy message takes from the commit to its effect [s]."""

    async def is_done() -> bool:
        return (await effects(party.database)).get(label) == 1

    started = time.monotonic()
    await party.send(label)
    await eventually(is_done, within=10)
    return time.monotonic() - started


async def crash(_: Envelope, message: ToyRequested) -> str:
    if message.label == "poison":
        raise WorkerDied("segmentation fault")
    return message.label


async def never_end(_: Envelope, message: ToyRequested) -> str:
    if message.label == "poison":
        await asyncio.Event().wait()
    return message.label


KINDS: dict[str, tuple[Envelope, Handler[ToyRequested, str]]] = {
    "not json": (toy_command(body=b"\x80{"), toy_handler()),
    "wrong version": (replace(toy_command("poison"), version=7), toy_handler()),
    "unknown name": (replace(toy_command("poison"), name="nobody.knows.this"), toy_handler()),
    "10 MB": (toy_command(body=b'{"label":"' + b"x" * 10_000_000 + b'"}'), toy_handler()),
    "crashes the worker": (toy_command("poison"), toy_handler(crash)),
    "never ends": (toy_command("poison"), toy_handler(never_end, deadline_s=0.5)),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_poison_is_dead_within_ten_seconds_holds_up_nobody_and_can_be_replayed(party: Party, kind: str) -> None:
    poison, handler = KINDS[kind]
    deliveries: list[Envelope] = []

    async def counted(envelope: Envelope, message: ToyRequested) -> str:
        deliveries.append(envelope)
        return await handler.work(envelope, message)

    await party.run(replace(handler, work=counted), prefetch=2)
    alone_s = await time_of_one(party, "alone")
    await party.bus.publish([poison])
    assert await time_of_one(party, "beside poison") < alone_s + 1.0

    async def dead() -> bool:
        return await party.bus.dead_letter_count(TOY_QUEUE) == 1

    await eventually(dead, within=10)
    assert len([each for each in deliveries if each.body == poison.body]) <= TOY_QUEUE.delivery_limit + 1
    (letter,) = await eventually(lambda: party.bus.dead_letters(TOY_QUEUE))
    assert letter.body == poison.body
    assert letter.reason
    assert await party.bus.replay(TOY_QUEUE, letter.message_id) == 1
    await eventually(dead, within=10)


async def test_a_stopped_runner_hands_back_and_another_goes_on(party: Party) -> None:
    begun = asyncio.Event()

    async def stuck(*_: object) -> str:
        begun.set()
        return await asyncio.Event().wait() and ""

    runner = await party.run(toy_handler(stuck))
    await party.send("a")
    async with asyncio.timeout(5):
        await begun.wait()
    started = time.monotonic()
    await runner.stop(within_s=0.3)
    assert time.monotonic() - started < 3
    await party.run(toy_handler())

    async def is_done() -> bool:
        return await effects(party.database) == {"a": 1}

    await eventually(is_done, within=5)


async def test_the_relay_says_when_a_message_is_out(party: Party) -> None:
    (message_id,) = await party.send("a")
    assert await party.relay.published(message_id, 5.0)
    assert await party.relay.published(message_id, 0.0)
    (later,) = await party.send("b", delay_s=30)
    started = time.monotonic()
    assert not await party.relay.published(later, 0.6)
    assert 0.5 < time.monotonic() - started < 2
