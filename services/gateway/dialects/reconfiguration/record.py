"""What this API writes into the audit record: what somebody made, deleted, started and stopped, in the transaction that did it."""

from __future__ import annotations

from typing import Literal

from services.gateway.dialects.reconfiguration.scope import Scope
from shared.db.unit_of_work import UnitOfWork
from shared.identity import audit
from shared.identity.principals import Actor

NetworkEvent = Literal["network:created", "network:deleted"]
SessionEvent = Literal["session:created", "session:deleted", "run:started", "run:stopped"]


async def record_network(work: UnitOfWork, scope: Scope, actor: Actor, event: NetworkEvent, network_id: str) -> None:
    """Something happened to a network."""
    await _record(work, scope, actor, event, "network", network_id)


async def record_session(work: UnitOfWork, scope: Scope, actor: Actor, event: SessionEvent, session_id: str) -> None:
    """Something happened to a session, or to its optimisation."""
    await _record(work, scope, actor, event, "session", session_id)


async def _record(
    work: UnitOfWork, scope: Scope, actor: Actor, event: NetworkEvent | SessionEvent, kind: str, object_id: str
) -> None:
    await audit.record(
        work.connection,
        scope.account_id,
        event,
        actor=actor,
        object_kind=kind,
        object_id=object_id,
        details={"api": f"reconfiguration {scope.kind}"},
    )
