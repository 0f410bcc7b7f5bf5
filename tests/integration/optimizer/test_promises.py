"""Promises 4 and 5 for every handler of the optimizer: duplicates change nothing, and death between any two steps is safe.

Parametrized over the registry of handlers: a handler without a scenario here fails.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from services.optimizer.handlers import handlers
from services.optimizer.run_supervisor import RunSupervisor
from shared.contracts.message import Envelope, Message
from shared.contracts.reconfiguration import (
    NetworkAnalysisRequested,
    NetworkLoadRequested,
    RunRequested,
    SessionCreationRequested,
    SolutionEvaluationRequested,
    SolutionRepairRequested,
)
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import Database
from shared.ids import AskId, MessageId, uuid7
from tests.integration.optimizer.conftest import LIMITS
from tests.integration.optimizer.deliveries import Died, Handed, HereAndNow, MortalDatabase, dump, runner_of
from tests.integration.optimizer.world import Clients, Nursery, envelope_of
from tests.support.feeders import solution_of, two_feeders

supervisors: list[RunSupervisor] = []


@pytest.fixture(autouse=True)
async def _ended_runs(database: PostgresDatabase) -> AsyncIterator[None]:
    """No run outlives its test."""
    supervisors.clear()
    yield
    await asyncio.gather(*(supervisor.stop(within_s=2) for supervisor in supervisors))


def all_handlers(database: Database, real: Database, nursery: Nursery) -> tuple[Any, ...]:  # Any: of all contracts
    """The optimizer's handlers on one database; the runs that they take up live on another."""
    supervisor = RunSupervisor(real, nursery.start_child, lambda: nursery.is_ready, instance="test", limits=LIMITS)
    supervisors.append(supervisor)
    return handlers(database, HereAndNow(), supervisor, ask_deadline_s=30, cim_creator="us")


NAMES = tuple(handler.name for handler in all_handlers(None, None, Nursery()))  # type: ignore[arg-type]


async def _load(clients: Clients) -> Message:
    key = await clients.upload_network(two_feeders().network)
    return NetworkLoadRequested(ask_id=AskId(uuid7()), network_key=key)


async def _load_faulty(clients: Clients) -> Message:
    return NetworkLoadRequested(ask_id=AskId(uuid7()), network_key=await clients.upload_network(b"{"))


async def _analyse(clients: Clients) -> Message:
    load = await _load(clients)
    assert isinstance(load, NetworkLoadRequested)
    await deliver(clients.database, envelope_of(load))
    return NetworkAnalysisRequested(ask_id=AskId(uuid7()), network_key=load.network_key, verbose=True)


async def _create(clients: Clients) -> Message:
    network, session = await clients.have_feeder(two_feeders())
    await deliver(clients.database, envelope_of(NetworkLoadRequested(ask_id=AskId(uuid7()), network_key=network)))
    return SessionCreationRequested(ask_id=AskId(uuid7()), session_key=session)


async def _evaluate(clients: Clients) -> Message:
    return await _asked_to_evaluate(clients, orjson.dumps(solution_of(two_feeders())))


async def _evaluate_faulty(clients: Clients) -> Message:
    return await _asked_to_evaluate(clients, b'{"period_solutions": []}')


async def _asked_to_evaluate(clients: Clients, document: bytes) -> Message:
    created = await _create(clients)
    assert isinstance(created, SessionCreationRequested)
    await deliver(clients.database, envelope_of(created))
    key = await clients.ask_for_solution(created.session_key, document=document)
    return SolutionEvaluationRequested(ask_id=AskId(uuid7()), solution_key=key)


async def _repair(clients: Clients) -> Message:
    created = await _create(clients)
    assert isinstance(created, SessionCreationRequested)
    await deliver(clients.database, envelope_of(created))
    key = await clients.ask_for_solution(created.session_key)
    return SolutionRepairRequested(ask_id=AskId(uuid7()), solution_key=key)


async def _run(clients: Clients) -> Message:
    session = await clients.have_session()
    return RunRequested(run_id=await clients.start_run(session), session_key=session)


@dataclass(frozen=True)
class Scenario:
    """What has to be there before a message makes sense."""

    contract: str
    prepare: Callable[[Clients], Awaitable[Message]]


SCENARIOS = {
    "load": Scenario(NetworkLoadRequested.name, _load),
    "load what is wrong": Scenario(NetworkLoadRequested.name, _load_faulty),
    "analyse": Scenario(NetworkAnalysisRequested.name, _analyse),
    "create a session": Scenario(SessionCreationRequested.name, _create),
    "evaluate a solution": Scenario(SolutionEvaluationRequested.name, _evaluate),
    "evaluate what is wrong": Scenario(SolutionEvaluationRequested.name, _evaluate_faulty),
    "repair a solution": Scenario(SolutionRepairRequested.name, _repair),
    "run": Scenario(RunRequested.name, _run),
}


async def deliver(database: PostgresDatabase, *envelopes: Envelope, nursery: Nursery | None = None) -> None:
    """Deliver at once to one runner each, and wait for all."""
    nursery = nursery or Nursery()
    runners = [runner_of(database, all_handlers(database, database, nursery)) for _ in envelopes]
    handed = [Handed(envelope) for envelope in envelopes]
    await asyncio.gather(*(runner.handle(one) for runner, one in zip(runners, handed, strict=True)))
    assert all(one.endings == ["ack"] for one in handed)


def test_every_handler_has_a_scenario() -> None:
    assert {scenario.contract for scenario in SCENARIOS.values()} == set(NAMES)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_duplicate_deliveries_change_nothing(name: str, clients: Clients, database: PostgresDatabase) -> None:
    message = await SCENARIOS[name].prepare(clients)
    envelope = envelope_of(message, message_id=MessageId(uuid7()))
    before = await dump(database)
    await deliver(database, envelope)
    once = await dump(database)
    assert once != before
    await deliver(database, envelope)
    assert await dump(database) == once
    await deliver(database, envelope, replace(envelope), replace(envelope), replace(envelope))
    assert await dump(database) == once


@pytest.mark.parametrize("name", SCENARIOS)
async def test_concurrent_first_deliveries_take_effect_once(
    name: str, clients: Clients, database: PostgresDatabase
) -> None:
    message = await SCENARIOS[name].prepare(clients)
    envelope = envelope_of(message, message_id=MessageId(uuid7()))
    await deliver(database, envelope, envelope)
    together = await dump(database)
    await deliver(database, envelope)
    assert await dump(database) == together
    assert len(together["outbox"]) == (0 if name == "run" else sum("ask.answered" in row for row in together["outbox"]))
    assert len(together["leases"]) == (1 if name == "run" else 0)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_death_between_any_two_steps_is_made_good_by_the_next_delivery(
    name: str, clients: Clients, database: PostgresDatabase
) -> None:
    """Every statement, begin and commit of the handler and its runner, before and after, one after the other."""
    await clients.empty_tables()
    envelope = envelope_of(await SCENARIOS[name].prepare(clients))
    whole = MortalDatabase(database)
    await runner_of(whole, all_handlers(whole, database, Nursery())).handle(Handed(envelope))
    undisturbed = await _comparable(database)
    assert whole.steps >= 8
    for at in range(1, whole.steps + 1):
        await clients.empty_tables()
        envelope = envelope_of(await SCENARIOS[name].prepare(clients))
        mortal = MortalDatabase(database, at=at)
        with pytest.raises(Died):
            await runner_of(mortal, all_handlers(mortal, database, Nursery())).handle(Handed(envelope))
        await deliver(database, envelope)
        assert await _comparable(database) == undisturbed, f"after death at step {at} of {whole.steps}"


async def _comparable(database: PostgresDatabase) -> dict[str, Any]:  # Any: counts and columns
    """A dump without ids, which differ from one life to the next."""
    rows = await dump(database)
    return {table: [_without_ids(row) for row in found] for table, found in rows.items()}


def _without_ids(row: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "id", row)
