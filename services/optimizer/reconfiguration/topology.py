"""What a configuration connects: trees of supplied buses, and cycles as a planner reads them.

A path between two providers is a cycle like any other: for cycles, all providers count as one bus. Buses without supply
may be connected to each other in any way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.arrays import bools, fixed
from services.optimizer.reconfiguration.kernels.loops import closing_lines, shortest_loop
from services.optimizer.reconfiguration.kernels.trees import incidence
from services.optimizer.reconfiguration.network import BoolArray, IntArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.transformers import Outputs, outputs_of
from services.optimizer.reconfiguration.walk import Walk, walk_from_providers


@dataclass(frozen=True)
class Trees(Walk):
    """The supplied part of a configuration, and what it makes of the transformers."""

    outputs: Outputs

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
    walk = walk_from_providers(network.source, network.target, network.is_provider, is_open)
    outputs = outputs_of(network.transformers, network.bus_count, walk.upstream_line, walk.upstream_bus)
    return Trees(walk.order, walk.tree_start, walk.upstream_line, walk.upstream_bus, walk.cycle_count, outputs)


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
