"""Questions to the optimizer, answered by its handlers as the runner calls them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from services.optimizer import question_store, run_store
from services.optimizer.handlers import handlers
from services.optimizer.run_supervisor import RunSupervisor
from shared.contracts.message import Message
from shared.contracts.reconfiguration import (
    NetworkAnalysisRequested,
    NetworkLoadRequested,
    SessionCreationRequested,
    SolutionEvaluationRequested,
    SolutionRepairRequested,
)
from shared.db.models import reconfiguration as tables
from shared.db.models.infrastructure import outbox
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import InvalidInput, WorkerDied, WorkTimedOut
from shared.ids import OPEN_ACCOUNT_ID, AccountId, AskId, NetworkKey, uuid7
from tests.integration.optimizer.deliveries import Handed, HereAndNow, runner_of
from tests.integration.optimizer.world import Clients, envelope_of, solution
from tests.support.feeders import baran_wu_33, two_feeders


class Desk:
    """The optimizer's handlers, with children that work in this process."""

    def __init__(self, clients: Clients, supervisor: RunSupervisor) -> None:
        self.clients = clients
        self.pool = HereAndNow()
        consumed = handlers(clients.database, self.pool, supervisor, ask_deadline_s=30, cim_creator="us")
        self._runner = runner_of(clients.database, consumed)

    async def ask(self, message: Message, *, attempt: int = 0) -> Any:  # Any: a row of answers
        ask_id: AskId = message.ask_id  # type: ignore[attr-defined]  # every question has one
        handed = Handed(envelope_of(message, attempt=attempt))
        await self._runner.handle(handed)
        assert handed.endings == ["ack"]
        return await self.clients.answer(ask_id)

    async def load(self, key: NetworkKey) -> Any:  # Any: a row of answers
        return await self.ask(NetworkLoadRequested(ask_id=AskId(uuid7()), network_key=key))


@pytest.fixture
async def desk(clients: Clients, supervisor: RunSupervisor) -> Desk:
    return Desk(clients, supervisor)


async def test_a_loaded_network_is_kept_normalised_with_its_connectivity(desk: Desk, clients: Clients) -> None:
    key = await clients.upload_network(baran_wu_33().network)
    answer = await desk.load(key)
    assert (answer.outcome, answer.body) == ("done", "")
    async with clients.database.reading(EVERY_ACCOUNT) as connection:
        document = await question_store.network_document(connection, OPEN_ACCOUNT_ID, key)
        model = (await connection.execute(select(tables.network_models))).one()
        replies = (await connection.execute(select(outbox.c.name, outbox.c.routing_key))).all()
    assert document is not None
    assert len(orjson.loads(document)["nodes"]) == 33
    assert (model.bus_count, model.connectivity["ok"]) == (33, True)
    assert replies == [("ask.answered", "reply.tests")]


async def test_a_faulty_network_is_refused_with_the_whole_text_and_nothing_is_kept(
    desk: Desk, clients: Clients
) -> None:
    answer = await desk.load(await clients.upload_network(b"not json"))
    assert answer.outcome == "refused"
    assert answer.body.startswith("An error occurred while parsing the network data: ")
    async with clients.database.reading(EVERY_ACCOUNT) as connection:
        assert (await connection.execute(select(func.count()).select_from(tables.network_models))).scalar_one() == 0


async def test_a_network_that_was_deleted_meanwhile_is_gone(desk: Desk, clients: Clients) -> None:
    key = await clients.upload_network(two_feeders().network)
    await clients.delete_network(key)
    assert (await desk.load(key)).outcome == "gone"
    assert desk.pool.calls == 0


async def test_a_network_that_is_deleted_while_a_child_reads_it_is_gone(desk: Desk, clients: Clients) -> None:
    key = await clients.upload_network(two_feeders().network)
    loop = asyncio.get_running_loop()
    deleting: list[asyncio.Task[None]] = []
    desk.pool.before = lambda: deleting.append(loop.create_task(clients.delete_network(key)))
    desk.pool.after_s = 0.3
    assert (await desk.load(key)).outcome == "gone"
    await deleting[0]


async def test_another_accounts_network_is_gone(desk: Desk, clients: Clients) -> None:
    key = await clients.upload_network(two_feeders().network)
    async with clients.database.reading(EVERY_ACCOUNT) as connection:
        assert await question_store.uploaded_network(connection, AccountId(uuid7()), key) is None
        assert await question_store.uploaded_network(connection, OPEN_ACCOUNT_ID, key) is not None


@pytest.mark.parametrize("failure", [WorkerDied("SIGSEGV"), WorkTimedOut("too slow"), InvalidInput("a bug")])
async def test_what_cannot_be_worked_out_is_answered_as_failed(
    desk: Desk, clients: Clients, failure: Exception
) -> None:
    key = await clients.upload_network(two_feeders().network)

    def fail() -> None:
        raise failure

    desk.pool.before = fail
    asked = NetworkLoadRequested(ask_id=AskId(uuid7()), network_key=key)
    answer = await desk.ask(asked)
    if isinstance(failure, WorkerDied | WorkTimedOut):
        assert answer is None, "it is tried once more"
        answer = await desk.ask(asked, attempt=1)
    assert answer.outcome == "failed"
    async with clients.database.reading(EVERY_ACCOUNT) as connection:
        dead = await connection.execute(select(outbox.c.name).where(outbox.c.name == asked.name))
        assert len(dead.all()) >= 1


async def test_the_analysis_is_the_answer_itself(desk: Desk, clients: Clients) -> None:
    key = await clients.upload_network(two_feeders().network)
    await desk.load(key)
    for verbose in (False, True):
        asked = NetworkAnalysisRequested(ask_id=AskId(uuid7()), network_key=key, verbose=verbose)
        answer = await desk.ask(asked)
        assert answer.outcome == "done"
        assert len(answer.body.splitlines()) > (30 if verbose else 10)
    asked = NetworkAnalysisRequested(ask_id=AskId(uuid7()), network_key=NetworkKey(uuid7()))
    assert (await desk.ask(asked)).outcome == "gone"


async def test_a_session_has_its_demands_in_effect_and_a_first_solution(desk: Desk, clients: Clients) -> None:
    feeder = baran_wu_33()
    del feeder.demands["loads"][3:]
    network = await clients.upload_network(feeder.network)
    await desk.load(network)
    demands, start = orjson.dumps(feeder.demands), orjson.dumps(feeder.start)
    session = await clients.upload_session(network, demands, start, allow_unspecified=True)
    answer = await desk.ask(SessionCreationRequested(ask_id=AskId(uuid7()), session_key=session))
    assert answer.outcome == "done"
    row = await clients.best_row(session)
    assert row.is_feasible
    assert row.proof == "none"
    assert row.verdict["certificate"]["power_balance_residual"] < 1e-6
    document = await clients.best_document(session)
    assert len(document["flows"]) == 1
    async with clients.database.reading(EVERY_ACCOUNT) as connection:
        (piece,) = (await connection.execute(select(tables.session_demand_chunks.c.chunk))).scalars()
    assert len(orjson.loads(piece)["loads"]) == 32, "every consumer is there, those without demand with zeros"


async def test_a_faulty_session_is_refused(desk: Desk, clients: Clients) -> None:
    network = await clients.upload_network(two_feeders().network)
    await desk.load(network)
    session = await clients.upload_session(network, b"[]")
    answer = await desk.ask(SessionCreationRequested(ask_id=AskId(uuid7()), session_key=session))
    assert answer.outcome == "refused"
    assert "Error in the demands:" in answer.body


async def test_a_session_whose_network_is_deleted_is_gone(desk: Desk, clients: Clients) -> None:
    network, session = await clients.have_feeder(two_feeders())
    await desk.load(network)
    await clients.delete_network(network)
    answer = await desk.ask(SessionCreationRequested(ask_id=AskId(uuid7()), session_key=session))
    assert answer.outcome == "gone"


async def test_values_that_no_number_can_hold_are_kept(clients: Clients) -> None:
    session = await clients.have_session(solution(float("inf"), is_feasible=False, amount=1e100))
    row = await clients.best_row(session)
    assert row.objective_values[0] == float("inf")
    assert row.violation_amount == 1e100


async def test_a_solution_is_no_start_of_a_run_before_it_is_in_the_pool(clients: Clients) -> None:
    session = await clients.have_session()
    key = await clients.ask_for_solution(session)
    async with clients.database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
        assert await question_store.save_solution(uow.connection, OPEN_ACCOUNT_ID, key, solution(1.0))
        found = await run_store.candidates(uow.connection, OPEN_ACCOUNT_ID, session)
    assert [one.solution_id for one in found] == ["best"]
    await clients.add_pool_solution(session, "shown", solution(2.0))
    async with clients.database.reading(OPEN_ACCOUNT_ID) as connection:
        found = await run_store.candidates(connection, OPEN_ACCOUNT_ID, session)
    assert [one.objective_values[0] for one in found] == [9.0, 2.0]


async def test_a_solution_that_was_deleted_meanwhile_is_gone(desk: Desk, clients: Clients) -> None:
    session = await clients.have_session()
    for document in (b"{}", None):
        key = await clients.ask_for_solution(session, document=document)
        await clients.delete_solution(key)
        asked: Message = SolutionEvaluationRequested(ask_id=AskId(uuid7()), solution_key=key)
        if document is None:
            asked = SolutionRepairRequested(ask_id=AskId(uuid7()), solution_key=key)
        assert (await desk.ask(asked)).outcome == "gone"
    assert desk.pool.calls == 0


async def test_a_repair_whose_source_was_deleted_meanwhile_is_gone(desk: Desk, clients: Clients) -> None:
    session = await clients.have_session()
    source, target = await clients.ask_for_solution(session, "source"), await clients.ask_for_solution(session, "new")
    await clients.delete_solution(source)
    asked = SolutionRepairRequested(ask_id=AskId(uuid7()), solution_key=target, source_key=source)
    assert (await desk.ask(asked)).outcome == "gone"
