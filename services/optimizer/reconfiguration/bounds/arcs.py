"""The directions in which lines can carry supply: each line is up to two arcs, from the bus that feeds to the bus that is fed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.arrays import ints
from services.optimizer.reconfiguration.network import IntArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.topology import MergedNetwork, Trees, merge_providers


@dataclass(frozen=True)
class Arcs:
    """Possible parents of the buses in a radial configuration."""

    line: IntArray  # (A,)
    feeding: IntArray  # (A,) bus
    fed: IntArray  # (A,) bus, never a provider
    opposite: IntArray  # (A,) the other arc of the same line, -1 where there is none

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.line.size)


def find_arcs(network: ReducedNetwork) -> Arcs:
    """All arcs that some radial configuration may use.

    None leads to a provider. And none leads towards the providers where all supply comes through one bus: what lies beyond an
    articulation of the network, with all providers as one vertex, is fed through it.
    """
    merged = merge_providers(network)
    entry = _entries(merged)
    line: list[int] = []
    feeding: list[int] = []
    fed: list[int] = []
    opposite: list[int] = []
    for k in range(network.source.size):
        ends = [(network.source, network.target, merged.target), (network.target, network.source, merged.source)]
        pair = [
            (int(near[k]), int(far[k]))
            for near, far, vertex in ends
            if vertex[k] != 0 and vertex[k] != entry[k] and entry[k] >= 0
        ]
        for place, (near_bus, far_bus) in enumerate(pair):
            opposite.append(len(line) + (1 if place == 0 else -1) if len(pair) == 2 else -1)
            line.append(k)
            feeding.append(near_bus)
            fed.append(far_bus)
    return Arcs(ints(line), ints(feeding), ints(fed), ints(opposite))


def used_arcs(arcs: Arcs, trees: Trees) -> IntArray:
    """The arcs along which the trees of a configuration supply their buses."""
    is_used = (trees.upstream_line[arcs.fed] == arcs.line) & (trees.upstream_bus[arcs.fed] == arcs.feeding)
    return np.flatnonzero(is_used).astype(np.int32)


def _entries(merged: MergedNetwork) -> IntArray:
    """(m,) of each line the vertex through which its biconnected component is supplied, -1 where no supply comes.

    R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Computing 1(2), 1972, without recursion.
    """
    entry = np.full(merged.source.size, -1, dtype=np.int32)
    found = np.full(merged.vertex_count, -1, dtype=np.int64)  # when a vertex was reached
    low = np.zeros(merged.vertex_count, dtype=np.int64)  # the earliest vertex that is reached from behind it
    first, incident = merged.first.tolist(), merged.incident.tolist()
    source, target = merged.source.tolist(), merged.target.tolist()
    path = [(0, -1)]  # vertices with the line over which each was reached
    following = list(first[:-1])
    walked: list[int] = []  # lines of components that are not complete
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
                entry[line] = above
                if line == over:
                    break
    return entry
