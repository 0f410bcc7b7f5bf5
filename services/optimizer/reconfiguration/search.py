"""Any-time search for the best radial solution: descent, kicks, and new starts when these find nothing more.

Deterministic for a seed: what it does depends on the work done, never on time.
"""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.alignment import align
from services.optimizer.reconfiguration.kernels.forest import plant
from services.optimizer.reconfiguration.kernels.layout import (
    CLEAN,
    CURSOR,
    IS_KICKED,
    KICKS,
    STAGE,
    TICK,
    TRIALS,
    Tables,
)
from services.optimizer.reconfiguration.kernels.perturbation import NOISE, WORKING, iterate, measure, shake
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.spanning_trees import is_strictly_radial, random_radial
from services.optimizer.reconfiguration.tables import empty_forest, empty_room, new_descent

# A search that has kicked its local optimum so often without success, per tie and period and at least, starts anew elsewhere,
# so that no deep valley holds it for ever. Published systems are solved long before.
KICKS_PER_TIE = 20
LEAST_KICKS = 100
# Kicks in vain, per tie and at most, after which what is still to be found takes long.
SETTLED_KICKS_PER_TIE = 4
MOST_SETTLED_KICKS = 200


class Search:
    """A search from one radial solution, a bounded piece of work at a time."""

    def __init__(self, network: ReducedNetwork, tables: Tables, is_open: BoolArray, seed: int) -> None:
        """``is_open`` (T, m) must be strictly radial in every period."""
        self._network = network
        self._tables = tables
        self._room = empty_room(tables)
        self._descent = new_descent(tables)
        self._forest = empty_forest(tables)
        self._kept = empty_forest(tables)
        # A generator state must not be 0; a fixed odd multiplier spreads small seeds.
        self._random = np.array([(seed * 0x9E3779B97F4A7C15 + 1) % 2**64 or 1], dtype=np.uint64)
        self._restarts = 0
        self._is_first_descent = True
        self._can_align_to_start = tables.has_start and is_strictly_radial(network, tables.lines["starts_open"])
        self._plant(is_open)
        measure(tables, self._forest, self._descent)
        self._best = is_open.copy()
        self._best_total: tuple[float, float] = (float(self._descent.total[0]), float(self._descent.total[1]))

    @property
    def best(self) -> BoolArray:
        """(T, m) the best solution so far."""
        return self._best

    @property
    def has_descended(self) -> bool:
        """Whether the first local optimum has been found."""
        return not self._is_first_descent

    @property
    def has_settled(self) -> bool:
        """Whether a local optimum has been kicked in vain for a while, so that a proof may take its share of the time."""
        in_vain = min(SETTLED_KICKS_PER_TIE * self._descent.checked[0].size, MOST_SETTLED_KICKS)
        return self.has_descended and (self._restarts > 0 or int(self._descent.clock[KICKS]) >= in_vain)

    @property
    def restarts(self) -> int:
        """How often it has started anew."""
        return self._restarts

    @property
    def trials(self) -> int:
        """Exchanges weighed so far."""
        return int(self._descent.clock[TRIALS])

    def advance(self, work: int) -> bool:
        """Go on for about ``work`` buses swept; whether ``best`` has become better."""
        found = iterate(
            self._tables,
            self._forest,
            self._kept,
            self._room,
            self._descent,
            self._random,
            int(self._room.work[0]) + work,
        )
        if found == WORKING:
            if self._is_first_descent:
                return self._note_if_better()
            if self._descent.clock[KICKS] >= LEAST_KICKS + KICKS_PER_TIE * self._descent.checked[0].size:
                self._start_anew()
            return False
        self._is_first_descent = False
        self._descent.clock[KICKS] = 0
        if self._align():
            self._descent.clock[IS_KICKED] = 0  # descend from there, whatever comes of it
        return self._note_if_better()

    def adopt(self, is_open: BoolArray) -> None:
        """Go on from a solution (T, m) found elsewhere."""
        self._plant(is_open)
        self._note_if_better()

    def _align(self) -> bool:
        """Let periods take over configurations of their neighbours where that pays."""
        if not self._tables.is_coupled:
            return False
        periods = self._tables.prices.size
        is_better = False
        for source in range(periods):
            for step in (1, -1):
                is_better |= align(self._tables, self._forest, self._room, self._descent, source, step)
        if self._can_align_to_start:
            is_better |= align(self._tables, self._forest, self._room, self._descent, -1, 1)
        return is_better

    def _start_anew(self) -> None:
        """Start from the best solution, shaken, or in turn from a random configuration."""
        self._restarts += 1
        is_open = self._best.copy()
        if self._restarts % 2 == 0:
            seed = int(self._random[0] % np.uint64(2**32))
            configuration = random_radial(self._network, seed)
            assert configuration is not None, "the search began with a radial solution"
            # Periods that nothing couples are searched one at a time, so that the others keep what has been found.
            is_open[:] = configuration
            if not self._tables.is_coupled:
                others = np.arange(len(is_open)) != seed % len(is_open)
                is_open[others] = self._best[others]
        self._plant(is_open)
        if self._restarts % 2 == 1:
            shake(self._tables, self._forest, self._room, self._descent, self._random)
            self._descent.clock[KICKS] = 0

    def _plant(self, is_open: BoolArray) -> None:
        """Have the forest stand as ``is_open`` says, with a first descent due."""
        clock = self._descent.clock
        clock[TICK] += 1
        self._forest.is_open[:-1] = is_open
        for slot in range(len(is_open)):
            plant(self._tables, self._forest, self._room, slot, int(clock[TICK]))
        clock[[CURSOR, CLEAN, STAGE, IS_KICKED, KICKS]] = 0
        self._descent.digests[:] = 0  # these are exhausted only as far as the solution kept so far goes
        self._descent.gain[:] = 0.0
        self._descent.is_touched[:] = True

    def _note_if_better(self) -> bool:
        """Keep the forest if it is better than the best so far."""
        measure(self._tables, self._forest, self._descent)
        violation, objective = self._descent.total.tolist()
        best_violation, best_objective = self._best_total
        if abs(violation - best_violation) <= NOISE * best_violation:
            is_better = bool(objective < best_objective - NOISE * abs(best_objective))
        else:
            is_better = bool(violation < best_violation)
        if is_better:
            self._best = self._forest.is_open[:-1].copy()
            self._best_total = (violation, objective)
        return is_better
