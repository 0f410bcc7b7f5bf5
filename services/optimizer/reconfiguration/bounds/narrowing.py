"""The bound of one period with generation: what no better solution uses is found out first, as far as that tells what voltages can be.

With generation voltages may rise, and how far depends on which way supply comes: a relaxation that leaves that open lets buses have
voltages that no solution has, and loses less in their lines. So for arcs that the best solution uses the relaxation is asked what
it would cost to do without; where that is more than the best, each better solution uses them, and not those that exclude them. The
caps on flows and voltages follow, with them the relaxation, and so on. What is left is the tree search's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

import numpy as np

from services.optimizer.reconfiguration.bounds.cones import ConePrices, price_cones
from services.optimizer.reconfiguration.bounds.prices import weigh
from services.optimizer.reconfiguration.bounds.region_search import RegionSearch
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation
from services.optimizer.reconfiguration.bounds.tree_search import (
    CONES_WITHIN_S,
    SETTLED_WITHIN,
    WORK_PER_ARC_OF_CONES,
    TreeSearch,
)
from services.optimizer.reconfiguration.network import BoolArray, FloatArray, IntArray

WORTH_ASKING = 0.003  # a gap above which questions gain more in their time than the tree search
DECIDED_BEFORE_CAPS = 8  # after so many decisions caps are computed anew, which costs as much as some questions
LEAST_GAIN = 0.05  # of what was missing before the last questions, or no more are asked
NEAR = 0.5  # of what is missing: a question whose answer is expected to lack more than that is not asked


class NarrowingSearch:
    """Narrowing, and then branch and bound."""

    def __init__(
        self,
        relaxation: Relaxation,
        best: IntArray,
        relax_to: Callable[[BoolArray], Relaxation],
        search_in: Callable[[Relaxation], TreeSearch | RegionSearch],
    ) -> None:
        """``best``: arcs that the best solution uses; ``relax_to``: the relaxation in which only usable arcs (A,) are left."""
        self._of = relaxation
        self._relax_to, self._search_in = relax_to, search_in
        self._usable: BoolArray = relaxation.upper[: relaxation.arcs.count] > 0.0
        self._best = best
        self._above = _arcs_above(relaxation, best)
        self._answers: dict[
            int, float
        ] = {}  # by how much the bound rose, at the last asking, without an arc of the best
        self._floor = -relaxation.constant / relaxation.unit  # no objective is below 0
        self._objective = self._cutoff = np.inf  # of the best known, and what must be below it to be better
        self._prices: ConePrices | None = None
        self._search: TreeSearch | RegionSearch | None = None

    @property
    def bound(self) -> float:
        """No configuration of this period has a lower objective."""
        # What is excluded is no better than the cutoff, whatever the bound on the rest.
        limit = self._cutoff * self._of.unit + self._of.constant
        own = self._floor * self._of.unit + self._of.constant
        return min(own if self._search is None else max(own, self._search.bound), limit)

    @property
    def candidate(self) -> BoolArray | None:
        """As of the tree search."""
        return None if self._search is None else self._search.candidate

    @candidate.setter
    def candidate(self, candidate: BoolArray | None) -> None:
        if isinstance(self._search, TreeSearch):
            self._search.candidate = candidate

    def know(self, objective: float) -> None:
        """Take note of a solution: nothing that is not better by ``CERTAIN_WITHIN`` need be looked for."""
        self._objective = min(self._objective, objective)
        cutoff = (objective - SETTLED_WITHIN * abs(objective) - self._of.constant) / self._of.unit
        self._cutoff = min(self._cutoff, cutoff)
        if self._search is not None:
            self._search.know(objective)

    def pieces(self) -> Iterator[int]:
        """Work until everything is settled; yields what each piece has cost, in buses swept."""
        yield from self._narrow()
        search = self._search_in(self._of)
        search.know(self._objective)
        if isinstance(search, TreeSearch) and self._prices is not None:
            search.begin_with(self._prices)
        self._search = search
        yield from search.pieces()

    def _narrow(self) -> Generator[int, None, None]:
        """Ask, and take what follows into the relaxation, while that decides something and much is missing."""
        missing_before = np.inf
        while True:
            yield self._work()
            self._of = self._relax_to(self._usable)
            self._usable = self._of.upper[: self._of.arcs.count] > 0.0
            yield self._work()
            self._prices = price_cones(self._of, CONES_WITHIN_S)
            if self._prices is None:
                return
            bound, reduced = _worth(self._of, self._prices)
            self._floor = max(self._floor, bound)
            missing = self._cutoff - bound
            if not WORTH_ASKING < missing < min((1.0 - LEAST_GAIN) * missing_before, np.inf):
                return
            missing_before = missing
            before = self._usable.sum()
            self._usable &= ~self._too_dear(reduced, missing)
            yield from self._ask(bound)
            if self._usable.sum() == before:
                return

    def _too_dear(self, reduced: FloatArray, missing: float) -> BoolArray:
        """(A,) the arcs whose price alone makes every solution that uses them no better than the best."""
        count = self._of.arcs.count
        is_open = self._of.lower[:count] < self._of.upper[:count]
        too_dear: BoolArray = is_open & (reduced[:count] > missing)
        return too_dear

    def _ask(self, bound: float) -> Generator[int, None, None]:
        """Ask what the best solution's arcs are worth, the most promising first, until some are decided."""
        missing = self._cutoff - bound
        asked: set[int] = set()
        decided = 0
        while decided < DECIDED_BEFORE_CAPS:
            arc, expected = self._most_promising(asked)
            if arc < 0 or expected < (1.0 - NEAR) * missing:
                return
            asked.add(arc)
            yield self._work()
            rise = self._without(arc) - bound
            self._answers[arc] = rise
            if rise > missing:
                fed = self._of.arcs.fed
                self._usable &= (fed != fed[arc]) | (np.arange(fed.size) == arc)
                decided += 1

    def _most_promising(self, asked: set[int]) -> tuple[int, float]:
        """An arc of the best solution that is not decided, and by how much the bound may rise without it: -1 where there is none.

        What has not been asked for is expected to be as dear as the arc above it.
        """
        alternatives = np.bincount(self._of.arcs.fed[self._usable], minlength=int(self._of.arcs.fed.max()) + 1)
        best, most = -1, -np.inf
        for arc in self._best.tolist():
            if arc in asked or alternatives[self._of.arcs.fed[arc]] <= 1:
                continue
            above = self._above[arc]
            is_below_decided = above < 0 or alternatives[self._of.arcs.fed[above]] <= 1
            unknown = np.inf if is_below_decided else self._answers.get(above, -np.inf)
            expected = self._answers.get(arc, unknown)
            if expected > most:
                best, most = arc, expected
        return best, most

    def _without(self, arc: int) -> float:
        """The bound on all that does not use an arc, nor those that are excluded."""
        of, count = self._of, self._of.arcs.count
        lower, upper = of.lower.copy(), of.upper.copy()
        excluded = ~self._usable
        excluded[arc] = True
        for stretch in range(5):
            lower[stretch * count : (stretch + 1) * count][excluded] = 0.0
            upper[stretch * count : (stretch + 1) * count][excluded] = 0.0
        without = replace(of, lower=lower, upper=upper)
        prices = price_cones(without, CONES_WITHIN_S)
        return -np.inf if prices is None else _worth(without, prices)[0]

    def _work(self) -> int:
        return WORK_PER_ARC_OF_CONES * self._of.arcs.count


def _worth(of: Relaxation, prices: ConePrices) -> tuple[float, FloatArray]:
    return weigh(of, of.lower, of.upper, of.cost, prices.rows, prices.planes, prices.plane_prices)


def _arcs_above(of: Relaxation, best: IntArray) -> dict[int, int]:
    """For each of these arcs the one that feeds its feeding bus, -1 where that is a provider."""
    into = {int(of.arcs.fed[arc]): int(arc) for arc in best}
    return {int(arc): into.get(int(of.arcs.feeding[arc]), -1) for arc in best}
