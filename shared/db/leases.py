"""Leases: who may work on a long-running thing, by the database's clock, with a fence that refuses the writes of former owners.

A worker acquires a lease in the transaction that accepts the work, renews it from its heartbeat, and guards every write of
the work with it: the guard locks the lease's row, so that nobody can take the lease over before that write is committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from shared.db import pruning
from shared.db.models.infrastructure import leases
from shared.errors import LeaseLost
from shared.ids import AccountId

# Shorter than any lease, so that a lock never outlives the lease of a worker that has gone silent.
SILENCE_S = 1.5


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a resource. It is lost once it expires or somebody else's has a higher fence."""

    resource: str
    owner: str
    fence: int


async def acquire(
    connection: AsyncConnection, account_id: AccountId, resource: str, owner: str, ttl_s: float
) -> Lease | None:
    """Take a free or expired lease with the next fence; None while anybody holds it, the same owner included."""
    statement = insert(leases).values(
        resource=resource, account_id=account_id, owner=owner, fence=1, expires_at=_in(ttl_s), heartbeat_at=_now()
    )
    statement = statement.on_conflict_do_update(
        index_elements=[leases.c.resource],
        set_={
            "owner": owner,
            "fence": leases.c.fence + 1,
            "expires_at": _in(ttl_s),
            "heartbeat_at": _now(),
        },
        where=(leases.c.expires_at <= _now()) & (leases.c.account_id == account_id),
    )
    fence = (await connection.execute(statement.returning(leases.c.fence))).scalar_one_or_none()
    return None if fence is None else Lease(resource, owner, fence)


async def renew(connection: AsyncConnection, held: Iterable[Lease], ttl_s: float) -> set[str]:
    """Extend leases by ``ttl_s`` from now; returns the resources whose lease is still the caller's. An expired one is lost.

    A row that a guarded write has locked is left for the next heartbeat, or one slow write would let all others expire.
    """
    wanted = [(lease.resource, lease.owner, lease.fence) for lease in held]
    if not wanted:
        return set()
    is_mine = (tuple_(leases.c.resource, leases.c.owner, leases.c.fence).in_(wanted), leases.c.expires_at > _now())
    unlocked = select(leases.c.resource).where(*is_mine).order_by(leases.c.resource)
    unlocked_rows = unlocked.with_for_update(skip_locked=True).cte("unlocked")
    extend = (
        update(leases)
        .where(leases.c.resource.in_(select(unlocked_rows.c.resource)))
        .values(expires_at=_in(ttl_s), heartbeat_at=_now())
    )
    await connection.execute(extend.returning(_give_up_if_silent()))
    mine = select(leases.c.resource).where(*is_mine)
    return set((await connection.execute(mine)).scalars())


async def guard(connection: AsyncConnection, lease: Lease) -> None:
    """Make sure that this transaction commits under the lease: nobody takes it over before the transaction ends.

    Raises:
        LeaseLost: it has expired, or is another's.
    """
    # The clock is read after the lock is had, which may have taken a while: hence the inner query.
    locked = select(leases).where(leases.c.resource == lease.resource).with_for_update().cte("locked")
    is_live = (locked.c.expires_at > _now()).label("is_live")
    statement = select(locked.c.owner, locked.c.fence, is_live, _give_up_if_silent())
    row = (await connection.execute(statement)).one_or_none()
    if row is None or row.owner != lease.owner or row.fence != lease.fence or not row.is_live:
        raise LeaseLost(f"the lease of {lease.resource} is no longer held by {lease.owner}")


async def release(connection: AsyncConnection, lease: Lease) -> None:
    """End a lease, so that another may take it at once. Without effect on one that is lost.

    The row stays, since the next owner's fence has to be higher than this one's.
    """
    statement = update(leases).where(
        leases.c.resource == lease.resource, leases.c.owner == lease.owner, leases.c.fence == lease.fence
    )
    await connection.execute(statement.values(expires_at=_now()))


async def forget_older_than(connection: AsyncConnection, age_s: float, limit: int) -> int:
    """Delete up to ``limit`` leases that ended long ago; returns how many."""
    return await pruning.forget_older_than(connection, leases.c.expires_at, age_s, limit)


def _give_up_if_silent() -> ColumnElement[Any]:  # Any: an SQL expression
    """For the rest of the transaction: end it where its worker sends nothing for so long.

    A worker that froze, or was cut off, between two statements would otherwise keep the row locked, and the work from everybody
    else, long after its lease has expired.
    """
    return func.set_config("idle_in_transaction_session_timeout", f"{SILENCE_S:g}s", true())


def _now() -> ColumnElement[Any]:  # Any: an SQL expression
    # Not now(), which is when the transaction began: a lease may expire while a transaction waits.
    return func.clock_timestamp()


def _in(seconds: float) -> ColumnElement[Any]:  # Any: an SQL expression
    return func.clock_timestamp() + timedelta(seconds=seconds)
