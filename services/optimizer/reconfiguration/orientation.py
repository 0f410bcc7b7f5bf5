"""Radial configurations of networks with transformers: every bus supplied over one path, each transformer fed in a way it can be.

Lines that cannot be switched tie buses into *islands*, which are trees where a radial configuration exists at all. In an island
that holds transformers it matters at which bus power enters; everything else is free. So a radial configuration is a tree of
islands in which each is entered at a bus that suits its transformers, and one exists if and only if every island can be reached
from the providers over such entries (an arborescence needs one entry for each island, and no entry excludes another).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.kernels.trees import incidence
from services.optimizer.reconfiguration.network import BoolArray, FloatArray, IntArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.spanning_trees import SwitchGraph, contract
from services.optimizer.reconfiguration.transformers import TransformerTables


@dataclass(frozen=True)
class Islands:
    """The islands of a network, and where power may enter them. The providers share one island."""

    graph: SwitchGraph
    may_enter_at: BoolArray  # (n,) power that enters the bus's island there feeds all its transformers in a mode
    providers_feed_well: bool  # the transformers in the island of the providers are fed in modes


def find_islands(network: ReducedNetwork) -> Islands:
    """The islands of a network whose lines without switches form no cycle."""
    tables = network.transformers
    graph = contract(network)
    may_enter_at: BoolArray = np.ones(network.bus_count, dtype=bool)
    if tables is None or tables.can_be_fed_at[tables.is_terminal].all():
        return Islands(graph, may_enter_at, providers_feed_well=True)
    reach = _Reach(network, tables)
    for transformer in np.flatnonzero((tables.is_terminal & ~tables.can_be_fed_at).any(axis=1)).tolist():
        for terminal in np.flatnonzero(tables.is_terminal[transformer] & ~tables.can_be_fed_at[transformer]).tolist():
            # Whatever enters on this side of the transformer feeds it here.
            may_enter_at[reach.side_of(transformer, terminal)] = False
    return Islands(graph, may_enter_at, bool(may_enter_at[network.is_provider].all()))


def radial_tree(
    network: ReducedNetwork, islands: Islands, reluctance: FloatArray, *, must_suit: bool = True
) -> BoolArray | None:
    """The radial configuration (m,) that grows from the providers over the least reluctant switches; None if there is none.

    Args:
        reluctance: (m,) the switch with the lowest one is closed next.
        must_suit: whether transformers must be fed in their modes; without, that is avoided as long as possible.
    """
    graph = islands.graph
    if graph.has_fixed_cycle or (must_suit and not islands.providers_feed_well):
        return None
    joins = network.is_switch & (graph.source != graph.target)
    first, incident = incidence(graph.vertex_count, graph.source, graph.target)
    is_reached: BoolArray = np.zeros(graph.vertex_count, dtype=bool)
    is_open: BoolArray = network.is_switch.copy()
    waiting: list[tuple[bool, float, int, int]] = []  # unsuitable last, then reluctance, line, island

    def reach(island: int) -> None:
        is_reached[island] = True
        for line in incident[first[island] : first[island + 1]].tolist():
            if not joins[line]:
                continue
            for end, far in ((network.target[line], graph.target[line]), (network.source[line], graph.source[line])):
                if not is_reached[far]:
                    suits = bool(islands.may_enter_at[end])
                    if suits or not must_suit:
                        heapq.heappush(waiting, (not suits, float(reluctance[line]), line, int(far)))

    reach(graph.root)
    while waiting:
        _, _, line, island = heapq.heappop(waiting)
        if not is_reached[island]:
            is_open[line] = False
            reach(island)
    return is_open if is_reached.all() else None


class _Reach:
    """The buses on each side of a transformer, over lines without switches."""

    def __init__(self, network: ReducedNetwork, tables: TransformerTables) -> None:
        self._network = network
        self._tables = tables
        self._first, self._incident = incidence(network.bus_count, network.source, network.target)

    def side_of(self, transformer: int, terminal: int) -> IntArray:
        """Buses that reach the transformer at this terminal; other transformers are passed."""
        network, tables = self._network, self._tables
        here = (tables.of_line == transformer) & (tables.terminal_of_line == terminal)
        found: list[int] = []
        for entry in np.flatnonzero(here).tolist():  # one, or none in a part that was removed
            center = (
                network.source[entry] if tables.of_bus[network.source[entry]] == transformer else network.target[entry]
            )
            bus = int(network.source[entry] + network.target[entry] - center)
            seen, pending = {int(center), bus}, [bus]
            while pending:
                bus = pending.pop()
                found.append(bus)
                for line in self._incident[self._first[bus] : self._first[bus + 1]].tolist():
                    other = int(network.source[line] + network.target[line] - bus)
                    if not network.is_switch[line] and other not in seen:
                        seen.add(other)
                        pending.append(other)
        return np.array(found, dtype=np.int32)
