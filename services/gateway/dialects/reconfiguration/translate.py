"""From our rows to this API's objects."""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.dialects.reconfiguration.objectives import OBJECTIVE_NAMES
from services.gateway.dialects.reconfiguration.pool_store import SolutionRow
from services.gateway.dialects.reconfiguration.quotas import UserQuotas as Quotas
from services.gateway.dialects.reconfiguration.schemas import (
    NetworkConnectivityStatus,
    ObjectiveWeight,
    SessionStatus,
    SolutionInfo,
    UserQuotas,
)
from services.gateway.dialects.reconfiguration.session_store import SessionRow
from services.gateway.dialects.reconfiguration.solution_info import solution_info
from services.gateway.dialects.reconfiguration.time_spans import format_time_span
from shared.db.models.reconfiguration import BEST
from shared.objective import weighted_sum


def session_status_of(row: SessionRow) -> SessionStatus:
    """A session's status under its present weights."""
    value = weighted_sum(row.weights, row.best_values)
    return SessionStatus(
        id=row.session_id,
        network_id=row.network_id,
        optimization_is_running=row.is_running,
        best_solution_value=value if row.best_is_feasible else None,
        best_infeasible_solution_value=None if row.best_is_feasible else value,
        solution_ids=[*row.pool_ids, BEST],
    )


def solution_info_of(row: SolutionRow) -> SolutionInfo:
    """A solution's information under its session's present weights."""
    bound, proof = _bound_of(row)
    return solution_info(row.verdict, row.values, row.weights, is_feasible=row.is_feasible, bound=bound, proof=proof)


def connectivity_status_of(status: dict[str, object]) -> NetworkConnectivityStatus:
    """The connectivity status with its properties in order."""
    return NetworkConnectivityStatus.model_validate(status)


def objective_weights_of(weights: Sequence[float]) -> list[ObjectiveWeight]:
    """All five weights with their names."""
    named = zip(OBJECTIVE_NAMES, weights, strict=True)
    return [ObjectiveWeight(objective_name=name, weight=weight) for name, weight in named]


def quotas_of(quotas: Quotas) -> UserQuotas:
    """A user's quotas as clients read them."""
    return UserQuotas(
        network_limit=quotas.network_limit,
        session_limit=quotas.session_limit,
        optimization_timeout=format_time_span(quotas.optimization_timeout),
        session_timeout=format_time_span(quotas.session_timeout),
        network_max_size=quotas.network_max_size,
    )


def _bound_of(row: SolutionRow) -> tuple[float | None, str]:
    """A bound is one under the weights for which it was proven, and says nothing under others."""
    if row.bound is None or row.bound_weights is None or list(row.bound_weights) != list(row.weights):
        return None, "none"
    return row.bound, row.proof
