"""The best of all radial configurations of one period, by branch and bound over the relaxation, a bounded piece of work at a time.

The set of all configurations is divided by whether an arc is used, where the relaxation knows least about it, until no part can hold
anything better than the best known. At any time the least bound of the open parts is a bound on everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import highspy
import numpy as np

from services.optimizer.reconfiguration.bounds.cones import ConePrices, price_cones
from services.optimizer.reconfiguration.bounds.prices import Positions, weigh
from services.optimizer.reconfiguration.bounds.program import Flags, Outcome, Program
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation
from services.optimizer.reconfiguration.network import BoolArray, FloatArray

# Parts that can hold nothing better than the best known by more than this, relatively, are settled.
CERTAIN_WITHIN = 1e-6
SETTLED_WITHIN = 0.99 * CERTAIN_WITHIN  # leaves room for rounding
WORK_PER_ARC_OF_CONES = 10_000  # in buses that the search sweeps in the time of the interior-point method
CONES_WITHIN_S = 60.0
ROOT_ROUNDS, ROUNDS = 60, 4  # of planes, for the whole and for parts of it
LEAST_GAIN_AT_ROOT, LEAST_GAIN = 0.002, 0.02  # of a round, as a share of what is missing
WORTH_A_PLANE = 1e-4  # a cone's miss, as a share of what is missing
PLANES_PER_ARC = 4  # from which on idle ones are dropped
# Pivots of a piece, and at least as many as there are rows: where the solver is interrupted it goes some steps back.
PIVOTS = 200
TRIAL_PIVOTS = 40
MOST_CANDIDATES, MOST_TRIED, TRIALS_TO_BE_KNOWN = 12, 6, 4
INTEGRAL = 1e-6
MOST_BYTES = 2**28  # of open parts: a run of days must not fill the memory
WORK_PER_PIVOT_AND_ROW = 3  # in buses that the search sweeps in the same time


@dataclass(frozen=True, order=True)
class _Part:
    """Configurations that use the arcs where ``lower`` is 1, and of the others only those where ``upper`` is 1."""

    bound: float
    number: int
    lower: Flags
    upper: Flags


class TreeSearch:
    """Branch and bound for one period.

    Attributes:
        candidate: (m,) open lines of a configuration that the relaxation holds for good, new since the last look; the caller takes it.
    """

    def __init__(
        self,
        relaxation: Relaxation,
        worth: Callable[[BoolArray], float] | None,
        line_count: int,
        should_stop: Callable[[], bool],
        hope: float | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """``worth``: the objective of this period by itself for a configuration (m,), inf where it is not feasible.

        A region, which is no configuration by itself, has none; then its best ends the search. ``hope``: by how much the bound may
        have to rise, where no solution says so. ``most_bytes``: of open parts.
        """
        self._of = relaxation
        self._arcs = relaxation.arcs
        self._worth = worth
        self._line_count = line_count
        self._program = Program(relaxation, should_stop)
        # Of everything, in the program's unit: no objective is below 0, but that of a region may be.
        self._floor = -np.inf if worth is None else -relaxation.constant / relaxation.unit
        self._hope = hope
        self._most_bytes = most_bytes
        self._cutoff = np.inf
        self._gains: dict[int, tuple[float, int]] = {}  # of deciding an arc: sum and number
        self._parts = 1
        self._has_begun = False
        self.candidate: BoolArray | None = None

    @property
    def bound(self) -> float:
        """No configuration of this period has a lower objective."""
        return self._floor * self._of.unit + self._of.constant

    def know(self, objective: float) -> None:
        """Take note of a solution: parts that hold nothing better by ``CERTAIN_WITHIN`` need not be looked into."""
        cutoff = (objective - SETTLED_WITHIN * abs(objective) - self._of.constant) / self._of.unit
        self._cutoff = min(self._cutoff, cutoff)

    def touch(self, arc: Positions, alpha: FloatArray, beta: FloatArray) -> None:
        """Put planes (n,), each touching the cone of an arc where (P, Q) / w is (alpha, beta): those at a solution, or likely to be needed."""
        self._program.add_planes(arc, alpha, beta)

    def begin_with(self, prices: ConePrices) -> None:
        """Begin where the cones themselves have led: with their bound, and the planes that it rests on."""
        of, planes = self._of, prices.planes
        self._program.add_planes(planes.arc, planes.alpha, planes.beta)
        bound, _ = weigh(of, of.lower, of.upper, of.cost, prices.rows, planes, prices.plane_prices)
        self._floor = max(self._floor, min(bound, self._cutoff))
        self._has_begun = True

    def pieces(self) -> Iterator[int]:
        """Work until everything is settled or there are too many parts; yields what each piece has cost, in buses swept."""
        if not self._has_begun:
            yield WORK_PER_ARC_OF_CONES * self._arcs.count
            prices = price_cones(self._of, CONES_WITHIN_S)
            if prices is not None:
                self.begin_with(prices)
        count = self._arcs.count
        heap = [_Part(self._floor, 0, self._of.lower[:count].astype(np.int8), self._of.upper[:count].astype(np.int8))]
        while heap:
            if 2 * count * len(heap) > self._most_bytes:
                return
            part = heapq.heappop(heap)
            self._floor = max(self._floor, min(part.bound, self._cutoff))
            if part.bound >= self._cutoff:
                return
            children = yield from self._divide(part, heap[0].bound if heap else np.inf)
            for child in children:
                if child.bound < self._cutoff:
                    heapq.heappush(heap, child)
        self._floor = max(self._floor, self._cutoff)

    # ------------------------------------------------------------------ one part

    def _divide(self, part: _Part, others: float) -> Generator[int, None, list[_Part]]:
        """The parts of a part that may hold something better; ``others`` is the least bound of all other open parts."""
        narrowed = self._propagate(part)
        if narrowed is None:
            return []
        part = narrowed
        self._program.decide(part.lower, part.upper)
        part, is_settled = yield from self._close_in(part, others)
        if is_settled:
            return []
        undecided = part.lower < part.upper
        # What is decided is not asked of the program, which may have failed to solve this part.
        usage = np.where(undecided, self._program.usage, part.lower)
        doubt = np.where(undecided, np.minimum(usage, 1.0 - usage), 0.0)
        if doubt.max(initial=0.0) <= INTEGRAL:
            return self._settle_or_split(part, usage, undecided)
        return (yield from self._branch(part, doubt))

    def _close_in(self, part: _Part, others: float) -> Generator[int, None, tuple[_Part, bool]]:
        """Add planes while that raises the bound; the part with what has become known of it, and whether it is settled."""
        is_root = part.number == 0
        before = -np.inf
        for _ in range(ROOT_ROUNDS if is_root else ROUNDS):
            outcome = Outcome.MORE
            while outcome is Outcome.MORE:
                outcome = self._program.solve(max(PIVOTS, self._program.size))
                if outcome in (Outcome.EMPTY, Outcome.LOST):
                    yield self._work()
                    # Not shown to be empty: what is left of it are smaller parts, each with this one's bound.
                    return part, outcome is Outcome.EMPTY and self._program.is_proven_empty()
                bound, reduced = self._program.bound()
                part = replace(part, bound=max(part.bound, bound))
                self._floor = max(self._floor, min(part.bound, others, self._cutoff))
                yield self._work()
                if part.bound >= self._cutoff:
                    return part, True
            part = self._decide_by_price(part, bound, reduced)
            missing = self._cap(part) - part.bound
            if bound - before < (LEAST_GAIN_AT_ROOT if is_root else LEAST_GAIN) * missing:
                break
            before = bound
            if not self._add_planes(missing):
                break
        return part, False

    def _add_planes(self, missing: float) -> bool:
        """Put planes where cones are missed by what matters; whether there was such a cone."""
        if self._program.plane_count > PLANES_PER_ARC * self._arcs.count:
            self._program.drop_idle_planes()
        missed, alpha, beta = self._program.missed_cones()
        chosen = np.flatnonzero(missed > WORTH_A_PLANE * missing)
        self._program.add_planes(chosen, alpha[chosen], beta[chosen])
        return bool(chosen.size)

    def _decide_by_price(self, part: _Part, bound: float, reduced: FloatArray) -> _Part:
        """Leave out the uses of arcs whose price alone makes everything too dear."""
        slack = self._cutoff - bound
        if not np.isfinite(slack):
            return part
        is_open = part.lower < part.upper
        upper = np.where(is_open & (reduced > slack), 0, part.upper).astype(np.int8)
        lower = np.where(is_open & (-reduced > slack), 1, part.lower).astype(np.int8)
        return replace(part, lower=lower, upper=upper)

    def _settle_or_split(self, part: _Part, usage: FloatArray, undecided: BoolArray) -> list[_Part]:
        """The relaxation has settled on one configuration: its exact worth is asked for, and the rest is gone on with."""
        if self._worth is None:  # no part can be better, as this is the part of the least bound
            self._cutoff = min(self._cutoff, part.bound)
            return []
        is_open = np.ones(self._line_count, dtype=np.bool_)
        is_open[self._arcs.line[usage > 0.5]] = False
        worth = self._worth(is_open)
        if np.isfinite(worth):
            self.know(worth)
            self.candidate = is_open
        if part.bound >= self._cutoff or not undecided.any():
            return []
        # It is still the best of the relaxation, whose objective lacks something: divide where it is used and was not decided.
        used = np.flatnonzero(undecided & (usage > 0.5))
        arc = int(used[0]) if used.size else int(np.flatnonzero(undecided)[0])
        return [self._child(part, arc, is_used) for is_used in (False, True)]

    # ------------------------------------------------------------------ division

    def _branch(self, part: _Part, doubt: FloatArray) -> Generator[int, None, list[_Part]]:
        """Divide by the arc whose decision, either way, raises the bound most, as far as that is known or tried."""
        likely = doubt * (self._program.feeding_loss + INTEGRAL)
        candidates = np.argsort(-likely, kind="stable")[: min(MOST_CANDIDATES, int((doubt > INTEGRAL).sum()))]
        order = sorted(candidates.tolist(), key=lambda arc: -self._known_gain(arc))[:MOST_TRIED]
        basis = self._program.basis()
        best, best_gain = order[0], -np.inf
        bounds = (part.bound, part.bound)
        for arc in order:
            total, trials = self._gains.get(arc, (0.0, 0))
            if trials >= TRIALS_TO_BE_KNOWN:
                gain, tried = total / trials, (part.bound, part.bound)
            else:
                found = []
                for is_used in (False, True):
                    found.append((yield from self._try(part, arc, is_used, basis)))
                tried = (found[0], found[1])
                rises = [max(min(bound, self._cap(part)) - part.bound, 0.0) for bound in tried]
                gain = float(np.sqrt(max(rises[0], 1e-9) * max(rises[1], 1e-9)))
                self._gains[arc] = (total + gain, trials + 1)
            if gain > best_gain:
                best, best_gain, bounds = arc, gain, tried
        self._program.decide(part.lower, part.upper)
        self._program.go_to(basis)
        children = [
            replace(self._child(part, best, is_used), bound=max(part.bound, bound))
            for is_used, bound in zip((False, True), bounds, strict=True)
        ]
        return children

    def _try(self, part: _Part, arc: int, is_used: bool, basis: highspy.HighsBasis) -> Generator[int, None, float]:
        """What deciding an arc makes of the bound within a few pivots."""
        child = self._child(part, arc, is_used)
        self._program.decide(child.lower, child.upper)
        self._program.go_to(basis)
        outcome = self._program.solve(TRIAL_PIVOTS)
        if outcome in (Outcome.EMPTY, Outcome.LOST):
            is_empty = outcome is Outcome.EMPTY and self._program.is_proven_empty()
            bound = np.inf if is_empty else part.bound
        else:
            bound = max(part.bound, self._program.bound()[0])
        yield self._work()
        return bound

    def _cap(self, part: _Part) -> float:
        """What is enough of a bound."""
        if np.isfinite(self._cutoff):
            return self._cutoff
        return part.bound + (1.0 + abs(part.bound) if self._hope is None else self._hope)

    def _known_gain(self, arc: int) -> float:
        total, trials = self._gains.get(arc, (0.0, 0))
        return total / trials if trials else np.inf

    def _child(self, part: _Part, arc: int, is_used: bool) -> _Part:
        lower, upper = part.lower.copy(), part.upper.copy()
        lower[arc] = upper[arc] = is_used
        self._parts += 1
        return _Part(part.bound, self._parts, lower, upper)

    def _propagate(self, part: _Part) -> _Part | None:
        """What follows from the decisions: one parent for each bus, one way for each line; None where they contradict."""
        arcs = self._arcs
        lower, upper = part.lower.astype(np.bool_), part.upper.astype(np.bool_)
        while True:
            parents = np.bincount(arcs.fed[lower], minlength=int(arcs.fed.max()) + 1)
            if (parents > 1).any():
                return None
            has_opposite = arcs.opposite >= 0
            excluded = (parents[arcs.fed] > 0) & ~lower
            excluded[has_opposite] |= lower[arcs.opposite[has_opposite]]
            if (excluded & lower).any():
                return None
            narrowed = upper & ~excluded
            left = np.bincount(arcs.fed[narrowed], minlength=parents.size)
            if (left[arcs.fed] == 0).any():
                return None
            raised = lower | (narrowed & (left[arcs.fed] == 1))
            if np.array_equal(narrowed, upper) and np.array_equal(raised, lower):
                return replace(part, lower=lower.astype(np.int8), upper=upper.astype(np.int8))
            lower, upper = raised, narrowed

    def _work(self) -> int:
        return WORK_PER_PIVOT_AND_ROW * self._program.pivots * self._program.size
