"""Random grids with everything that a reduction meets: chains, nested parallel lines, dead ends, switches, dark parts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from services.optimizer.reconfiguration.network import BusKind, Line, Node, PowerGrid
from tests.support.grids import Case, demands_of

V_GEN = 12_660.0


def random_case(
    seed: int,
    node_count: int = 40,
    *,
    providers: int = 1,
    consumers: float = 0.4,
    switches: float = 0.25,
    parallels: int = 12,
    ties: int = 4,
    cut: float = 0.0,
) -> Case:
    """A feeder whose configuration is radial but for lines in parallel, with loads that it can well carry.

    Args:
        consumers: share of nodes that are consumers; the others are transitions.
        switches: share of the lines of the first tree that are switchable; they are closed.
        parallels: lines or chains laid beside a line that is not switchable; chains may get parallels themselves.
        ties: open switches between any two nodes.
        cut: share of the switches that are open all the same.
    """
    rng = np.random.default_rng(seed)
    nodes = [Node(f"p{k}", BusKind.PROVIDER, v_gen_v=V_GEN * (1 + 0.02 * k)) for k in range(providers)]
    lines: list[Line] = []

    def lay(source: int, target: int, *, is_switch: bool = False, is_breaker: bool = False) -> None:
        line = Line(f"l{len(lines)}", source, target, rng.uniform(0.05, 0.6), rng.uniform(0.02, 0.6))
        lines.append(replace(line, is_switch=is_switch, is_breaker=is_breaker, imax_a=rng.uniform(20, 200)))

    def node(kind: BusKind) -> int:
        nodes.append(Node(f"n{len(nodes)}", kind))
        return len(nodes) - 1

    for _ in range(node_count):
        parent = int(rng.integers(max(0, len(nodes) - 12), len(nodes)))
        child = node(BusKind.CONSUMER if rng.random() < consumers else BusKind.TRANSITION)
        ends = (parent, child) if rng.random() < 0.5 else (child, parent)
        lay(*ends, is_switch=rng.random() < switches, is_breaker=rng.random() < 0.05)
    trunk_count, tree_count = len(nodes), len(lines)
    for _ in range(parallels):
        beside = lines[int(rng.integers(len(lines)))]
        if not (beside.is_switch or beside.is_breaker):
            chain = [beside.source, *(node(BusKind.TRANSITION) for _ in range(rng.integers(0, 3))), beside.target]
            for source, target in pairwise(chain):
                lay(*((source, target) if rng.random() < 0.5 else (target, source)))
    is_open = [line.is_switch and position < tree_count and rng.random() < cut for position, line in enumerate(lines)]
    for _ in range(ties):
        source, target = rng.choice(trunk_count, 2, replace=False)
        lay(int(source), int(target), is_switch=True)
        is_open.append(True)
    watts = [rng.uniform(0, 40e3) if node.kind is BusKind.CONSUMER else 0.0 for node in nodes]
    demand_va = np.array(watts) * (1 + 1j * rng.uniform(-0.3, 0.7, len(nodes)))
    grid = PowerGrid("random", tuple(nodes), tuple(lines))
    return Case(grid, demands_of(demand_va), np.array(is_open, dtype=bool))
