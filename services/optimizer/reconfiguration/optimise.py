"""The optimiser: an any-time search and a proof, piece by piece in turn or each in a thread of its own. The proof is by enumeration where
the network is small enough, else by relaxation, which has a bound at any time.

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
from services.optimizer.reconfiguration.crew import Crew, seed_of
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
# A piece of work takes some milliseconds, but where many want the processor longer; a stop does not wait for it.
THREADS_END_WITHIN_S = 0.2
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
    threads: int  # that have worked at a time so far
    is_finished: bool  # nothing better can be found: the last progress of the run


def optimise(
    problem: ReconfigurationProblem,
    start_open: BoolArray,
    *,
    seed: int,
    should_stop: Callable[[], bool],
    now: Callable[[], float],
    enumeration_limit: int = ENUMERATION_LIMIT,
    threads: int = 1,
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
        threads: to use at most. With one everything depends on the other arguments alone. With more a search goes on beside the proof, and
            from the third on further ones from other seeds: what each of them finds depends on the arguments alone, but not when that is
            heard of, and so not which of equally good solutions a proof ends at.
    """
    return _Run(_fixed(problem), start_open.copy(), seed, should_stop, now, enumeration_limit, threads).progress()


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
        threads: int,
    ) -> None:
        self._problem = problem
        self._best = start_open
        self._worth = appraise(problem, start_open)
        self._seed = seed
        self._should_stop = should_stop
        self._now = now
        self._enumeration_limit = enumeration_limit
        self._threads = threads
        self._reported_at = now()
        self._search: Search | GeneralSearch | None = None
        self._crew: Crew | None = None  # that has this search and others, where there are several threads
        self._enumeration: Pieces | None = None  # while it goes on
        self._is_enumerated = False
        self._lower: LowerBound | None = None
        self._relaxation: Iterator[int] | None = None  # its work, while there is some
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
        if network.transformers is not None or self._problem.interruptions is not None:
            slow = self._search = GeneralSearch(self._problem, radial, self._seed)
            yield from self._adopt(radial)
            yield from self._take_turns(slow)
            return
        tables = lay_out(self._problem)
        search = self._search = Search(network, tables, radial, self._seed)
        self._enumeration = self._prove(tables, search)
        yield from self._adopt(radial)
        if self._threads > 1:
            yield from self._share(search, tables)
        else:
            yield from self._take_turns(search)

    def _take_turns(self, search: Search | GeneralSearch) -> Iterator[Progress]:
        """To the end in one thread. What the proof comes across the search goes on from."""
        searched = proved = 0
        while not self._should_stop():
            if search.has_settled:
                self._begin_with_bound()
            # The way to the first local optimum, which is short, is the search's.
            if self._has_to_prove and search.has_descended and proved <= PROOF_SHARE * searched:
                work, found = self._go_on_with_proof()
                proved += work
                if found is not None and appraise(self._problem, found).precedes(self._worth):
                    search.adopt(found)
                    yield from self._adopt(found)
                if self._is_over():
                    break
            else:
                searched += PIECE
                if search.advance(PIECE):
                    yield from self._adopt(search.best)
            yield from self._show_life()
        yield self._last_report()

    def _share(self, search: Search, tables: Tables) -> Iterator[Progress]:
        """To the end in several threads."""
        while not (search.has_settled or self._should_stop()):
            if search.advance(PIECE):
                yield from self._adopt(search.best)
            yield from self._show_life()
        if not search.has_settled:
            yield self._last_report()
            return
        seeds = [seed_of(self._seed, number) for number in range(1, self._threads)]
        others = [Search(self._problem.network, tables, search.best, seed) for seed in seeds]
        crew = self._crew = Crew([search, *others], PIECE)
        try:
            yield from self._work_beside(crew, search)
        finally:
            crew.rest(THREADS_END_WITHIN_S / self._threads)
        yield from self._hear(crew)
        if self._is_over() or self._should_stop():
            yield self._last_report()
        else:  # there were not as many threads to be had
            crew.rest()
            yield from self._take_turns(search)

    def _work_beside(self, crew: Crew, search: Search) -> Iterator[Progress]:
        """Prove, and while there is nothing to prove search, as long as the others of the crew go on."""
        while not (self._is_over() or self._should_stop()):
            self._begin_with_bound()
            if not crew.go_on(beside_a_proof=self._has_to_prove):
                return
            if self._has_to_prove:
                _, found = self._go_on_with_proof()
                if found is not None:
                    yield from self._adopt(found)
            elif not crew.has_first:
                search.advance(PIECE)
            yield from self._hear(crew)
            yield from self._show_life()

    def _hear(self, crew: Crew) -> Iterator[Progress]:
        """Report what a crew has found."""
        for found in crew.take_found():
            yield from self._adopt(found)

    @property
    def _has_to_prove(self) -> bool:
        return self._enumeration is not None or self._relaxation is not None

    def _begin_with_bound(self) -> None:
        if not self._has_to_prove:
            self._relaxation = self._relax()

    def _go_on_with_proof(self) -> tuple[int, BoolArray | None]:
        """One piece of work on the proof: what it has cost, and what it has come across. When there is nothing more to say the time is the
        search's.
        """
        if self._enumeration is not None:
            try:
                return ENUMERATION_PIECE, next(self._enumeration)
            except StopIteration as end:
                self._enumeration = None
                self._is_enumerated = end.value
                return ENUMERATION_PIECE, None
        assert self._relaxation is not None
        work = next(self._relaxation, None)
        if work is None:
            self._relaxation = None
        return work or 0, self._lower.take_found() if self._lower else None

    def _is_over(self) -> bool:
        return self._is_enumerated or self._is_settled()

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

    def _is_settled(self) -> bool:
        """Whether what the relaxation leaves open is not worth searching for."""
        gap = self._gap()
        return gap is not None and gap <= CERTAIN_WITHIN

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

    @property
    def _trials(self) -> int:
        working = self._crew or self._search
        return working.trials if working else 0

    def _show_life(self) -> Iterator[Progress]:
        if self._now() - self._reported_at > HEARTBEAT_S:
            yield self._report(None)

    def _last_report(self) -> Progress:
        if self._is_enumerated:
            return self._report(None, proof="enumerated")
        return replace(self._report(None), is_finished=self._is_settled())

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
            trials=self._trials,
            threads=self._crew.most_threads if self._crew else 1,
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
