"""Random small sessions with everything in them: transformers, breakers, faults, limits, prices, periods of any length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from services.optimizer.reconfiguration.network import (
    BoolArray,
    BusKind,
    ConsumerCategory,
    Demands,
    Line,
    Node,
    Period,
    PowerGrid,
    Transformer,
    TransformerMode,
    TransformerOperation,
    with_transformer_buses,
)

HIGH_V, LOW_V = 10_000.0, 1_000.0
MOST_NODES = 22


@dataclass(frozen=True)
class SmallSession:
    """A grid, its demands, what was before the first period, and one solution."""

    grid: PowerGrid
    demands: Demands
    start: BoolArray | None  # (L,)
    solution: BoolArray  # (T, L)


class _Grower:
    """A grid while it grows from its providers; every node knows its voltage level."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: list[Node] = []
        self.level: list[float] = []
        self.lines: list[Line] = []
        self.transformers: list[Transformer] = []
        self.ideally_joined: set[frozenset[int]] = (
            set()
        )  # two lines without impedance share a current by rules of their own

    def node(self, kind: BusKind, level: float) -> int:
        name = f"{kind.value[0]}{len(self.nodes)}"
        node = Node(name, kind)
        rng = self.rng
        if kind is BusKind.PROVIDER:
            node = Node(name, kind, v_gen_v=level * rng.uniform(0.98, 1.03), q_gen_min_var=-np.inf)
            if rng.random() < 0.4:
                node = replace(node, p_gen_max_w=rng.uniform(3e4, 3e5))
        if kind is BusKind.CONSUMER:
            shares = rng.dirichlet(np.ones(2))
            pair = rng.choice(list(ConsumerCategory), 2, replace=False)
            fractions = {ConsumerCategory(name): float(share) for name, share in zip(pair, shares, strict=True)}
            low = level * rng.uniform(0.95, 1.0) if rng.random() < 0.4 else 0.0
            high = level * rng.uniform(1.0, 1.02) if rng.random() < 0.4 else np.inf
            node = replace(node, v_min_v=low, v_max_v=high, category_fractions=fractions)
        self.nodes.append(node)
        self.level.append(level)
        return len(self.nodes) - 1

    def line(
        self, source: int, target: int, *, is_switch: bool = False, is_breaker: bool = False, faults: bool = True
    ) -> None:
        rng = self.rng
        ideal = rng.random() < 0.1 and frozenset((source, target)) not in self.ideally_joined
        if ideal:
            self.ideally_joined.add(frozenset((source, target)))
        z = 0.0 if ideal else (self.level[source] / HIGH_V) ** 2
        ends = (source, target) if rng.random() < 0.5 else (target, source)
        can_fault = faults and not is_breaker and rng.random() < 0.5
        self.lines.append(
            Line(
                f"l{len(self.lines)}",
                *ends,
                r_ohm=z * rng.uniform(0.2, 8.0),
                x_ohm=z * rng.uniform(-1.0, 8.0),
                imax_a=float(rng.choice([np.inf, rng.uniform(0.5, 60.0), 0.0], p=[0.4, 0.5, 0.1])),
                vmax_v=float(rng.choice([np.inf, self.level[source] * rng.uniform(0.99, 1.05)], p=[0.7, 0.3])),
                is_switch=is_switch,
                switching_cost=rng.uniform(-50.0, 200.0) if is_switch else 0.0,
                is_breaker=is_breaker,
                faults_per_year=rng.uniform(0.1, 4.0) if can_fault else 0.0,
                sectioning_time_s=float(rng.choice([0.0, rng.uniform(10.0, 3e4)], p=[0.1, 0.9])),
                repair_time_s=float(rng.choice([0.0, rng.uniform(10.0, 6e4)], p=[0.2, 0.8])),
            )
        )

    def transformer(self, parent: int) -> None:
        rng = self.rng
        count = int(rng.integers(1, 3))
        levels = [LOW_V if self.level[parent] == HIGH_V else HIGH_V for _ in range(count)]
        ends = [parent, *(self.node(BusKind.TRANSITION, level) for level in levels)]
        modes = []
        for end, level in zip(ends[1:], levels, strict=True):
            automatic = rng.random() < 0.3
            modes.append(
                TransformerMode(
                    parent,
                    end,
                    TransformerOperation.AUTOMATIC if automatic else TransformerOperation.FIXED_RATIO,
                    None if automatic else self.level[parent] / level * rng.uniform(0.97, 1.03),
                    float(rng.choice([1.0, rng.uniform(0.9, 1.0)])),
                    is_bidirectional=bool(rng.random() < 0.6),
                )
            )
        order = rng.permutation(len(ends)).tolist()
        voltages = [self.level[parent], *levels]
        name = f"x{len(self.transformers)}"
        self.transformers.append(
            Transformer(name, tuple(ends[k] for k in order), tuple(voltages[k] for k in order), tuple(modes))
        )


def small_session(seed: int) -> SmallSession:
    """A session of one to three periods; most of its solutions are radial, many break a limit."""
    rng = np.random.default_rng(seed)
    grower = _Grower(rng)
    for root in [grower.node(BusKind.PROVIDER, HIGH_V) for _ in range(rng.integers(1, 4))]:
        for _ in range(rng.integers(1, 3)):
            grower.line(root, grower.node(BusKind.TRANSITION, HIGH_V), is_switch=True, is_breaker=True, faults=False)
    first = sum(node.kind is BusKind.PROVIDER for node in grower.nodes)
    while len(grower.nodes) < MOST_NODES:
        parent = int(rng.integers(max(first, len(grower.nodes) - 8), len(grower.nodes)))
        if rng.random() < 0.15 and len(grower.transformers) < 3:
            grower.transformer(parent)
            continue
        kind = BusKind.CONSUMER if rng.random() < 0.45 else BusKind.TRANSITION
        child = grower.node(kind, grower.level[parent])
        grower.line(parent, child, is_switch=rng.random() < 0.35, is_breaker=rng.random() < 0.15)
    for _ in range(rng.integers(0, 4)):
        _lay_beside(grower)
    for _ in range(rng.integers(1, 5)):
        tie = rng.choice(np.arange(first, len(grower.nodes)), 2, replace=False).tolist()
        if grower.level[tie[0]] == grower.level[tie[1]]:
            grower.line(*tie, is_switch=True, is_breaker=rng.random() < 0.1)
    grid = with_transformer_buses(
        f"random {seed}", tuple(grower.nodes), tuple(grower.lines), tuple(grower.transformers)
    )
    count = int(rng.integers(1, 4))
    solution = np.array([_configuration(rng, grid) for _ in range(count)])
    return SmallSession(
        grid,
        _demands(rng, grower, len(grid.nodes), count),
        _configuration(rng, grid) if rng.random() < 0.6 else None,
        solution,
    )


def _lay_beside(grower: _Grower) -> None:
    """A line or a chain in parallel to one that cannot be switched."""
    rng = grower.rng
    beside = grower.lines[int(rng.integers(len(grower.lines)))]
    if beside.is_switch or beside.is_breaker or beside.r_ohm == 0.0:
        return
    if rng.random() < 0.5:
        grower.line(beside.source, beside.target)
        return
    middle = grower.node(BusKind.TRANSITION, grower.level[beside.source])
    grower.ideally_joined |= {
        frozenset((beside.source, middle)),
        frozenset((middle, beside.target)),
    }  # the chain is not
    grower.line(beside.source, middle)
    grower.line(middle, beside.target)


def _configuration(rng: np.random.Generator, grid: PowerGrid) -> BoolArray:
    """Near to a tree: the switches of a random spanning tree closed, a few others changed."""
    group = list(range(len(grid.nodes)))

    def root_of(bus: int) -> int:
        while group[bus] != bus:
            bus = group[bus]
        return bus

    merged = [k for k, node in enumerate(grid.nodes) if node.kind is BusKind.PROVIDER]
    for provider in merged[1:]:
        group[provider] = merged[0]
    switches = [k for k in rng.permutation(len(grid.lines)).tolist() if grid.lines[k].is_switch]
    for line in grid.lines:
        if not line.is_switch:
            group[root_of(line.source)] = root_of(line.target)
    is_open: BoolArray = np.zeros(len(grid.lines), dtype=bool)
    for k in switches:
        a, b = root_of(grid.lines[k].source), root_of(grid.lines[k].target)
        is_open[k] = a == b
        group[a] = b
    if rng.random() < 0.4:
        is_open[rng.choice(switches)] ^= True
    return is_open


def _demands(rng: np.random.Generator, grower: _Grower, node_count: int, period_count: int) -> Demands:
    base = np.zeros(node_count, dtype=complex)
    for k, node in enumerate(grower.nodes):
        if node.kind is BusKind.CONSUMER and rng.random() < 0.85:
            base[k] = rng.uniform(1e3, 4e4) * (1 + 1j * rng.uniform(-0.3, 0.6)) * (grower.level[k] / HIGH_V)
    va = base * rng.uniform(0.5, 1.5, (period_count, 1)) * rng.uniform(0.8, 1.2, (period_count, node_count))
    return Demands(_periods(rng.uniform(0.5, 30.0, period_count).tolist()), va.real, va.imag)


def _periods(hours: Sequence[float]) -> tuple[Period, ...]:
    ends = [datetime(2024, 1, 1, tzinfo=UTC)]
    for length in hours:
        ends.append(ends[-1] + timedelta(hours=length))
    return tuple(Period(f"t{k}", *ends[k : k + 2]) for k in range(len(hours)))
