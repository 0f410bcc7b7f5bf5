"""What a configuration connects: trees of supplied buses, and cycles as a planner reads them.

A path between two providers is a cycle like any other: for cycles, all providers count as one bus. Buses without supply
may be connected to each other in any way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.arrays import bools, fixed, ints
from services.optimizer.reconfiguration.kernels.loops import closing_lines, shortest_loop
from services.optimizer.reconfiguration.kernels.trees import DARK, incidence, walk_trees
from services.optimizer.reconfiguration.network import BoolArray, IntArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.transformers import Outputs, outputs_of


@dataclass(frozen=True)
class Trees:
    """The supplied part of a configuration, one tree for each provider in bus order; see ``walk_trees``."""

    order: IntArray  # (n,) valid up to tree_start[-1]
    tree_start: IntArray  # (R + 1,)
    upstream_line: IntArray  # (n,)
    upstream_bus: IntArray  # (n,)
    cycle_count: int  # present lines between supplied buses that no tree has
    outputs: Outputs  # of the transformers

    @property
    def is_supplied(self) -> BoolArray:
        """(n,) buses that some provider reaches."""
        is_supplied: BoolArray = self.upstream_line != DARK
        return is_supplied

    @property
    def supplied_order(self) -> IntArray:
        """The supplied buses, each before those that it supplies."""
        return self.order[: self.tree_start[-1]]

    @property
    def allow_flow(self) -> bool:
        """Whether power flows in one way only: no cycle, and no transformer used in a missing mode."""
        return self.cycle_count == 0 and self.outputs.misfed.size == 0


@dataclass(frozen=True)
class Loop:
    """A cycle of the reduced network in path order; one between or at providers starts and ends there."""

    lines: tuple[int, ...]
    buses: tuple[int, ...]  # at which each line starts, walking round
    is_forward: tuple[bool, ...]  # the line is walked from its source to its target


def grow_trees(network: ReducedNetwork, is_open: BoolArray) -> Trees:
    """The trees of a configuration (m,). Unless there are cycles they are unique."""
    order, upstream_line, upstream_bus = (np.empty(network.bus_count, dtype=np.int32) for _ in range(3))
    roots = ints(np.flatnonzero(network.is_provider))
    tree_start = np.empty(roots.size + 1, dtype=np.int32)
    first, incident = incidence(network.bus_count, network.source, network.target)
    cycle_count = walk_trees(
        first,
        incident,
        network.source,
        network.target,
        bools(is_open),
        roots,
        order,
        tree_start,
        upstream_line,
        upstream_bus,
    )
    outputs = outputs_of(network.transformers, network.bus_count, upstream_line, upstream_bus)
    return Trees(order, tree_start, upstream_line, upstream_bus, cycle_count, outputs)


@dataclass(frozen=True)
class MergedNetwork:
    """The lines of a network with all its providers as one vertex, 0; ``vertex_count`` may include unused ones."""

    vertex_count: int
    first: IntArray
    incident: IntArray
    source: IntArray  # (m,) vertex
    target: IntArray  # (m,) vertex


def merge_providers(network: ReducedNetwork) -> MergedNetwork:
    """Take all providers as one."""
    vertex_count = network.bus_count + 1
    vertex = np.where(network.is_provider, 0, np.arange(1, vertex_count)).astype(np.int32)
    source, target = fixed(vertex[network.source]), fixed(vertex[network.target])
    first, incident = incidence(vertex_count, source, target)
    return MergedNetwork(vertex_count, first, incident, source, target)


def find_loops(network: ReducedNetwork, is_absent: BoolArray, most: int) -> list[Loop]:
    """Independent cycles of the lines that are not absent (m,): for each line that closes one the shortest through it.

    At most ``most`` of them, in line order. Supply plays no part: leave out dark lines as absent.
    """
    merged = merge_providers(network)
    is_absent = bools(is_absent)
    return [
        _loop(network, merged, _shortest(merged, is_absent, line, network.source.size + 1))
        for line in _closing(merged, is_absent)[:most]
    ]


def shortest_cycle(network: ReducedNetwork, is_absent: BoolArray) -> Loop | None:
    """A shortest cycle, in lines of the reduced network, of the lines that are not absent (m,)."""
    merged = merge_providers(network)
    is_absent = bools(is_absent)
    best = None
    for line in _closing(merged, is_absent):
        limit = network.source.size + 1 if best is None else best.size
        found = _shortest(merged, is_absent, line, limit)
        best = found if found.size else best
    return None if best is None else _loop(network, merged, best)


def loop_through(merged: MergedNetwork, is_open: BoolArray, tie: int) -> list[int]:
    """The lines of the loop that an open line closes in a radial configuration (m,), itself included."""
    is_absent: BoolArray = is_open.copy()
    is_absent[tie] = False
    found: list[int] = _shortest(merged, bools(is_absent), tie, merged.source.size + 1).tolist()
    return found


def original_path(loop: Loop, paths: Sequence[tuple[int, ...]]) -> list[int]:
    """The loop by lines of the grid; ``paths`` are those of the reduction."""
    return [
        line
        for reduced, is_forward in zip(loop.lines, loop.is_forward, strict=True)
        for line in (paths[reduced] if is_forward else paths[reduced][::-1])
    ]


def _closing(merged: MergedNetwork, is_absent: BoolArray) -> list[int]:
    closing: list[int] = closing_lines(merged.vertex_count, merged.source, merged.target, is_absent).tolist()
    return closing


def _shortest(merged: MergedNetwork, is_absent: BoolArray, line: int, limit: int) -> IntArray:
    return shortest_loop(merged.first, merged.incident, merged.source, merged.target, is_absent, line, limit)


def _loop(network: ReducedNetwork, merged: MergedNetwork, lines: IntArray) -> Loop:
    """The closed walk over these lines, the first one from its source, turned so that a provider comes first."""
    directions: list[bool] = []
    vertex = merged.source[lines[0]]
    for line in lines:
        directions.append(bool(merged.source[line] == vertex))
        vertex = merged.target[line] if directions[-1] else merged.source[line]
    walk = list(zip(lines.tolist(), directions, strict=True))
    buses = [int(network.source[line] if is_forward else network.target[line]) for line, is_forward in walk]
    start = next((position for position, bus in enumerate(buses) if network.is_provider[bus]), 0)
    walk, buses = walk[start:] + walk[:start], buses[start:] + buses[:start]
    return Loop(tuple(line for line, _ in walk), tuple(buses), tuple(is_forward for _, is_forward in walk))
