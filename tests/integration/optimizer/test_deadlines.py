"""Runs whose time is over: they end as if a client had stopped them, whoever works on them, and if nobody does."""

from __future__ import annotations

import time

import pytest

from services.optimizer.tasks.values import Improved, Started
from shared.ids import RunId
from tests.integration.optimizer.conftest import MakeSupervisor
from tests.integration.optimizer.world import Clients, Nursery, solution
from tests.support.eventually import eventually

FINISHED = "reconfiguration.run.finished"


async def is_stopped(clients: Clients, run: RunId) -> bool:
    state = await clients.run_state(run)
    return state is not None and state.finished_at is not None


@pytest.mark.usefixtures("supervisor")
async def test_a_run_is_stopped_in_order_when_its_time_is_over(clients: Clients, nursery: Nursery) -> None:
    nursery.last_words = [Improved(solution(2.0), 50)]
    session = await clients.have_session()
    begun = time.monotonic()
    run = await clients.start_run(session, time_out_s=1.5)
    await eventually(lambda: nursery.children)
    (child,) = nursery.children
    child.find(Started(solution(5.0)))
    await eventually(lambda: clients.is_idle(session), within=10)
    assert time.monotonic() - begun >= 1.5
    assert child.was_asked_to_stop
    assert await clients.best_loss(session) == 2.0, "what was found last counts"
    state = await clients.run_state(run)
    assert (state.state, state.failure) == ("stopped", None)
    assert not (await clients.lease(run)).is_live
    assert await clients.events(FINISHED) == 1


async def test_the_time_goes_on_where_another_takes_the_run_over(
    make_supervisor: MakeSupervisor, clients: Clients
) -> None:
    session = await clients.have_session()
    run = await clients.start_run(session)
    first, second = Nursery(), Nursery()
    dying = make_supervisor("one", first)
    dying.start()
    await eventually(lambda: first.children)
    await dying.stop(within_s=2.0)
    make_supervisor("two", second).start()
    await eventually(lambda: second.children, within=10)
    second.children[0].last_words = [Improved(solution(3.0), 9)]
    await clients.let_deadline_come(run)
    await eventually(lambda: is_stopped(clients, run), within=10)
    assert second.children[0].was_asked_to_stop
    assert await clients.best_loss(session) == 3.0


async def test_a_run_whose_time_was_over_before_anybody_took_it_is_ended_and_never_begun(
    make_supervisor: MakeSupervisor, clients: Clients, nursery: Nursery
) -> None:
    session = await clients.have_session()
    run = await clients.start_run(session)
    await clients.let_deadline_come(run)
    assert await clients.is_idle(session)
    make_supervisor().start()
    await eventually(lambda: is_stopped(clients, run), within=10)
    assert nursery.children == []
    assert await clients.events(FINISHED) == 1


async def test_a_run_whose_time_is_over_while_nobody_works_on_it_is_not_taken_over(
    make_supervisor: MakeSupervisor, clients: Clients
) -> None:
    session = await clients.have_session(solution(4.0))
    run = await clients.start_run(session)
    first, second = Nursery(), Nursery()
    dying = make_supervisor("one", first)
    dying.start()
    await eventually(lambda: first.children)
    await dying.stop(within_s=2.0)
    await clients.let_deadline_come(run)
    make_supervisor("two", second).start()
    await eventually(lambda: is_stopped(clients, run), within=10)
    assert second.children == []
    assert await clients.best_loss(session) == 4.0


@pytest.mark.usefixtures("supervisor")
async def test_a_session_can_be_optimised_again_after_its_time_was_over(clients: Clients, nursery: Nursery) -> None:
    session = await clients.have_session()
    run = await clients.start_run(session)
    await eventually(lambda: nursery.children)
    await clients.let_deadline_come(run)
    await eventually(lambda: clients.is_idle(session), within=10)
    await clients.start_run(session)
    await eventually(lambda: len(nursery.children) == 2, within=10)
    assert await clients.is_running(session)
