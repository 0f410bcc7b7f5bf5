"""The runner with deliveries made by hand, on a real database."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.inprocess import InProcessBus
from shared.bus.runner import RECORD_WITHIN_S, Runner
from shared.contracts.message import Envelope
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import COMMAND_TIMEOUT_S, EVERY_ACCOUNT, Reach, UnitOfWork
from shared.errors import (
    BusbarError,
    DatabaseUnavailable,
    DependencyUnavailable,
    InvalidInput,
    LeaseLost,
    WorkerDied,
    WorkTimedOut,
)
from shared.ids import MessageId, uuid7
from shared.observability import tracing
from tests.support.deliveries import HandDelivery, assert_duplicates_change_nothing, runner_of
from tests.support.eventually import eventually
from tests.support.proxy import Blackhole, Pass, Proxy, ProxyLoop
from tests.support.toy_handlers import Work, count_effect, effects, failures, make_toy_tables, toy_handler
from tests.support.toys import ToyHappened, ToyRequested, toy_command


@pytest.fixture(autouse=True)
async def toy_tables(database: PostgresDatabase) -> None:
    await make_toy_tables(database)


async def outbox_rows(database: PostgresDatabase) -> list[tuple[str, int, str | None, float]]:
    async with database.reading(EVERY_ACCOUNT) as connection:
        rows = await connection.execute(
            text(
                "SELECT name, attempt, dead_reason, extract(epoch FROM available_at - created_at) FROM outbox ORDER BY 1, 2"
            )
        )
        return [(row[0], row[1], row[2], float(row[3])) for row in rows]


def raising(error: BaseException) -> Work:
    async def work(_: Envelope, __: ToyRequested) -> str:
        raise error

    return work


# ------------------------------------------------------------------ once


async def test_a_handled_message_has_its_effect_and_is_acknowledged(database: PostgresDatabase) -> None:
    delivery = HandDelivery(toy_command("a"))
    await runner_of(database, toy_handler()).handle(delivery)
    assert delivery.ended == ["acked"]
    assert await effects(database) == {"a": 1}
    assert [row[0] for row in await outbox_rows(database)] == ["toy.work.happened"]


async def test_duplicates_change_nothing_whatever_became_of_the_message(database: PostgresDatabase) -> None:
    await assert_duplicates_change_nothing(database, toy_handler(), [toy_command("a"), toy_command("b")])
    await assert_duplicates_change_nothing(database, toy_handler(raising(WorkerDied("x"))), [toy_command("c")])
    await assert_duplicates_change_nothing(database, toy_handler(raising(InvalidInput("x"))), [toy_command("d")])
    assert await effects(database) == {"a": 1, "b": 1, "failure of d": 1}


async def test_copies_delivered_at_once_take_effect_once(database: PostgresDatabase) -> None:
    entered = 0
    all_in = asyncio.Event()

    async def all_together(_: Envelope, message: ToyRequested) -> str:
        nonlocal entered
        entered += 1
        if entered == 5:
            all_in.set()
        await all_in.wait()
        return message.label

    runners = [runner_of(database, toy_handler(all_together)) for _ in range(2)]
    envelope = toy_command("a")
    copies = [HandDelivery(envelope) for _ in range(5)]
    await asyncio.gather(*(runners[i % 2].handle(copy) for i, copy in enumerate(copies)))
    assert entered == 5
    assert [copy.ended for copy in copies] == [["acked"]] * 5
    assert await effects(database) == {"a": 1}
    assert len(await outbox_rows(database)) == 1


async def test_copies_that_fail_and_succeed_at_once_have_one_outcome(database: PostgresDatabase) -> None:
    turn = random.Random(7)
    entered = 0

    async def one_way_or_the_other(_: Envelope, message: ToyRequested) -> str:
        nonlocal entered
        entered += 1
        is_failure = entered % 2 == 0
        await asyncio.sleep(turn.uniform(0, 0.02))
        if is_failure:
            raise WorkerDied("the child died")
        return message.label

    runner = runner_of(database, toy_handler(one_way_or_the_other))
    for number in range(10):
        envelope = toy_command(str(number))
        await asyncio.gather(*(runner.handle(HandDelivery(envelope)) for _ in range(4)))
    # Each either took effect (and said so in an event) or was handed on to a second attempt, and never both.
    done = await effects(database)
    rows = await outbox_rows(database)
    handed_on = [row for row in rows if row[0] == "toy.work.requested"]
    assert set(done.values()) <= {1}
    assert len(done) + len(handed_on) == 10
    assert {row[1] for row in handed_on} <= {1}


async def test_a_late_copy_of_an_earlier_attempt_does_not_double_the_work(database: PostgresDatabase) -> None:
    async def at_second_attempt(envelope: Envelope, message: ToyRequested) -> str:
        if envelope.attempt == 0:
            raise WorkerDied("the child died")
        return message.label

    runner = runner_of(database, toy_handler(at_second_attempt))
    first = toy_command("a")
    second = replace(first, message_id=MessageId(uuid7()), attempt=1)
    for envelope in (first, second, first, second, first):
        await runner.handle(HandDelivery(envelope))
    assert await effects(database) == {"a": 1}
    assert [row[:2] for row in await outbox_rows(database)] == [("toy.work.happened", 0), ("toy.work.requested", 1)]


# ------------------------------------------------------------------ three kinds of failure


@pytest.mark.parametrize("error", [WorkerDied("x"), WorkTimedOut("x"), ZeroDivisionError("x"), TimeoutError("theirs")])
async def test_a_transient_failure_is_tried_again_after_a_pause_that_doubles(
    database: PostgresDatabase, error: Exception
) -> None:
    bus = InProcessBus(database, instance="test")
    runner = Runner(database, bus, [toy_handler(raising(error), attempts=4)], prefetch=1, retry_pause_s=1.0)
    for attempt in range(3):
        delivery = HandDelivery(replace(toy_command("a"), attempt=attempt))
        await runner.handle(delivery)
        assert delivery.ended == ["acked"]
    rows = await outbox_rows(database)
    assert [row[:3] for row in rows] == [("toy.work.requested", attempt, None) for attempt in (1, 2, 3)]
    # 1, 2 and 4 s, each up to a quarter more or less.
    for row, pause_s in zip(rows, (1, 2, 4), strict=True):
        assert 0.75 * pause_s <= row[3] <= 1.25 * pause_s
    assert await effects(database) == {}


async def test_a_dependency_says_itself_how_long_to_wait(database: PostgresDatabase) -> None:
    work = raising(DependencyUnavailable("all children are busy", retry_after_s=20))
    await runner_of(database, toy_handler(work)).handle(HandDelivery(toy_command("a")))
    ((_, attempt, _, pause_s),) = await outbox_rows(database)
    assert attempt == 1
    assert 15 <= pause_s <= 25


async def test_attempts_that_are_used_up_are_a_failure_with_a_dead_letter(database: PostgresDatabase) -> None:
    delivery = HandDelivery(replace(toy_command("a"), attempt=2))
    await runner_of(database, toy_handler(raising(WorkerDied("the child died")), attempts=3)).handle(delivery)
    assert delivery.ended == ["acked"]
    assert await failures(database) == {"failure of a": "worker_died"}
    assert [row[:3] for row in await outbox_rows(database)] == [
        ("toy.work.requested", 2, "worker_died: the child died (attempt 3)")
    ]


async def test_a_permanent_failure_is_not_tried_again(database: PostgresDatabase) -> None:
    await runner_of(database, toy_handler(raising(InvalidInput("line 7")))).handle(HandDelivery(toy_command("a")))
    assert await failures(database) == {"failure of a": "invalid_input"}
    assert [row[:3] for row in await outbox_rows(database)] == [("toy.work.requested", 0, "invalid_input: line 7")]


async def test_a_lost_lease_is_no_failure(database: PostgresDatabase) -> None:
    delivery = HandDelivery(toy_command("a"))
    await runner_of(database, toy_handler(raising(LeaseLost("taken over")))).handle(delivery)
    assert delivery.ended == ["acked"]
    assert await effects(database) == {}
    assert await outbox_rows(database) == []


async def test_an_error_in_apply_leaves_none_of_its_writes(database: PostgresDatabase) -> None:
    async def write_and_fail(uow: UnitOfWork, envelope: Envelope, message: ToyRequested, result: str) -> None:
        await count_effect(uow, envelope, message, result)
        raise WorkerDied("after the write")

    await runner_of(database, toy_handler(apply=write_and_fail)).handle(HandDelivery(toy_command("a")))
    assert await effects(database) == {}
    assert [row[:2] for row in await outbox_rows(database)] == [("toy.work.requested", 1)]


async def test_a_failure_that_cannot_be_recorded_is_a_dead_letter_all_the_same(database: PostgresDatabase) -> None:
    async def broken(_: UnitOfWork, __: Envelope, ___: ToyRequested, ____: BusbarError) -> None:
        raise ZeroDivisionError

    handler = toy_handler(raising(InvalidInput("wrong")), on_failure=broken)
    delivery = HandDelivery(toy_command("a"))
    await runner_of(database, handler).handle(delivery)
    assert delivery.ended == ["acked"]
    assert [row[:3] for row in await outbox_rows(database)] == [("toy.work.requested", 0, "invalid_input: wrong")]


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (toy_command(body=b"\x00not json"), "not a toy.work.requested of version 1: body: Invalid JSON"),
        (toy_command(body=b"[" * 100_000), "not a toy.work.requested of version 1: body: Invalid JSON"),
        (
            toy_command(body=b'{"label": 5}'),
            "not a toy.work.requested of version 1: label: Input should be a valid string",
        ),
        (toy_command(body=b"{}"), "not a toy.work.requested of version 1: label: Field required"),
        (
            toy_command(body=b'{"label":"' + b"x" * 10_000_000 + b'"}'),
            "the body has 10000012 bytes; a message may have 262144",
        ),
        (replace(toy_command(), version=99), "nobody here handles toy.work.requested of version 99"),
        (replace(toy_command(), name="who.knows"), "nobody here handles who.knows of version 1"),
        (None, "the message's properties cannot be read"),
    ],
    ids=["not json", "deep", "wrong type", "missing", "10 MB", "version", "name", "outer form"],
)
async def test_a_poisonous_message_is_a_dead_letter_at_once(
    database: PostgresDatabase, envelope: Envelope | None, reason: str
) -> None:
    delivery = HandDelivery(envelope, b"raw")
    started = time.monotonic()
    await runner_of(database, toy_handler()).handle(delivery)
    assert time.monotonic() - started < 1
    assert delivery.ended == ["dead"]
    assert delivery.reason is not None
    assert delivery.reason.startswith(reason)
    assert await effects(database) == {}


async def test_a_dead_letters_reason_repeats_nothing_of_the_body(database: PostgresDatabase) -> None:
    delivery = HandDelivery(toy_command(body=b'{"label": {"password": "hunter2"}}'))
    await runner_of(database, toy_handler()).handle(delivery)
    assert delivery.reason is not None
    assert "hunter2" not in delivery.reason


# ------------------------------------------------------------------ deadlines


async def forever(*_: object) -> str:
    await asyncio.Event().wait()
    return ""


async def test_the_deadline_ends_work_that_never_ends(database: PostgresDatabase) -> None:
    started = time.monotonic()
    delivery = HandDelivery(toy_command("a"))
    await runner_of(database, toy_handler(forever, deadline_s=0.3, attempts=1)).handle(delivery)
    assert time.monotonic() - started < 2
    assert delivery.ended == ["acked"]
    assert await failures(database) == {"failure of a": "work_timed_out"}


def toy_question(waited_for_s: float) -> Envelope:
    answer_by = datetime.now(UTC) + timedelta(seconds=waited_for_s)
    return toy_command(body=ToyRequested(label="a", answer_by=answer_by).model_dump_json().encode())


async def test_a_question_that_nobody_waits_for_any_more_is_not_worked_on(database: PostgresDatabase) -> None:
    delivery = HandDelivery(toy_question(waited_for_s=-1))
    await runner_of(database, toy_handler(raising(AssertionError("it was worked on")))).handle(delivery)
    assert delivery.ended == ["acked"]
    assert await effects(database) == {}
    assert await outbox_rows(database) == []


async def test_a_question_under_way_is_given_up_with_its_asker_and_not_tried_again(database: PostgresDatabase) -> None:
    started = time.monotonic()
    delivery = HandDelivery(toy_question(waited_for_s=0.5))
    await runner_of(database, toy_handler(forever, deadline_s=30, attempts=3)).handle(delivery)
    assert time.monotonic() - started < 2
    assert delivery.ended == ["acked"]
    assert await effects(database) == {}
    assert await outbox_rows(database) == []


async def test_a_question_that_is_waited_for_longer_than_it_may_take_is_tried_again(database: PostgresDatabase) -> None:
    question = toy_question(waited_for_s=30)
    await runner_of(database, toy_handler(forever, deadline_s=0.3)).handle(HandDelivery(question))
    assert [row[:2] for row in await outbox_rows(database)] == [("toy.work.requested", 1)]


async def test_the_deadline_bounds_apply_too(database: PostgresDatabase) -> None:
    handler = toy_handler(apply=forever, deadline_s=0.3, attempts=1)
    started = time.monotonic()
    await runner_of(database, handler).handle(HandDelivery(toy_command("a")))
    assert time.monotonic() - started < 2
    assert await failures(database) == {"failure of a": "work_timed_out"}


async def test_a_failure_record_that_never_ends_is_given_up(database: PostgresDatabase) -> None:
    handler = toy_handler(raising(InvalidInput("wrong")), on_failure=forever)
    delivery = HandDelivery(toy_command("a"))
    async with asyncio.timeout(RECORD_WITHIN_S + 15):
        await runner_of(database, handler).handle(delivery)
    assert delivery.ended == ["acked"]
    assert [row[2] for row in await outbox_rows(database)] == ["invalid_input: wrong"]


async def test_a_cancelled_delivery_is_neither_acknowledged_nor_recorded(database: PostgresDatabase) -> None:
    delivery = HandDelivery(toy_command("a"))
    handling = asyncio.create_task(runner_of(database, toy_handler(forever)).handle(delivery))
    await asyncio.sleep(0.2)
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert delivery.ended == []
    assert await outbox_rows(database) == []


# ------------------------------------------------------------------ the database away


class SometimesAway:
    """The database, which can be told to be away."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.is_away = False
        self.asked = 0
        self._database = database

    @asynccontextmanager
    async def unit_of_work(
        self, reach: Reach, *, command_timeout_s: float = COMMAND_TIMEOUT_S, is_durable: bool = True
    ) -> AsyncIterator[UnitOfWork]:
        self._ask()
        async with self._database.unit_of_work(
            reach, command_timeout_s=command_timeout_s, is_durable=is_durable
        ) as uow:
            yield uow

    @asynccontextmanager
    async def reading(self, reach: Reach) -> AsyncIterator[AsyncConnection]:
        self._ask()
        async with self._database.reading(reach) as connection:
            yield connection

    def _ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise DatabaseUnavailable("away")


async def test_a_message_is_held_while_the_database_is_away_and_costs_no_attempt(database: PostgresDatabase) -> None:
    sometimes = SometimesAway(database)
    sometimes.is_away = True
    delivery = HandDelivery(toy_command("a"))
    handling = asyncio.create_task(runner_of(sometimes, toy_handler(attempts=1)).handle(delivery))
    await eventually(lambda: sometimes.asked >= 10, within=10)
    assert delivery.ended == []
    sometimes.is_away = False
    await asyncio.wait_for(handling, 5)
    assert delivery.ended == ["acked"]
    assert await effects(database) == {"a": 1}


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    address = urlsplit(database_url)
    with ProxyLoop() as loop:
        yield loop.open(address.port or 5432, address.hostname or "127.0.0.1")


async def test_a_message_is_held_while_the_database_is_silent(
    database: PostgresDatabase, database_url: str, proxy: Proxy
) -> None:
    address = urlsplit(database_url)
    through_proxy = database_url.replace(f":{address.port}", f":{proxy.port}")
    silent = PostgresDatabase(through_proxy, application_name="tests")
    await silent.start()
    proxy.set(Blackhole())
    delivery = HandDelivery(toy_command("a"))
    handling = asyncio.create_task(runner_of(silent, toy_handler(attempts=1)).handle(delivery))
    await asyncio.sleep(4)  # longer than the database's own deadlines
    assert delivery.ended == []
    proxy.set(Pass())
    await asyncio.wait_for(handling, 8)
    assert delivery.ended == ["acked"]
    assert await effects(database) == {"a": 1}
    await silent.close()


async def test_a_transaction_that_an_answering_database_never_takes_is_the_messages_failure(
    database: PostgresDatabase,
) -> None:
    async def refused(*_: object) -> None:
        raise DatabaseUnavailable("the database could not do it now (lock timeout)")

    delivery = HandDelivery(toy_command("a"))
    async with asyncio.timeout(20):
        await runner_of(database, toy_handler(apply=refused, attempts=1)).handle(delivery)
    assert delivery.ended == ["acked"]
    assert await failures(database) == {"failure of a": "database_unavailable"}


# ------------------------------------------------------------------ context and wiring


async def test_ids_and_trace_go_on_into_the_messages_that_a_handler_sends(database: PostgresDatabase) -> None:
    seen: list[str] = []

    async def look(_: Envelope, message: ToyRequested) -> str:
        seen.append(tracing.current_correlation_id())
        return message.label

    await runner_of(database, toy_handler(look)).handle(HandDelivery(toy_command("a")))
    async with database.reading(EVERY_ACCOUNT) as connection:
        row = (await connection.execute(text("SELECT correlation_id, traceparent FROM outbox"))).one()
    assert seen == ["correlation of a"]
    assert row.correlation_id == "correlation of a"
    # The trace of the toy command, and a span of its own in it.
    assert row.traceparent[3:35] == "0af7651916cd43dd8448eb211c80319c"
    assert row.traceparent[36:52] != "b7ad6b7169203331"
    assert tracing.current_correlation_id() == ""


async def test_a_failed_acknowledgement_is_no_failure_of_the_message(database: PostgresDatabase) -> None:
    class Unreachable(HandDelivery):
        async def ack(self) -> None:
            raise DependencyUnavailable("the broker is away")

    await runner_of(database, toy_handler()).handle(Unreachable(toy_command("a")))
    assert await effects(database) == {"a": 1}


async def test_a_dead_letter_that_cannot_be_sent_goes_back(database: PostgresDatabase) -> None:
    class Unreachable(HandDelivery):
        async def dead_letter(self, reason: str) -> None:
            raise DependencyUnavailable("the broker is away")

    delivery = Unreachable(None)
    await runner_of(database, toy_handler()).handle(delivery)
    assert delivery.ended == ["requeued"]


async def test_a_contract_has_one_handler_and_an_event_none(database: PostgresDatabase) -> None:
    with pytest.raises(ValueError, match="one handler"):
        runner_of(database, toy_handler(), toy_handler())
    with pytest.raises(ValueError, match="event"):
        await runner_of(database, toy_handler(contract=ToyHappened)).start()
