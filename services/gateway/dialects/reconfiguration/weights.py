"""Use cases around the weights of a session's objectives."""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.dialects.reconfiguration import run_store, session_store
from services.gateway.dialects.reconfiguration.errors import RunActive, UnknownSession
from services.gateway.dialects.reconfiguration.objectives import OBJECTIVE_NAMES, WeightOf, changed_weights
from services.gateway.dialects.reconfiguration.record import record_weights
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from shared.identity.principals import Actor


async def objective_weights(app: Reconfiguration, scope: Scope, session_id: str) -> Sequence[float]:
    """(5,) the weights of a session's objectives."""
    async with app.database.reading(scope.account_id) as connection:
        weights = await session_store.weights_of(connection, scope, session_id)
    if weights is None:
        raise UnknownSession(session_id)
    return weights


async def set_objective_weights(
    app: Reconfiguration, scope: Scope, actor: Actor, session_id: str, given: Sequence[WeightOf]
) -> None:
    """Give objectives of a session that is not optimised new weights; all of them, or none where one is wrong.

    It is no change of the session's contents: its time does not begin anew.

    Raises:
        RunActive: it is being optimised; BadWeight: no such objective, or a negative weight.
    """
    async with app.database.unit_of_work(scope.account_id) as work:
        # Locked, so that no run begins with the weights of before.
        session = await session_store.lock_session(work.connection, scope, session_id)
        before = await session_store.weights_of(work.connection, scope, session_id)
        if session is None or before is None:
            raise UnknownSession(session_id)
        if await run_store.has_active_run(work.connection, scope, session):
            raise RunActive("Objective weights cannot be set while the optimisation was running.")
        after = changed_weights(before, given)
        changed = {
            name: (old, new) for name, old, new in zip(OBJECTIVE_NAMES, before, after, strict=True) if old != new
        }
        if changed:
            await session_store.set_weights(work.connection, scope, session, after)
            await record_weights(work, scope, actor, session_id, changed)
