"""The analysis report of a grid: its size and make-up before and after reduction, as text for people.

Clients look for some of the labels (``Network properties:``, ``Number of nodes = ``, ``Potential for aggregation:``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.connectivity import connectivity_status
from services.optimizer.reconfiguration.network import BoolArray, BusKind, IntArray, PowerGrid
from services.optimizer.reconfiguration.reduction import Reduction
from services.optimizer.reconfiguration.subtrees import find_subtrees
from services.optimizer.reconfiguration.topology import Loop, find_loops, original_path, shortest_cycle
from services.optimizer.reconfiguration.wording import listed_ids, shown

FIRST_IDS = 5  # of transition buses with a single line
MOST_CYCLES = 10
RATIO_TOLERANCE = 0.05


@dataclass(frozen=True)
class _Makeup:
    """What is counted of a network, original or reduced."""

    bus_ids: list[str]
    is_consumer: BoolArray
    is_provider: BoolArray
    source: IntArray
    target: IntArray
    is_switch: BoolArray
    is_breaker: BoolArray
    has_no_capacity: BoolArray  # lines that may carry no current

    def lines_at(self, is_counted: BoolArray) -> IntArray:
        """How many of the lines in question each bus has."""
        ends = np.concatenate([self.source[is_counted], self.target[is_counted]])
        return np.bincount(ends, minlength=len(self.bus_ids)).astype(np.int32)


def analysis_report(grid: PowerGrid, reduction: Reduction, *, verbose: bool) -> str:
    """The report on a grid, lines ended by newlines."""
    cycle = shortest_cycle(reduction.network, reduction.network.is_switch)
    if cycle is not None:
        return "\n".join(_on_unbreakable_cycles(grid, reduction, cycle)) + "\n"
    lines = [
        *_on_invalid_transformers(grid, reduction),
        *_on_unconnectable(grid, reduction),
        "The input network",
        *_properties(_makeup_of_grid(grid), verbose=verbose),
        *_on_ratios(grid),
        "",
        "The network after reduction",
        *_properties(_makeup_of_reduction(grid, reduction), verbose=verbose),
        *_on_ratios(grid),
    ]
    if verbose:
        lines += ["", *_potential(grid, reduction)]
    return "\n".join(lines) + "\n"


def _on_unbreakable_cycles(grid: PowerGrid, reduction: Reduction, shortest: Loop) -> Iterator[str]:
    ids = [grid.lines[line].id for line in original_path(shortest, reduction.paths)]
    yield "The network has cycles that no switch can break, so it cannot be operated radially."
    yield "A path that connects two providers counts as a cycle."
    yield f"One shortest cycle consists of the lines: {', '.join(ids)}"
    yield ""
    yield f"Cycles found in the network after reduction (at most {MOST_CYCLES} are shown):"
    for loop in find_loops(reduction.network, reduction.network.is_switch, MOST_CYCLES):
        nodes = [grid.nodes[reduction.node_of_bus[bus]].id for bus in loop.buses]
        yield f"  nodes {listed_ids(nodes)}; switches in it: none"
    yield ""
    yield "No further analysis is possible."


def _on_unconnectable(grid: PowerGrid, reduction: Reduction) -> Iterator[str]:
    nodes = reduction.unconnectable_nodes
    if nodes.size:
        ids = listed_ids([grid.nodes[node].id for node in nodes])
        yield f"{nodes.size} buses cannot be connected to any provider; reduction leaves them out: {ids}"
        yield ""


def _on_invalid_transformers(grid: PowerGrid, reduction: Reduction) -> Iterator[str]:
    invalid = connectivity_status(grid, reduction).invalid_transformers
    if invalid:
        yield f"No switch setting feeds these transformers in one of their modes: {listed_ids(invalid)}"
        yield ""


def _on_ratios(grid: PowerGrid) -> Iterator[str]:
    """Transformers whose ratio is not that of the voltages at their ends."""
    strange = []
    for transformer in grid.transformers:
        voltage_v = dict(zip(transformer.terminals, transformer.end_voltages_v, strict=True))
        if any(
            mode.ratio is not None
            and abs(mode.ratio * voltage_v[mode.target] / voltage_v[mode.source] - 1) > RATIO_TOLERANCE
            for mode in transformer.modes
        ):
            strange.append(transformer.id)
    if strange:
        yield (
            f"  Number of transformers whose ratio deviates by more than {RATIO_TOLERANCE:.0%} from that of their"
            f" end voltages = {len(strange)}: {listed_ids(strange)}"
        )


def _makeup_of_grid(grid: PowerGrid) -> _Makeup:
    return _Makeup(
        bus_ids=[node.id for node in grid.nodes],
        is_consumer=np.array([node.kind is BusKind.CONSUMER for node in grid.nodes], dtype=bool),
        is_provider=np.array([node.kind is BusKind.PROVIDER for node in grid.nodes], dtype=bool),
        source=grid.line_source,
        target=grid.line_target,
        is_switch=grid.is_switch,
        is_breaker=np.array([line.is_breaker for line in grid.lines], dtype=bool),
        has_no_capacity=grid.imax_a == 0,
    )


def _makeup_of_reduction(grid: PowerGrid, reduction: Reduction) -> _Makeup:
    network = reduction.network
    blocks = np.flatnonzero((network.part_imax_a == 0) & (network.part_share != 0))
    has_no_capacity: BoolArray = np.zeros(network.source.size, dtype=bool)
    has_no_capacity[reduction.reduced_line_of_line[network.part_line[blocks]]] = True
    nodes = [grid.nodes[node] for node in reduction.node_of_bus]
    return _Makeup(
        bus_ids=[node.id for node in nodes],
        is_consumer=np.array([node.kind is BusKind.CONSUMER for node in nodes], dtype=bool),
        is_provider=network.is_provider,
        source=network.source,
        target=network.target,
        is_switch=network.is_switch,
        is_breaker=np.array([grid.lines[line].is_breaker for line in reduction.representative_line], dtype=bool),
        has_no_capacity=has_no_capacity,
    )


def _properties(makeup: _Makeup, *, verbose: bool) -> Iterator[str]:
    bus_count = len(makeup.bus_ids)
    lines_at = makeup.lines_at(np.ones(makeup.source.size, dtype=bool))
    yield "Network properties:"
    yield f"  Number of nodes = {bus_count}"
    yield f"  Number of consumers = {_share(makeup.is_consumer.sum(), bus_count)}"
    yield f"  Number of providers = {_share(makeup.is_provider.sum(), bus_count)}"
    yield f"  Number of lines = {makeup.source.size}"
    yield f"  Number of switches = {makeup.is_switch.sum()}"
    yield f"  Number of breakers = {makeup.is_breaker.sum()}"
    yield f"  Number of switches that are breakers = {(makeup.is_switch & makeup.is_breaker).sum()}"
    if makeup.has_no_capacity.any():
        yield f"  Number of lines with imax = 0: {makeup.has_no_capacity.sum()}"
    if verbose:
        switches_at = makeup.lines_at(makeup.is_switch)
        for switch_count, text in ((0, "no switch"), (2, "two switches")):
            found = (lines_at == 2) & (switches_at == switch_count)
            yield f"  Number of buses with exactly two lines and {text} = {found.sum()}"
            yield f"    consumers among them = {_share((found & makeup.is_consumer).sum(), int(found.sum()))}"
    single = np.flatnonzero((lines_at == 1) & ~makeup.is_consumer & ~makeup.is_provider)
    if single.size:
        ids = ", ".join(shown(makeup.bus_ids[bus]) for bus in single[:FIRST_IDS])
        yield f"  Number of transition buses with a single line = {single.size}, first: {ids}"


def _potential(grid: PowerGrid, reduction: Reduction) -> Iterator[str]:
    """What a reduction that may move loads could still take away."""
    found = find_subtrees(reduction.network)
    is_consumer = np.array([grid.nodes[node].kind is BusKind.CONSUMER for node in reduction.node_of_bus], dtype=bool)
    is_inside = found.subtree_of_bus >= 0
    count = found.is_at_provider.size

    def sizes(which: BoolArray) -> str:
        per_subtree = np.bincount(found.subtree_of_bus[which & is_inside], minlength=count)
        average = per_subtree.mean() if count else 0.0
        return f"sum {per_subtree.sum()}, average {average:.2f}, maximum {per_subtree.max(initial=0)}"

    yield "Potential for aggregation:"
    yield f"  Number of subtrees without switching alternatives = {count}"
    yield f"  Number of such subtrees directly at providers = {found.is_at_provider.sum()}"
    yield f"  Buses in them: {sizes(np.ones_like(is_consumer))}"
    yield f"  Consumers in them: {sizes(is_consumer)}"
    yield f"  Switches in them that must stay closed: {sizes(found.has_switch_above)}"
    yield f"  Number of remaining buses with exactly two lines = {found.is_remaining_two_line.sum()}"
    yield f"  Number of remaining consumers = {(is_consumer & ~is_inside).sum()}"


def _share(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} % of {of})" if count else "0"
