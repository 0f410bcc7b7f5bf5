"""What this API says of a solution: its value, what is wrong with it, and how sure it is that none is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from services.gateway.dialects.reconfiguration.objectives import OBJECTIVE_NAMES
from services.gateway.dialects.reconfiguration.schemas import (
    ObjectiveComponent,
    PeriodInformation,
    SolutionInfo,
    SolutionViolation,
)
from shared.objective import is_reached, relative_gap, weighted_sum


def solution_info(
    verdict: Mapping[str, object],
    values: Sequence[float],
    weights: Sequence[float],
    *,
    is_feasible: bool,
    bound: float | None,
    proof: str,
) -> SolutionInfo:
    """A solution's information.

    Args:
        verdict: periods and violations, as the optimizer writes them.
        values: (5,) unweighted.
        bound: no feasible solution has a lower objective under these weights; None where nothing is known.
        proof: what the bound rests on; where this API has no name for it, there is no bound.
    """
    shown = cast("dict[str, list[dict[str, Any]]]", verdict)  # as the optimizer writes it
    objective = weighted_sum(weights, values)
    rests_on: Literal["enumerated", "relaxation", "none"] = "none"
    if bound is not None and proof == "enumerated":
        rests_on = "enumerated"
    elif bound is not None and proof == "relaxation":
        rests_on = "relaxation"
    known_bound = None if rests_on == "none" else bound
    return SolutionInfo(
        is_feasible=is_feasible,
        is_optimal=is_feasible and known_bound is not None and is_reached(objective, known_bound),
        objective_value=objective,
        objective_components=[
            ObjectiveComponent(name=name, value=value, weight=weight)
            for name, value, weight in zip(OBJECTIVE_NAMES, values, weights, strict=True)
        ],
        period_information=[PeriodInformation.model_validate(period) for period in shown["period_information"]],
        violations=[SolutionViolation.model_validate(violation) for violation in shown["violations"]],
        bound=known_bound,
        gap=relative_gap(objective, known_bound) if is_feasible else None,
        proof=rests_on,
    )
