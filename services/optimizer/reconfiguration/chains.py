"""The graph of junctions and chains on which radial configurations are enumerated.

In a radial configuration at most one of several lines in series is open, and no line without an alternative is. What is
left once such lines are put together is small even for large networks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from services.optimizer.reconfiguration.kernels.enumeration import Chains
from services.optimizer.reconfiguration.kernels.layout import LongArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.spanning_trees import contract


def find_chains(network: ReducedNetwork) -> tuple[Chains, LongArray]:
    """Junctions and chains of a network that has radial configurations, and the lines that are open in all of them."""
    graph = contract(network)
    lines_at: dict[int, set[int]] = defaultdict(set)
    always_open: list[int] = []
    for line in np.flatnonzero(network.is_switch).tolist():
        a, b = int(graph.source[line]), int(graph.target[line])
        if a == b:
            always_open.append(line)
        else:
            lines_at[a].add(line)
            lines_at[b].add(line)

    def far_end(line: int, vertex: int) -> int:
        return int(graph.source[line]) + int(graph.target[line]) - vertex

    _remove_leaves(lines_at, far_end)
    junctions = [vertex for vertex in sorted(lines_at) if len(lines_at[vertex]) > 2]
    if not junctions:  # a single cycle, or nothing
        junctions = [vertex for vertex in sorted(lines_at) if lines_at[vertex]][:1]
    position = {vertex: at for at, vertex in enumerate(junctions)}
    ends: list[tuple[int, int]] = []
    chains: list[list[int]] = []
    is_used: set[int] = set()
    for junction in junctions:
        for first_line in sorted(lines_at[junction]):
            if first_line in is_used:
                continue
            chain = [first_line]
            vertex = far_end(first_line, junction)
            while vertex not in position:
                (line,) = lines_at[vertex] - {chain[-1]}
                chain.append(line)
                vertex = far_end(line, vertex)
            is_used.update(chain)
            chains.append(chain)
            ends.append((position[junction], position[vertex]))
    return (
        Chains(
            junction_a=np.array([a for a, _ in ends], dtype=np.int64),
            junction_b=np.array([b for _, b in ends], dtype=np.int64),
            first=np.cumsum([0, *(len(chain) for chain in chains)]).astype(np.int64),
            lines=np.array([line for chain in chains for line in chain], dtype=np.int64),
        ),
        np.array(always_open, dtype=np.int64),
    )


def _remove_leaves(lines_at: dict[int, set[int]], far_end: Callable[[int, int], int]) -> None:
    """Take away lines without an alternative that lead to a vertex with no other line, until there are none."""
    waiting = [vertex for vertex, lines in lines_at.items() if len(lines) == 1]
    while waiting:
        vertex = waiting.pop()
        if not lines_at[vertex]:
            continue  # the other end of the last line has taken it
        line = lines_at[vertex].pop()
        other = far_end(line, vertex)
        lines_at[other].remove(line)
        if len(lines_at[other]) == 1:
            waiting.append(other)
