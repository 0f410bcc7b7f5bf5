"""Promise 6: whatever the order of messages, requests, deaths and expiries, what has ended stays ended and the best is final."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from services.optimizer.handlers import handlers
from services.optimizer.run_supervisor import Limits, RunSupervisor
from services.optimizer.tasks.values import Bounded, Improved, RunMessage, Started
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import RunFinished, RunRequested
from shared.db.engine import PostgresDatabase
from shared.db.models import reconfiguration as tables
from shared.db.models.infrastructure import outbox
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import RunId, SessionKey
from tests.integration.optimizer.deliveries import Handed, HereAndNow, runner_of
from tests.integration.optimizer.world import Clients, Nursery, ObedientChild, envelope_of, solution

PROCESSES = st.integers(0, 1)
KINDS = st.sampled_from(["start", "improvement", "infeasible", "worse"])
BACK = st.sampled_from([0, 0, 0, 1, 2])
# Long enough that a lease ends only when the test says so.
LIMITS = Limits(max_runs=4, lease_ttl_s=60.0, heartbeat_s=10.0, enumeration_limit=0, threads_per_run=2)


@dataclass
class Worker:
    """One optimizer process whose loops turn when the test says so."""

    nursery: Nursery
    supervisor: RunSupervisor
    runner: Any  # Any: a Runner that nobody starts


class Interleavings(RuleBasedStateMachine):
    """Clients, two processes and their children, in any order."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.database = PostgresDatabase(database_url, application_name="interleavings")
        self.clients = Clients(self.database)
        self.messages: list[Envelope] = []
        self.finished: dict[RunId, tuple[str, Any]] = {}
        self.loss = 1000.0
        self.best_seen = float("inf")
        self.final: float | None = None  # the best, once a client was told that nothing runs
        self.session: SessionKey
        self.workers: list[Worker] = []
        self.started: list[ObedientChild] = []
        self.do(self._begin())

    async def _begin(self) -> None:
        await self.clients.empty_tables()
        self.workers = [self._worker(name) for name in ("a", "b")]
        await self._new_session()
        self._send(await self.clients.start_run(self.session))
        await self.workers[0].supervisor.sweep()

    def _send(self, run: RunId) -> None:
        self.messages.append(envelope_of(RunRequested(run_id=run, session_key=self.session)))

    def _worker(self, name: str) -> Worker:
        nursery = Nursery(self.started)
        supervisor = RunSupervisor(self.database, nursery.start_child, lambda: True, instance=name, limits=LIMITS)
        consumed = handlers(self.database, HereAndNow(), supervisor, ask_deadline_s=5, cim_creator="us")
        return Worker(nursery, supervisor, runner_of(self.database, consumed))

    async def _new_session(self) -> None:
        self.session = await self.clients.have_session()
        self.best_seen, self.final = float("inf"), None

    def do(self, work: Any) -> Any:  # Any: a coroutine and its result
        """Do something, and let what follows from it happen or not."""

        async def and_a_moment() -> Any:
            result = await work
            await asyncio.sleep(0.02)
            return result

        return self.loop.run(and_a_moment())

    def child(self, back: int) -> ObedientChild:
        """The latest child, or one some places before it."""
        return self.started[max(0, len(self.started) - 1 - back)]

    # ------------------------------------------------------------------ what may happen

    @rule(is_delivered=st.booleans(), process=PROCESSES)
    def start(self, is_delivered: bool, process: int) -> None:
        async def begin() -> None:
            if await self.clients.is_running(self.session):
                return
            run = await self.clients.start_run(self.session)
            self.final = None
            self._send(run)
            if is_delivered:
                await self.workers[process].runner.handle(Handed(self.messages[-1]))

        self.do(begin())

    @rule(back=BACK, process=PROCESSES)
    def deliver(self, back: int, process: int) -> None:
        if self.messages:
            envelope = self.messages[max(0, len(self.messages) - 1 - back)]
            self.do(self.workers[process].runner.handle(Handed(envelope)))

    @rule()
    def request_stop(self) -> None:
        self.do(self.clients.request_stop(self.session))

    @rule()
    def look_whether_it_runs(self) -> None:
        self.do(self._look())

    @rule()
    def stop_while_the_owner_is_frozen(self) -> None:
        """The client asks, the lease runs out meanwhile, and the client hears that nothing runs."""

        async def freeze() -> None:
            await self.clients.request_stop(self.session)
            await self._expire()
            await self._look()

        self.do(freeze())

    async def _look(self) -> None:
        if await self.clients.is_idle(self.session) and self.final is None:
            self.final = await self.clients.best_loss(self.session)

    @rule()
    def delete_and_begin_anew(self) -> None:
        async def renew() -> None:
            await self.clients.delete_session()
            await self._delete_network()
            await self._new_session()

        self.do(renew())

    async def _delete_network(self) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(tables.networks.delete())

    @rule(back=BACK, kinds=st.lists(KINDS, min_size=1, max_size=3), is_in_a_hurry=st.booleans())
    def child_finds(self, back: int, kinds: list[str], is_in_a_hurry: bool) -> None:
        if self.started:
            self.do(self._find(self.child(back), kinds, 0.0 if is_in_a_hurry else 0.12))

    async def _find(self, child: ObedientChild, kinds: list[str], pause_s: float) -> None:
        """``pause_s`` is longer than what lies between two checkpoints, or nothing."""
        for kind in kinds:
            self.loss -= 1.0
            messages: dict[str, RunMessage] = {
                "start": Started(solution(self.loss)),
                "improvement": Improved(solution(self.loss), 2),
                "infeasible": Improved(solution(self.loss, is_feasible=False, amount=1.0), 2),
                "worse": Improved(solution(5000.0), 2),
            }
            child.find(messages[kind])
            await asyncio.sleep(pause_s)

    @rule(back=BACK, ends=st.sampled_from(["proof", "return", "death"]))
    def child_ends(self, back: int, ends: str) -> None:
        if not self.started:
            return
        child = self.child(back)

        async def end() -> None:
            if ends == "proof":
                child.find(Bounded(0.0, "enumerated", is_optimal=True, trials=5))
            child.die() if ends == "death" else child.return_()

        self.do(end())

    @rule()
    def leases_expire(self) -> None:
        self.do(self._expire())

    async def _expire(self) -> None:
        for run in await self._runs():
            await self.clients.let_lease_expire(run)

    @rule(process=PROCESSES, loop=st.sampled_from(["renew_leases", "watch", "sweep"]))
    def a_loop_turns(self, process: int, loop: str) -> None:
        self.do(getattr(self.workers[process].supervisor, loop)())

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def promises_hold(self) -> None:
        self.loop.run(self._check())

    async def _check(self) -> None:
        best = await self.clients.best_row(self.session)
        loss = best.objective_values[0] if best.is_feasible else float("inf")
        assert loss <= self.best_seen, "the best has become worse"
        self.best_seen = loss
        if self.final is not None:
            assert best.objective_values[0] == self.final, (
                "the best has changed after the client heard that nothing runs"
            )
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            ended = await connection.execute(
                select(tables.run_states).where(tables.run_states.c.finished_at.is_not(None))
            )
            for row in ended:
                seen = self.finished.setdefault(row.run_id, (row.state, row.finished_at))
                assert seen == (row.state, row.finished_at), "an ended run has changed"
            names = select(outbox.c.body, func.count()).where(outbox.c.name == RunFinished.name).group_by(outbox.c.body)
            assert all(count == 1 for _, count in await connection.execute(names)), "an end was announced twice"

    async def _runs(self) -> list[RunId]:
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return [RunId(run) for run in (await connection.execute(select(tables.runs.c.run_id))).scalars()]

    def teardown(self) -> None:
        try:
            self.do(self._stop_all())
        finally:
            self.loop.run(self._close())
            self.loop.close()

    async def _stop_all(self) -> None:
        """In the end a stop stops everything, and every run of the session has its end written."""
        await self.clients.request_stop(self.session)
        for _ in range(100):
            for worker in self.workers:
                await worker.supervisor.renew_leases()
                await worker.supervisor.watch()
                await worker.supervisor.sweep()
            await asyncio.sleep(0.02)
            states = [await self.clients.run_state(run) for run in await self._runs()]
            if all(state is not None and state.finished_at is not None for state in states):
                break
        else:
            raise AssertionError(f"runs have not ended: {states}")
        assert await self.clients.is_idle(self.session)

    async def _close(self) -> None:
        await asyncio.gather(*(worker.supervisor.stop(within_s=2) for worker in self.workers))
        await self.database.close()


@pytest.mark.timeout(240)
def test_any_order_of_events_keeps_what_has_ended_and_what_is_best(database_url: str) -> None:
    checks = settings(
        max_examples=12,
        stateful_step_count=25,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    machine: Any = partial(Interleavings, database_url)  # Any: whatever makes a machine will do
    run_state_machine_as_test(machine, settings=checks)
