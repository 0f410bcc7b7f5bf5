"""The SQL of the hub: how the sessions of groups stand. The account comes first; a group has the sessions of both APIs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.pool_store import SolutionRow
from services.gateway.dialects.reconfiguration.scoped_sql import LOADED
from shared.db.models.reconfiguration import BEST, run_states, runs, sessions, solutions
from shared.ids import AccountId, RunId, SessionKey

# Owner and id of sessions within an account.
Names = tuple[str, str]
NAMES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class BestState:
    """What tells one best solution from the next: the newest run that has begun, and how often it was replaced."""

    run_id: RunId | None
    revision: int


@dataclass(frozen=True, slots=True)
class FollowedSession:
    """A session of a group, and how it stands."""

    names: Names
    session_key: SessionKey
    state: BestState


# A run has begun when its start has been evaluated; the start is announced then, better than the best or not.
_BEGUN = (
    select(runs.c.run_id)
    .join(run_states, run_states.c.run_id == runs.c.run_id)
    .where(runs.c.session_key == sessions.c.session_key, run_states.c.trials > 0)
    .order_by(runs.c.requested_at.desc(), runs.c.run_id.desc())
    .limit(1)
    .correlate(sessions)
    .scalar_subquery()
)
_BEST_OF = and_(solutions.c.session_key == sessions.c.session_key, solutions.c.solution_id == BEST)
_STATES = (
    select(
        sessions.c.owner, sessions.c.session_id, sessions.c.session_key, _BEGUN.label("run_id"), solutions.c.revision
    )
    .join(solutions, _BEST_OF)
    .where(
        sessions.c.account_id == bindparam("account"),
        sessions.c.state == LOADED,
        tuple_(sessions.c.owner, sessions.c.session_id).in_(bindparam("names", expanding=True)),
    )
)
_BEST = (
    select(
        solutions.c.is_feasible,
        solutions.c.objective_values,
        solutions.c.verdict,
        solutions.c.bound,
        solutions.c.bound_weights,
        solutions.c.proof,
        sessions.c.weights,
    )
    .join(sessions, _BEST_OF)
    .where(sessions.c.account_id == bindparam("account"), sessions.c.session_key == bindparam("key"))
)


async def followed_sessions(
    connection: AsyncConnection, account_id: AccountId, names: Sequence[Names]
) -> list[FollowedSession]:
    """Those sessions that there are."""
    found: list[FollowedSession] = []
    for first in range(0, len(names), NAMES_AT_ONCE):
        wanted = {"account": account_id, "names": list(names[first : first + NAMES_AT_ONCE])}
        for row in await connection.execute(_STATES, wanted):
            run_id = None if row.run_id is None else RunId(row.run_id)
            state = BestState(run_id, row.revision)
            found.append(FollowedSession((row.owner, row.session_id), SessionKey(row.session_key), state))
    return found


async def best_of(connection: AsyncConnection, account_id: AccountId, session: SessionKey) -> SolutionRow | None:
    """How the best solution of a session was evaluated."""
    row = (await connection.execute(_BEST, {"account": account_id, "key": session})).one_or_none()
    return None if row is None else SolutionRow(*row)
