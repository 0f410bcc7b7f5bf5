"""The SQL of time-outs of sessions, for all accounts at once."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Double,
    Integer,
    Text,
    Update,
    Uuid,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.run_store import ended_at, is_active
from services.gateway.dialects.reconfiguration.scoped_sql import LOADED, after, interval
from shared.db.models.reconfiguration import runs, sessions


def _has_timed_out() -> ColumnElement[bool]:
    """Nothing has happened to the session for as long as its time-out, and no run is under way or has ended since."""
    is_alive = or_(is_active(), ended_at() + interval(sessions.c.time_out_s) > func.clock_timestamp())
    is_kept = exists(select(runs.c.run_id).where(runs.c.session_key == sessions.c.session_key, is_alive))
    return and_(
        sessions.c.state == LOADED,
        sessions.c.expires_at <= func.clock_timestamp(),
        ~is_kept.correlate(sessions),
    )


_LOCK_TIMED_OUT = (
    select(sessions.c.session_key)
    .where(_has_timed_out())
    .order_by(sessions.c.expires_at)
    .limit(bindparam("at_most", type_=Integer))
    .with_for_update(of=sessions, skip_locked=True)
)
_DELETE_TIMED_OUT = delete(sessions).where(
    sessions.c.session_key == any_(bindparam("locked", type_=ARRAY(Uuid))), _has_timed_out()
)


def _set_time_out(*owners: ColumnElement[bool]) -> Update:
    time_out_s = bindparam("new_time_out_s", type_=Double)
    statement = update(sessions).where(*owners, sessions.c.time_out_s != time_out_s)
    return statement.values(time_out_s=time_out_s, expires_at=after(time_out_s))


_OWNERS = bindparam("owners", type_=ARRAY(Text))
_SET_FOR_OWNERS = _set_time_out(sessions.c.owner == any_(_OWNERS))
_SET_FOR_OTHERS = _set_time_out(~(sessions.c.owner == any_(_OWNERS)))


async def delete_timed_out_sessions(connection: AsyncConnection, limit: int) -> int:
    """Delete up to ``limit`` sessions that have been idle for too long, the longest first; returns how many.

    Those that others have locked are left: something is happening to them.
    """
    locked = list((await connection.execute(_LOCK_TIMED_OUT, {"at_most": limit})).scalars())
    if not locked:
        return 0
    # Looked at again under the lock: a run may have been started after the first statement began and before it had the row.
    return (await connection.execute(_DELETE_TIMED_OUT, {"locked": locked})).rowcount


async def set_time_out(connection: AsyncConnection, owners: Collection[str], time_out_s: float) -> None:
    """Give the sessions of some users this time-out, which begins anew for those that have had another."""
    await connection.execute(_SET_FOR_OWNERS, {"owners": list(owners), "new_time_out_s": time_out_s})


async def set_time_out_of_others(connection: AsyncConnection, owners: Collection[str], time_out_s: float) -> None:
    """Give the sessions of all users but some this time-out, which begins anew for those that have had another."""
    await connection.execute(_SET_FOR_OTHERS, {"owners": list(owners), "new_time_out_s": time_out_s})
