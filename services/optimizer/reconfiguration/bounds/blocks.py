"""Blocks of a network: what cannot be cut apart by taking one bus away, and the bus through which each is supplied.

All providers count as one vertex, 0, the others as their bus and 1. Whatever the configuration, what is supplied through a block's
entry is its other vertices and the blocks beyond them, which is what bounds its flows and voltages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from services.optimizer.reconfiguration.arrays import ints
from services.optimizer.reconfiguration.network import FloatArray, IntArray
from services.optimizer.reconfiguration.topology import MergedNetwork


@dataclass(frozen=True)
class Blocks:
    """Blocks in an order in which those beyond a block come before it."""

    of_line: IntArray  # (m,) -1 where no supply comes, and where both ends are providers
    entry: IntArray  # (B,) vertex
    of_vertex: IntArray  # (n + 1,) the block in which a vertex is supplied, -1 for that of the providers and where no supply comes
    merged: MergedNetwork

    def beyond(self, amount: FloatArray) -> FloatArray:
        """(B,) the sum of amounts by vertex (n + 1,) over all that is supplied through each block's entry."""
        is_supplied = self.of_vertex >= 0
        total: FloatArray = np.bincount(
            self.of_vertex[is_supplied], amount[is_supplied], minlength=self.entry.size
        ).astype(np.float64)
        for block, entry in enumerate(self.entry.tolist()):
            outer = self.of_vertex[entry]
            if outer >= 0:
                total[outer] += total[block]
        return total

    def along(self, rise: FloatArray) -> FloatArray:
        """(n + 1,) the sum of what each block adds (B,) on the way to a vertex."""
        reached = np.zeros(self.entry.size)
        for block in range(self.entry.size - 1, -1, -1):
            outer = self.of_vertex[self.entry[block]]
            reached[block] = rise[block] + (reached[outer] if outer >= 0 else 0.0)
        return np.where(self.of_vertex >= 0, reached[self.of_vertex], 0.0)

    def heaviest_trees(self, weight: FloatArray) -> FloatArray:
        """(B,) the weight (m,), not negative, of each block's heaviest spanning tree: no path within the block weighs more."""
        # The lightest tree with negative weights, of all blocks at once. Parallel lines add up, which is on the safe side.
        lines = np.flatnonzero(self.of_line >= 0)
        ends = np.stack([self.merged.source[lines], self.merged.target[lines]])
        # A vertex is another one in each block: its own where it is supplied, and the block's entry beside them.
        of_line, count = self.of_line[lines], self.of_vertex.size
        at = np.where(ends == self.entry[of_line], count + of_line, ends)
        size = count + self.entry.size
        weights = coo_array((-weight[lines], (at.min(axis=0), at.max(axis=0))), shape=(size, size))
        tree = minimum_spanning_tree(weights.tocsr()).tocoo()
        # Each line of the tree has an end that is supplied in its block.
        total: FloatArray = np.bincount(self.of_vertex[tree.row], -tree.data, minlength=self.entry.size).astype(
            np.float64
        )
        return total


def find_blocks(merged: MergedNetwork) -> Blocks:
    """R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Computing 1(2), 1972, without recursion."""
    of_line = np.full(merged.source.size, -1, dtype=np.int32)
    of_vertex = np.full(merged.vertex_count, -1, dtype=np.int32)
    entry: list[int] = []
    found = np.full(merged.vertex_count, -1, dtype=np.int64)  # when a vertex was reached
    low = np.zeros(merged.vertex_count, dtype=np.int64)  # the earliest vertex that is reached from behind it
    first, incident = merged.first.tolist(), merged.incident.tolist()
    source, target = merged.source.tolist(), merged.target.tolist()
    path = [(0, -1)]  # vertices with the line over which each was reached
    following = list(first[:-1])
    walked: list[int] = []  # lines of blocks that are not complete
    found[0] = time = 0
    is_walked = np.zeros(merged.source.size, dtype=np.bool_)
    while path:
        vertex, over = path[-1]
        if following[vertex] < first[vertex + 1]:
            line = incident[following[vertex]]
            following[vertex] += 1
            if is_walked[line] or source[line] == target[line]:
                continue
            is_walked[line] = True
            walked.append(line)
            other = target[line] if source[line] == vertex else source[line]
            if found[other] >= 0:
                low[vertex] = min(low[vertex], found[other])
            else:
                time += 1
                found[other] = low[other] = time
                path.append((other, line))
            continue
        path.pop()
        if not path:
            break
        above = path[-1][0]
        low[above] = min(low[above], low[vertex])
        if low[vertex] >= found[above]:
            while True:
                line = walked.pop()
                of_line[line] = len(entry)
                for end in (source[line], target[line]):
                    if end != above:
                        of_vertex[end] = len(entry)
                if line == over:
                    break
            entry.append(above)
    return Blocks(ints(of_line), ints(entry), ints(of_vertex), merged)
