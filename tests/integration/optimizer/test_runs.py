"""Runs under supervision, with a child that does as the test tells it: progress, ends, deaths, and who owns what."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence

import pytest

from services.optimizer.tasks.values import Bounded, Discarded, Improved, RunJob, SessionInput, Started
from shared.errors import WorkerDied
from shared.ids import RunId, SessionKey
from tests.integration.optimizer.conftest import MakeSupervisor
from tests.integration.optimizer.world import WEIGHTS, Clients, Nursery, ObedientChild, solution
from tests.support.eventually import eventually

PROGRESSED, FINISHED = "reconfiguration.run.progressed", "reconfiguration.run.finished"


async def begun(clients: Clients, nursery: Nursery) -> tuple[SessionKey, RunId, ObedientChild]:
    """A session whose run has a child."""
    session = await clients.have_session()
    run = await clients.start_run(session)
    return session, run, await child_of(nursery)


async def child_of(nursery: Nursery, count: int = 1) -> ObedientChild:
    await eventually(lambda: len(nursery.children) >= count)
    return nursery.children[count - 1]


async def loss_becomes(clients: Clients, session: SessionKey, loss: float) -> None:
    async def is_so() -> bool:
        return await clients.best_loss(session) == loss

    await eventually(is_so)


@pytest.mark.usefixtures("supervisor")
async def test_a_wanted_run_is_found_without_any_message(clients: Clients, nursery: Nursery) -> None:
    session, run, child = await begun(clients, nursery)
    assert child.job.weights == WEIGHTS
    assert child.job.seed == 7
    assert child.job.start is None, "no feasible solution: all switches closed"
    assert not child.job.best.is_feasible
    assert child.job.session.network_id == "net of session"
    assert (await clients.lease(run)).is_live
    assert (await clients.run_state(run)).state == "working"
    assert await clients.is_running(session)


@pytest.mark.usefixtures("supervisor")
async def test_better_solutions_replace_the_best_and_are_announced(clients: Clients, nursery: Nursery) -> None:
    session, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    assert await clients.events(PROGRESSED) == 1
    child.find(Improved(solution(4.0, mark=b"\x40"), trials=100))
    await loss_becomes(clients, session, 4.0)
    assert await clients.best_document(session) == {"loss": 4.0}
    row = await clients.best_row(session)
    assert (row.configuration, row.is_feasible, row.revision) == (b"\x40", True, 2)
    assert (await clients.run_state(run)).trials == 100
    assert await clients.events(PROGRESSED) == 2


@pytest.mark.usefixtures("supervisor")
async def test_the_start_is_announced_even_where_it_is_no_better(clients: Clients, nursery: Nursery) -> None:
    session = await clients.have_session(solution(3.0))
    await clients.start_run(session)
    child = await child_of(nursery)
    assert child.job.start == solution(3.0).configuration
    child.find(Started(solution(3.0)))

    async def is_announced() -> bool:
        return await clients.events(PROGRESSED) == 1

    await eventually(is_announced)
    assert (await clients.best_row(session)).revision == 0


@pytest.mark.usefixtures("supervisor")
async def test_the_best_is_never_replaced_by_a_worse_one(clients: Clients, nursery: Nursery) -> None:
    session, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    child.find(Improved(solution(6.0), 2))
    child.find(Improved(solution(1.0, is_feasible=False, amount=1.0), 3))

    async def is_written() -> bool:
        return bool((await clients.run_state(run)).trials == 3)

    await eventually(is_written)
    assert await clients.best_loss(session) == 5.0


@pytest.mark.usefixtures("supervisor")
async def test_many_improvements_in_a_short_time_become_few_checkpoints_and_the_last_counts(
    clients: Clients, nursery: Nursery
) -> None:
    session, _, child = await begun(clients, nursery)
    begin = time.monotonic()
    child.find(Started(solution(1000.0)))
    for k in range(1, 500):
        child.find(Improved(solution(1000.0 - k), k))
        if k % 100 == 0:
            await asyncio.sleep(0.05)
    await loss_becomes(clients, session, 501.0)
    assert (await clients.best_row(session)).revision <= 10 * (time.monotonic() - begin) + 2


@pytest.mark.usefixtures("supervisor")
async def test_a_stop_writes_the_last_solution_and_ends_the_run(clients: Clients, nursery: Nursery) -> None:
    session, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    child.last_words = [Improved(solution(2.0), 50)]
    asked = time.monotonic()
    await clients.request_stop(session)
    await eventually(lambda: clients.is_idle(session))
    assert time.monotonic() - asked < 1.0
    assert await clients.best_loss(session) == 2.0
    state = await clients.run_state(run)
    assert (state.state, state.failure) == ("stopped", None)
    assert state.finished_at is not None
    assert not (await clients.lease(run)).is_live
    assert await clients.events(FINISHED) == 1
    assert len(nursery.children) == 1


@pytest.mark.usefixtures("supervisor")
async def test_a_child_that_does_not_hear_is_killed_and_the_run_stops_in_time(
    clients: Clients, nursery: Nursery
) -> None:
    session, run, child = await begun(clients, nursery)
    child.is_deaf = True
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    asked = time.monotonic()
    await clients.request_stop(session)
    await eventually(lambda: clients.is_idle(session))
    assert time.monotonic() - asked < 3.0
    assert child.was_killed
    assert (await clients.run_state(run)).state == "stopped"


@pytest.mark.usefixtures("supervisor")
async def test_a_proven_run_goes_on_until_it_is_stopped(clients: Clients, nursery: Nursery) -> None:
    session, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)), Bounded(5e6, "enumerated", is_optimal=True, trials=9))
    child.return_()

    async def is_proven() -> bool:
        return bool((await clients.run_state(run)).state == "proven")

    await eventually(is_proven)
    row = await clients.best_row(session)
    assert (row.bound, tuple(row.bound_weights), row.proof) == (5e6, WEIGHTS, "enumerated")
    await asyncio.sleep(2.5)  # longer than the lease
    assert await clients.is_running(session)
    assert (await clients.lease(run)).fence == 1
    assert len(nursery.children) == 1
    await clients.request_stop(session)
    await eventually(lambda: clients.is_idle(session))
    assert (await clients.run_state(run)).state == "stopped"


@pytest.mark.usefixtures("supervisor")
async def test_deleting_the_session_ends_the_work(clients: Clients, nursery: Nursery) -> None:
    _, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)))
    await clients.delete_session()
    await eventually(lambda: child.was_killed, within=1)

    async def is_released() -> bool:
        return not (await clients.lease(run)).is_live

    await eventually(is_released)
    assert not child.was_asked_to_stop
    child.find(Improved(solution(1.0), 2))
    again = await clients.have_session(session_id="another")
    await asyncio.sleep(0.3)
    assert await clients.best_loss(again) == 9.0


@pytest.mark.usefixtures("supervisor")
async def test_work_resumes_from_the_best_after_the_death_of_a_child(clients: Clients, nursery: Nursery) -> None:
    session, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)), Improved(solution(4.0, mark=b"\xc0"), 10))
    child.die()
    second = await child_of(nursery, 2)
    assert second.job.start == b"\xc0"
    assert second.job.best.objective == 4e6
    assert (await clients.run_state(run)).attempts == 1
    assert await clients.is_running(session)


@pytest.mark.usefixtures("supervisor")
async def test_an_infeasible_best_is_resumed_from_too(clients: Clients, nursery: Nursery) -> None:
    session, _, child = await begun(clients, nursery)
    child.find(Started(solution(5.0, is_feasible=False, amount=3.0, mark=b"\x20")))
    await loss_becomes(clients, session, 5.0)
    child.die()
    assert (await child_of(nursery, 2)).job.start == b"\x20"


@pytest.mark.usefixtures("supervisor")
async def test_documents_are_with_the_child_alone_and_read_again_for_the_next_one(
    clients: Clients, nursery: Nursery
) -> None:
    others = (
        documents_in_memory()
    )  # what earlier tests still hold; kept here, so that none of their addresses is used again
    session, run, child = await begun(clients, nursery)
    given = child.job.session
    assert (given.network, given.demands) == (b"{}", b"{}")
    del given, child.job
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    assert documents_in_memory(but=others) == []
    child.die()
    second = await child_of(nursery, 2)
    assert (second.job.session.network, second.job.session.demands) == (b"{}", b"{}")
    del second.job
    second.find(Bounded(5e6, "enumerated", is_optimal=True, trials=9))
    second.return_()

    async def is_proven() -> bool:
        return bool((await clients.run_state(run)).state == "proven")

    await eventually(is_proven)
    assert documents_in_memory(but=others) == []


def documents_in_memory(*, but: Sequence[object] = ()) -> list[object]:
    gc.collect()
    known = {id(each) for each in but}
    return [each for each in gc.get_objects() if isinstance(each, RunJob | SessionInput) and id(each) not in known]


@pytest.mark.usefixtures("supervisor")
async def test_three_deaths_in_a_row_end_the_run_as_failed_and_leave_the_session_well(
    clients: Clients, nursery: Nursery
) -> None:
    session, run, _ = await begun(clients, nursery)
    for count in (1, 2, 3):
        (await child_of(nursery, count)).die()
    await eventually(lambda: clients.is_idle(session))
    state = await clients.run_state(run)
    assert (state.state, state.failure) == ("failed", "the test has killed it")
    assert await clients.events(FINISHED) == 1
    assert await clients.best_loss(session) == 9.0
    await clients.start_run(session)
    (await child_of(nursery, 4)).find(Started(solution(3.0)))
    await loss_becomes(clients, session, 3.0)


@pytest.mark.usefixtures("supervisor")
async def test_a_result_that_fails_its_own_check_is_counted_and_not_written(clients: Clients, nursery: Nursery) -> None:
    session, _, child = await begun(clients, nursery)
    child.find(Discarded("does not add up"), Improved(solution(8.0), 2))
    await loss_becomes(clients, session, 8.0)


async def test_a_frozen_owner_finds_its_run_taken_over_and_writes_nothing(
    clients: Clients, make_supervisor: MakeSupervisor
) -> None:
    ours, theirs = Nursery(), Nursery()
    first = make_supervisor("first", ours)
    first.start()
    session, run, zombie = await begun(clients, ours)
    zombie.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    await clients.give_lease_to(run, "another")
    zombie.find(Improved(solution(1.0), 2))
    await eventually(lambda: zombie.was_killed)
    assert await clients.best_loss(session) == 5.0
    assert (await clients.lease(run)).owner == "another"
    await clients.let_lease_expire(run)
    ours.is_ready = False
    make_supervisor("second", theirs).start()
    heir = await child_of(theirs)
    assert heir.job.best.objective == 5e6
    assert (await clients.lease(run)).fence == 3


@pytest.mark.usefixtures("supervisor")
async def test_after_an_outage_in_which_every_lease_expired_the_same_child_goes_on(
    clients: Clients, nursery: Nursery
) -> None:
    session, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    await clients.let_lease_expire(run)

    async def is_retaken() -> bool:
        return bool((await clients.lease(run)).is_live)

    await eventually(is_retaken)
    child.find(Improved(solution(4.0), 2))
    await loss_becomes(clients, session, 4.0)
    assert not child.was_killed
    assert len(nursery.children) == 1


async def test_a_run_that_was_stopped_while_its_lease_was_expired_is_not_resumed(
    clients: Clients, make_supervisor: MakeSupervisor, nursery: Nursery
) -> None:
    supervisor = make_supervisor()
    supervisor.start()
    session, run, child = await begun(clients, nursery)
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    await clients.request_stop(session)
    await clients.let_lease_expire(run)
    assert await clients.is_idle(session), "the client is told that it has stopped"
    child.last_words = [Improved(solution(1.0), 2)]

    async def is_finished() -> bool:
        return (await clients.run_state(run)).finished_at is not None

    await eventually(is_finished)
    assert await clients.best_loss(session) == 5.0, "what the client was told is final is final"
    assert await clients.events(FINISHED) == 1


async def test_a_process_that_ends_hands_its_runs_on_at_once_with_what_was_found_last(
    clients: Clients, make_supervisor: MakeSupervisor
) -> None:
    ours, theirs = Nursery(), Nursery()
    first = make_supervisor("first", ours)
    first.start()
    session, run, child = await begun(clients, ours)
    child.find(Started(solution(5.0)))
    await loss_becomes(clients, session, 5.0)
    child.last_words = [Improved(solution(2.0, mark=b"\x60"), 5)]
    await first.stop(within_s=3)
    assert child.was_asked_to_stop
    assert await clients.best_loss(session) == 2.0
    assert await clients.is_running(session)
    assert not (await clients.lease(run)).is_live
    make_supervisor("second", theirs).start()
    heir = await child_of(theirs)
    assert heir.job.start == b"\x60"
    assert (await clients.run_state(run)).attempts == 0


async def test_a_process_without_room_leaves_runs_to_others(clients: Clients, make_supervisor: MakeSupervisor) -> None:
    unready, ready = Nursery(), Nursery()
    unready.is_ready = False
    make_supervisor("unready", unready).start()
    session = await clients.have_session()
    await clients.start_run(session)
    await asyncio.sleep(1.3)
    assert unready.children == []
    make_supervisor("ready", ready).start()
    await child_of(ready)
    assert unready.children == []


async def test_a_process_that_cannot_start_children_gives_the_run_back(
    clients: Clients, make_supervisor: MakeSupervisor
) -> None:
    broken, well = Nursery(), Nursery()
    broken.refusal = WorkerDied("cannot fork")
    supervisor = make_supervisor("broken", broken)
    supervisor.start()
    session = await clients.have_session()
    run = await clients.start_run(session)

    async def was_tried() -> bool:
        return await clients.lease(run) is not None

    await eventually(was_tried)
    make_supervisor("well", well).start()
    await child_of(well)
    assert (await clients.run_state(run)).attempts == 0
    assert broken.children == []


@pytest.mark.usefixtures("supervisor")
async def test_a_run_stopped_before_anybody_worked_on_it_is_ended(clients: Clients, nursery: Nursery) -> None:
    nursery.is_ready = False
    session = await clients.have_session()
    run = await clients.start_run(session)
    await clients.request_stop(session)
    assert await clients.is_idle(session)

    async def is_finished() -> bool:
        state = await clients.run_state(run)
        return state is not None and state.state == "stopped"

    await eventually(is_finished)
    assert await clients.events(FINISHED) == 1
    assert nursery.children == []


@pytest.mark.usefixtures("supervisor")
async def test_the_start_is_the_best_feasible_solution_of_the_pool(clients: Clients, nursery: Nursery) -> None:
    session = await clients.have_session()
    await clients.add_pool_solution(session, "a", solution(7.0, mark=b"\x01"))
    await clients.add_pool_solution(session, "b", solution(6.0, mark=b"\x02"))
    await clients.add_pool_solution(session, "c", solution(1.0, is_feasible=False, amount=1.0, mark=b"\x03"))
    await clients.start_run(session)
    child = await child_of(nursery)
    assert child.job.start == b"\x02"
    assert not child.job.best.is_feasible


@pytest.mark.usefixtures("supervisor")
async def test_several_runs_share_the_loops_and_each_ends_by_itself(clients: Clients, nursery: Nursery) -> None:
    sessions = [await clients.have_session(session_id=f"session {k}") for k in range(4)]
    for session in sessions:
        await clients.start_run(session)
    await child_of(nursery, 4)
    fifth = await clients.have_session(session_id="one too many")
    await clients.start_run(fifth)
    await asyncio.sleep(1.3)
    assert len(nursery.children) == 4
    await clients.request_stop(sessions[2])
    await eventually(lambda: clients.is_idle(sessions[2]))
    await child_of(nursery, 5)
    assert [await clients.is_running(session) for session in [*sessions, fifth]] == [True, True, False, True, True]
