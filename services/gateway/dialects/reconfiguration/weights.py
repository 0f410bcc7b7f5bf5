"""Use cases around the weights of a session's objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.dialects.reconfiguration import run_store, session_store
from services.gateway.dialects.reconfiguration.errors import BadWeight, RunActive, UnknownSession
from services.gateway.dialects.reconfiguration.objectives import OBJECTIVE_NAMES
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import Reconfiguration


@dataclass(frozen=True, slots=True)
class WeightOf:
    """What one objective shall weigh."""

    name: str
    weight: float


async def objective_weights(app: Reconfiguration, scope: Scope, session_id: str) -> Sequence[float]:
    """(5,) the weights of a session's objectives."""
    async with app.database.reading(scope.account_id) as connection:
        weights = await session_store.weights_of(connection, scope, session_id)
    if weights is None:
        raise UnknownSession(session_id)
    return weights


async def set_objective_weights(app: Reconfiguration, scope: Scope, session_id: str, given: Sequence[WeightOf]) -> None:
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
        await session_store.set_weights(work.connection, scope, session, changed_weights(before, given))


def changed_weights(before: Sequence[float], given: Sequence[WeightOf]) -> list[float]:
    """(5,) the weights after a change; of several for one objective the last counts.

    Raises:
        BadWeight: no such objective, or a negative weight.
    """
    weights = list(before)
    for one in given:
        if one.name not in OBJECTIVE_NAMES:
            known = ", ".join(f"'{name}'" for name in OBJECTIVE_NAMES)
            raise BadWeight(f"The objective '{one.name}' is unknown; there are {known}.")
        if one.weight < 0.0:
            raise BadWeight(f"The weight {one.weight:g} of the objective '{one.name}' is negative.")
        weights[OBJECTIVE_NAMES.index(one.name)] = one.weight
    return weights
