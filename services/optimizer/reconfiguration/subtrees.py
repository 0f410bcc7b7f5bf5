"""Parts of a reduced network that hang on the rest by a single line and contain no cycle: nothing to decide there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray, IntArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.topology import merge_providers


@dataclass(frozen=True)
class Subtrees:
    """The subtrees of a network of n buses; each hangs by one line on a bus that is in none."""

    subtree_of_bus: IntArray  # (n,) -1 outside
    has_switch_above: BoolArray  # (n,) buses inside whose line towards the rest is a switch
    is_at_provider: BoolArray  # (number of subtrees,)
    is_remaining_two_line: BoolArray  # (n,) buses outside, no providers, with exactly two lines to others outside


def find_subtrees(network: ReducedNetwork) -> Subtrees:
    """Take away buses with a single line, all switches closed and all providers as one, until there are none."""
    merged = merge_providers(network)
    lines_left = np.diff(merged.first)
    upstream: dict[int, tuple[int, int]] = {}  # vertex taken away: (vertex it hung on, line)
    is_gone: BoolArray = np.zeros(network.source.size, dtype=bool)
    pending = np.flatnonzero(lines_left == 1).tolist()
    while pending:
        vertex = pending.pop()
        if vertex == 0 or lines_left[vertex] != 1:  # providers stay; of two that are left of a tree one stays
            continue
        at = merged.incident[merged.first[vertex] : merged.first[vertex + 1]]
        line = int(at[~is_gone[at]][0])
        other = int(merged.source[line] + merged.target[line] - vertex)
        is_gone[line] = True
        upstream[vertex] = (other, line)
        lines_left[vertex] = 0
        lines_left[other] -= 1
        if lines_left[other] == 1:
            pending.append(other)
    return _number(network, upstream, lines_left)


def _number(network: ReducedNetwork, upstream: dict[int, tuple[int, int]], lines_left: IntArray) -> Subtrees:
    subtree_of_bus = np.full(network.bus_count, -1, dtype=np.int32)
    has_switch_above: BoolArray = np.zeros(network.bus_count, dtype=bool)
    is_at_provider: list[bool] = []
    for vertex, (hung_on, line) in reversed(upstream.items()):  # from the rest outwards
        bus = vertex - 1
        if hung_on in upstream:
            subtree_of_bus[bus] = subtree_of_bus[hung_on - 1]
        else:
            subtree_of_bus[bus] = len(is_at_provider)
            is_at_provider.append(hung_on == 0)
        has_switch_above[bus] = network.is_switch[line]
    is_remaining_two_line: BoolArray = (lines_left[1:] == 2) & (subtree_of_bus < 0) & ~network.is_provider
    return Subtrees(subtree_of_bus, has_switch_above, np.array(is_at_provider, dtype=bool), is_remaining_two_line)
