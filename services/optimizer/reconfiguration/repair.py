"""Make configurations radial with few changes: every connectable bus supplied, by one provider over one path.

Also the first step of an optimisation. It looks at what is connected, not at voltages, currents or costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.arrays import bools, fixed
from services.optimizer.reconfiguration.kernels.loops import closing_lines, hop_distances
from services.optimizer.reconfiguration.network import BoolArray, PowerGrid
from services.optimizer.reconfiguration.orientation import find_islands, radial_tree
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.reduction import Reduction, expand_configuration, reduce_configuration
from services.optimizer.reconfiguration.topology import merge_providers, original_path, shortest_cycle
from services.optimizer.reconfiguration.wording import listed_ids


class NotRadial(ValueError):
    """No configuration of the network is radial and connected: lines without switch form a cycle, or transformers cannot be fed."""


class RepairImpossible(ValueError):
    """A solution cannot be made radial; ``message`` names the lines that prevent it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Repaired:
    """Radial configurations and how many switches differ from those they were made from, over all periods."""

    configurations: BoolArray  # (T, L)
    opened: int
    closed: int


def repair(grid: PowerGrid, reduction: Reduction, configurations: BoolArray) -> Repaired:
    """Make each configuration (T, L) radial and connected; switches that play no part in that stay as they are.

    Raises:
        RepairImpossible: the grid has no radial configuration.
    """
    before = reduce_configuration(reduction, configurations)
    try:
        after = np.array([make_radial(reduction.network, is_open) for is_open in before], dtype=bool)
    except NotRadial as error:
        cycle = shortest_cycle(reduction.network, reduction.network.is_switch)
        if cycle is None:
            raise RepairImpossible("no switch setting feeds every transformer in one of its modes") from error
        ids = listed_ids([grid.lines[line].id for line in original_path(cycle, reduction.paths)])
        raise RepairImpossible(f"no switch can break the cycle of the lines {ids}") from error
    repaired = expand_configuration(reduction, after.reshape(before.shape), configurations)
    opened, closed = repaired & ~configurations, configurations & ~repaired
    return Repaired(repaired, int(opened.sum()), int(closed.sum()))


def make_radial(network: ReducedNetwork, is_open: BoolArray) -> BoolArray:
    """The radial, connected configuration (m,) with the fewest changes to ``is_open`` (m,).

    A spanning tree that prefers lines without switch, then closed switches, then open ones has the fewest changes.
    Among equals it prefers lines near a provider, which opens a cycle where it is farthest from them. Where transformers
    cannot be fed from every side, the changes are few and not always the fewest.

    Raises:
        NotRadial: there is none.
    """
    merged = merge_providers(network)
    distance = hop_distances(merged.first, merged.incident, merged.source, merged.target, 0)
    reluctance = np.where(network.is_switch, np.where(is_open, 2, 1), 0)
    if network.transformers is not None:
        nearness = distance[merged.source] + distance[merged.target]
        oriented = radial_tree(network, find_islands(network), reluctance + nearness / (nearness.max(initial=0) + 1.0))
        if oriented is None:
            raise NotRadial
        return oriented
    order = np.lexsort((distance[merged.source] + distance[merged.target], reluctance))  # stable: then by position
    source, target, nothing_absent = (
        fixed(merged.source[order]),
        fixed(merged.target[order]),
        bools(np.zeros(order.size)),
    )
    closing = order[closing_lines(merged.vertex_count, source, target, nothing_absent)]
    if not network.is_switch[closing].all():
        raise NotRadial
    radial: BoolArray = np.zeros(order.size, dtype=bool)
    radial[closing] = True
    return radial
