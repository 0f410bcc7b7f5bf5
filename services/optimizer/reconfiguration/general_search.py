"""Any-time search that knows nothing of the network but its exact evaluation: for what the compiled search does not cover.

Branch exchange in one period or in all, each candidate weighed with the power flow that is reported; then kicks. Deterministic
for a seed. It takes the place of :class:`search.Search` for networks with
transformers or with lines that can fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from services.optimizer.reconfiguration.appraisal import Appraisal, Appraiser, PeriodWorth
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.orientation import find_islands, radial_tree
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.topology import loop_through, merge_providers

KICKS_BEFORE_NEW_START = 50
EXCHANGES_PER_KICK = 3
REMEMBERED_BYTES = 64 * 2**20
ENTRY_BYTES = (
    700  # the worth of a period's configuration and its place, as measured; the configuration takes a bit per line
)
# What an exact evaluation takes, in buses that the compiled search sweeps: a part that does not depend on the size, the
# rounds of the power flow, and for each pair of buses the fault above one that may hit the other.
APPRAISAL_COSTS, ROUNDS, PAIR_COSTS = 500, 10, 0.02


class GeneralSearch:
    """A search from one radial solution, a bounded piece of work at a time."""

    def __init__(
        self, problem: ReconfigurationProblem, is_open: BoolArray, seed: int, *, room_bytes: int = REMEMBERED_BYTES
    ) -> None:
        """``is_open`` (T, m) must be strictly radial in every period; ``room_bytes`` are for what was evaluated before."""
        self._problem = problem
        self._appraiser = Appraiser(problem)
        self._random = np.random.default_rng(seed)
        self._merged = merge_providers(problem.network)
        self._islands = find_islands(problem.network)
        buses, periods = problem.network.bus_count, problem.hours.size
        pairs = buses**2 if problem.interruptions is not None else 0
        self._appraisal_cost = APPRAISAL_COSTS + periods * (ROUNDS * buses + PAIR_COSTS * pairs)
        self._memory: dict[tuple[int, bytes], PeriodWorth] = {}
        self._most_remembered = room_bytes // (ENTRY_BYTES + is_open.shape[1] // 8)
        self.has_descended = False
        self.restarts = 0
        self.trials = 0
        self._kicks = 0
        self._current = is_open.copy()
        self._worth = self._appraise(self._current)
        self._best, self._best_worth = self._current, self._worth
        self._steps = self._climb()

    @property
    def best(self) -> BoolArray:
        """(T, m) the best solution so far."""
        return self._best

    @property
    def has_settled(self) -> bool:
        """Whether a proof may take its share of the time."""
        return self.has_descended

    def advance(self, work: int) -> bool:
        """Go on for about ``work`` buses swept; whether ``best`` has become better."""
        before = self._best_worth
        weigh_until = self.trials + max(1, int(work / self._appraisal_cost))
        while self.trials < weigh_until:
            if next(self._steps, None) is None:
                self._turn()
        return self._best_worth is not before

    def adopt(self, is_open: BoolArray) -> None:
        """Go on from a solution (T, m) found elsewhere."""
        self._go_to(is_open, self._appraise(is_open))
        self._steps = self._climb()

    def _climb(self) -> Iterator[bool]:
        """Exchange until no exchange is better; yields after each tie that was tried."""
        periods = range(self._problem.hours.size)
        reaches: list[tuple[int, ...]] = [(t,) for t in periods]
        if len(periods) > 1:
            reaches.append(tuple(periods))
        is_better = True
        while is_better:
            is_better = False
            for reach in reaches:
                for tie in np.flatnonzero(self._current[reach[0]]).tolist():
                    if self._current[reach[0], tie]:  # it may have been closed meanwhile
                        is_better |= self._try_tie(reach, tie)
                        yield True

    def _try_tie(self, reach: tuple[int, ...], tie: int) -> bool:
        """Take the best exchange that closes a tie in some periods, if it is better than none."""
        network = self._problem.network
        best: tuple[BoolArray, Appraisal] | None = None
        for line in loop_through(self._merged, self._current[reach[0]], tie):
            if not network.is_switch[line] or line == tie:
                continue
            candidate = self._current.copy()
            for t in reach:
                if candidate[t, tie] and not candidate[t, line]:
                    candidate[t, tie], candidate[t, line] = False, True
            worth = self._appraise(candidate)
            if worth.is_strictly_radial and worth.precedes(best[1] if best else self._worth):
                best = candidate, worth
        if best is None:
            self.trials += 1
            return False
        self._go_to(*best)
        return True

    def _turn(self) -> None:
        """At a local optimum: kick the best solution, or after many kicks begin elsewhere."""
        self.has_descended = True
        self._kicks += 1
        if self._kicks > KICKS_BEFORE_NEW_START:
            self._kicks = 0
            self.restarts += 1
            start = self._random_solution()
        else:
            start = self._kicked(self._best)
        self._current, self._worth = start, self._appraise(start)
        self._note()
        self._steps = self._climb()

    def _kicked(self, is_open: BoolArray) -> BoolArray:
        """A solution some random exchanges away."""
        network = self._problem.network
        kicked = is_open.copy()
        periods: Sequence[int] = range(len(kicked))
        if self._random.random() < 0.5:
            periods = [int(self._random.integers(len(kicked)))]
        for _ in range(EXCHANGES_PER_KICK):
            ties = np.flatnonzero(kicked[periods[0]])
            if not ties.size:
                break
            tie = int(self._random.choice(ties))
            loop = [line for line in loop_through(self._merged, kicked[periods[0]], tie) if network.is_switch[line]]
            line = int(self._random.choice(loop))
            for t in periods:
                changed = kicked[t].copy()
                changed[tie], changed[line] = False, True
                if self._appraiser.appraise_period(t, changed).is_strictly_radial:
                    kicked[t] = changed
        return kicked

    def _random_solution(self) -> BoolArray:
        """The same random radial configuration in all periods."""
        network = self._problem.network
        configuration = radial_tree(network, self._islands, self._random.random(network.source.size))
        assert configuration is not None, "the search began with a radial solution"
        return np.repeat(configuration[None, :], len(self._best), axis=0)

    def _go_to(self, is_open: BoolArray, worth: Appraisal) -> None:
        self._current, self._worth = is_open, worth
        self._note()

    def _note(self) -> None:
        if self._worth.precedes(self._best_worth):
            self._best, self._best_worth = self._current.copy(), self._worth

    def _appraise(self, is_open: BoolArray) -> Appraisal:
        """The worth of a solution; that of a period is remembered, as most of a candidate is like the solution before."""
        self.trials += 1
        if len(self._memory) + len(is_open) > self._most_remembered:
            self._memory.clear()
        worths = []
        for t, configuration in enumerate(is_open):
            key = (t, np.packbits(configuration).tobytes())
            if key not in self._memory:
                self._memory[key] = self._appraiser.appraise_period(t, configuration)
            worths.append(self._memory[key])
        return self._appraiser.combine(worths, is_open)
