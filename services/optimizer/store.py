"""The optimizer's SQL: uploads in; models, solutions and run states out. The account comes first everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Table, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.optimizer.tasks.values import (
    EvaluatedSolution,
    LoadedNetwork,
    NewSession,
    Rank,
    RepairInput,
    SessionInput,
    SolutionUpload,
    Weights,
)
from shared.db.chunks import read_chunks, write_chunks
from shared.db.models import reconfiguration as tables
from shared.db.models.infrastructure import leases
from shared.db.models.reconfiguration import BEST, RUN_LEASE, is_to_stop, stored_id
from shared.ids import AccountId, NetworkKey, RunId, SessionKey, SolutionKey
from shared.objective import weighted_sum

CIM = "cim"  # the kind of networks and sessions of that API
FinalState = Literal["stopped", "failed"]  # of a run; before, it is "working" or "proven"

networks, sessions, runs = tables.networks, tables.sessions, tables.runs
solutions, run_states, pool = tables.solutions, tables.run_states, tables.pool_solutions


# ------------------------------------------------------------------ networks


@dataclass(frozen=True, slots=True)
class NetworkUpload:
    """A document as uploaded, through one API or the other."""

    document: bytes
    is_cim: bool


async def uploaded_network(
    connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey
) -> NetworkUpload | None:
    """The document as uploaded; None once the network is deleted or its time to load has passed."""
    kind = await _kind_of(connection, account_id, network_key)
    if kind is None:
        return None
    document = await _document(connection, tables.network_uploads, {"network_key": network_key}, account_id)
    return NetworkUpload(document or b"", kind == CIM)


async def loaded_network(
    connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey
) -> NetworkUpload | None:
    """The normalised document of a loaded network, and through which API it came; None where there is none."""
    document = await network_document(connection, account_id, network_key)
    kind = await _kind_of(connection, account_id, network_key)
    return None if document is None else NetworkUpload(document, kind == CIM)


async def _kind_of(connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey) -> str | None:
    wanted = select(networks.c.kind).where(networks.c.account_id == account_id, networks.c.network_key == network_key)
    kind: str | None = (await connection.execute(wanted)).scalar_one_or_none()
    return kind


async def network_document(connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey) -> bytes | None:
    """The normalised document of a loaded network; None where there is none."""
    return await _document(connection, tables.network_model_chunks, {"network_key": network_key}, account_id)


async def save_network(
    connection: AsyncConnection, account_id: AccountId, network_key: NetworkKey, network: LoadedNetwork
) -> bool:
    """Keep what a network was found to be; False where it has been deleted meanwhile."""
    # The lock keeps the row until the commit: a deletion waits, and then takes along what is written here.
    wanted = select(networks.c.network_key).where(
        networks.c.account_id == account_id, networks.c.network_key == network_key
    )
    if (await connection.execute(wanted.with_for_update(read=True, key_share=True))).one_or_none() is None:
        return False
    model = insert(tables.network_models).values(
        network_key=network_key, account_id=account_id, bus_count=network.bus_count, connectivity=network.connectivity
    )
    if (await connection.execute(model.on_conflict_do_nothing())).rowcount:
        keys = {"network_key": network_key}
        await write_chunks(connection, tables.network_model_chunks, keys, account_id, network.document)
    return True


# ------------------------------------------------------------------ sessions


async def session_input(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey
) -> SessionInput | None:
    """What a session is made from; None once it, or its network, is deleted."""
    statement = (
        select(
            networks.c.network_id,
            networks.c.network_key,
            networks.c.kind,
            sessions.c.allow_unspecified_demands,
            tables.network_models.c.connectivity,
        )
        .join(networks, networks.c.network_key == sessions.c.network_key)
        .join(tables.network_models, tables.network_models.c.network_key == networks.c.network_key)
        .where(sessions.c.account_id == account_id, sessions.c.session_key == session_key)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    network = await network_document(connection, account_id, row.network_key)
    demands = await _upload(connection, account_id, session_key, "demands")
    return SessionInput(
        network_id=row.network_id,
        network=network or b"",
        connectivity_is_ok=bool(row.connectivity["ok"]),
        demands=demands or b"",
        start_configuration=await _upload(connection, account_id, session_key, "start_configuration"),
        allow_unspecified_demands=row.allow_unspecified_demands,
        is_cim=row.kind == CIM,
    )


async def save_session(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, session: NewSession
) -> bool:
    """Keep a new session's demands and first solution; False where it has been deleted meanwhile."""
    if not await _hold_session(connection, account_id, session_key):
        return False
    model = insert(tables.session_models).values(session_key=session_key, account_id=account_id)
    if (await connection.execute(model.on_conflict_do_nothing())).rowcount:
        keys = {"session_key": session_key}
        await write_chunks(connection, tables.session_demand_chunks, keys, account_id, session.demands)
        row = {"session_key": session_key, "solution_id": BEST, "account_id": account_id, **_columns(session.best)}
        await connection.execute(insert(solutions).values(**row))
        await _write_document(connection, account_id, session_key, BEST, session.best.document)
    return True


# ------------------------------------------------------------------ solutions


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


async def configuration(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, solution_id: str
) -> bytes | None:
    """The packed configuration of a solution."""
    wanted = (*_solutions_of(account_id, session_key), solutions.c.solution_id == solution_id)
    found: bytes | None = (
        await connection.execute(select(solutions.c.configuration).where(*wanted))
    ).scalar_one_or_none()
    return found


async def uploaded_solution(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey
) -> SolutionUpload | None:
    """A solution as uploaded, and its session; None once they are deleted or nobody waits for it any more."""
    session_key = await _session_of(connection, account_id, solution_key)
    session = None if session_key is None else await session_input(connection, account_id, session_key)
    document = await _document(connection, tables.solution_uploads, {"solution_key": solution_key}, account_id)
    return None if session is None or document is None else SolutionUpload(session, document)


async def repair_input(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey, source_key: SolutionKey | None
) -> RepairInput | None:
    """What a repaired solution is made from, the best one without a source; None once that, or the session, is deleted."""
    session_key = await _session_of(connection, account_id, solution_key)
    if session_key is None:
        return None
    session = await session_input(connection, account_id, session_key)
    source_id = BEST if source_key is None else stored_id(source_key)
    source = await configuration(connection, account_id, session_key, source_id)
    return None if session is None or source is None else RepairInput(session, source)


async def save_solution(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey, solution: EvaluatedSolution
) -> bool:
    """Keep how a solution of the pool was evaluated; False where it, or its session, has been deleted meanwhile."""
    session_key = await _session_of(connection, account_id, solution_key)
    # The session first, as whoever changes its pool does.
    if session_key is None or not await _hold_session(connection, account_id, session_key):
        return False
    wanted = select(pool.c.solution_key).where(pool.c.account_id == account_id, pool.c.solution_key == solution_key)
    if (await connection.execute(wanted.with_for_update(read=True, key_share=True))).one_or_none() is None:
        return False
    row = {
        "session_key": session_key,
        "solution_id": stored_id(solution_key),
        "solution_key": solution_key,
        "account_id": account_id,
        **_columns(solution),
    }
    if (await connection.execute(insert(solutions).values(**row).on_conflict_do_nothing())).rowcount:
        await _write_document(connection, account_id, session_key, stored_id(solution_key), solution.document)
    return True


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
        .values(**_columns(solution), revision=solutions.c.revision + 1, updated_at=func.now())
    )
    await connection.execute(change)
    await _write_document(connection, account_id, session_key, BEST, solution.document)
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


def _columns(solution: EvaluatedSolution) -> dict[str, object]:
    return {
        "configuration": solution.configuration,
        "is_feasible": solution.is_feasible,
        "violation_amount": solution.violation_amount,
        "objective_values": list(solution.objective_values),
        "verdict": solution.verdict,
    }


async def _session_of(
    connection: AsyncConnection, account_id: AccountId, solution_key: SolutionKey
) -> SessionKey | None:
    wanted = select(pool.c.session_key).where(pool.c.account_id == account_id, pool.c.solution_key == solution_key)
    found = (await connection.execute(wanted)).scalar_one_or_none()
    return None if found is None else SessionKey(found)


async def _hold_session(connection: AsyncConnection, account_id: AccountId, session_key: SessionKey) -> bool:
    wanted = select(sessions.c.session_key).where(
        sessions.c.account_id == account_id, sessions.c.session_key == session_key
    )
    locked = await connection.execute(wanted.with_for_update(read=True, key_share=True))
    return locked.one_or_none() is not None


async def _write_document(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, solution_id: str, document: bytes
) -> None:
    keys = {"session_key": session_key, "solution_id": solution_id}
    await write_chunks(connection, tables.solution_chunks, keys, account_id, document)


async def _upload(
    connection: AsyncConnection, account_id: AccountId, session_key: SessionKey, role: str
) -> bytes | None:
    return await _document(connection, tables.session_uploads, {"session_key": session_key, "role": role}, account_id)


async def _document(
    connection: AsyncConnection, table: Table, keys: dict[str, object], account_id: AccountId
) -> bytes | None:
    pieces: AsyncIterator[bytes] = read_chunks(connection, table, keys, account_id)
    chunks = [piece async for piece in pieces]
    return b"".join(chunks) if chunks else None
