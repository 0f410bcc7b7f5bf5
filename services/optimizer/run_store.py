"""The optimizer's SQL around runs: where one starts, how it stands, the best solution and its bound. The account comes first everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.optimizer.question_store import solution_columns, write_solution_document
from services.optimizer.tasks.values import EvaluatedSolution, Rank, Weights
from shared.db.models import reconfiguration as tables
from shared.db.models.infrastructure import leases
from shared.db.models.reconfiguration import BEST, RUN_LEASE, is_to_stop
from shared.ids import AccountId, RunId, SessionKey
from shared.objective import weighted_sum

FinalState = Literal["stopped", "failed"]  # of a run; before, it is "working" or "proven"

sessions, runs = tables.sessions, tables.runs
solutions, run_states, pool = tables.solutions, tables.run_states, tables.pool_solutions


# ------------------------------------------------------------------ the session's solutions


@dataclass(frozen=True, slots=True)
class Candidate:
    """A solution from which a run may start."""

    solution_id: str
    is_feasible: bool
    violation_amount: float
    objective_values: tuple[float, ...]

    def rank(self, weights: Weights) -> Rank:
        """Its place in the order of solutions."""
        return Rank(self.is_feasible, self.violation_amount, weighted_sum(weights, self.objective_values))


async def candidates(connection: AsyncConnection, account_id: AccountId, session_key: SessionKey) -> list[Candidate]:
    """The pool of a session and its best solution, oldest first."""
    wanted = (
        solutions.c.solution_id,
        solutions.c.is_feasible,
        solutions.c.violation_amount,
        solutions.c.objective_values,
    )
    is_in_pool = solutions.c.solution_key.in_(
        select(pool.c.solution_key).where(pool.c.session_key == session_key, pool.c.state == "loaded")
    )
    statement = (
        select(*wanted)
        .where(*_solutions_of(account_id, session_key), or_(solutions.c.solution_id == BEST, is_in_pool))
        .order_by(solutions.c.sequence)
    )
    return [_candidate(row) for row in await connection.execute(statement)]


async def replace_best(
    connection: AsyncConnection,
    account_id: AccountId,
    session_key: SessionKey,
    solution: EvaluatedSolution,
    weights: Weights,
) -> bool:
    """Make a solution the best one if it is better than the one that is; whether it was.

    The session must be held (``hold_run``).
    """
    wanted = (*_solutions_of(account_id, session_key), solutions.c.solution_id == BEST)
    locked = await connection.execute(select(solutions).where(*wanted).with_for_update())
    if not solution.rank(weights).precedes(_candidate(locked.one()).rank(weights)):
        return False
    # A bound holds for the session under its weights, whichever solution is the best.
    change = (
        update(solutions)
        .where(*wanted)
        .values(**solution_columns(solution), revision=solutions.c.revision + 1, updated_at=func.now())
    )
    await connection.execute(change)
    await write_solution_document(connection, account_id, session_key, BEST, solution.document)
    return True


async def save_bound(
    connection: AsyncConnection,
    account_id: AccountId,
    session_key: SessionKey,
    bound: float,
    proof: str,
    weights: Weights,
) -> None:
    """Keep a proven lower bound of the session's objective with the best solution."""
    wanted = (*_solutions_of(account_id, session_key), solutions.c.solution_id == BEST)
    values = {"bound": bound, "bound_weights": list(weights), "proof": proof, "updated_at": func.now()}
    await connection.execute(update(solutions).where(*wanted).values(**values))


# ------------------------------------------------------------------ runs


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A run that somebody should work on, or put an end to where it is to stop and nobody works on it."""

    account_id: AccountId
    run_id: RunId
    session_key: SessionKey
    is_to_stop: bool


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as it stands."""

    session_key: SessionKey
    seed: int
    weights: Weights
    is_to_stop: bool  # asked for by a client, or its time is over
    is_finished: bool
    is_proven: bool
    deaths: int
    has_progressed: bool
    waited_s: float  # since it was requested, by the database's clock


async def run_row(connection: AsyncConnection, account_id: AccountId, run_id: RunId) -> RunRow | None:
    """A run; None once it is deleted."""
    statement = (
        select(
            runs.c.session_key,
            runs.c.seed,
            sessions.c.weights,
            is_to_stop().label("is_to_stop"),
            run_states.c.finished_at,
            run_states.c.state,
            func.coalesce(run_states.c.attempts, 0).label("deaths"),
            func.coalesce(run_states.c.trials, 0).label("trials"),
            func.extract("epoch", func.clock_timestamp() - runs.c.requested_at).label("waited_s"),
        )
        .join(sessions, sessions.c.session_key == runs.c.session_key)
        .outerjoin(run_states, run_states.c.run_id == runs.c.run_id)
        .where(runs.c.account_id == account_id, runs.c.run_id == run_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return RunRow(
        session_key=SessionKey(row.session_key),
        seed=row.seed,
        weights=tuple(row.weights),
        is_to_stop=row.is_to_stop,
        is_finished=row.finished_at is not None,
        is_proven=row.state == "proven",
        deaths=row.deaths,
        has_progressed=row.trials > 0,
        waited_s=float(row.waited_s),
    )


async def hold_run(connection: AsyncConnection, account_id: AccountId, run_id: RunId) -> RunRow | None:
    """A run whose session, until the commit, cannot be deleted; None once it is."""
    # The session first: its deletion locks it before the runs that hang on it, and the same order cannot deadlock.
    session = select(sessions.c.session_key).where(
        sessions.c.account_id == account_id,
        sessions.c.session_key.in_(select(runs.c.session_key).where(runs.c.run_id == run_id)),
    )
    await connection.execute(session.with_for_update(read=True, key_share=True))
    run = select(runs.c.run_id).where(runs.c.account_id == account_id, runs.c.run_id == run_id)
    if (await connection.execute(run.with_for_update(read=True))).one_or_none() is None:
        return None
    return await run_row(connection, account_id, run_id)


async def begin_run(connection: AsyncConnection, account_id: AccountId, run_id: RunId) -> bool:
    """Note that somebody works on a run; whether nobody has before. What is known from earlier work stays."""
    state = insert(run_states).values(run_id=run_id, account_id=account_id, state="working")
    return bool((await connection.execute(state.on_conflict_do_nothing())).rowcount)


async def note_trials(connection: AsyncConnection, account_id: AccountId, run_id: RunId, trials: int) -> None:
    """Note how many alternatives a run has evaluated."""
    change = update(run_states).where(run_states.c.account_id == account_id, run_states.c.run_id == run_id)
    await connection.execute(change.values(trials=func.greatest(run_states.c.trials, trials)))


async def note_deaths(connection: AsyncConnection, account_id: AccountId, run_id: RunId, deaths: int) -> None:
    """Note how many children of a run have died in a row."""
    change = update(run_states).where(run_states.c.account_id == account_id, run_states.c.run_id == run_id)
    await connection.execute(change.values(attempts=deaths))


async def note_proven(connection: AsyncConnection, account_id: AccountId, run_id: RunId) -> None:
    """Note that a run's best solution is proven to be the best there is; it goes on until it is stopped."""
    unfinished = (run_states.c.run_id == run_id, run_states.c.finished_at.is_(None))
    change = update(run_states).where(run_states.c.account_id == account_id, *unfinished)
    await connection.execute(change.values(state="proven"))


async def finish_run(
    connection: AsyncConnection, account_id: AccountId, run_id: RunId, state: FinalState, failure: str | None = None
) -> bool:
    """End a run, once; whether it was not ended already."""
    row = {"run_id": run_id, "account_id": account_id, "state": state, "failure": failure, "finished_at": func.now()}
    end = {"state": state, "failure": failure, "finished_at": func.now()}
    is_ours = (run_states.c.account_id == account_id) & run_states.c.finished_at.is_(None)
    statement = insert(run_states).values(**row)
    again = statement.on_conflict_do_update(index_elements=[run_states.c.run_id], set_=end, where=is_ours)
    return bool((await connection.execute(again)).rowcount)


async def unattended_runs(connection: AsyncConnection, *, limit: int) -> list[WantedRun]:
    """Runs of all accounts that are not finished and of which nobody holds the lease; stopped ones first, then the oldest."""
    statement = (
        select(runs.c.account_id, runs.c.run_id, runs.c.session_key, is_to_stop().label("is_to_stop"))
        .outerjoin(run_states, run_states.c.run_id == runs.c.run_id)
        .outerjoin(leases, leases.c.resource == func.concat(RUN_LEASE, runs.c.run_id))
        .where(run_states.c.finished_at.is_(None))
        .where(leases.c.resource.is_(None) | (leases.c.expires_at <= func.clock_timestamp()))
        .order_by(is_to_stop().desc(), runs.c.requested_at)
        .limit(limit)
    )
    return [
        WantedRun(AccountId(row.account_id), RunId(row.run_id), SessionKey(row.session_key), row.is_to_stop)
        for row in await connection.execute(statement)
    ]


async def runs_to_stop(connection: AsyncConnection, watched: Sequence[tuple[AccountId, RunId]]) -> dict[RunId, bool]:
    """Of runs, by account and id, those that still exist, and whether they are to stop; one statement for many."""
    statement = select(runs.c.run_id, is_to_stop().label("is_to_stop")).where(
        tuple_(runs.c.account_id, runs.c.run_id).in_(watched)
    )
    return {RunId(row.run_id): row.is_to_stop for row in await connection.execute(statement)}


# ------------------------------------------------------------------ below


def _solutions_of(account_id: AccountId, session_key: SessionKey) -> tuple[Any, Any]:  # Any: SQL conditions
    return solutions.c.account_id == account_id, solutions.c.session_key == session_key


def _candidate(row: Any) -> Candidate:  # Any: a row of solutions, whichever columns it has besides
    return Candidate(row.solution_id, row.is_feasible, row.violation_amount, tuple(row.objective_values))
