"""A lower bound on the objective over all periods: the sum of what each period costs at least by itself.

Switching between periods costs nothing here, which leaves a bound, as prices are not negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from services.optimizer.reconfiguration.appraisal import Appraiser
from services.optimizer.reconfiguration.bounds.arcs import used_arcs
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.narrowing import NarrowingSearch
from services.optimizer.reconfiguration.bounds.region_search import RegionSearch
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation, relax
from services.optimizer.reconfiguration.bounds.tree_search import TreeSearch
from services.optimizer.reconfiguration.expansion import solve_reduced
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import SWITCHING, ReconfigurationProblem
from services.optimizer.reconfiguration.topology import grow_trees

# What flows beyond the fed bus's own demand where planes touch the cones of arcs that the best solution does not use, as shares of
# all demand. The first is little, but without it arcs to buses without demand are free at the beginning, which takes long to mend.
LIKELY_SHARES = (1e-4, 1e-2)
# Arcs of all periods together up to which there is a bound; each takes some 10 kB, planes and the solver's work included.
MOST_ARCS = 100_000
# Arcs of a period up to which one branch and bound is for the whole of it.
MOST_ARCS_OF_ONE_SEARCH = 1_500
# With generation fewer, as more is lost at first: arcs above which regions, and smaller ones, gain more than the whole does.
MOST_ARCS_WITH_GENERATION, BUSES_WITH_GENERATION = 500, 150
RESOLUTION = 1e-9  # to which the power flow knows an objective, and more than sums lose to rounding


class LowerBound:
    """The bounds of all periods, worked on where most is missing."""

    def __init__(self, problem: ReconfigurationProblem, best: BoolArray, should_stop: Callable[[], bool]) -> None:
        """``best`` (T, m) is the best solution known, radial in every period; ``should_stop`` ends a piece early.

        Raises:
            NoRelaxation: the problem has something that is not covered, or is too large.
        """
        if 2 * problem.network.source.size * problem.hours.size > MOST_ARCS:
            raise NoRelaxation("the linear programs would not fit into memory")
        self._problem = problem
        self._best = best
        self._should_stop = should_stop
        self._appraiser = Appraiser(problem)
        self._worths = [self._worth(period, configuration) for period, configuration in enumerate(best)]
        self._searches = [self._begin(period) for period in range(problem.hours.size)]
        self._pieces = [search.pieces() for search in self._searches]
        self._is_open = [True] * len(self._searches)
        self._found: BoolArray | None = None

    @property
    def value(self) -> float:
        """No feasible solution has a lower objective."""
        value = float(sum(search.bound for search in self._searches))
        return value - RESOLUTION * abs(value)

    def know(self, best: BoolArray) -> None:
        """Take note of a better solution (T, m)."""
        self._best = best
        for period, configuration in enumerate(best):
            worth = self._worth(period, configuration)
            self._worths[period] = min(worth, self._worths[period])
            self._searches[period].know(worth)

    def take_found(self) -> BoolArray | None:
        """A solution (T, m) that may be better than the best, new since the last call."""
        found, self._found = self._found, None
        return found

    def pieces(self) -> Iterator[int]:
        """Work until nothing more can be said; yields what each piece has cost, in buses that the search sweeps."""
        while any(self._is_open):
            missing = [
                worth - search.bound if is_open else -np.inf
                for worth, search, is_open in zip(self._worths, self._searches, self._is_open, strict=True)
            ]
            period = int(np.argmax(missing))
            work = next(self._pieces[period], None)
            self._take(period)
            self._is_open[period] = work is not None
            yield work or 0

    def _take(self, period: int) -> None:
        candidate = self._searches[period].candidate
        if candidate is None:
            return
        self._searches[period].candidate = None
        solution = self._best if self._found is None else self._found
        self._found = solution.copy()
        self._found[period] = candidate

    def _begin(self, period: int) -> TreeSearch | RegionSearch | NarrowingSearch:
        worth, network = self._worths[period], self._problem.network
        is_feasible = bool(np.isfinite(worth))
        objective = worth if is_feasible else None
        relaxation = relax(self._problem, period, objective)
        search: TreeSearch | RegionSearch | NarrowingSearch
        if relaxation.arcs.count > MOST_ARCS_OF_ONE_SEARCH:
            search = RegionSearch(network, relaxation, self._should_stop)
        elif relaxation.per_unit.is_drawing:
            search = self._search_in(period, relaxation)
        else:
            search = NarrowingSearch(
                relaxation,
                used_arcs(relaxation.arcs, grow_trees(network, self._best[period])),
                lambda usable: relax(self._problem, period, objective, usable),
                lambda narrowed: self._search_narrowed(period, narrowed),
            )
        if is_feasible:
            search.know(worth)
        return search

    def _search_narrowed(self, period: int, relaxation: Relaxation) -> TreeSearch | RegionSearch:
        if relaxation.arcs.count > MOST_ARCS_WITH_GENERATION:
            return RegionSearch(self._problem.network, relaxation, self._should_stop, BUSES_WITH_GENERATION)
        return self._search_in(period, relaxation)

    def _search_in(self, period: int, relaxation: Relaxation) -> TreeSearch:
        """Branch and bound in a relaxation, which begins with planes where the best solution is."""
        search = TreeSearch(
            relaxation,
            lambda is_open: self._worth(period, is_open),
            self._problem.network.source.size,
            self._should_stop,
        )
        self._touch(search, relaxation, period)
        return search

    def _worth(self, period: int, is_open: BoolArray) -> float:
        """What a configuration (m,) costs in a period by itself, inf where it is not feasible there."""
        problem = self._problem
        if (is_open & ~problem.network.is_switch).any():  # what a solver cannot solve it may leave so
            return np.inf
        worth = self._appraiser.appraise_period(period, is_open)
        if worth.violation_amount > 0.0 or not worth.is_strictly_radial:
            return np.inf
        objective = float(worth.values @ problem.weights)
        if period == 0 and problem.start_open is not None:
            moved = (is_open ^ problem.start_open) * problem.network.switching_cost
            objective += float(moved.sum() * problem.weights[SWITCHING])
        return objective

    def _touch(self, search: TreeSearch, relaxation: Relaxation, period: int) -> None:
        """Planes at the flows of the best solution, and elsewhere at flows that are likely."""
        problem, per_unit, arcs = self._problem, relaxation.per_unit, relaxation.arcs
        trees = grow_trees(problem.network, self._best[period])
        flow = solve_reduced(problem.network, trees, problem.p_w[period], problem.q_var[period])
        used = used_arcs(arcs, trees)
        # conj(I / V): what arrives, per squared voltage there.
        ratio = np.conj(flow.current_a[arcs.line[used]] / flow.voltage_v[arcs.fed[used]])
        ratio *= per_unit.v_base_v**2 / per_unit.s_base_va
        search.touch(used.astype(np.int64), ratio.real, ratio.imag)
        others = np.setdiff1d(np.arange(arcs.count), used)
        fed = arcs.fed[others]
        for share in LIKELY_SHARES:
            search.touch(others, per_unit.p[fed] + share * per_unit.p.sum(), per_unit.q[fed] + share * per_unit.q.sum())
