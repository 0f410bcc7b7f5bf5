"""Ids that are held while what they name is being made: what networks and sessions have in common, and how many a user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Delete,
    Integer,
    Select,
    Table,
    Text,
    Update,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.scoped_sql import (
    LOADED,
    after,
    has_expired,
    in_scope,
    in_seconds,
    is_named,
    is_pending,
    scoped,
    seconds,
)
from shared.db.models.reconfiguration import networks, sessions
from shared.db.pruning import delete_some


@dataclass(frozen=True)
class _Statements:
    """The statements for one of the two tables."""

    free_expired: Delete
    hold: Update
    forget: Delete
    is_pending: Select[Any]  # Any: its key
    mark_loaded: Update
    count: Select[int]
    take_turn: Select[Any]  # Any: void
    sweep: Delete


def _statements(table: Table, **when_loaded: object) -> _Statements:
    account = cast(bindparam("scope_account", type_=Uuid), Text)
    names = (account, bindparam("scope_kind", type_=Text), bindparam("scope_owner", type_=Text))
    turn = func.hashtextextended(func.concat_ws("/", literal(table.name, Text), *names), 0)
    return _Statements(
        free_expired=delete(table).where(is_named(table), has_expired(table)),
        hold=update(table).where(is_pending(table)).values(pending_until=in_seconds()),
        forget=delete(table).where(is_pending(table)),
        is_pending=select(table.c.state).where(is_pending(table)),
        mark_loaded=update(table).where(is_pending(table)).values(state=LOADED, pending_until=None, **when_loaded),
        count=select(func.count()).select_from(table).where(in_scope(table), ~has_expired(table)),
        take_turn=select(func.pg_advisory_xact_lock(turn)),
        sweep=delete_some(table, has_expired(table), table.c.pending_until, bindparam("at_most", type_=Integer)),
    )


_OF = {
    networks: _statements(networks),
    # A session begins to be idle when clients may see it.
    sessions: _statements(sessions, expires_at=after(sessions.c.time_out_s)),
}


@dataclass(frozen=True, slots=True)
class HeldId:
    """The id of a row of ``table`` (networks or sessions) that is being made. Without effect once the row is gone or made."""

    scope: Scope
    table: Table
    key: UUID

    async def hold(self, connection: AsyncConnection, for_s: float) -> None:
        """Hold the id for so long from now on."""
        await connection.execute(_OF[self.table].hold, self._parameters() | {"for_time": seconds(for_s)})

    async def forget(self, connection: AsyncConnection) -> None:
        """Free the id."""
        await connection.execute(_OF[self.table].forget, self._parameters())

    async def is_pending(self, connection: AsyncConnection) -> bool:
        """Whether it is still being made."""
        return (await connection.execute(_OF[self.table].is_pending, self._parameters())).first() is not None

    async def mark_loaded(self, connection: AsyncConnection) -> bool:
        """Let clients see it from now on; False where its row is gone."""
        return (await connection.execute(_OF[self.table].mark_loaded, self._parameters())).rowcount == 1

    def _parameters(self) -> dict[str, object]:
        return scoped(self.scope, wanted_key=self.key)


async def free_expired(connection: AsyncConnection, scope: Scope, table: Table, wanted_id: str) -> None:
    """Free an id that is held by somebody who has been silent for too long."""
    await connection.execute(_OF[table].free_expired, scoped(scope, wanted_id=wanted_id))


async def count_ids(connection: AsyncConnection, scope: Scope, table: Table) -> int:
    """How many rows a scope has, those included that are being made."""
    count: int = (await connection.execute(_OF[table].count, scoped(scope))).scalar_one()
    return count


async def take_turn(connection: AsyncConnection, scope: Scope, table: Table) -> None:
    """Wait until no other transaction that has taken its turn with this scope and table is open, and keep them waiting."""
    await connection.execute(_OF[table].take_turn, scoped(scope))


async def sweep_expired(connection: AsyncConnection, table: Table, limit: int) -> int:
    """Delete up to ``limit`` rows of all accounts that never came to be; returns how many."""
    return (await connection.execute(_OF[table].sweep, {"at_most": limit})).rowcount
