"""Use cases around the solutions of a session: its pool, and the best one, which is read like those of the pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration import pool_store, session_store
from services.gateway.dialects.reconfiguration.asking import ask_and_hold, check_id
from services.gateway.dialects.reconfiguration.downloads import downloaded
from services.gateway.dialects.reconfiguration.errors import (
    InputRefused,
    ReservedId,
    SolutionIdTaken,
    UnknownSession,
    UnknownSolution,
    UnknownSolutionToUpdate,
)
from services.gateway.dialects.reconfiguration.pool_store import HeldSolution, PoolPlace, SolutionRow
from services.gateway.dialects.reconfiguration.record import SolutionEvent, record_solution
from services.gateway.dialects.reconfiguration.scope import Kind, Scope
from services.gateway.dialects.reconfiguration.service import DELETE_WITHIN_S, Reconfiguration
from services.gateway.http.spool import Spool
from shared.contracts.asks import Question
from shared.contracts.reconfiguration import SolutionEvaluationRequested, SolutionRepairRequested
from shared.db.answers import Answer
from shared.db.models.reconfiguration import BEST
from shared.db.unit_of_work import UnitOfWork
from shared.errors import BusbarError, DependencyUnavailable
from shared.identity.principals import Actor
from shared.ids import AskId, SessionKey, SolutionKey, uuid7

# What texts about bad input begin with; clients know them by it.
ADDING = "An error occurred adding the solution"
# PGO's two APIs say it in two ways, and its clients show it as it is.
UPDATING: Mapping[Kind, str] = {
    "json": "An error occurred while evaluating the solution",
    "cim": "An error occurred updating the solution",
}
REPAIRING = "An error occurred repairing the solution"


class _TookTooLong(DependencyUnavailable):
    """The row was not held any more when the solution was evaluated."""

    def __init__(self) -> None:
        super().__init__("Evaluating the solution took too long; try again.")


@dataclass(frozen=True, slots=True)
class PoolChange:
    """Somebody's wish to change a session's pool. ``solution_id`` is that of the solution that is made, replaced or removed."""

    scope: Scope
    actor: Actor
    session_id: str
    solution_id: str


@dataclass(frozen=True, slots=True)
class _Making:
    """A solution that is being made, and what is being done as texts and the audit record say it."""

    change: PoolChange
    key: SolutionKey
    what: str
    event: SolutionEvent
    repaired_from: str | None = None

    def reserved(self) -> ReservedId:
        """The id is that of the best solution."""
        return ReservedId(f"{self.what}: the id '{BEST}' is reserved for the best known solution.")

    def taken(self) -> SolutionIdTaken:
        """The id is that of another one."""
        return SolutionIdTaken(f"{self.what}: there is already a solution with id '{self.change.solution_id}'.")


async def solution_document(app: Reconfiguration, scope: Scope, session_id: str, solution_id: str) -> Spool:
    """A solution with its flows. It may be replaced at any time, hence one snapshot."""

    async def find(connection: AsyncConnection) -> AsyncIterator[bytes] | None:
        session, place = await _find(connection, scope, session_id, solution_id)
        return await pool_store.solution_document(connection, scope, session, place)

    return await downloaded(app, scope, find, UnknownSolution(session_id, solution_id))


async def solution_row(app: Reconfiguration, scope: Scope, session_id: str, solution_id: str) -> SolutionRow:
    """How a solution was evaluated."""
    async with app.database.reading(scope.account_id) as connection:
        _, place = await _find(connection, scope, session_id, solution_id)
        row = await pool_store.solution_row(connection, scope, session_id, place)
    if row is None:
        raise UnknownSolution(session_id, solution_id)
    return row


async def add_solution(app: Reconfiguration, change: PoolChange, document: Spool) -> None:
    """Have an uploaded solution evaluated and put it into the pool. What is wrong with the document is said before the id is looked at.

    Raises:
        InputRefused, BindingFailed, WorkFailed: the document is no good; ReservedId, SolutionIdTaken: the id is not free.
    """
    check_id(change.solution_id)
    making = _Making(change, SolutionKey(uuid7()), ADDING, "solution:created")

    async def decide(connection: AsyncConnection, session: SessionKey) -> BusbarError | None:
        return await _show_new(connection, session, making)

    await _ask(app, making, _uploaded(making, document))
    await _conclude(app, making, decide)


async def update_solution(app: Reconfiguration, change: PoolChange, document: Spool) -> None:
    """Have an uploaded solution evaluated and put it into the place of the one of that id.

    Raises:
        InputRefused, BindingFailed, WorkFailed: the document is no good; ReservedId, UnknownSolutionToUpdate: there is nothing to update.
    """
    check_id(change.solution_id)
    making = _Making(change, SolutionKey(uuid7()), UPDATING[change.scope.kind], "solution:changed")

    async def decide(connection: AsyncConnection, session: SessionKey) -> BusbarError | None:
        if change.solution_id == BEST:
            return ReservedId(f"{making.what}: the solution '{BEST}' can not be updated.")
        place = await pool_store.find_solution(connection, change.scope, session, change.solution_id)
        if place is None:
            return UnknownSolutionToUpdate(f"{making.what}: there is no solution with id '{change.solution_id}'.")
        return await _show(connection, making, instead_of=place)

    await _ask(app, making, _uploaded(making, document))
    await _conclude(app, making, decide)


async def repair_solution(app: Reconfiguration, change: PoolChange, source_id: str) -> str:
    """Put a copy of a solution that is radial and connected into the pool; returns what has been changed, in words.

    Raises:
        UnknownSolution: there is nothing to copy; ReservedId, SolutionIdTaken: the new id is not free;
        InputRefused: no switch setting makes it radial.
    """
    check_id(change.solution_id)
    making = _Making(change, SolutionKey(uuid7()), REPAIRING, "solution:created", repaired_from=source_id)

    async def prepare(work: UnitOfWork, ask_id: AskId) -> Question:
        session, source = await _find(work.connection, change.scope, change.session_id, source_id)
        if change.solution_id == BEST:
            raise making.reserved()
        if await pool_store.find_solution(work.connection, change.scope, session, change.solution_id) is not None:
            raise making.taken()
        await _reserve(work.connection, session, making)
        source_key = None if source is None else source.key
        return SolutionRepairRequested(ask_id=ask_id, solution_key=making.key, source_key=source_key)

    async def decide(connection: AsyncConnection, session: SessionKey) -> BusbarError | None:
        return await _show_new(connection, session, making)

    answer = await _ask(app, making, prepare, gone=UnknownSolution(change.session_id, source_id))
    await _conclude(app, making, decide)
    return answer.body


async def delete_solution(app: Reconfiguration, change: PoolChange) -> None:
    """Take a solution out of the pool."""
    scope = change.scope
    async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
        session = await _locked(work.connection, scope, change.session_id)
        if change.solution_id == BEST:
            raise ReservedId(f"The solution '{BEST}' cannot be removed.")
        place = await pool_store.find_solution(work.connection, scope, session, change.solution_id)
        if place is None:
            raise UnknownSolution(change.session_id, change.solution_id)
        await pool_store.delete_solution(work.connection, scope, place.key)
        await pool_store.prolong_session(work.connection, scope, session)
        await _record(work, change, "solution:deleted")


# ------------------------------------------------------------------ below


async def _find(
    connection: AsyncConnection, scope: Scope, session_id: str, solution_id: str
) -> tuple[SessionKey, PoolPlace | None]:
    """A session and the place of one of its solutions, None for the best."""
    session = await session_store.find_session(connection, scope, session_id)
    if session is None:
        raise UnknownSession(session_id)
    if solution_id == BEST:
        return session, None
    place = await pool_store.find_solution(connection, scope, session, solution_id)
    if place is None:
        raise UnknownSolution(session_id, solution_id)
    return session, place


async def _locked(connection: AsyncConnection, scope: Scope, session_id: str) -> SessionKey:
    session = await session_store.lock_session(connection, scope, session_id)
    if session is None:
        raise UnknownSession(session_id)
    return session


async def _reserve(connection: AsyncConnection, session: SessionKey, making: _Making) -> None:
    change = making.change
    if not await pool_store.reserve_solution(connection, change.scope, session, change.solution_id, making.key):
        raise UnknownSession(change.session_id)


def _uploaded(making: _Making, document: Spool) -> Callable[[UnitOfWork, AskId], Awaitable[Question]]:
    scope, session_id = making.change.scope, making.change.session_id

    async def prepare(work: UnitOfWork, ask_id: AskId) -> Question:
        session = await session_store.find_session(work.connection, scope, session_id)
        if session is None:
            raise UnknownSession(session_id)
        await _reserve(work.connection, session, making)
        await pool_store.write_solution_upload(work.connection, scope, making.key, document.pieces())
        return SolutionEvaluationRequested(ask_id=ask_id, solution_key=making.key)

    return prepare


async def _ask(
    app: Reconfiguration,
    making: _Making,
    prepare: Callable[[UnitOfWork, AskId], Awaitable[Question]],
    *,
    gone: BusbarError | None = None,
) -> Answer:
    """The worker's answer when it is done; ``gone`` is what is said where what it works from has been deleted meanwhile."""
    scope, session_id = making.change.scope, making.change.session_id
    try:
        answer = await ask_and_hold(app, scope, prepare, HeldSolution(scope, making.key), what=making.what)
    except InputRefused as refusal:
        raise InputRefused(f"{making.what}: {refusal.message}") from None
    if answer is None:
        async with app.database.reading(scope.account_id) as connection:
            session = await session_store.find_session(connection, scope, session_id)
        raise UnknownSession(session_id) if session is None else gone or _TookTooLong()
    return answer


async def _conclude(
    app: Reconfiguration,
    making: _Making,
    decide: Callable[[AsyncConnection, SessionKey], Awaitable[BusbarError | None]],
) -> None:
    """Show an evaluated solution, or forget it where ``decide`` finds a reason; one after the other in each session."""
    scope = making.change.scope
    async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
        session = await _locked(work.connection, scope, making.change.session_id)
        reason = await decide(work.connection, session)
        if reason is None:
            await pool_store.prolong_session(work.connection, scope, session)
            await _record(work, making.change, making.event, making.repaired_from)
        else:
            await HeldSolution(scope, making.key).forget(work.connection)
    if reason is not None:
        raise reason


async def _record(work: UnitOfWork, change: PoolChange, event: SolutionEvent, repaired_from: str | None = None) -> None:
    details = {"session": change.session_id} | ({} if repaired_from is None else {"repaired_from": repaired_from})
    await record_solution(work, change.scope, change.actor, event, change.solution_id, details)


async def _show_new(connection: AsyncConnection, session: SessionKey, making: _Making) -> BusbarError | None:
    change = making.change
    if change.solution_id == BEST:
        return making.reserved()
    if await pool_store.find_solution(connection, change.scope, session, change.solution_id) is not None:
        return making.taken()
    return await _show(connection, making)


async def _show(
    connection: AsyncConnection, making: _Making, *, instead_of: PoolPlace | None = None
) -> BusbarError | None:
    if not await pool_store.show_solution(connection, making.change.scope, making.key, instead_of=instead_of):
        raise _TookTooLong  # what was done is undone
    return None
