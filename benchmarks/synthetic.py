"""A synthetic city: as large as one likes, with feeders that neighbours can take over, in the proportions of real networks."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from benchmarks.systems import System, one_hour
from services.optimizer.reconfiguration.network import BusKind, FloatArray, IntArray, Line, Node, PowerGrid

V_SOURCE = 20_000.0
OHM_PER_UNIT = 0.03
Q_PER_P = 0.3
LOWEST_PU = 0.95  # about, in the configuration given


def city(buses: int, *, substations: int, ties: int, seed: int) -> System:
    """Buses scattered over a square, each supplied over the shortest way from one of the substations.

    Every line is switchable. The configuration given leaves open ``ties`` of the shortest lines between neighbours that the
    shortest ways do not use. Demands are scaled until the lowest voltage is about ``LOWEST_PU``.
    """
    rng = np.random.default_rng(seed)
    places = rng.random((buses, 2)) * np.sqrt(buses)  # one bus on a unit of area, a unit being some hundred metres
    a, b = _neighbours(places)
    length = np.linalg.norm(places[a] - places[b], axis=1)
    sources = rng.choice(buses, substations, replace=False)
    streets = coo_array((length, (a, b)), shape=(buses, buses))
    assert connected_components(streets, directed=False)[0] == 1, "choose another seed"
    distance, upstream, _ = dijkstra(streets, directed=False, indices=sources, return_predecessors=True, min_only=True)
    line_of_pair = {pair: k for k, pair in enumerate(zip(a.tolist(), b.tolist(), strict=True))}
    outwards = np.argsort(distance)[substations:].astype(np.int32)
    line_above = np.zeros(buses, dtype=np.int64)
    for bus in outwards.tolist():
        up = int(upstream[bus])
        line_above[bus] = line_of_pair[min(bus, up), max(bus, up)]
    in_tree = np.zeros(a.size, dtype=bool)
    in_tree[line_above[outwards]] = True
    others = np.flatnonzero(~in_tree)
    kept = np.sort(np.concatenate([np.flatnonzero(in_tree), others[np.argsort(length[others])][:ties]]))

    r, x = OHM_PER_UNIT * length, OHM_PER_UNIT * length * rng.uniform(0.5, 1.5, length.size)
    p_w = rng.lognormal(0.0, 0.7, buses) * (rng.random(buses) < 0.8)
    p_w[sources] = 0.0
    p_w *= (1.0 - LOWEST_PU) / _largest_drop(p_w, (r + Q_PER_P * x)[line_above] / V_SOURCE**2, outwards, upstream)
    is_source = np.isin(np.arange(buses), sources)
    nodes = tuple(
        Node(str(bus), BusKind.PROVIDER, v_gen_v=V_SOURCE) if is_source[bus] else Node(str(bus), BusKind.CONSUMER)
        for bus in range(buses)
    )
    lines = tuple(Line(str(k), int(a[k]), int(b[k]), float(r[k]), float(x[k]), is_switch=True) for k in kept.tolist())
    return System(
        name=f"city of {buses} buses",
        grid=PowerGrid("city", nodes, lines),
        demands=one_hour(p_w, Q_PER_P * p_w),
        is_open=~in_tree[kept],
        base_loss_kw=np.nan,
        best_loss_kw=np.nan,
        best_open=(),
    )


def _neighbours(places: FloatArray) -> tuple[IntArray, IntArray]:
    """Pairs of each bus and its six nearest, each pair once."""
    _, near = cKDTree(places).query(places, k=7)
    pairs = np.stack([np.repeat(near[:, 0], 6), near[:, 1:].ravel()], axis=1)
    pairs.sort(axis=1)
    unique = np.unique(pairs, axis=0).astype(np.int32)
    return unique[:, 0], unique[:, 1]


def _largest_drop(p_w: FloatArray, drop_per_w: FloatArray, outwards: IntArray, upstream: IntArray) -> float:
    """Largest relative voltage drop without losses, for demands and drops by bus over the line above it."""
    carried = p_w.copy()
    for bus in outwards[::-1].tolist():
        carried[upstream[bus]] += carried[bus]
    drop = np.zeros(p_w.size)
    for bus in outwards.tolist():
        drop[bus] = drop[upstream[bus]] + carried[bus] * drop_per_w[bus]
    return float(drop.max())
