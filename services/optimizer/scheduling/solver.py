"""Finds the least-cost schedule of a problem: ``solve(problem, *, time_limit_s=60.0, mip_gap=0.0) -> Solution``."""

from __future__ import annotations

from dataclasses import dataclass

from services.optimizer.scheduling.problem import FloatArray
from shared.errors import BusbarError


@dataclass(frozen=True)
class Solution:
    """A schedule that keeps all hard limits, what it costs, and how far from the least cost it can be at most."""

    power_mw: FloatArray  # (D, N) consumption positive
    level_mwh: FloatArray  # (G, N + 1) of stocks: at the start, and at the end of each step
    costs: FloatArray  # (C,) of commitments, in their order [currency]
    objective: float  # sum of costs
    gap: float  # (objective - bound)/max(|objective|, 1e-9), 0 when proven to be the least
    is_proven: bool  # whether the gap is within what was asked for; otherwise time ran out first


class Infeasible(BusbarError):
    """No schedule keeps all hard limits: ``constraint`` (its name) cannot be kept in step ``step``."""

    code = "schedule_infeasible"

    def __init__(self, constraint: str, step: int) -> None:
        super().__init__(f"no schedule keeps {constraint} in step {step + 1}")
        self.constraint = constraint
        self.step = step


class TimeRanOut(BusbarError):
    """No schedule was found within the time limit."""

    code = "schedule_time_ran_out"
