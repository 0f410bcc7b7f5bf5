"""The directions in which lines can carry supply: each line is up to two arcs, from the bus that feeds to the bus that is fed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.arrays import ints
from services.optimizer.reconfiguration.bounds.blocks import find_blocks
from services.optimizer.reconfiguration.network import IntArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.topology import Trees, merge_providers


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
    blocks = find_blocks(merged)
    entry = np.where(blocks.of_line >= 0, blocks.entry[blocks.of_line], -1)
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
    """The arcs, in ascending order, along which the trees of a configuration supply their buses."""
    is_used = (trees.upstream_line[arcs.fed] == arcs.line) & (trees.upstream_bus[arcs.fed] == arcs.feeding)
    return np.flatnonzero(is_used).astype(np.int32)
