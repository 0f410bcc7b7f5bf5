"""The optimiser: an any-time search and a proof, piece by piece in turn: by enumeration where the network is small enough, else by
relaxation, which has a bound at any time.

It has no clock and does no I/O; the caller iterates, and stops when it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from services.optimizer.reconfiguration.appraisal import appraise
from services.optimizer.reconfiguration.arrays import fixed
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.lower_bound import LowerBound
from services.optimizer.reconfiguration.bounds.tree_search import CERTAIN_WITHIN
from services.optimizer.reconfiguration.enumeration import PIECE as ENUMERATION_PIECE
from services.optimizer.reconfiguration.enumeration import Pieces, find_best
from services.optimizer.reconfiguration.general_search import GeneralSearch
from services.optimizer.reconfiguration.kernels.layout import Tables
from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem, ReducedNetwork
from services.optimizer.reconfiguration.proof import may_be_relaxed, proof_applies
from services.optimizer.reconfiguration.repair import NotRadial, make_radial
from services.optimizer.reconfiguration.search import Search
from services.optimizer.reconfiguration.spanning_trees import is_strictly_radial, log10_tree_count
from services.optimizer.reconfiguration.tables import lay_out
from services.optimizer.reconfiguration.topology import grow_trees

Proof = Literal["enumerated", "relaxation", "none"]

# Radial configurations, times periods, up to which all are visited: some ten seconds on one core.
ENUMERATION_LIMIT = 2_000_000
ROUNDING = 1e-9  # of a computed logarithm
HEARTBEAT_S = 0.1
PIECE = 200_000  # buses swept between two looks at the stop flag: 3 to 15 ms
PROOF_SHARE = 7  # of the work, against 1 for the search, once that finds hardly anything more


@dataclass(frozen=True)
class Progress:
    """The state of a run. ``values`` and what follows are of the best solution so far, reported with this or before."""

    is_open: BoolArray | None  # (T, m) the best solution, None where it is the one reported last
    values: FloatArray  # (5,) unweighted
    violation_amount: float
    objective: float
    bound: float | None  # no feasible solution has a lower objective
    gap: float | None  # (objective - bound) / |objective|
    proof: Proof  # what the bound rests on
    trials: int  # exchanges weighed
    is_finished: bool  # nothing better can be found: the last progress of the run


def optimise(
    problem: ReconfigurationProblem,
    start_open: BoolArray,
    *,
    seed: int,
    should_stop: Callable[[], bool],
    now: Callable[[], float],
    enumeration_limit: int = ENUMERATION_LIMIT,
) -> Iterator[Progress]:
    """Improve on a solution until stopped, or until it is proven best.

    Yields the start as it is, then each improvement, and in between the state of the run, for networks up to some hundred buses at
    least every 0.2 s. Where all radial solutions have been visited and the network allows no others, the last progress is finished; its
    bound is None where the best solution is infeasible, which is then known of all. So it is where the relaxation leaves a gap of
    ``CERTAIN_WITHIN`` at the most. Where there is no radial solution at all, the first progress is finished without a proof.

    Args:
        start_open: (T, m), radial in every period if that is possible.
        should_stop: asked every few milliseconds.
        now: a monotonic clock [s]; it times the reports only, so that a run depends on nothing but its arguments.
        enumeration_limit: configurations times periods up to which a proof by enumeration is made.
    """
    return _Run(_fixed(problem), start_open.copy(), seed, should_stop, now, enumeration_limit).progress()


class _Run:
    """One run of the optimiser."""

    def __init__(
        self,
        problem: ReconfigurationProblem,
        start_open: BoolArray,
        seed: int,
        should_stop: Callable[[], bool],
        now: Callable[[], float],
        enumeration_limit: int,
    ) -> None:
        self._problem = problem
        self._best = start_open
        self._worth = appraise(problem, start_open)
        self._seed = seed
        self._should_stop = should_stop
        self._now = now
        self._enumeration_limit = enumeration_limit
        self._reported_at = now()
        self._search: Search | GeneralSearch | None = None
        self._lower: LowerBound | None = None
        self._relaxation: Iterator[int] | None = None  # its work
        self._has_tried_relaxing: bool | None = None  # with a best solution that was feasible, or was not

    def progress(self) -> Iterator[Progress]:
        """The whole run."""
        network = self._problem.network
        if network.bus_count == 0:
            yield self._report(self._best, proof="enumerated")
            return
        radial = _make_radial(network, self._best)
        if radial is None:
            yield replace(self._report(self._best), is_finished=True)
            return
        yield self._report(self._best)
        enumeration: Pieces | None = None
        search: Search | GeneralSearch
        if network.transformers is not None or self._problem.interruptions is not None:
            search = self._search = GeneralSearch(self._problem, radial, self._seed)
        else:
            tables = lay_out(self._problem)
            search = self._search = Search(network, tables, radial, self._seed)
            enumeration = self._prove(tables, search)
        yield from self._adopt(radial)
        searched = proved = 0
        while not self._should_stop():
            if enumeration is None and self._relaxation is None and search.has_settled:
                self._relaxation = self._relax()
            # The way to the first local optimum, which is short, is the search's.
            is_to_prove = search.has_descended and proved <= PROOF_SHARE * searched
            if enumeration is not None and is_to_prove:
                proved += ENUMERATION_PIECE
                try:
                    found = next(enumeration)
                except StopIteration as end:
                    enumeration = None
                    if end.value:
                        yield self._report(None, proof="enumerated")
                        return
                else:
                    yield from self._take(found, search)
            elif self._relaxation is not None and is_to_prove:
                proved += self._go_on_with_bound()
                yield from self._take(self._lower.take_found() if self._lower else None, search)
                if self._is_settled():
                    break
            else:
                searched += PIECE
                if search.advance(PIECE):
                    yield from self._adopt(search.best)
            if self._now() - self._reported_at > HEARTBEAT_S:
                yield self._report(None)
        yield replace(self._report(None), is_finished=self._is_settled())

    def _relax(self) -> Iterator[int] | None:
        """Begin with the lower bound where there is one; with generation that takes a feasible solution."""
        is_feasible = self._worth.violation_amount == 0.0
        has_tried = self._has_tried_relaxing is not None and self._has_tried_relaxing >= is_feasible
        if has_tried or self._lower is not None:
            return None
        self._has_tried_relaxing = is_feasible
        if not may_be_relaxed(self._problem):
            return None
        try:
            self._lower = LowerBound(self._problem, self._best, self._should_stop)
        except NoRelaxation:
            return None
        return self._lower.pieces()

    def _go_on_with_bound(self) -> int:
        """One piece of work on the bound; what it has cost. When there is nothing more to say the time is the search's."""
        assert self._relaxation is not None
        work = next(self._relaxation, None)
        if work is None:
            self._relaxation = None
        return work or 0

    def _is_settled(self) -> bool:
        """Whether what the relaxation leaves open is not worth searching for."""
        gap = self._gap()
        return gap is not None and gap <= CERTAIN_WITHIN

    def _take(self, found: BoolArray | None, search: Search | GeneralSearch) -> Iterator[Progress]:
        """Have the search go on from what a proof has come across, if that is better."""
        if found is not None and appraise(self._problem, found).precedes(self._worth):
            search.adopt(found)
            yield from self._adopt(found)

    def _prove(self, tables: Tables, search: Search) -> Pieces:
        """Visit all radial configurations, where there are not too many; True if none else can be better."""
        limit = self._enumeration_limit / max(self._problem.hours.size, 1)
        if log10_tree_count(self._problem.network) > np.log10(max(limit, 1e-9)) + ROUNDING:
            return False
        yield None
        is_complete = yield from find_best(self._problem.network, tables, lambda: search.best)
        return is_complete and proof_applies(self._problem)

    def _adopt(self, is_open: BoolArray) -> Iterator[Progress]:
        """Report a solution if it is better than the best."""
        if np.array_equal(is_open, self._best):
            return
        worth = appraise(self._problem, is_open)
        if worth.precedes(self._worth):
            self._best = is_open.copy()
            self._worth = worth
            if self._lower is not None:
                self._lower.know(self._best)
            yield self._report(self._best)

    def _bound(self) -> float | None:
        """What the relaxation has shown so far: of no use before there is a feasible solution, and that nothing is negative was known."""
        if self._lower is None or self._worth.violation_amount > 0.0:
            return None
        value = self._lower.value
        return value if value > 0.0 else None

    def _gap(self) -> float | None:
        """What lies between the best solution and the bound, relative to the first."""
        bound = self._bound()
        if bound is None or self._worth.violation_amount > 0.0:
            return None
        objective = self._worth.objective
        return (objective - bound) / abs(objective) if objective else 0.0

    def _report(self, is_open: BoolArray | None, proof: Proof = "none") -> Progress:
        self._reported_at = self._now()
        bound, gap = self._bound(), self._gap()
        if proof == "enumerated":
            is_feasible = self._worth.violation_amount == 0.0
            bound, gap = (self._worth.objective, 0.0) if is_feasible else (None, None)
        elif bound is not None:
            proof = "relaxation"
        return Progress(
            is_open=is_open,
            values=self._worth.values,
            violation_amount=self._worth.violation_amount,
            objective=self._worth.objective,
            bound=bound,
            gap=gap,
            proof=proof,
            trials=self._search.trials if self._search else 0,
            is_finished=proof == "enumerated",
        )


def _make_radial(network: ReducedNetwork, is_open: BoolArray) -> BoolArray | None:
    """The solution (T, m) with the periods that are not radial made so; None where that is impossible."""
    radial: BoolArray = is_open.copy()
    for period, configuration in enumerate(is_open):
        if not (is_strictly_radial(network, configuration) and grow_trees(network, configuration).allow_flow):
            try:
                radial[period] = make_radial(network, configuration)
            except NotRadial:
                return None
    return radial


def _fixed(problem: ReconfigurationProblem) -> ReconfigurationProblem:
    """The problem in read-only arrays of its own: the compiled loops exist for these types."""
    network = problem.network
    return replace(problem, **_own_arrays(problem), network=replace(network, **_own_arrays(network)))


def _own_arrays(values: ReconfigurationProblem | ReducedNetwork) -> dict[str, Any]:  # the fields have several types
    arrays = {field.name: getattr(values, field.name) for field in fields(values)}
    return {name: fixed(array.copy(order="C")) for name, array in arrays.items() if isinstance(array, np.ndarray)}
