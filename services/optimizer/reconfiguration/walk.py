"""The walk over the lines that are present, from every provider: what has supply, and over which line.

Below everything that asks such a question: reduction, interruptions, and the trees of :mod:`topology`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.arrays import bools, ints
from services.optimizer.reconfiguration.kernels.trees import DARK, incidence, walk_trees
from services.optimizer.reconfiguration.network import BoolArray, IntArray


@dataclass(frozen=True)
class Walk:
    """One tree for each provider in bus order, each from its root outwards; see ``walk_trees``."""

    order: IntArray  # (n,) valid up to tree_start[-1]
    tree_start: IntArray  # (R + 1,)
    upstream_line: IntArray  # (n,)
    upstream_bus: IntArray  # (n,)
    cycle_count: int  # present lines between supplied buses that no tree has

    @property
    def is_supplied(self) -> BoolArray:
        """(n,) buses that some provider reaches."""
        is_supplied: BoolArray = self.upstream_line != DARK
        return is_supplied

    @property
    def supplied_order(self) -> IntArray:
        """The supplied buses, each before those that it supplies."""
        return self.order[: self.tree_start[-1]]


def walk_from_providers(source: IntArray, target: IntArray, is_provider: BoolArray, is_open: BoolArray) -> Walk:
    """Walk the lines between buses ``source`` (m,) and ``target`` (m,) that are not open (m,); providers (n,).

    Without cycles the trees are unique.
    """
    bus_count = is_provider.size
    order, upstream_line, upstream_bus = (np.empty(bus_count, dtype=np.int32) for _ in range(3))
    roots = ints(np.flatnonzero(is_provider))
    tree_start = np.empty(roots.size + 1, dtype=np.int32)
    source, target = ints(source), ints(target)
    first, incident = incidence(bus_count, source, target)
    cycle_count = walk_trees(
        first, incident, source, target, bools(is_open), roots, order, tree_start, upstream_line, upstream_bus
    )
    return Walk(order, tree_start, upstream_line, upstream_bus, cycle_count)
