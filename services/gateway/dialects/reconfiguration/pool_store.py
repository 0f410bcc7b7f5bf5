"""The SQL of solutions: what is in the pool of a session, and what the optimizer wrote of it and of the best one.

The gateway says under which ids the pool's solutions are, and from when on clients see them; the optimizer writes how they were
evaluated. Every function takes the scope first after the connection; solutions are in the scope of their session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.scoped_sql import (
    LOADED,
    PENDING,
    after,
    has_expired,
    in_scope,
    in_seconds,
    is_loaded,
    scoped,
    seconds,
)
from shared.db.chunks import read_chunks, write_chunks
from shared.db.models.reconfiguration import (
    BEST,
    pool_solutions,
    sessions,
    solution_chunks,
    solution_uploads,
    solutions,
    stored_id,
)
from shared.db.pruning import delete_some
from shared.ids import SessionKey, SolutionKey


@dataclass(frozen=True, slots=True)
class SolutionRow:
    """A solution's evaluation, what is proven of its session, and the weights of that."""

    is_feasible: bool
    values: Sequence[float]
    verdict: dict[str, object]
    bound: float | None
    bound_weights: Sequence[float] | None
    proof: str
    weights: Sequence[float]


@dataclass(frozen=True, slots=True)
class PoolPlace:
    """Where a solution of the pool is: the place stays when its solution is replaced by another one."""

    key: SolutionKey
    sequence: int


_SESSION_IN_SCOPE = and_(in_scope(sessions), sessions.c.state == LOADED)


def _is_wanted() -> ColumnElement[bool]:
    """The row has the key of the parameters, and its session is in scope."""
    return and_(
        pool_solutions.c.solution_key == bindparam("wanted_key"),
        pool_solutions.c.account_id == bindparam("scope_account"),
        pool_solutions.c.session_key.in_(select(sessions.c.session_key).where(_SESSION_IN_SCOPE)),
    )


_IS_PENDING = and_(_is_wanted(), pool_solutions.c.state == PENDING)
_RESERVE = insert(pool_solutions).from_select(
    ["solution_key", "account_id", "session_key", "solution_id", "state", "pending_until"],
    select(
        bindparam("new_key", type_=Uuid),
        sessions.c.account_id,
        sessions.c.session_key,
        bindparam("solution_id", type_=Text),
        literal(PENDING, Text),
        func.now(),
    )
    .where(_SESSION_IN_SCOPE, sessions.c.session_key == bindparam("wanted_key"))
    .with_for_update(of=sessions, read=True, key_share=True),  # a deletion waits
)
_HOLD = update(pool_solutions).where(_IS_PENDING).values(pending_until=in_seconds())
_FORGET = delete(pool_solutions).where(_IS_PENDING)
_FIND_PENDING = select(pool_solutions.c.solution_key).where(_IS_PENDING)
_SHOW = update(pool_solutions).where(_IS_PENDING).values(state=LOADED, pending_until=None)
_SHOW_INSTEAD = _SHOW.values(sequence=bindparam("former_sequence", type_=BigInteger))
_FORGET_UPLOAD = delete(solution_uploads).where(
    solution_uploads.c.solution_key.in_(select(pool_solutions.c.solution_key).where(_is_wanted()))
)
_DELETE = delete(pool_solutions).where(_is_wanted(), pool_solutions.c.state == LOADED)
_FIND = (
    select(pool_solutions.c.solution_key, pool_solutions.c.sequence)
    .join(sessions, sessions.c.session_key == pool_solutions.c.session_key)
    .where(
        _SESSION_IN_SCOPE,
        sessions.c.session_key == bindparam("wanted_key"),
        pool_solutions.c.state == LOADED,
        pool_solutions.c.solution_id == bindparam("solution_id"),
    )
)
_FIND_SESSION = select(sessions.c.session_key).where(
    _SESSION_IN_SCOPE, sessions.c.session_key == bindparam("wanted_key")
)
_PROLONG = (
    update(sessions)
    .where(_SESSION_IN_SCOPE, sessions.c.session_key == bindparam("wanted_key"))
    .values(expires_at=after(sessions.c.time_out_s))
)
_BEST = solutions.alias("best")
_INFO = (
    select(
        solutions.c.is_feasible,
        solutions.c.objective_values,
        solutions.c.verdict,
        # A bound holds for the session, whichever solution is looked at.
        _BEST.c.bound,
        _BEST.c.bound_weights,
        _BEST.c.proof,
        sessions.c.weights,
    )
    .join(sessions, sessions.c.session_key == solutions.c.session_key)
    .join(_BEST, and_(_BEST.c.session_key == sessions.c.session_key, _BEST.c.solution_id == BEST))
    .where(is_loaded(sessions), solutions.c.solution_id == bindparam("stored_id"))
)
_SWEEP = delete_some(
    pool_solutions,
    has_expired(pool_solutions),
    pool_solutions.c.pending_until,
    bindparam("at_most", type_=Integer),
)


async def reserve_solution(
    connection: AsyncConnection, scope: Scope, session: SessionKey, solution_id: str, key: SolutionKey
) -> bool:
    """Make a row for a solution that is to be evaluated, to be held at once; False where its session is gone.

    The id stays free for others: whether it may be had is decided when the solution is shown.
    """
    parameters = scoped(scope, wanted_key=session, solution_id=solution_id, new_key=key)
    return (await connection.execute(_RESERVE, parameters)).rowcount == 1


@dataclass(frozen=True, slots=True)
class HeldSolution:
    """The row of a solution that is being evaluated. Without effect once it is gone or shown."""

    scope: Scope
    key: SolutionKey

    async def hold(self, connection: AsyncConnection, for_s: float) -> None:
        """Keep it for so long from now on."""
        await connection.execute(_HOLD, self._parameters() | {"for_time": seconds(for_s)})

    async def forget(self, connection: AsyncConnection) -> None:
        """Delete it."""
        await connection.execute(_FORGET, self._parameters())

    def _parameters(self) -> dict[str, object]:
        return scoped(self.scope, wanted_key=self.key)


async def write_solution_upload(
    connection: AsyncConnection, scope: Scope, key: SolutionKey, document: AsyncIterator[bytes]
) -> None:
    """Keep a solution as it was uploaded; without effect where it is not being evaluated."""
    if (await connection.execute(_FIND_PENDING, scoped(scope, wanted_key=key))).first() is not None:
        await write_chunks(connection, solution_uploads, {"solution_key": key}, scope.account_id, document)


async def find_solution(
    connection: AsyncConnection, scope: Scope, session: SessionKey, solution_id: str
) -> PoolPlace | None:
    """The place of a solution in the pool of a session."""
    found = await connection.execute(_FIND, scoped(scope, wanted_key=session, solution_id=solution_id))
    row = found.one_or_none()
    return None if row is None else PoolPlace(SolutionKey(row.solution_key), row.sequence)


async def show_solution(
    connection: AsyncConnection, scope: Scope, key: SolutionKey, *, instead_of: PoolPlace | None = None
) -> bool:
    """Let clients see an evaluated solution, in the place of another one or at the end; False where its row is gone.

    The session must be locked (``lock_session``), and the id be free but for the one that is replaced.
    """
    parameters = scoped(scope, wanted_key=key)
    if instead_of is None:
        shown = await connection.execute(_SHOW, parameters)
    else:
        await delete_solution(connection, scope, instead_of.key)
        shown = await connection.execute(_SHOW_INSTEAD, parameters | {"former_sequence": instead_of.sequence})
    await connection.execute(_FORGET_UPLOAD, parameters)
    return shown.rowcount == 1


async def delete_solution(connection: AsyncConnection, scope: Scope, key: SolutionKey) -> bool:
    """Take a solution out of the pool; False where it is not in it."""
    return (await connection.execute(_DELETE, scoped(scope, wanted_key=key))).rowcount == 1


async def prolong_session(connection: AsyncConnection, scope: Scope, session: SessionKey) -> None:
    """Begin the time of a session anew, since something has happened to it."""
    await connection.execute(_PROLONG, scoped(scope, wanted_key=session))


async def solution_document(
    connection: AsyncConnection, scope: Scope, session: SessionKey, place: PoolPlace | None
) -> AsyncIterator[bytes] | None:
    """The document of a solution of the pool, or of the best one."""
    if (await connection.execute(_FIND_SESSION, scoped(scope, wanted_key=session))).first() is None:
        return None
    keys = {"session_key": session, "solution_id": _stored_id(place)}
    return read_chunks(connection, solution_chunks, keys, scope.account_id)


async def solution_row(
    connection: AsyncConnection, scope: Scope, session_id: str, place: PoolPlace | None
) -> SolutionRow | None:
    """How a solution of the pool, or the best one, was evaluated; None where it is gone."""
    parameters = scoped(scope, wanted_id=session_id, stored_id=_stored_id(place))
    row: Any = (await connection.execute(_INFO, parameters)).one_or_none()  # Any: the columns of a SolutionRow
    return None if row is None else SolutionRow(*row)


async def sweep_never_shown(connection: AsyncConnection, limit: int) -> int:
    """Delete up to ``limit`` rows of all accounts that never came to be solutions; returns how many."""
    return (await connection.execute(_SWEEP, {"at_most": limit})).rowcount


def _stored_id(place: PoolPlace | None) -> str:
    return BEST if place is None else stored_id(place.key)
