"""Random networks for :mod:`brute_force`, and the same ones as grids for the optimiser."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from services.optimizer.reconfiguration.network import BusKind, Demands, Line, Node, Period, PowerGrid
from tests.support.brute_force import Bools, Switched
from tests.support.grids import START

V = 10_000.0


@dataclass(frozen=True)
class Kind:
    """What a random network has beside loads and lines."""

    buses: tuple[int, int] = (6, 14)  # least and most, providers included
    ties: tuple[int, int] = (2, 4)
    providers: int = 1
    fixed_lines: float = 0.3  # share of the lines of the first tree that cannot be switched
    ideal_lines: float = 0.0  # share of the lines without impedance
    no_demand: float = 0.2  # share of the buses
    generation: float = 0.0  # share of the buses
    limits: bool = False  # on voltages, currents and providers
    periods: int = 1
    price: tuple[float, float] = (0.0, 0.0)  # of moving a switch
    has_before: bool = False


def random_switched(seed: int, kind: Kind) -> tuple[Switched, Bools]:
    """A network and a radial solution (T, L) of it to start from."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(kind.buses[0], kind.buses[1] + 1))
    ends = [(int(rng.integers(max(0, bus - 5), bus)), bus) for bus in range(kind.providers, n)]
    tree = len(ends)
    while len(ends) < tree + int(rng.integers(kind.ties[0], kind.ties[1] + 1)):
        a, b = sorted(int(bus) for bus in rng.choice(n, 2, replace=False))
        if b >= kind.providers:
            ends.append((a, b))
    order = rng.permutation(len(ends))
    is_tie = order >= tree
    m = order.size
    has_impedance = rng.random(m) >= kind.ideal_lines
    is_root = np.arange(n) < kind.providers
    p = rng.uniform(20e3, 250e3, (kind.periods, n)) * (rng.random(n) >= kind.no_demand)
    p *= np.where(rng.random(n) < kind.generation, -1.0, 1.0) * ~is_root
    q = p * rng.uniform(-0.1, 0.5, n)

    def limits(share: float, low: float, high: float, size: int) -> np.ndarray:
        values = rng.uniform(low, high, size)
        return np.where(rng.random(size) < (share if kind.limits else 0.0), values, np.inf)

    is_tied = Counter(bus for pair in ends for bus in pair)
    keeps_limits = np.array([not is_root[bus] and (p[:, bus].any() or is_tied[bus] == 1) for bus in range(n)])
    v_low = np.where(keeps_limits, limits(0.4, 0.96 * V, 0.995 * V, n), np.inf)
    network = Switched(
        ends=np.array([ends[k] for k in order]),
        r=rng.uniform(0.2, 3.0, m) * has_impedance,
        x=rng.uniform(0.1, 3.0, m) * has_impedance,
        is_switch=is_tie | (rng.random(m) >= kind.fixed_lines),
        imax=limits(0.6, 5.0, 120.0, m),
        vmax=limits(0.3, 0.99 * V, 1.03 * V, m),
        price=rng.uniform(*kind.price, m),
        v_source=np.where(is_root, V * (1.0 + 0.01 * np.arange(n)), 0.0),
        p_most=np.where(is_root, limits(0.5, 0.3, 1.5, n) * max(np.abs(p).sum(axis=1).max(), 1.0), np.inf),
        v_low=np.where(np.isfinite(v_low), v_low, 0.0),
        v_high=np.where(keeps_limits, limits(0.4, 0.999 * V, 1.03 * V, n), np.inf),
        p=p,
        q=q,
        hours=rng.integers(1, 4, kind.periods).astype(float),
        weights=np.array([1e6, 1000.0, 1.0, 1.0]),
        before=is_tie if kind.has_before else None,
    )
    return network, np.tile(is_tie, (kind.periods, 1))


def as_grid(network: Switched) -> tuple[PowerGrid, Demands]:
    """The network as a document would have it: a bus without demand and limits that lines join is a transition."""
    lines_at = Counter(int(bus) for pair in network.ends for bus in pair)
    has_demand = (network.p != 0.0).any(axis=0) | (network.q != 0.0).any(axis=0)
    nodes = []
    for bus, v_source in enumerate(network.v_source.tolist()):
        if v_source:
            nodes.append(Node(str(bus), BusKind.PROVIDER, v_gen_v=v_source, p_gen_max_w=float(network.p_most[bus])))
        elif has_demand[bus] or lines_at[bus] == 1:
            low, high = float(network.v_low[bus]), float(network.v_high[bus])
            nodes.append(Node(str(bus), BusKind.CONSUMER, v_min_v=low, v_max_v=high))
        else:
            nodes.append(Node(str(bus), BusKind.TRANSITION))
    lines = tuple(
        Line(
            str(k),
            int(source),
            int(target),
            float(network.r[k]),
            float(network.x[k]),
            imax_a=float(network.imax[k]),
            vmax_v=float(network.vmax[k]),
            is_switch=bool(network.is_switch[k]),
            switching_cost=float(network.price[k]),
        )
        for k, (source, target) in enumerate(network.ends)
    )
    ends = [START + timedelta(hours=float(hours)) for hours in np.cumsum(network.hours)]
    starts = [START, *ends[:-1]]
    periods = tuple(Period(str(k), *span) for k, span in enumerate(zip(starts, ends, strict=True)))
    return PowerGrid("random", tuple(nodes), lines), Demands(periods, network.p, network.q)
