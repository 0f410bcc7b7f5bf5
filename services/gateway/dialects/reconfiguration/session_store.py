"""The SQL of sessions. Every function takes the scope first after the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ARRAY, Double, Select, and_, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.held_ids import HeldId, free_expired
from services.gateway.dialects.reconfiguration.run_store import is_active
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.scoped_sql import (
    LOADED,
    PENDING,
    has_expired,
    in_scope,
    is_loaded,
    is_named,
    scoped,
)
from shared.db.chunks import read_chunks, write_chunks
from shared.db.models.reconfiguration import (
    BEST,
    networks,
    pool_solutions,
    runs,
    session_demand_chunks,
    session_uploads,
    sessions,
    solutions,
)
from shared.ids import NetworkKey, SessionKey

UploadRole = Literal["demands", "start_configuration"]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its status shows it. ``values`` are the (5,) unweighted objectives of ``best``."""

    session_id: str
    network_id: str
    is_running: bool
    weights: Sequence[float]
    best_is_feasible: bool
    best_values: Sequence[float]
    pool_ids: Sequence[str]


def _session_rows() -> Select[Any]:  # Any: the columns of a SessionRow
    best = solutions.alias("best")
    ids = aggregate_order_by(pool_solutions.c.solution_id, pool_solutions.c.sequence)
    is_in_pool = and_(pool_solutions.c.session_key == sessions.c.session_key, pool_solutions.c.state == LOADED)
    return (
        select(
            sessions.c.session_id,
            networks.c.network_id,
            exists(select(runs.c.run_id).where(runs.c.session_key == sessions.c.session_key, is_active()))
            .correlate(sessions)
            .label("is_running"),
            sessions.c.weights,
            best.c.is_feasible,
            best.c.objective_values,
            select(func.array_agg(ids)).where(is_in_pool).correlate(sessions).scalar_subquery().label("pool_ids"),
        )
        .join(networks, networks.c.network_key == sessions.c.network_key)
        .join(best, and_(best.c.session_key == sessions.c.session_key, best.c.solution_id == BEST))
    )


_IS_TAKEN = select(sessions.c.session_key).where(is_named(sessions), ~has_expired(sessions))
_FIND = select(sessions.c.session_key).where(is_loaded(sessions))
_LOCK = _FIND.with_for_update(key_share=True)
_DELETE = delete(sessions).where(is_loaded(sessions))
_ALL = _session_rows().where(in_scope(sessions), sessions.c.state == LOADED).order_by(sessions.c.sequence)
_ONE = _session_rows().where(is_loaded(sessions))
_WEIGHTS = select(sessions.c.weights).where(is_loaded(sessions))
_SET_WEIGHTS = (
    update(sessions)
    .where(in_scope(sessions), sessions.c.state == LOADED, sessions.c.session_key == bindparam("wanted_key"))
    .values(weights=bindparam("new_weights", type_=ARRAY(Double)))
)


async def session_id_is_taken(connection: AsyncConnection, scope: Scope, session_id: str) -> bool:
    """Whether a session of that id is there or being created."""
    return (await connection.execute(_IS_TAKEN, scoped(scope, wanted_id=session_id))).first() is not None


async def reserve_session(
    connection: AsyncConnection,
    scope: Scope,
    session_id: str,
    key: SessionKey,
    network: NetworkKey,
    *,
    weights: Sequence[float],
    allow_unspecified_demands: bool,
    time_out_s: float,
) -> bool:
    """Take an id for a session that is being created, to be held at once; False where it is taken already."""
    await free_expired(connection, scope, sessions, session_id)
    statement = insert(sessions).values(
        session_key=key,
        account_id=scope.account_id,
        owner=scope.owner,
        kind=scope.kind,
        session_id=session_id,
        network_key=network,
        state=PENDING,
        pending_until=func.now(),
        allow_unspecified_demands=allow_unspecified_demands,
        weights=list(weights),
        time_out_s=time_out_s,
    )
    return (await connection.execute(statement.on_conflict_do_nothing())).rowcount == 1


def held_session(scope: Scope, key: SessionKey) -> HeldId:
    """The id of a session that is being created."""
    return HeldId(scope, sessions, key)


async def write_session_upload(
    connection: AsyncConnection, scope: Scope, key: SessionKey, role: UploadRole, document: AsyncIterator[bytes]
) -> None:
    """Keep a document of a session as it was uploaded; without effect where the session is not being created."""
    if await held_session(scope, key).is_pending(connection):
        await write_chunks(connection, session_uploads, {"session_key": key, "role": role}, scope.account_id, document)


async def demands_document(connection: AsyncConnection, scope: Scope, session_id: str) -> AsyncIterator[bytes] | None:
    """The demands in effect of a session."""
    key = await find_session(connection, scope, session_id)
    if key is None:
        return None
    return read_chunks(connection, session_demand_chunks, {"session_key": key}, scope.account_id)


async def find_session(connection: AsyncConnection, scope: Scope, session_id: str) -> SessionKey | None:
    """The key of a session."""
    key = (await connection.execute(_FIND, scoped(scope, wanted_id=session_id))).scalar_one_or_none()
    return None if key is None else SessionKey(key)


async def lock_session(connection: AsyncConnection, scope: Scope, session_id: str) -> SessionKey | None:
    """The key of a session, on which only one transaction at a time decides; evaluations may still refer to it."""
    key = (await connection.execute(_LOCK, scoped(scope, wanted_id=session_id))).scalar_one_or_none()
    return None if key is None else SessionKey(key)


async def delete_session(connection: AsyncConnection, scope: Scope, session_id: str) -> bool:
    """Delete a session with its solutions and runs; False where there is none."""
    return (await connection.execute(_DELETE, scoped(scope, wanted_id=session_id))).rowcount == 1


async def list_sessions(connection: AsyncConnection, scope: Scope) -> list[SessionRow]:
    """All sessions, in order of creation."""
    return [_session_row(row) for row in await connection.execute(_ALL, scoped(scope))]


async def session_row(connection: AsyncConnection, scope: Scope, session_id: str) -> SessionRow | None:
    """One session as its status shows it."""
    row = (await connection.execute(_ONE, scoped(scope, wanted_id=session_id))).one_or_none()
    return None if row is None else _session_row(row)


async def weights_of(connection: AsyncConnection, scope: Scope, session_id: str) -> Sequence[float] | None:
    """(5,) the weights of a session's objectives."""
    found = await connection.execute(_WEIGHTS, scoped(scope, wanted_id=session_id))
    weights: Sequence[float] | None = found.scalar_one_or_none()
    return weights


async def set_weights(connection: AsyncConnection, scope: Scope, session: SessionKey, weights: Sequence[float]) -> None:
    """Give a session's objectives these (5,) weights."""
    await connection.execute(_SET_WEIGHTS, scoped(scope, wanted_key=session, new_weights=list(weights)))


def _session_row(row: Any) -> SessionRow:  # Any: a row of _session_rows
    return SessionRow(
        row.session_id,
        row.network_id,
        row.is_running,
        row.weights,
        row.is_feasible,
        row.objective_values,
        row.pool_ids or (),
    )
