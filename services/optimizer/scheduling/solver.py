"""Finds the least-cost schedule of a problem: a linear program, and binary columns only where it cheats.

Without its breaks a problem is a linear program. A solution that ignores none of them is the least-cost schedule. Else
the breaks in question are held to the side that is nearer, which often costs nothing; and if it does cost something, they
become choices of a mixed-integer program, until no other break is ignored: its solution is then the best of all schedules,
since it is the best of more than these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.scheduling.checks import check
from services.optimizer.scheduling.costs import costs_of
from services.optimizer.scheduling.engine import Answer, End, until
from services.optimizer.scheduling.errors import TimeRanOut
from services.optimizer.scheduling.infeasibility import culprit
from services.optimizer.scheduling.problem import FloatArray, ScheduleProblem
from services.optimizer.scheduling.program import Program, assemble
from services.optimizer.scheduling.reduction import reduce_problem
from services.optimizer.scheduling.search import NOTHING, Search

_CULPRIT_S = 20.0  # most seconds spent on finding out why there is no schedule
_PROVEN = 1e-9  # of all costs: a difference to the bound up to this is none
_ENDED = 1e-5  # the same where the solver says that there is nothing better: dear breaches magnify its tolerances


@dataclass(frozen=True)
class Solution:
    """A schedule that keeps all hard limits, what it costs, and how far from the least cost it can be at most."""

    power_mw: FloatArray  # (D, N) consumption positive
    level_mwh: FloatArray  # (G, N + 1) of stocks: at the start, and at the end of each step
    costs: FloatArray  # (C,) of commitments, in their order [currency]
    objective: float  # sum of costs
    gap: float  # (objective - bound)/max(|objective|, 1e-9), 0 when proven to be the least but for rounding
    is_proven: (
        bool  # whether the gap is within what was asked for, or the solver's tolerances; otherwise time ran out first
    )


def solve(problem: ScheduleProblem, *, time_limit_s: float = 60.0, mip_gap: float = 0.0) -> Solution:
    """The least-cost schedule, or the best that is found within ``time_limit_s`` or up to a relative gap of ``mip_gap``.

    Raises:
        Infeasible: nothing keeps all hard limits.
        TimeRanOut: nothing that does was found in time.
        ProblemMalformed: no problem at all.
    """
    check(problem)
    program, found = _searched(problem, time_limit_s, mip_gap)
    if found.x is None:
        if found.end is End.TIME:
            raise TimeRanOut(f"no schedule was found within {time_limit_s:g} s")
        raise culprit(problem, _schedule_of)
    power_mw, level_mwh = _schedule(problem, program, found.x)
    costs = costs_of(problem, power_mw, level_mwh)
    objective = float(costs.sum())
    total, rest = float(np.abs(costs).sum()), found.cost - found.bound
    gap = 0.0 if rest <= _PROVEN * total + NOTHING else rest / max(abs(objective), NOTHING)
    has_ended = found.end is End.OPTIMAL and rest <= _ENDED * total
    return Solution(power_mw, level_mwh, costs, objective, gap, gap <= mip_gap or has_ended)


def _searched(problem: ScheduleProblem, time_limit_s: float, mip_gap: float) -> tuple[Program, Answer]:
    remaining_s = until(time_limit_s)
    program = assemble(problem, reduce_problem(problem))

    def cost_of(x: FloatArray) -> float:
        return float(costs_of(problem, *_schedule(problem, program, x)).sum())

    return program, Search(program, remaining_s, mip_gap, cost_of).best()


def _schedule(problem: ScheduleProblem, program: Program, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Powers (D, N) and levels (G, N + 1) of the columns' values."""
    power_mw = np.zeros((len(problem.devices), problem.step_count))
    for d, (placed, device) in enumerate(zip(program.powers, problem.devices, strict=True)):
        power_mw[d] = np.clip(placed.value(x), device.lower_mw, device.upper_mw)
    level_mwh = np.zeros((len(problem.stocks), problem.step_count + 1))
    for g, (placed, stock) in enumerate(zip(program.levels, problem.stocks, strict=True)):
        level_mwh[g] = np.concatenate([[stock.start_mwh], placed.value(x)])
    return power_mw, level_mwh


def _schedule_of(problem: ScheduleProblem) -> tuple[FloatArray, FloatArray] | None:
    program, found = _searched(problem, _CULPRIT_S, 1e-3)
    return None if found.x is None else _schedule(problem, program, found.x)
