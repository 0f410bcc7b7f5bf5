"""What a grid connects, by plain lists of edges: reduction rule by rule, supply, and how transformers are fed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray, BusKind, PowerGrid, TransformerOperation


@dataclass(eq=False)
class Edge:
    """What is left of lines after reduction, between two buses."""

    ends: tuple[int, int]
    lines: list[int]
    is_switch: bool
    is_breaker: bool
    is_internal: bool

    @property
    def may_merge(self) -> bool:
        return not (self.is_switch or self.is_breaker or self.is_internal)

    def other(self, bus: int) -> int:
        return self.ends[1] if bus == self.ends[0] else self.ends[0]


def reduce_slowly(grid: PowerGrid) -> tuple[set[int], list[Edge]]:
    """The buses and edges that are left of a grid."""
    edges = [
        Edge((line.source, line.target), [k], line.is_switch, line.is_breaker, line.transformer >= 0)
        for k, line in enumerate(grid.lines)
    ]
    buses = flood(providers(grid), edges)
    edges = [edge for edge in edges if edge.ends[0] in buses]
    while _cut_off(grid, buses, edges) or _join_parallel(edges) or _join_serial(grid, buses, edges):
        pass
    return buses, edges


def providers(grid: PowerGrid) -> list[int]:
    return [k for k, node in enumerate(grid.nodes) if node.kind is BusKind.PROVIDER]


def flood(roots: Sequence[int], edges: Sequence[Edge]) -> set[int]:
    """All buses that edges connect to the roots."""
    reached = set(roots)
    while more := {edge.other(bus) for edge in edges for bus in edge.ends if bus in reached} - reached:
        reached |= more
    return reached


def _transitions(grid: PowerGrid, buses: set[int]) -> list[int]:
    return [bus for bus in sorted(buses) if grid.nodes[bus].kind is BusKind.TRANSITION]


def _cut_off(grid: PowerGrid, buses: set[int], edges: list[Edge]) -> bool:
    for bus in _transitions(grid, buses):
        at = [edge for edge in edges if bus in edge.ends]
        if len(at) == 1 and not at[0].is_internal:
            buses.remove(bus)
            edges.remove(at[0])
            return True
    return False


def _join_parallel(edges: list[Edge]) -> bool:
    for k, first in enumerate(edges):
        for second in edges[k + 1 :]:
            if first.may_merge and second.may_merge and set(first.ends) == set(second.ends):
                edges.remove(second)
                first.lines += second.lines
                return True
    return False


def _join_serial(grid: PowerGrid, buses: set[int], edges: list[Edge]) -> bool:
    for bus in _transitions(grid, buses):
        at = [edge for edge in edges if bus in edge.ends]
        if len(at) == 2 and all(edge.may_merge for edge in at) and at[0].other(bus) != at[1].other(bus):
            buses.remove(bus)
            edges.remove(at[0])
            edges.remove(at[1])
            ends = at[0].other(bus), at[1].other(bus)
            edges.append(Edge(ends, at[0].lines + at[1].lines, False, False, False))
            return True
    return False


def feeding_terminals(grid: PowerGrid, is_open: BoolArray) -> dict[int, int]:
    """The terminal at which each supplied transformer is reached first from a provider."""
    fed: dict[int, int] = {}
    waiting = providers(grid)
    seen = set(waiting)
    while waiting:
        bus = waiting.pop(0)
        for k, line in enumerate(grid.lines):
            if bus not in (line.source, line.target) or is_open[k]:
                continue
            other = line.source + line.target - bus
            if other in seen:
                continue
            seen.add(other)
            waiting.append(other)
            if line.transformer >= 0 and other >= len(grid.document_nodes):
                fed[line.transformer] = bus
    return fed


def mode_between(grid: PowerGrid, x: int, source: int, target: int) -> tuple[float | None, float] | None:
    """Ratio (None where the voltage is set) and power factor of a transformer from one terminal to another."""
    for mode in grid.transformers[x].modes:
        ratio = mode.ratio if mode.operation is TransformerOperation.FIXED_RATIO else None
        if (mode.source, mode.target) == (source, target):
            return ratio, mode.power_factor
        if mode.is_bidirectional and (mode.target, mode.source) == (source, target):
            return (None if ratio is None else 1 / ratio), mode.power_factor
    return None


def has_modes(grid: PowerGrid, x: int, source: int) -> bool:
    return all(
        mode_between(grid, x, source, end) is not None for end in grid.transformers[x].terminals if end != source
    )


def every_good_configuration(grid: PowerGrid) -> Iterator[BoolArray]:
    """Every (L,) that supplies all buses that are left after reduction over one path, with all transformers in a mode."""
    buses, edges = reduce_slowly(grid)
    switches = [edge.lines[0] for edge in edges if edge.is_switch]
    for states in product([False, True], repeat=len(switches)):
        is_open = np.zeros(len(grid.lines), dtype=bool)
        is_open[switches] = states
        present = [edge for edge in edges if not is_open[edge.lines[0]] or not edge.is_switch]
        is_tree = len(present) == len(buses) - len(providers(grid)) and flood(providers(grid), present) == buses
        if is_tree and all(has_modes(grid, x, at) for x, at in feeding_terminals(grid, is_open).items()):
            yield is_open
