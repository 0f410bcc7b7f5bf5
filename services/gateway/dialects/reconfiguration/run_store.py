"""The SQL of runs: what was wanted, and whether somebody works on it. Runs are in the scope of their session."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.scoped_sql import in_scope, interval, scoped
from shared.db.models.infrastructure import leases
from shared.db.models.reconfiguration import RUN_LEASE, is_to_stop, run_states, runs, sessions
from shared.ids import RunId, SessionKey


def is_active() -> ColumnElement[bool]:
    """A run is active until it has finished, or until it is to stop and nobody works on it."""
    finished = exists(
        select(run_states.c.run_id).where(run_states.c.run_id == runs.c.run_id, run_states.c.finished_at.is_not(None))
    ).correlate(runs)
    worked_on = exists(
        select(leases.c.resource).where(_is_lease_of_run(), leases.c.expires_at > func.clock_timestamp())
    ).correlate(runs)
    return and_(~finished, or_(~is_to_stop(), worked_on))


def ended_at() -> ColumnElement[datetime]:
    """When a run that is not active any more has ended: when it was finished, or, where nobody did that, when its last worker
    was silent for too long after it was to stop.
    """
    finished = select(run_states.c.finished_at).where(run_states.c.run_id == runs.c.run_id)
    given_up = select(leases.c.expires_at).where(_is_lease_of_run())
    was_to_stop = func.least(runs.c.stop_requested_at, runs.c.deadline)
    return func.coalesce(
        finished.correlate(runs).scalar_subquery(),
        func.greatest(was_to_stop, given_up.correlate(runs).scalar_subquery()),
    )


def _is_lease_of_run() -> ColumnElement[bool]:
    is_named_so = leases.c.resource == func.concat(RUN_LEASE, cast(runs.c.run_id, Text))
    return and_(is_named_so, leases.c.account_id == runs.c.account_id)


_IS_WANTED = and_(in_scope(sessions), sessions.c.session_key == bindparam("wanted_key"))
_OF_SESSION = and_(
    runs.c.account_id == bindparam("scope_account"),
    runs.c.session_key.in_(select(sessions.c.session_key).where(_IS_WANTED)),
)
_NEW = select(
    bindparam("run_id", type_=Uuid),
    sessions.c.account_id,
    sessions.c.session_key,
    bindparam("seed", type_=BigInteger),
    func.now() + interval(bindparam("time_out_s", type_=Double)),
).where(_IS_WANTED, ~exists(select(runs.c.run_id).where(runs.c.session_key == sessions.c.session_key, is_active())))
_ADD = insert(runs).from_select(["run_id", "account_id", "session_key", "seed", "deadline"], _NEW)
_ACTIVE = select(runs.c.run_id).where(_OF_SESSION, is_active()).limit(1)
_REQUEST_STOP = update(runs).where(_OF_SESSION, runs.c.stop_requested_at.is_(None)).values(stop_requested_at=func.now())


async def has_active_run(connection: AsyncConnection, scope: Scope, session: SessionKey) -> bool:
    """Whether a run of a session is wanted, or still being worked on after it was to stop."""
    return (await connection.execute(_ACTIVE, _of(scope, session))).first() is not None


async def add_run(
    connection: AsyncConnection, scope: Scope, session: SessionKey, run: RunId, *, seed: int, time_out_s: float
) -> bool:
    """Want a run from now on, for so long at most; False where one is active already, or where there is no such session.

    The session must be locked (``lock_session``), or two could be added at once.
    """
    parameters = {"run_id": run, "seed": seed, "time_out_s": time_out_s}
    return (await connection.execute(_ADD, _of(scope, session) | parameters)).rowcount == 1


async def request_stop(connection: AsyncConnection, scope: Scope, session: SessionKey) -> None:
    """Ask the session's runs to stop; the first request counts."""
    await connection.execute(_REQUEST_STOP, _of(scope, session))


def _of(scope: Scope, session: SessionKey) -> dict[str, object]:
    return scoped(scope, wanted_key=session)
