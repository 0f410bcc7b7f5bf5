"""Ask and wait, over either bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.bus.asks import Asks, answer
from shared.contracts.asks import Question
from shared.contracts.message import Envelope
from shared.db import answers, leases
from shared.db.answers import Answer, Outcome
from shared.db.presence import Presence
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork
from shared.errors import BrokerUnavailable, NoWorkerAnswered
from shared.ids import OPEN_ACCOUNT_ID, AskId, uuid7
from tests.contract.bus.conftest import Party
from tests.support.toy_handlers import succeed, toy_handler
from tests.support.toys import ToyRequested

Apply = Callable[[UnitOfWork, Envelope, ToyRequested, str], Awaitable[None]]


@pytest.fixture
async def asks(party: Party) -> AsyncIterator[Asks]:
    made = Asks(party.database, party.bus, party.relay, instance="gateway+optimizer-host.example-17")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def worker(party: Party) -> AsyncIterator[Presence]:
    presence = Presence(party.database, instance="worker-1", service="toy")
    await presence.start()
    async with asyncio.timeout(5):
        while not await is_live(party):
            await asyncio.sleep(0.02)
    yield presence
    await presence.stop()


async def is_live(party: Party) -> bool:
    async with party.database.reading(EVERY_ACCOUNT) as connection:
        return bool((await connection.execute(text("SELECT count(*) FROM workers"))).scalar_one())


async def prepare(uow: UnitOfWork, ask_id: AskId) -> Question:
    """What a use case does: writes its row and names its command."""
    await leases.acquire(uow.connection, OPEN_ACCOUNT_ID, f"asked {ask_id}", "tests", 60.0)  # any row of the account
    return ToyRequested(label="x", ask_id=ask_id)


async def prepared(party: Party) -> int:
    async with party.database.reading(EVERY_ACCOUNT) as connection:
        count = await connection.execute(text("SELECT count(*) FROM leases WHERE resource LIKE 'asked %'"))
        return int(count.scalar_one())


def answering(outcome: Outcome, body: str = "") -> Apply:
    async def apply(uow: UnitOfWork, envelope: Envelope, message: ToyRequested, _: str) -> None:
        await answer(uow, envelope, Answer(message.ask_id, outcome, body))

    return apply


@pytest.mark.parametrize("outcome", ["done", "refused", "failed", "gone"])
@pytest.mark.usefixtures("worker")
async def test_an_answer_comes_back(party: Party, asks: Asks, outcome: Outcome) -> None:
    await party.run(toy_handler(apply=answering(outcome, "because")))
    given = await asks.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=10)
    assert (given.outcome, given.body) == (outcome, "because")
    assert await prepared(party) == 1


@pytest.mark.usefixtures("worker")
async def test_the_reply_message_is_what_ends_the_wait(party: Party) -> None:
    blind = Asks(party.database, party.bus, party.relay, instance="blind", look_every_s=60)
    await blind.start()
    await party.run(toy_handler(apply=answering("done")))
    async with asyncio.timeout(20):
        for _ in range(3):
            await blind.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=60)
    await blind.stop()


@pytest.mark.usefixtures("worker")
async def test_an_answer_is_found_when_its_reply_message_is_lost(party: Party, asks: Asks) -> None:
    async def answer_silently(uow: UnitOfWork, envelope: Envelope, message: ToyRequested, _: str) -> None:
        await answers.put(uow.connection, envelope.account_id, Answer(message.ask_id, "done", "quietly"))

    await party.run(toy_handler(apply=answer_silently))
    given = await asks.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=10)
    assert given.body == "quietly"


@pytest.mark.usefixtures("worker")
async def test_many_questions_at_once_get_each_its_own_answer(party: Party, asks: Asks) -> None:
    async def echo(uow: UnitOfWork, envelope: Envelope, message: ToyRequested, _: str) -> None:
        await answer(uow, envelope, Answer(message.ask_id, "done", message.label))

    await party.run(toy_handler(apply=echo))

    async def ask(label: str) -> str:
        async def command(_: UnitOfWork, ask_id: AskId) -> Question:
            return ToyRequested(label=label, ask_id=ask_id)

        return (await asks.ask(OPEN_ACCOUNT_ID, command, service="toy", deadline_s=20)).body

    labels = [str(number) for number in range(20)]
    assert await asyncio.gather(*(ask(label) for label in labels)) == labels


@pytest.mark.usefixtures("worker")
async def test_a_question_that_nobody_answers_ends_at_its_deadline(asks: Asks) -> None:
    started = time.monotonic()
    with pytest.raises(NoWorkerAnswered) as caught:
        await asks.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=1.0)
    assert 0.9 < time.monotonic() - started < 2.5
    assert caught.value.retry_after_s > 0


@pytest.mark.usefixtures("worker")
async def test_a_question_says_until_when_it_is_waited_for(party: Party, asks: Asks) -> None:
    due: list[datetime | None] = []

    async def note_when_due(_: Envelope, message: ToyRequested) -> str:
        due.append(message.answer_by)
        return message.label

    await party.run(toy_handler(note_when_due, apply=answering("done")))
    before = datetime.now(UTC)
    await asks.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=10)
    [answer_by] = due
    assert answer_by is not None
    # The clock of the database is that of this machine.
    assert timedelta(seconds=9.9) < answer_by - before < timedelta(seconds=11)


async def test_without_a_worker_the_answer_is_no_at_once_and_nothing_is_written(party: Party, asks: Asks) -> None:
    started = time.monotonic()
    with pytest.raises(NoWorkerAnswered):
        await asks.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=10)
    assert time.monotonic() - started < 1
    assert await prepared(party) == 0


@pytest.mark.usefixtures("worker")
async def test_without_a_broker_the_answer_is_no_at_once_and_nothing_is_written(party: Party, asks: Asks) -> None:
    await party.bus.close(within_s=1)
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await asks.ask(OPEN_ACCOUNT_ID, prepare, service="toy", deadline_s=10)
    assert time.monotonic() - started < 1
    assert await prepared(party) == 0


@pytest.mark.usefixtures("worker")
async def test_an_error_in_preparing_is_the_callers_and_leaves_nothing(party: Party, asks: Asks) -> None:
    async def fail(uow: UnitOfWork, ask_id: AskId) -> Question:
        await prepare(uow, ask_id)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asks.ask(OPEN_ACCOUNT_ID, fail, service="toy", deadline_s=10)
    assert await prepared(party) == 0


async def test_a_message_without_a_reply_address_is_answered_in_the_database_alone(party: Party) -> None:
    ask_id = AskId(uuid7())
    await party.run(toy_handler(succeed, apply=answering("done")))
    async with party.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="x", ask_id=ask_id))
    async with asyncio.timeout(5):
        while await find(party, ask_id) is None:
            await asyncio.sleep(0.05)
    assert isinstance(ask_id, UUID)


async def find(party: Party, ask_id: AskId) -> Answer | None:
    async with party.database.reading(EVERY_ACCOUNT) as connection:
        return await answers.get(connection, OPEN_ACCOUNT_ID, ask_id)
