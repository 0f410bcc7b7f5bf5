"""Small random problems of every kind that the optimiser must get right, as arrays of a reduced network."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray, IntArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem, ReducedNetwork

V = 10_000.0


@dataclass(frozen=True)
class Kind:
    """What a random problem has beside loads and lines."""

    providers: int = 1
    buses: int = 7  # without providers
    ties: int = 3
    periods: int = 1
    fixed_lines: float = 0.2  # share of the lines of the first tree that cannot be switched
    zero_demand: float = 0.25  # share of the buses
    generation: float = 0.0  # share of the buses
    limits: bool = False  # on voltages, of lines and of providers
    merged_lines: bool = False  # lines of several parts
    switching_cost: tuple[float, float] | None = None
    start: bool = False


def random_problem(seed: int, kind: Kind) -> tuple[ReconfigurationProblem, BoolArray]:
    """A problem and a radial solution (T, m) of it to start from."""
    rng = np.random.default_rng(seed)
    n = kind.providers + kind.buses
    ends = [(int(rng.integers(0, bus)), bus) for bus in range(kind.providers, n)]
    tree_count = len(ends)
    while len(ends) < tree_count + kind.ties:
        a, b = (int(bus) for bus in rng.choice(n, 2, replace=False))
        if max(a, b) >= kind.providers:
            ends.append((a, b))
    order = rng.permutation(len(ends))
    source, target = np.array([ends[k] for k in order], dtype=np.int32).T
    flipped = rng.random(order.size) < 0.5
    source, target = np.where(flipped, target, source), np.where(flipped, source, target)
    is_tie = order >= tree_count
    m = order.size
    r, x = rng.uniform(0.2, 3.0, m), rng.uniform(0.1, 3.0, m)
    p = rng.uniform(20e3, 400e3, (kind.periods, n)) * (rng.random(n) > kind.zero_demand)
    p *= np.where(rng.random(n) < kind.generation, -1.0, 1.0)
    q = 0.4 * p * (rng.random(n) > 0.2)
    is_provider = np.arange(n) < kind.providers
    parts = _parts(rng, r + 1j * x, 3 if kind.merged_lines else 1)
    network = ReducedNetwork(
        bus_count=n,
        source=source.astype(np.int32),
        target=target.astype(np.int32),
        r_ohm=r,
        x_ohm=x,
        is_switch=is_tie | (rng.random(m) >= kind.fixed_lines),
        switching_cost=np.zeros(m),
        is_provider=is_provider,
        v_gen_v=np.where(is_provider, V * (1 + 0.01 * np.arange(n)), 0.0),
        p_gen_max_w=np.full(n, np.inf),
        v_min_v=np.zeros(n),
        v_max_v=np.full(n, np.inf),
        part_start=parts.start,
        part_line=np.arange(parts.share.size, dtype=np.int32),
        part_share=parts.share,
        part_offset_near=parts.near,
        part_offset_far=parts.far,
        part_imax_a=np.full(parts.share.size, np.inf),
        part_vmax_v=np.full(parts.share.size, np.inf),
    )
    if kind.limits:
        network = _with_limits(rng, network, p)
    if kind.switching_cost is not None:
        cost = rng.uniform(*kind.switching_cost, m) * network.is_switch
        network = replace(network, switching_cost=cost)
    start_open = is_tie.copy()
    problem = ReconfigurationProblem(
        network=network,
        p_w=np.where(is_provider, 0.0, p),
        q_var=np.where(is_provider, 0.0, q),
        hours=rng.uniform(0.5, 3.0, kind.periods),
        weights=np.array([1e6, 1000.0, 1.0, 1.0, 1.0]),
        start_open=start_open if kind.start else None,
    )
    for values in (problem, network):
        for field in fields(values):
            if isinstance(array := getattr(values, field.name), np.ndarray):
                array.setflags(write=False)
    return problem, np.tile(start_open, (kind.periods, 1))


@dataclass(frozen=True)
class _Parts:
    start: IntArray
    share: ComplexArray
    near: ComplexArray
    far: ComplexArray


def _parts(rng: np.random.Generator, z: ComplexArray, most: int) -> _Parts:
    """Parts in series; those of merged lines carry only a share of the current."""
    count = rng.integers(1, most + 1, z.size)
    near: list[complex] = []
    far: list[complex] = []
    share: list[complex] = []
    for line, parts in enumerate(count.tolist()):
        cuts = np.concatenate([[0.0], np.sort(rng.random(parts - 1)), [1.0]])
        near += [z[line] * cut for cut in cuts[:-1]]
        far += [z[line] * cut for cut in cuts[1:]]
        share += [complex(rng.uniform(0.3, 1.0)) if parts > 1 else 1.0 for _ in range(parts)]
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    return _Parts(start, np.array(share, dtype=complex), np.array(near), np.array(far))


def _with_limits(rng: np.random.Generator, network: ReducedNetwork, p: FloatArray) -> ReducedNetwork:
    """Limits of which some bite: not every problem has a feasible solution."""
    n, parts = network.bus_count, network.part_share.size
    consumes = ~network.is_provider & (p != 0.0).any(axis=0)
    return replace(
        network,
        v_min_v=np.where(consumes & (rng.random(n) < 0.5), rng.uniform(0.96, 0.995, n) * V, 0.0),
        v_max_v=np.where(consumes & (rng.random(n) < 0.5), rng.uniform(0.999, 1.03, n) * V, np.inf),
        p_gen_max_w=np.where(
            network.is_provider & (rng.random(n) < 0.5), np.abs(p).sum(axis=1).max() * rng.uniform(0.3, 1.5, n), np.inf
        ),
        part_imax_a=np.where(rng.random(parts) < 0.6, rng.uniform(5.0, 120.0, parts), np.inf),
        part_vmax_v=np.where(rng.random(parts) < 0.3, rng.uniform(0.99, 1.03, parts) * V, np.inf),
    )
