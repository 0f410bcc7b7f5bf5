"""What this API writes into the audit record: what somebody made, changed, deleted, started and stopped, in the transaction that did it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from services.gateway.dialects.reconfiguration.scope import Scope
from shared.db.unit_of_work import UnitOfWork
from shared.identity import audit
from shared.identity.principals import Actor

NetworkEvent = Literal["network:created", "network:deleted"]
SessionEvent = Literal["session:created", "session:deleted", "run:started", "run:stopped"]
SolutionEvent = Literal["solution:created", "solution:changed", "solution:deleted"]


async def record_network(work: UnitOfWork, scope: Scope, actor: Actor, event: NetworkEvent, network_id: str) -> None:
    """Something happened to a network."""
    await _record(work, scope, actor, event, ("network", network_id))


async def record_session(work: UnitOfWork, scope: Scope, actor: Actor, event: SessionEvent, session_id: str) -> None:
    """Something happened to a session, or to its optimisation."""
    await _record(work, scope, actor, event, ("session", session_id))


async def record_weights(
    work: UnitOfWork, scope: Scope, actor: Actor, session_id: str, changed: Mapping[str, tuple[float, float]]
) -> None:
    """Objectives of a session have other weights: by objective the former one and the new one."""
    weights = {name: {"from": before, "to": after} for name, (before, after) in changed.items()}
    await _record(work, scope, actor, "session:weights:changed", ("session", session_id), {"weights": weights})


async def record_solution(
    work: UnitOfWork, scope: Scope, actor: Actor, event: SolutionEvent, solution_id: str, details: Mapping[str, object]
) -> None:
    """Something happened to a solution of a pool; ``details`` say in which session."""
    await _record(work, scope, actor, event, ("solution", solution_id), details)


async def _record(
    work: UnitOfWork,
    scope: Scope,
    actor: Actor,
    event: NetworkEvent | SessionEvent | SolutionEvent | Literal["session:weights:changed"],
    about: tuple[str, str],
    details: Mapping[str, object] | None = None,
) -> None:
    await audit.record(
        work.connection,
        scope.account_id,
        event,
        actor=actor,
        object_kind=about[0],
        object_id=about[1],
        details={"api": f"reconfiguration {scope.kind}", **(details or {})},
    )
