"""What is read and written of one run. Every write is one unit of work that commits only under the run's lease."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from services.optimizer import metrics, question_store, run_store
from services.optimizer.run_store import Candidate, FinalState, RunRow, WantedRun
from services.optimizer.tasks.values import Bounded, EvaluatedSolution, RunJob, Weights
from shared.contracts.reconfiguration import RunFinished, RunProgressed
from shared.db import leases
from shared.db.leases import Lease
from shared.db.models.reconfiguration import BEST, RUN_LEASE
from shared.db.unit_of_work import Database, UnitOfWork
from shared.errors import BusbarError

log = structlog.get_logger()


class RunDeleted(BusbarError):
    """The run is gone, with its session; there is nothing left to write to."""

    code = "run_deleted"


@dataclass(frozen=True)
class Findings:
    """What a run has found since the last checkpoint."""

    solution: EvaluatedSolution | None = None
    is_start: bool = False
    bound: Bounded | None = None
    trials: int = 0

    @property
    def are_worth_writing(self) -> bool:
        """Whether anybody would notice."""
        return self.solution is not None or self.bound is not None

    def after(self, before: Findings) -> Findings:
        """Together with what was found before; of solutions and of bounds the later is the better one."""
        return Findings(
            self.solution or before.solution,
            self.is_start or before.is_start,
            self.bound or before.bound,
            max(self.trials, before.trials),
        )


@dataclass(eq=False)
class RunRecords:
    """One run's rows, as long as this process holds its lease."""

    database: Database
    wanted: WantedRun
    lease: Lease
    lease_ttl_s: float

    async def read_job(self, enumeration_limit: int, threads: int) -> tuple[RunRow, RunJob]:
        """The run and everything that a child needs to know to work on it.

        Raises:
            RunDeleted: it is gone.
        """
        account_id = self.wanted.account_id
        async with self.database.reading(account_id) as connection:
            row = await run_store.run_row(connection, account_id, self.wanted.run_id)
            if row is None:
                raise RunDeleted("the run is deleted")
            session = await question_store.session_input(connection, account_id, row.session_key)
            candidates = await run_store.candidates(connection, account_id, row.session_key)
            best = next((one for one in candidates if one.solution_id == BEST), None)
            if session is None or best is None:
                raise RunDeleted("the run's session is deleted")
            chosen = choose_start(candidates, row.weights, resumes=row.has_progressed)
            start = None
            if chosen is not None:
                start = await question_store.configuration(connection, account_id, row.session_key, chosen.solution_id)
        return row, RunJob(session, row.weights, row.seed, start, best.rank(row.weights), enumeration_limit, threads)

    async def checkpoint(self, findings: Findings, weights: Weights) -> None:
        """Write what was found."""
        begun = time.perf_counter()
        async with self._guarded() as uow:
            await self._write(uow, findings, weights)
        metrics.CHECKPOINT_SECONDS.observe(time.perf_counter() - begun)

    async def note_deaths(self, deaths: int) -> None:
        """Write how many children have died in a row."""
        async with self._guarded() as uow:
            await run_store.note_deaths(uow.connection, self.wanted.account_id, self.wanted.run_id, deaths)

    async def finish(self, state: FinalState, findings: Findings, weights: Weights, failure: str | None) -> None:
        """End the run: what was found last, its state, the word of it and the end of the lease, all or nothing."""
        async with self._guarded() as uow:
            await self._write(uow, findings, weights)
            await finish_run(uow, self.wanted, state, failure)
            await leases.release(uow.connection, self.lease)

    async def hand_on(self, findings: Findings, weights: Weights) -> None:
        """Write what was found last and let go, so that another process takes the run over at once."""
        async with self._guarded() as uow:
            await self._write(uow, findings, weights)
            await leases.release(uow.connection, self.lease)

    async def release(self) -> None:
        """Let go without writing anything."""
        async with self.database.unit_of_work(self.wanted.account_id) as uow:
            await leases.release(uow.connection, self.lease)

    async def retake(self) -> bool:
        """Take the lease again after it expired, unless somebody else has it or the run is no longer wanted.

        During an outage of the database no lease can be renewed and none taken over; afterwards the work just goes on.
        """
        async with self.database.unit_of_work(self.wanted.account_id) as uow:
            lease = await take_lease(uow, self.wanted, self.lease.owner, self.lease_ttl_s)
        if lease is not None:
            self.lease = lease
        return lease is not None

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[UnitOfWork]:
        async with self.database.unit_of_work(self.wanted.account_id) as uow:
            await leases.guard(uow.connection, self.lease)
            row = await run_store.hold_run(uow.connection, self.wanted.account_id, self.wanted.run_id)
            if row is None:
                raise RunDeleted("the run is deleted")
            yield uow

    async def _write(self, uow: UnitOfWork, findings: Findings, weights: Weights) -> None:
        connection, account_id, run_id = uow.connection, self.wanted.account_id, self.wanted.run_id
        is_better = False
        if findings.solution is not None:
            is_better = await run_store.replace_best(
                connection, account_id, self.wanted.session_key, findings.solution, weights
            )
            metrics.CHECKPOINTS.labels("better" if is_better else "not_better").inc()
        if findings.bound is not None:
            bound = findings.bound
            await run_store.save_bound(
                connection, account_id, self.wanted.session_key, bound.bound, bound.proof, weights
            )
            if bound.is_optimal:
                await run_store.note_proven(connection, account_id, run_id)
        await run_store.note_trials(connection, account_id, run_id, findings.trials)
        # The start of a run is announced in any case: clients count on one message at least. So is a proof, since the
        # summary of the best solution shows it.
        if is_better or findings.is_start or findings.bound is not None:
            await uow.outbox.add(account_id, RunProgressed(run_id=run_id, session_key=self.wanted.session_key))


async def take_lease(uow: UnitOfWork, wanted: WantedRun, owner: str, ttl_s: float) -> Lease | None:
    """The lease of a run that is still wanted; None where it is not, or where somebody works on it."""
    row = await run_store.hold_run(uow.connection, wanted.account_id, wanted.run_id)
    if row is None or row.is_to_stop or row.is_finished:
        return None
    return await leases.acquire(uow.connection, wanted.account_id, resource_of(wanted), owner, ttl_s)


async def finish_run(uow: UnitOfWork, wanted: WantedRun, state: FinalState, failure: str | None) -> None:
    """Write the end of a run, and word of it; once."""
    if await run_store.finish_run(uow.connection, wanted.account_id, wanted.run_id, state, failure):
        finished = RunFinished(run_id=wanted.run_id, session_key=wanted.session_key, outcome=state)
        await uow.outbox.add(wanted.account_id, finished)


def resource_of(wanted: WantedRun) -> str:
    """The name of the lease of a run."""
    return f"{RUN_LEASE}{wanted.run_id}"


def choose_start(candidates: Sequence[Candidate], weights: Weights, *, resumes: bool) -> Candidate | None:
    """The solution from which a run starts: the best feasible one, or None for all switches closed.

    A run that is resumed goes on from the best solution so far, also where that is not feasible yet.
    """
    feasible = [one for one in candidates if one.is_feasible]
    if feasible:
        # Of equal ones the best solution, which comes last.
        return min(reversed(feasible), key=lambda one: one.rank(weights).objective)
    return next((one for one in candidates if one.solution_id == BEST), None) if resumes else None
