"""Whatever dies between any two steps from the outbox to the acknowledgement, the message takes effect once and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest
import structlog
from sqlalchemy import delete, func, select, text

from shared.bus.port import Bus
from shared.bus.relay import Relay
from shared.bus.runner import Runner
from shared.contracts.message import Envelope
from shared.db.engine import PostgresDatabase
from shared.db.models.infrastructure import inbox, outbox
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import BusbarError, InvalidInput, LeaseLost, WorkerDied
from shared.ids import OPEN_ACCOUNT_ID
from tests.support.faults import Broker, Faults, FaultyBus, FaultyDatabase, FaultyDelivery, ProcessDied
from tests.support.toy_handlers import Work, make_toy_tables, succeed, toy_handler
from tests.support.toys import ToyRequested, toy_effects

# Of each message: how often it took effect, with what failure, and the reason of its dead letter.
State = dict[str, Any]


@pytest.fixture(scope="module")
def module_database_url(databases: Any) -> Any:
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Keep the log from being rendered: hundreds of tracebacks would take minutes."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
async def toys(module_database_url: str) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(module_database_url, application_name="tests")
    await database.start()
    await make_toy_tables(database)
    yield database
    await database.close()


async def succeed_at_second_attempt(envelope: Envelope, message: ToyRequested) -> str:
    if envelope.attempt == 0:
        raise WorkerDied("the child died")
    return message.label


async def refuse(_: Envelope, __: ToyRequested) -> str:
    raise InvalidInput("that is wrong")


async def crash(_: Envelope, __: ToyRequested) -> str:
    raise ZeroDivisionError


async def lose(_: Envelope, __: ToyRequested) -> str:
    raise LeaseLost("somebody else has it")


EXPECTED: dict[str, tuple[Work, State]] = {
    "success": (succeed, {"effects": [("a", 1, None)], "dead": [], "events": 1, "inbox": 1}),
    "success at the second attempt": (
        succeed_at_second_attempt,
        {"effects": [("a", 1, None)], "dead": [], "events": 1, "inbox": 2},
    ),
    "refusal": (
        refuse,
        {
            "effects": [("failure of a", 1, "invalid_input")],
            "dead": ["invalid_input: that is wrong"],
            "events": 0,
            "inbox": 1,
        },
    ),
    "crash": (
        crash,
        {
            "effects": [("failure of a", 1, "internal_error")],
            "dead": ["internal_error: toy.work.requested ended in an internal error (ZeroDivisionError) (attempt 2)"],
            "events": 0,
            "inbox": 2,
        },
    ),
    "lost lease": (lose, {"effects": [], "dead": [], "events": 0, "inbox": 1}),
}


async def live(database: PostgresDatabase, broker: Broker, work: Work, faults: Faults) -> None:
    """One process: publishes what is in the outbox and handles what the broker has, until nothing is left to do."""
    faulty = FaultyDatabase(database, faults)
    bus = cast("Bus", FaultyBus(broker, faults))
    relay = Relay(faulty, bus)
    runner = Runner(faulty, bus, [toy_handler(work, attempts=2)], prefetch=1, retry_pause_s=0.0)
    for _ in range(20):
        try:
            await relay.sweep()
        except BusbarError:
            continue  # as the loop does that calls it
        commands = [envelope for envelope in broker.waiting if envelope.queue is not None]
        for envelope in commands:
            await runner.handle(FaultyDelivery(broker, envelope, faults))
        if not commands and not await outbox_count(database):
            return
    raise AssertionError("still not at rest")


async def outbox_count(database: PostgresDatabase) -> int:
    # Claims of a process that died run out in real time; here they do at once.
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(text("UPDATE outbox SET claimed_until = NULL"))
        return (await uow.connection.execute(select(func.count()).select_from(outbox))).scalar_one()


async def start_anew(database: PostgresDatabase) -> Broker:
    async with database.unit_of_work(EVERY_ACCOUNT) as uow:
        for table in (outbox, inbox, toy_effects):
            await uow.connection.execute(delete(table))
        await uow.outbox.add(OPEN_ACCOUNT_ID, ToyRequested(label="a"))
    return Broker()


async def state_of(database: PostgresDatabase, broker: Broker) -> State:
    async with database.reading(EVERY_ACCOUNT) as connection:
        effects = await connection.execute(select(toy_effects.c.label, toy_effects.c.count, toy_effects.c.failure))
        inbox_rows = await connection.execute(select(func.count()).select_from(inbox))
        # A message may arrive more than once; what tells it from another is its id.
        return {
            "effects": [tuple(row) for row in effects],
            "dead": sorted({(str(each.message_id), reason) for each, reason in broker.dead}),
            "events": len({each.message_id for each in broker.waiting if each.queue is None}),
            "inbox": inbox_rows.scalar_one(),
        }


def assert_as_expected(state: State, expected: State, at: str) -> None:
    assert state | {"dead": [reason for _, reason in state["dead"]]} == expected, at


@pytest.mark.parametrize("case", EXPECTED)
@pytest.mark.parametrize("is_death", [True, False], ids=["death", "outage"])
async def test_the_outcome_is_that_of_an_undisturbed_run(toys: PostgresDatabase, case: str, *, is_death: bool) -> None:
    work, expected = EXPECTED[case]
    undisturbed = Faults()
    broker = await start_anew(toys)
    await live(toys, broker, work, undisturbed)
    assert_as_expected(await state_of(toys, broker), expected, "undisturbed")
    assert len(undisturbed.steps) > 25
    for number, step in enumerate(undisturbed.steps, start=1):
        broker = await start_anew(toys)
        faults = Faults(number, is_death=is_death)
        try:
            await live(toys, broker, work, faults)
            assert not is_death
        except ProcessDied:
            await outbox_count(toys)
            await live(toys, broker, work, Faults())
        assert_as_expected(await state_of(toys, broker), expected, f"step {number} of {len(undisturbed.steps)}: {step}")
