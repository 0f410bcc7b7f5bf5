"""Why there is no schedule."""

from __future__ import annotations

from shared.errors import BusbarError


class ProblemMalformed(BusbarError):
    """A scheduling problem that is none: the message names the part and what is wrong with it."""

    code = "schedule_problem_malformed"


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


class SolverFailed(BusbarError):
    """The solver gave up for a reason that is neither the problem's nor the time's."""

    code = "schedule_solver_failed"
