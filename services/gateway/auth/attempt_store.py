"""The SQL of failed sign-ins: one row for each thing that is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, delete, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import audit_events, sign_in_failures
from shared.db.pruning import forget_older_than
from shared.ids import AccountId

KEPT_FOR_S = 86400.0
# Doubling stops here; every allowance is at its longest wait long before.
MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many failures are free, each further one costs twice the wait of the one before; a quiet time makes all forgotten."""

    free: int
    longest: timedelta
    forgotten_after: timedelta


@dataclass(frozen=True, slots=True)
class Bucket:
    """What failures are counted under."""

    name: str
    allowance: Allowance
    is_cleared_by_proof: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """A bucket in which nothing may be counted until a moment."""

    name: str
    until: datetime


async def add(connection: AsyncConnection, buckets: Sequence[Bucket], now: datetime) -> Blocked | None:
    """Count a failure in each bucket; the one that is blocked for longest, if one is: then the caller undoes the others."""
    # In one order everywhere, so that two processes never wait for each other's rows.
    for bucket in sorted(buckets, key=lambda bucket: bucket.name):
        row = (await connection.execute(_added(bucket, now))).one_or_none()
        if row is None:
            return await _longest_blocked(connection, buckets)
    return None


async def take_back(connection: AsyncConnection, buckets: Sequence[Bucket], now: datetime, *, is_proven: bool) -> None:
    """Count one failure less in each bucket, and block none of them."""
    for bucket in sorted(buckets, key=lambda bucket: bucket.name):
        is_it = sign_in_failures.c.bucket == bucket.name
        if is_proven and bucket.is_cleared_by_proof:
            await connection.execute(delete(sign_in_failures).where(is_it))
        else:
            fewer = func.greatest(0, sign_in_failures.c.failures - 1)
            await connection.execute(update(sign_in_failures).where(is_it).values(failures=fewer, blocked_until=now))


async def has_signed_in_from(
    connection: AsyncConnection,
    account_id: AccountId,
    subject: str,
    events: Sequence[str],
    address: str,
    since: datetime,
) -> bool:
    """Whether the audit record knows a sign-in of a subject from an address."""
    known = exists().where(
        audit_events.c.account_id == account_id,
        audit_events.c.occurred_at >= since,
        audit_events.c.subject == subject,
        audit_events.c.address == address,
        audit_events.c.event.in_(events),
    )
    return bool((await connection.execute(select(known))).scalar_one())


async def forget_old_failures(connection: AsyncConnection, limit: int) -> int:
    """Delete counters that nobody has failed under for a day; returns how many."""
    return await forget_older_than(connection, sign_in_failures.c.last_failure_at, KEPT_FOR_S, limit)


def _added(bucket: Bucket, now: datetime) -> Any:
    # Any: an INSERT with RETURNING, whose type has no short name.
    allowance = bucket.allowance
    is_forgotten = sign_in_failures.c.last_failure_at < now - allowance.forgotten_after
    failures = case((is_forgotten, 1), else_=sign_in_failures.c.failures + 1)
    statement = insert(sign_in_failures).values(
        bucket=bucket.name, failures=1, last_failure_at=now, blocked_until=now + _first_wait(allowance)
    )
    return statement.on_conflict_do_update(
        index_elements=[sign_in_failures.c.bucket],
        set_={"failures": failures, "last_failure_at": now, "blocked_until": literal(now) + _wait(failures, allowance)},
        where=sign_in_failures.c.blocked_until <= now,
    ).returning(sign_in_failures.c.failures)


def _wait(failures: ColumnElement[int], allowance: Allowance) -> ColumnElement[timedelta]:
    """One second after the first failure that is not free, and twice as long after each further one."""
    doublings = func.least(failures - allowance.free - 1, MOST_DOUBLINGS)
    growing = func.least(func.make_interval(0, 0, 0, 0, 0, 0, func.power(2.0, doublings)), allowance.longest)
    return case((failures <= allowance.free, timedelta(0)), else_=growing)


def _first_wait(allowance: Allowance) -> timedelta:
    return timedelta(0) if allowance.free else timedelta(seconds=1)


async def _longest_blocked(connection: AsyncConnection, buckets: Sequence[Bucket]) -> Blocked:
    is_one = sign_in_failures.c.bucket.in_([bucket.name for bucket in buckets])
    statement = select(sign_in_failures.c.bucket, sign_in_failures.c.blocked_until).where(is_one)
    row = (await connection.execute(statement.order_by(sign_in_failures.c.blocked_until.desc()).limit(1))).one()
    return Blocked(row.bucket, row.blocked_until)
