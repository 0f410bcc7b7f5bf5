"""Compiled walk of a switched network from its providers: one tree of supplied buses per provider, and what closes cycles.

Buses and lines are positions; a tree is kept as each bus's upstream line and bus and as one order from roots to leaves.
"""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.jit import compiled, compiled_allocating
from services.optimizer.reconfiguration.network import BoolArray, IntArray

ROOT = -1  # upstream line of a provider
DARK = -2  # upstream line of a bus that is not supplied


@compiled_allocating
def incidence(bus_count: int, source: IntArray, target: IntArray) -> tuple[IntArray, IntArray]:
    """The lines at each bus: ``incident[first[b]:first[b + 1]]`` are those at bus b, in line order.

    Returns:
        first (n + 1,) and incident (2m,). It depends on the network only: compute it once.
    """
    first = np.zeros(bus_count + 1, dtype=np.int32)
    for line in range(source.size):
        first[source[line] + 1] += 1
        first[target[line] + 1] += 1
    for bus in range(bus_count):
        first[bus + 1] += first[bus]
    free = first[:-1].copy()
    incident = np.empty(2 * source.size, dtype=np.int32)
    for line in range(source.size):
        for bus in (source[line], target[line]):
            incident[free[bus]] = line
            free[bus] += 1
    return first, incident


@compiled
def walk_trees(
    first: IntArray,
    incident: IntArray,
    source: IntArray,
    target: IntArray,
    is_open: BoolArray,
    roots: IntArray,
    order: IntArray,
    tree_start: IntArray,
    upstream_line: IntArray,
    upstream_bus: IntArray,
) -> int:
    """Walk the present lines breadth first from each provider in turn.

    Args:
        first, incident: of :func:`incidence`.
        source, target: (m,) buses of each line.
        is_open: (m,) lines that are absent.
        roots: (R,) provider buses.
        order: (n,) out: supplied buses tree by tree, each tree from its root outwards; valid up to ``tree_start[R]``.
        tree_start: (R + 1,) out: tree k is ``order[tree_start[k]:tree_start[k + 1]]`` and starts with its root.
        upstream_line: (n,) out: line towards the provider; ROOT at providers, DARK at buses without supply.
        upstream_bus: (n,) out: bus at the other end of that line; -1 at providers and dark buses.
    Returns:
        The number of present lines between supplied buses that belong to no tree. Each closes one cycle, a path
        between two providers counting as one; the configuration is radial when it is 0, and the trees are then unique.
    """
    upstream_line[:] = DARK
    upstream_bus[:] = -1
    for k in range(roots.size):
        upstream_line[roots[k]] = ROOT
    end = 0
    closing_ends = 0
    for k in range(roots.size):
        tree_start[k] = end
        head = end
        order[end] = roots[k]
        end += 1
        while head < end:
            bus = order[head]
            head += 1
            for position in range(first[bus], first[bus + 1]):
                line = incident[position]
                if is_open[line] or line == upstream_line[bus]:
                    continue
                other = source[line] + target[line] - bus
                if upstream_line[other] == DARK:
                    upstream_line[other] = line
                    upstream_bus[other] = bus
                    order[end] = other
                    end += 1
                elif upstream_line[other] != line:
                    closing_ends += 1
    tree_start[roots.size] = end
    return closing_ends // 2
