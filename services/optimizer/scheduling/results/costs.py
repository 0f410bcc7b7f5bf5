"""What a schedule costs, by the names of its commitments."""

from __future__ import annotations

from services.optimizer.scheduling.building.assembling import BuiltProblem
from services.optimizer.scheduling.solver import Solution


def costs_by_name(built: BuiltProblem, solution: Solution) -> dict[str, float]:
    """The cost of each name [currency]; commitments of one name are summed, those that bind nothing cost nothing."""
    costs = dict.fromkeys(built.cost_names, 0.0)
    for commitment, cost in zip(built.problem.commitments, solution.costs, strict=True):
        costs[commitment.name] += float(cost)
    return costs
