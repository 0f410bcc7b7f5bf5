"""Use cases around the solutions of a session: its pool, and the best one, which is read like those of the pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
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
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import DELETE_WITHIN_S, Reconfiguration
from services.gateway.http.spool import Spool
from shared.contracts.asks import Question
from shared.contracts.reconfiguration import SolutionEvaluationRequested, SolutionRepairRequested
from shared.db.answers import Answer
from shared.db.models.reconfiguration import BEST
from shared.db.unit_of_work import UnitOfWork
from shared.errors import BusbarError, DependencyUnavailable
from shared.ids import AskId, SessionKey, SolutionKey, uuid7

# What texts about bad input begin with; clients know them by it.
ADDING = "An error occurred adding the solution"
EVALUATING = "An error occurred while evaluating the solution"
REPAIRING = "An error occurred repairing the solution"


class _TookTooLong(DependencyUnavailable):
    """The row was not held any more when the solution was evaluated."""

    def __init__(self) -> None:
        super().__init__("Evaluating the solution took too long; try again.")


@dataclass(frozen=True, slots=True)
class _Making:
    """A solution that is being made, and what is being done as texts say it."""

    session_id: str
    solution_id: str
    key: SolutionKey
    what: str

    def reserved(self) -> ReservedId:
        """The id is that of the best solution."""
        return ReservedId(f"{self.what}: the id '{BEST}' is reserved for the best known solution.")

    def taken(self) -> SolutionIdTaken:
        """The id is that of another one."""
        return SolutionIdTaken(f"{self.what}: there is already a solution with id '{self.solution_id}'.")


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


async def add_solution(app: Reconfiguration, scope: Scope, session_id: str, solution_id: str, document: Spool) -> None:
    """Have an uploaded solution evaluated and put it into the pool. What is wrong with the document is said before the id is looked at.

    Raises:
        InputRefused, BindingFailed, WorkFailed: the document is no good; ReservedId, SolutionIdTaken: the id is not free.
    """
    check_id(solution_id)
    making = _Making(session_id, solution_id, SolutionKey(uuid7()), ADDING)

    async def decide(connection: AsyncConnection, session: SessionKey) -> BusbarError | None:
        return await _show_new(connection, scope, session, making)

    await _ask(app, scope, making, _uploaded(scope, making, document))
    await _conclude(app, scope, making, decide)


async def update_solution(
    app: Reconfiguration, scope: Scope, session_id: str, solution_id: str, document: Spool
) -> None:
    """Have an uploaded solution evaluated and put it into the place of the one of that id.

    Raises:
        InputRefused, BindingFailed, WorkFailed: the document is no good; ReservedId, UnknownSolutionToUpdate: there is nothing to update.
    """
    check_id(solution_id)
    making = _Making(session_id, solution_id, SolutionKey(uuid7()), EVALUATING)

    async def decide(connection: AsyncConnection, session: SessionKey) -> BusbarError | None:
        if solution_id == BEST:
            return ReservedId(f"{EVALUATING}: the solution '{BEST}' can not be updated.")
        place = await pool_store.find_solution(connection, scope, session, solution_id)
        if place is None:
            return UnknownSolutionToUpdate(f"{EVALUATING}: there is no solution with id '{solution_id}'.")
        return await _show(connection, scope, making, instead_of=place)

    await _ask(app, scope, making, _uploaded(scope, making, document))
    await _conclude(app, scope, making, decide)


async def repair_solution(app: Reconfiguration, scope: Scope, session_id: str, solution_id: str, new_id: str) -> str:
    """Put a copy of a solution that is radial and connected into the pool; returns what has been changed, in words.

    Raises:
        UnknownSolution: there is nothing to copy; ReservedId, SolutionIdTaken: the new id is not free;
        InputRefused: no switch setting makes it radial.
    """
    check_id(new_id)
    making = _Making(session_id, new_id, SolutionKey(uuid7()), REPAIRING)

    async def prepare(work: UnitOfWork, ask_id: AskId) -> Question:
        session, source = await _find(work.connection, scope, session_id, solution_id)
        if new_id == BEST:
            raise making.reserved()
        if await pool_store.find_solution(work.connection, scope, session, new_id) is not None:
            raise making.taken()
        await _reserve(work.connection, scope, session, making)
        source_key = None if source is None else source.key
        return SolutionRepairRequested(ask_id=ask_id, solution_key=making.key, source_key=source_key)

    async def decide(connection: AsyncConnection, session: SessionKey) -> BusbarError | None:
        return await _show_new(connection, scope, session, making)

    answer = await _ask(app, scope, making, prepare, gone=UnknownSolution(session_id, solution_id))
    await _conclude(app, scope, making, decide)
    return answer.body


async def delete_solution(app: Reconfiguration, scope: Scope, session_id: str, solution_id: str) -> None:
    """Take a solution out of the pool."""
    async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
        session = await _locked(work.connection, scope, session_id)
        if solution_id == BEST:
            raise ReservedId(f"The solution '{BEST}' cannot be removed.")
        place = await pool_store.find_solution(work.connection, scope, session, solution_id)
        if place is None:
            raise UnknownSolution(session_id, solution_id)
        await pool_store.delete_solution(work.connection, scope, place.key)
        await pool_store.prolong_session(work.connection, scope, session)


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


async def _reserve(connection: AsyncConnection, scope: Scope, session: SessionKey, making: _Making) -> None:
    if not await pool_store.reserve_solution(connection, scope, session, making.solution_id, making.key):
        raise UnknownSession(making.session_id)


def _uploaded(scope: Scope, making: _Making, document: Spool) -> Callable[[UnitOfWork, AskId], Awaitable[Question]]:
    async def prepare(work: UnitOfWork, ask_id: AskId) -> Question:
        session = await session_store.find_session(work.connection, scope, making.session_id)
        if session is None:
            raise UnknownSession(making.session_id)
        await _reserve(work.connection, scope, session, making)
        await pool_store.write_solution_upload(work.connection, scope, making.key, document.pieces())
        return SolutionEvaluationRequested(ask_id=ask_id, solution_key=making.key)

    return prepare


async def _ask(
    app: Reconfiguration,
    scope: Scope,
    making: _Making,
    prepare: Callable[[UnitOfWork, AskId], Awaitable[Question]],
    *,
    gone: BusbarError | None = None,
) -> Answer:
    """The worker's answer when it is done; ``gone`` is what is said where what it works from has been deleted meanwhile."""
    try:
        answer = await ask_and_hold(app, scope, prepare, HeldSolution(scope, making.key), what=making.what)
    except InputRefused as refusal:
        raise InputRefused(f"{making.what}: {refusal.message}") from None
    if answer is None:
        async with app.database.reading(scope.account_id) as connection:
            session = await session_store.find_session(connection, scope, making.session_id)
        raise UnknownSession(making.session_id) if session is None else gone or _TookTooLong()
    return answer


async def _conclude(
    app: Reconfiguration,
    scope: Scope,
    making: _Making,
    decide: Callable[[AsyncConnection, SessionKey], Awaitable[BusbarError | None]],
) -> None:
    """Show an evaluated solution, or forget it where ``decide`` finds a reason; one after the other in each session."""
    async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
        session = await _locked(work.connection, scope, making.session_id)
        reason = await decide(work.connection, session)
        if reason is None:
            await pool_store.prolong_session(work.connection, scope, session)
        else:
            await HeldSolution(scope, making.key).forget(work.connection)
    if reason is not None:
        raise reason


async def _show_new(
    connection: AsyncConnection, scope: Scope, session: SessionKey, making: _Making
) -> BusbarError | None:
    if making.solution_id == BEST:
        return making.reserved()
    if await pool_store.find_solution(connection, scope, session, making.solution_id) is not None:
        return making.taken()
    return await _show(connection, scope, making)


async def _show(
    connection: AsyncConnection, scope: Scope, making: _Making, *, instead_of: PoolPlace | None = None
) -> BusbarError | None:
    if not await pool_store.show_solution(connection, scope, making.key, instead_of=instead_of):
        raise _TookTooLong  # what was done is undone
    return None
