"""The linear program of a relaxation with its tangent planes, solved by HiGHS a bounded number of pivots at a time.

Nothing that the solver says about its result is taken on trust: from the prices of the rows, whatever they are, ``bound`` computes
what the objective is at least.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.bounds.prices import Planes, Positions, plane_terms, weigh
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation
from services.optimizer.reconfiguration.network import FloatArray

Flags = NDArray[np.int8]
# Of its own accuracy, which bounds the digits that a bound can have; the solver's usual 1e-7 would be felt.
ACCURACY = 1e-9
# A plane whose angle to its cone is hardly one is no help and makes the program hard to solve.
SMALLEST_W = 1e-7
_ALL_PIVOTS = 2**31 - 1


class Outcome(Enum):
    """How a piece of solving ended."""

    SOLVED = auto()
    MORE = auto()  # the pivots are used up
    EMPTY = auto()  # nothing satisfies the rows, as the solver says
    LOST = auto()  # the solver does not find its way


_OUTCOMES = {
    highspy.HighsModelStatus.kOptimal: Outcome.SOLVED,
    highspy.HighsModelStatus.kIterationLimit: Outcome.MORE,
    highspy.HighsModelStatus.kInterrupt: Outcome.MORE,
    highspy.HighsModelStatus.kInfeasible: Outcome.EMPTY,
}


class Program:
    """One relaxation, its planes, and which arcs are decided."""

    def __init__(self, relaxation: Relaxation, should_stop: Callable[[], bool]) -> None:
        """``should_stop`` is asked at every pivot or so; from then on every piece ends at once."""
        self._of = relaxation
        self._count = relaxation.arcs.count
        self._lower, self._upper = relaxation.lower.copy(), relaxation.upper.copy()
        self._plane_arc = np.empty(0, dtype=np.int64)
        self._plane_alpha, self._plane_beta = np.empty(0), np.empty(0)
        self._solver = _loaded(relaxation, should_stop)
        self._values = np.zeros(5 * self._count)
        self._has_current = relaxation.upper[3 * self._count : 4 * self._count] > 0.0

    @property
    def size(self) -> int:
        """Rows: about what one pivot costs."""
        return self._base_rows + self._plane_arc.size

    @property
    def plane_count(self) -> int:
        """How many tangent planes there are."""
        return int(self._plane_arc.size)

    @property
    def _base_rows(self) -> int:
        return int(self._of.row_lower.size)

    def decide(self, lower: Flags, upper: Flags) -> None:
        """Bounds (A,) on whether each arc is used, 0 or 1."""
        self._lower[: self._count] = lower
        self._upper[: self._count] = upper
        self._solver.changeColsBounds(
            self._count,
            np.arange(self._count, dtype=np.int32),
            self._lower[: self._count],
            self._upper[: self._count],
        )

    def solve(self, pivots: int = _ALL_PIVOTS) -> Outcome:
        """Go on for so many pivots."""
        self._solver.setOptionValue("simplex_iteration_limit", pivots)
        self._solver.run()
        outcome = _OUTCOMES.get(self._solver.getModelStatus(), Outcome.LOST)
        if outcome is Outcome.LOST:  # where it stood was of no use to it: once more from nothing
            self._solver.clearSolver()
            self._solver.run()
            outcome = _OUTCOMES.get(self._solver.getModelStatus(), Outcome.LOST)
        if outcome in (Outcome.SOLVED, Outcome.MORE):
            self._values = np.array(self._solver.getSolution().col_value)
        return outcome

    @property
    def pivots(self) -> int:
        """How many the last piece took."""
        return max(int(self._solver.getInfo().simplex_iteration_count), 1)

    @property
    def usage(self) -> FloatArray:
        """(A,) to which part each arc is used."""
        return self._values[: self._count]

    @property
    def feeding_loss(self) -> FloatArray:
        """(A,) how much the loss depends on what each arc carries: 2 r P."""
        p = self._values[self._count : 2 * self._count] + self._of.p_fed * self.usage
        return 2.0 * self._of.per_unit.r * np.abs(p)

    def basis(self) -> highspy.HighsBasis:
        """Where the solver stands, to come back to while the planes are the same."""
        return self._solver.getBasis()

    def go_to(self, basis: highspy.HighsBasis) -> None:
        """Go on from there."""
        self._solver.setBasis(basis)

    # ------------------------------------------------------------------ bounds

    def bound(self) -> tuple[float, FloatArray]:
        """What the objective is at least, in its program's unit, and (A,) by how much it rises at least if an arc is used otherwise.

        The second is positive where not using an arc is free and using it costs, and negative the other way round.
        """
        price = np.array(self._solver.getSolution().row_dual)
        if price.size != self.size:  # no prices yet
            price = np.zeros(self.size)
        return self.worth_of(price)

    def worth_of(self, price: FloatArray) -> tuple[float, FloatArray]:
        """The same for any prices of the rows (M + planes,)."""
        return self._weigh(price, self._of.cost)

    def is_proven_empty(self) -> bool:
        """Whether some prices show that nothing satisfies the rows (Farkas' lemma): the bound without objective is above 0."""
        _, has_ray, ray = self._solver.getDualRay()
        if not has_ray or len(ray) != self.size:
            return False
        return any(
            self._weigh(sign * np.asarray(ray), np.zeros(5 * self._count))[0] > ACCURACY * np.abs(ray).max()
            for sign in (1.0, -1.0)
        )

    def _weigh(self, price: FloatArray, cost: FloatArray) -> tuple[float, FloatArray]:
        base = self._base_rows
        planes = Planes(self._plane_arc, self._plane_alpha, self._plane_beta)
        worth, reduced = weigh(self._of, self._lower, self._upper, cost, price[:base], planes, price[base:])
        return worth, reduced[: self._count]

    # ------------------------------------------------------------------ tangent planes

    def add_planes(self, arc: Positions, alpha: FloatArray, beta: FloatArray) -> None:
        """Add l >= 2 α P + 2 β Q - (α² + β²) w for these arcs."""
        kept = self._has_current[arc]
        arc, alpha, beta = arc[kept], alpha[kept], beta[kept]
        if not arc.size:
            return
        columns = (arc[:, None] + self._count * np.arange(5)).astype(np.int32)
        values = np.stack(plane_terms(self._of, Planes(arc, alpha, beta)), axis=1)
        self._solver.addRows(
            arc.size,
            np.zeros(arc.size),
            np.full(arc.size, np.inf),
            columns.size,
            (5 * np.arange(arc.size)).astype(np.int32),
            columns.ravel(),
            values.ravel(),
        )
        self._plane_arc = np.concatenate([self._plane_arc, arc])
        self._plane_alpha = np.concatenate([self._plane_alpha, alpha])
        self._plane_beta = np.concatenate([self._plane_beta, beta])

    def missed_cones(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """By arc (A,) the loss that its cone asks for beyond what the program has, and α and β of the plane that asks for it."""
        used, p, q, current2, w = self._values.reshape(5, self._count)
        p, q = p + self._of.p_fed * used, q + self._of.q_fed * used
        is_there = (w > SMALLEST_W) & self._has_current
        alpha = np.divide(p, w, out=np.zeros_like(p), where=is_there)
        beta = np.divide(q, w, out=np.zeros_like(q), where=is_there)
        missed = 2.0 * alpha * p + 2.0 * beta * q - (alpha**2 + beta**2) * w - current2
        return np.where(is_there, np.maximum(missed, 0.0), 0.0) * self._plane_price, alpha, beta

    @property
    def _plane_price(self) -> FloatArray:
        """(A,) what a unit of squared current costs."""
        return self._of.cost[3 * self._count : 4 * self._count]

    def drop_idle_planes(self) -> None:
        """Forget the planes that do not touch the solution."""
        status = self._solver.getBasis().row_status[self._base_rows :]
        is_idle = np.array([entry == highspy.HighsBasisStatus.kBasic for entry in status], dtype=np.bool_)
        if not is_idle.any():
            return
        rows = (self._base_rows + np.flatnonzero(is_idle)).astype(np.int32)
        self._solver.deleteRows(rows.size, rows)
        self._plane_arc = self._plane_arc[~is_idle]
        self._plane_alpha, self._plane_beta = self._plane_alpha[~is_idle], self._plane_beta[~is_idle]


def _loaded(relaxation: Relaxation, should_stop: Callable[[], bool]) -> highspy.Highs:
    solver = highspy.Highs()

    def look(event: Any) -> None:
        if should_stop():
            event.interrupt()

    solver.cbSimplexInterrupt += look
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("presolve", "off"),  # it would hide where the solver stood the last time
        ("solver", "simplex"),
        ("primal_feasibility_tolerance", ACCURACY),
        ("dual_feasibility_tolerance", ACCURACY),
    ):
        solver.setOptionValue(name, value)
    program = highspy.HighsLp()
    program.num_row_, program.num_col_ = relaxation.rows.shape
    program.col_cost_ = relaxation.cost
    program.col_lower_, program.col_upper_ = relaxation.lower, relaxation.upper
    program.row_lower_, program.row_upper_ = relaxation.row_lower, relaxation.row_upper
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_ = relaxation.rows.indptr
    program.a_matrix_.index_ = relaxation.rows.indices
    program.a_matrix_.value_ = relaxation.rows.data
    solver.passModel(program)
    return solver
