"""Programs solved by HiGHS: scaled on the way in, unscaled on the way out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

import highspy
import numpy as np

from services.optimizer.scheduling.choices import Choice, ChoiceRows, rows_of
from services.optimizer.scheduling.errors import SolverFailed
from services.optimizer.scheduling.problem import FloatArray, IntArray
from services.optimizer.scheduling.program import Program

_TOLERANCE = 1e-9  # of rows, columns and reduced costs, in scaled units
_DUAL_TOLERANCE = 1e-7  # of reduced costs while choices are made, before the solution is made exact
_FINER_S = 2.0  # most seconds spent on the finer tolerance after the coarser one
_SAME_COST = 1e-12  # of all that is paid, that solutions with the same cost may differ by
_POWER = 16.0  # MW: what the largest power is scaled to, about
_COST = 64.0  # currency per MW: what prices of energy are scaled to, about
_LOWER = 0.25  # the quantile of prices that is one of energy, where others are of breaches
_MOST_COST = 1e12  # currency per MW: more than this is too much for the solver's ratio tests
_Status = highspy.HighsModelStatus


class End(Enum):
    """How solving ended."""

    OPTIMAL = auto()
    INFEASIBLE = auto()
    TIME = auto()


@dataclass(frozen=True)
class Answer:
    """What a program came to. ``x`` (C,) is None if there is no solution; costs are those of the program."""

    end: End
    x: FloatArray | None = None
    cost: float = np.inf
    bound: float = -np.inf
    is_right: FloatArray | None = None  # (binaries,) of a mixed-integer program


@dataclass(frozen=True)
class Scale:
    """Powers of two: what columns are multiplied by, and costs of the whole.

    The smallest prices that must decide, the preferences, are about 1e-8 of an energy price and must be well above the
    solver's absolute tolerance; so must a watt.
    """

    column: float
    cost: float

    @classmethod
    def of(cls, program: Program) -> Scale:
        """What fits a program: by its largest power, and by the lower of the prices of powers, which are those of energy."""
        column = _power_of_two(_POWER / program.largest_power_mw) if program.largest_power_mw > 0.0 else 1.0
        costs = np.abs(program.cost)
        of_flows = costs[: program.flow_columns][costs[: program.flow_columns] > 0.0]
        if not len(of_flows):
            return cls(column, column)
        price = float(np.quantile(of_flows, _LOWER))
        return cls(column, column * _power_of_two(min(_COST / price, _MOST_COST / float(costs.max()))))


def _power_of_two(value: float) -> float:
    return float(2.0 ** np.round(np.log2(value)))


class Relaxation:
    """A program without its breaks, some of which may be held to one side. Solved anew, it goes on from where it was."""

    def __init__(self, program: Program, scale: Scale, remaining_s: Callable[[], float]) -> None:
        """``remaining_s`` says how much time is left for solving."""
        self._scale = scale
        self._remaining_s = remaining_s
        self._solver = _solver()
        self._can_be_finer = True
        self._cost = program.cost * (scale.cost / scale.column)
        self._sizes = len(program.cost), len(program.row_lower)
        _load(self._solver, program, scale, None)

    def hold(self, columns: IntArray, values: FloatArray) -> None:
        """Columns (in order, each once) that stay where they are told to."""
        self.release(columns, values, values)

    def release(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Columns (in order, each once) that may move between other bounds (as many), in the program's own units."""
        scale = self._scale.column
        status = self._solver.changeColsBounds(len(columns), columns.astype(np.int32), lower * scale, upper * scale)
        if status != highspy.HighsStatus.kOk:
            raise SolverFailed("the solver refused bounds")

    def solve(self) -> Answer:
        """Of the linear program: with the coarser tolerance, and from there with the finer one if that is quick.

        Where breaches cost a million times as much as energy, reduced costs are rounded to more than the finer tolerance, and
        the solver may never end with it.
        """
        coarse = self._solved(_DUAL_TOLERANCE, self._remaining_s())
        if coarse.x is None or not self._can_be_finer:
            return coarse
        finer = self._solved(_TOLERANCE, min(_FINER_S, self._remaining_s()))
        self._can_be_finer = finer.x is not None
        return finer if self._can_be_finer else coarse

    def preferred(self, best: Answer, wish: FloatArray) -> Answer:
        """Of all solutions that cost as little as the last one found, ``best``, the one with the most ``wish @ x``.

        What has a price stays as it is: such a solution moves only what costs nothing to move. It is the last that is solved here.
        """
        if best.x is None or not self._can_be_finer:
            return best
        solution, columns, rows = self._solver.getSolution(), *self._sizes
        x, activity = np.array(solution.col_value), np.array(solution.row_value)
        priced = np.flatnonzero(np.abs(np.array(solution.col_dual)) > _TOLERANCE).astype(np.int32)
        self._solver.changeColsBounds(len(priced), priced, x[priced], x[priced])
        priced_rows = np.flatnonzero(np.abs(np.array(solution.row_dual)) > _TOLERANCE).astype(np.int32)
        for row in priced_rows.tolist():
            self._solver.changeRowBounds(row, activity[row], activity[row])
        if len(priced) == columns and len(priced_rows) == rows:
            return best
        self._solver.changeColsCost(columns, np.arange(columns, dtype=np.int32), -wish)
        if _run(self._solver, min(_FINER_S, self._remaining_s())) is not End.OPTIMAL:
            return best
        found = np.asarray(self._solver.getSolution().col_value)
        cost = float(self._cost @ found)
        if cost - float(self._cost @ x) > _SAME_COST * float(np.abs(self._cost * x).sum()):
            return best
        return replace(best, x=found / self._scale.column)

    def _solved(self, dual_tolerance: float, limit_s: float) -> Answer:
        self._solver.setOptionValue("dual_feasibility_tolerance", dual_tolerance)
        end = _run(self._solver, limit_s)
        if end is not End.OPTIMAL:
            return Answer(end)
        x = np.asarray(self._solver.getSolution().col_value) / self._scale.column
        cost = self._solver.getInfo().objective_function_value / self._scale.cost
        return Answer(end, x, cost, cost)


def solve_with_choices(
    program: Program,
    scale: Scale,
    choices: list[Choice],
    start: FloatArray | None,
    remaining_s: float,
    gap: float,
    *,
    has_presolve: bool,
) -> Answer:
    """The mixed-integer program in which these choices are made, up to a ``gap`` [currency]. ``start`` (C,) is a solution to begin with."""
    solver = _solver()
    solver.setOptionValue("presolve", "on" if has_presolve else "off")
    solver.setOptionValue("mip_feasibility_tolerance", _TOLERANCE)
    # Prices of breaches are too large for the solver's ratio tests unless its tolerance is larger than ours.
    solver.setOptionValue("dual_feasibility_tolerance", _DUAL_TOLERANCE)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", gap * scale.cost)
    extra = rows_of(choices)
    _load(solver, program, scale, extra)
    if start is not None:
        sides = np.concatenate([choice.nearer_side(start) for choice in choices]).astype(np.float64)
        values = np.concatenate([start * scale.column, sides])
        solver.setSolution(len(values), np.arange(len(values), dtype=np.int32), values)
    end = _run(solver, remaining_s)
    if end is End.INFEASIBLE:
        return Answer(end)
    info = solver.getInfo()
    bound = info.mip_dual_bound / scale.cost
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Answer(end, bound=bound)
    x = np.asarray(solver.getSolution().col_value)
    count = len(program.cost)
    return Answer(end, x[:count] / scale.column, info.objective_function_value / scale.cost, bound, x[count:])


def _solver() -> highspy.Highs:
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("primal_feasibility_tolerance", _TOLERANCE),
        ("dual_feasibility_tolerance", _TOLERANCE),
    ):
        solver.setOptionValue(name, value)
    return solver


def _load(solver: highspy.Highs, program: Program, scale: Scale, extra: ChoiceRows | None) -> None:
    """Pass a program, with binary columns and their rows behind its own."""
    cost, lower, upper = (
        program.cost * (scale.cost / scale.column),
        program.lower * scale.column,
        program.upper * scale.column,
    )
    row_lower, row_upper = program.row_lower * scale.column, program.row_upper * scale.column
    start, index, value = program.matrix.start, program.matrix.index, program.matrix.value
    kinds = np.zeros(len(cost), dtype=np.int32)
    if extra is not None:
        more = np.ones(extra.binary_count)
        pairs = np.stack([extra.column, len(cost) + extra.binary], axis=1).ravel()
        values = np.stack([np.ones(len(extra.width)), -extra.width * scale.column], axis=1).ravel()
        start = np.concatenate([start, start[-1] + 2 * np.arange(1, len(extra.width) + 1)]).astype(np.int32)
        index, value = np.concatenate([index, pairs]).astype(np.int32), np.concatenate([value, values])
        row_lower = np.concatenate([row_lower, extra.lower * scale.column])
        row_upper = np.concatenate([row_upper, extra.upper * scale.column])
        cost, lower, upper = (np.concatenate(pair) for pair in ((cost, 0.0 * more), (lower, 0.0 * more), (upper, more)))
        kinds = np.concatenate([kinds, more]).astype(np.int32)
    status = solver.passModel(
        len(cost),
        len(row_lower),
        len(value),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        cost,
        lower,
        upper,
        row_lower,
        row_upper,
        start,
        index,
        value,
        kinds,
    )
    if status == highspy.HighsStatus.kError:
        raise SolverFailed("the solver refused the program")


def _run(solver: highspy.Highs, remaining_s: float) -> End:
    if remaining_s <= 0.0:
        return End.TIME
    # The solver's clock goes on from run to run.
    solver.setOptionValue("time_limit", solver.getRunTime() + remaining_s)
    solver.run()
    for options in _OTHER_WAYS:
        if solver.getModelStatus() in _ENDS:
            break
        solver.clearSolver()
        for name, value in options.items():
            solver.setOptionValue(name, value)
        solver.run()
    status = solver.getModelStatus()
    if status not in _ENDS:
        raise SolverFailed(f"the solver ended with {solver.modelStatusToString(status)}")
    return _ENDS[status]


# The dual simplex method fails where prices of breaches are too far above all others; the primal one does not mind.
_OTHER_WAYS: tuple[dict[str, int | str], ...] = (
    {"presolve": "off", "simplex_strategy": 4},
    {"presolve": "choose", "simplex_strategy": 1, "solver": "ipm"},
)
_ENDS = {
    _Status.kOptimal: End.OPTIMAL,
    _Status.kModelEmpty: End.OPTIMAL,
    _Status.kInfeasible: End.INFEASIBLE,
    _Status.kUnboundedOrInfeasible: End.INFEASIBLE,  # nothing is unbounded: all powers are finite
    _Status.kTimeLimit: End.TIME,
}


def until(time_limit_s: float) -> Callable[[], float]:
    """How much of a time limit that begins now is left."""
    end = time.monotonic() + time_limit_s
    return lambda: end - time.monotonic()
