"""The bound of one period of a network that is too large for one branch and bound: region by region, where most is gained.

It has no candidates: what is best in each region by itself need not fit together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import numpy as np

from services.optimizer.reconfiguration.bounds.cones import ConePrices, price_cones
from services.optimizer.reconfiguration.bounds.prices import Positions, weigh
from services.optimizer.reconfiguration.bounds.regions import cut_out, divide
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation
from services.optimizer.reconfiguration.bounds.tree_search import TreeSearch
from services.optimizer.reconfiguration.problem import ReducedNetwork

CONES_WITHIN_S = 300.0
# While the interior-point method works in a thread of its own, the search goes on.
WAIT_S, WORK_OF_A_WAIT = 0.001, 1_000_000
TURN = 20_000_000  # buses swept in the time of a turn in one region: about a second
KEPT = 0.5  # of what was expected of a turn, after it
SHARE_OF_A_TURN = 0.1  # of what is missing in a region, that its first turn is expected to gain

HOPE = 1.0  # measured: with more planes, which a smaller one asks for, a large city gains half as much in the same time
MOST_OPEN = 100  # regions; each holds a linear program of some ten megabytes
MOST_BYTES = 2**22  # of open parts, in each


@dataclass(eq=False)
class _Region:
    """A region, and what a turn of work is expected to add to the bound."""

    arcs: Positions
    expected: float
    search: TreeSearch | None = None
    pieces: Iterator[int] = field(default_factory=lambda: iter(()))


class RegionSearch:
    """Branch and bound in the regions of one period."""

    candidate = None

    def __init__(
        self,
        network: ReducedNetwork,
        relaxation: Relaxation,
        should_stop: Callable[[], bool],
        buses: int | None = None,
    ) -> None:
        """``buses``: of a region, where other than usual."""
        self._buses = buses
        self._network = network
        self._of = relaxation
        self._should_stop = should_stop
        self._floor = -relaxation.constant / relaxation.unit  # no objective is below 0
        self._best = np.inf  # known, in the relaxation's unit
        self._gained = 0.0

    @property
    def bound(self) -> float:
        """No configuration of this period has a lower objective."""
        return (self._floor + self._gained) * self._of.unit + self._of.constant

    def know(self, objective: float) -> None:
        """Take note of a solution: what lies between it and the bound is missing."""
        self._best = min(self._best, (objective - self._of.constant) / self._of.unit)

    def pieces(self) -> Iterator[int]:
        """Work until every region is settled; yields what each piece has cost, in buses swept."""
        prices = yield from self._price()
        if prices is None:
            return
        of, planes = self._of, prices.planes
        bound, _ = weigh(of, of.lower, of.upper, of.cost, prices.rows, planes, prices.plane_prices)
        if bound < self._floor:  # prices that are worth nothing; what regions add, they add to these
            return
        self._floor = bound
        division = divide(self._network, of, prices, self._buses)
        yield WORK_OF_A_WAIT
        missing = max(self._best - bound, 0.0) if np.isfinite(self._best) else 1.0
        waiting = [
            _Region(arcs, SHARE_OF_A_TURN * missing * share)
            for arcs, share in zip(division.arcs, division.loss_shares, strict=True)
        ]
        while waiting:
            region = max(waiting, key=lambda region: region.expected)
            if region.search is None:
                self._begin(region, prices)
            if (yield from self._take_turn(region)) or self._is_one_too_many(waiting):
                waiting.remove(region)

    def _price(self) -> Generator[int, None, ConePrices | None]:
        found: list[ConePrices | None] = []
        solving = threading.Thread(target=lambda: found.append(price_cones(self._of, CONES_WITHIN_S)), daemon=True)
        solving.start()
        while solving.is_alive():
            solving.join(WAIT_S)
            yield WORK_OF_A_WAIT
        return found[0] if found else None

    def _begin(self, region: _Region, prices: ConePrices) -> None:
        relaxation, own = cut_out(self._of, region.arcs, prices)
        search = TreeSearch(
            relaxation, None, self._network.source.size, self._should_stop, hope=HOPE, most_bytes=MOST_BYTES
        )
        search.begin_with(own)
        region.search, region.pieces = search, search.pieces()

    def _take_turn(self, region: _Region) -> Generator[int, None, bool]:
        """A turn of work in a region; whether it is settled."""
        assert region.search is not None
        began_at, work = region.search.bound, 0
        before = began_at
        for cost in region.pieces:
            self._gained += region.search.bound - before
            before = region.search.bound
            work += cost
            yield cost
            if work >= TURN:
                region.expected = KEPT * region.expected + (1.0 - KEPT) * (before - began_at)
                return False
        self._gained += region.search.bound - before
        return True

    def _is_one_too_many(self, waiting: list[_Region]) -> bool:
        """Whether the region last worked in is given up, as too many are open."""
        return sum(region.search is not None for region in waiting) > MOST_OPEN
