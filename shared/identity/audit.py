"""The audit record: who did what to which object, from where, when. Events are only ever added; after 400 days they are pruned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import audit_events
from shared.db.unit_of_work import Reach
from shared.identity.principals import Account, Actor, ApiKey, Client, User
from shared.identity.reach import account_id_of, within
from shared.ids import AccountId, uuid7

LIST_AT_MOST = 1000

# Every event there is: what happened to what, in past tense.
AuditEventName = Literal[
    "account:created",
    "account:changed",
    "account:disabled",
    "account:enabled",
    "account:deleted",
    "user:created",
    "user:changed",
    "user:disabled",
    "user:enabled",
    "user:deleted",
    "user:password:changed",
    "user:password:cleared",
    "user:token:issued",
    "user:signed-in",
    "user:signed-out",
    "user:sign-in:failed",
    "key:created",
    "key:disabled",
    "key:enabled",
    "key:deleted",
    "client:created",
    "client:changed",
    "client:disabled",
    "client:enabled",
    "client:deleted",
    "client:secret:added",
    "client:secret:deleted",
    "client:token:issued",
    "client:sign-in:failed",
    "network:created",
    "network:deleted",
    "session:created",
    "session:deleted",
    "session:weights:changed",
    "solution:created",
    "solution:changed",
    "solution:deleted",
    "run:started",
    "run:stopped",
    "job:stopped",
    "asset:created",
    "asset:changed",
    "asset:copied",
    "asset:deleted",
    "sensor:created",
    "sensor:changed",
    "sensor:deleted",
    "sensor:data:deleted",
    "annotation:created",
]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that happened. It stays when its object, or the whole account, is gone."""

    event_id: UUID
    account_id: AccountId
    occurred_at: datetime
    event: str
    subject: str
    object_kind: str
    object_id: str
    address: str | None
    details: Mapping[str, Any]  # whatever JSON holds


async def record(
    connection: AsyncConnection,
    account_id: AccountId,
    event: AuditEventName,
    *,
    actor: Actor,
    object_kind: str,
    object_id: str,
    details: Mapping[str, object] | None = None,
) -> None:
    """Add an event, in the transaction of what it tells of. ``details`` hold no secret and no password."""
    await connection.execute(
        insert(audit_events).values(
            event_id=uuid7(),
            account_id=account_id,
            event=event,
            subject=actor.subject,
            object_kind=object_kind,
            object_id=object_id,
            address=actor.address,
            details=dict(details or {}),
        )
    )


async def record_about(
    connection: AsyncConnection,
    actor: Actor,
    thing: Account | User | ApiKey | Client,
    event: AuditEventName,
    details: Mapping[str, object] | None = None,
) -> None:
    """Add an event about an account, user, key or client, under its account."""
    kind, object_id = _named(thing)
    await record(
        connection, thing.account_id, event, actor=actor, object_kind=kind, object_id=object_id, details=details
    )


async def list_events(
    connection: AsyncConnection,
    reach: Reach,
    *,
    since: datetime | None = None,
    subject: str | None = None,
    about: tuple[str, str] | None = None,
    limit: int = LIST_AT_MOST,
    offset: int = 0,
) -> list[AuditEvent]:
    """Events, the newest first: those since a moment; done by a subject or, where both are given, about an object (kind, id)."""
    statement = select(audit_events).where(within(reach, audit_events.c.account_id))
    if since is not None:
        statement = statement.where(audit_events.c.occurred_at >= since)
    whose = []
    if subject is not None:
        whose.append(audit_events.c.subject == subject)
    if about is not None:
        whose.append((audit_events.c.object_kind == about[0]) & (audit_events.c.object_id == about[1]))
    if whose:
        statement = statement.where(or_(*whose))
    newest_first = statement.order_by(audit_events.c.occurred_at.desc(), audit_events.c.event_id.desc())
    rows = await connection.execute(newest_first.limit(limit).offset(offset))
    return [AuditEvent(**{**row._mapping, "account_id": account_id_of(row.account_id)}) for row in rows]


async def now(connection: AsyncConnection) -> datetime:
    """The database's clock, which events are dated by."""
    moment: datetime = (await connection.execute(select(func.now()))).scalar_one()
    return moment


async def prune(connection: AsyncConnection, limit: int) -> int:
    """Delete up to ``limit`` events that were kept for 400 days; returns how many. Nothing else can delete any: the database sees to it."""
    statement = text("SELECT prune_audit_events(:at_most)")
    deleted: int = (await connection.execute(statement, {"at_most": limit})).scalar_one()
    return deleted


def _named(thing: Account | User | ApiKey | Client) -> tuple[str, str]:
    """What the audit record calls something: its kind and its id in the world outside."""
    match thing:
        case Account():
            return "account", str(thing.number)
        case User():
            return "user", str(thing.number)
        case ApiKey():
            return "key", thing.key_id
        case Client():
            return "client", thing.client_id
