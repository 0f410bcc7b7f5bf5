"""Iterated DistFlow to the letter of its definition, bus by bus in plain Python, also where it fails.

For grids of which every line is present and nothing is merged or cut off: their buses are providers, consumers and
transformers, and they are trees.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services.optimizer.reconfiguration.network import BusKind, ComplexArray, PowerGrid
from tests.support.slow_grid import mode_between

SETTLED = 1e-10


@dataclass
class SlowTree:
    """The tree of one provider while its flow is computed."""

    root: int
    upstream: dict[int, tuple[int, int]] = field(default_factory=dict)  # line and bus, in walking order
    voltage: dict[int, complex] = field(default_factory=dict)
    current: dict[int, complex] = field(default_factory=dict)  # by line
    power: dict[int, complex] = field(default_factory=dict)  # by line, entering upstream
    injection: complex = 0j
    rounds: int = 0
    failure: str = ""  # "loss" or "drop"


def solve_tree(grid: PowerGrid, demand_va: ComplexArray, root: int) -> SlowTree:
    """Rounds until the injection stands still or a round fails."""
    tree = SlowTree(root)
    waiting = [root]
    while waiting:
        bus = waiting.pop()
        for k, line in enumerate(grid.lines):
            other = line.source + line.target - bus
            if bus in (line.source, line.target) and other not in tree.upstream and other != root:
                tree.upstream[other] = (k, bus)
                waiting.append(other)
    tree.voltage[root] = complex(grid.nodes[root].v_gen_v)
    for bus, (_, above) in tree.upstream.items():
        tree.voltage[bus] = _output_voltage(grid, tree, bus) or tree.voltage[above]
    tree.current = {line: 0j for line, _ in tree.upstream.values()}
    while True:
        tree.rounds += 1
        before = tree.injection
        _backward(grid, demand_va, tree)
        _forward(grid, tree)
        if tree.failure or tree.injection == 0 or abs((tree.injection - before) / tree.injection) < SETTLED:
            return tree


def _mode(grid: PowerGrid, tree: SlowTree, bus: int) -> tuple[float | None, float] | None:
    """The mode of the transformer that supplies a bus."""
    _, center = tree.upstream[bus]
    if grid.nodes[center].kind is not BusKind.TRANSFORMER:
        return None
    mode = mode_between(grid, center - len(grid.document_nodes), tree.upstream[center][1], bus)
    assert mode is not None
    return mode


def _output_voltage(grid: PowerGrid, tree: SlowTree, bus: int) -> complex | None:
    mode = _mode(grid, tree, bus)
    if mode is None:
        return None
    _, center = tree.upstream[bus]
    above = tree.voltage[tree.upstream[center][1]]
    if mode[0] is not None:
        return above / mode[0]
    transformer = grid.transformers[center - len(grid.document_nodes)]
    return complex(above / abs(above) * transformer.end_voltages_v[transformer.terminals.index(bus)])


def _backward(grid: PowerGrid, demand_va: ComplexArray, tree: SlowTree) -> None:
    for bus, (k, _) in reversed(tree.upstream.items()):
        p = sum(tree.power[line] for line, above in tree.upstream.values() if above == bus) + demand_va[bus]
        mode = _mode(grid, tree, bus)
        if mode is not None:
            tree.power[k] = p / mode[1]
        elif grid.nodes[bus].kind is BusKind.TRANSFORMER:
            tree.power[k] = p
        else:
            loss = complex(grid.lines[k].r_ohm, grid.lines[k].x_ohm) * abs(tree.current[k]) ** 2
            if loss.real > p.real:
                tree.failure = "loss"
            tree.power[k] = p + loss
    tree.injection = complex(sum(tree.power[line] for line, above in tree.upstream.values() if above == tree.root))


def _forward(grid: PowerGrid, tree: SlowTree) -> None:
    for bus, (k, above) in tree.upstream.items():
        mode = _mode(grid, tree, bus)
        if mode is not None:
            v = _output_voltage(grid, tree, bus)
            assert v is not None
            tree.voltage[bus] = v
            tree.current[k] = complex(np.conj(tree.power[k] * mode[1] / v))
            continue
        tree.current[k] = complex(np.conj(tree.power[k] / tree.voltage[above]))
        drop = complex(grid.lines[k].r_ohm, grid.lines[k].x_ohm) * tree.current[k]
        tree.voltage[bus] = tree.voltage[above] - drop
        if abs(drop) > abs(tree.voltage[above]):
            tree.failure = tree.failure or "drop"
