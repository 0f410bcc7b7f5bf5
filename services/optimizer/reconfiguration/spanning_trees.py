"""Radial configurations as spanning trees: how many there are, and one of them at random.

All providers count as one vertex, and lines that cannot be switched are always closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.sparse.linalg import splu

from services.optimizer.reconfiguration.network import BoolArray, IntArray
from services.optimizer.reconfiguration.problem import ReducedNetwork


@dataclass(frozen=True)
class SwitchGraph:
    """The network with everything merged that is always connected: vertices are joined by switchable lines only."""

    vertex_count: int
    vertex_of_bus: IntArray  # (n,)
    root: int  # the vertex of the providers
    source: IntArray  # (m,) vertices
    target: IntArray  # (m,)
    has_fixed_cycle: bool  # lines that cannot be switched form a cycle: there is no radial configuration


def contract(network: ReducedNetwork) -> SwitchGraph:
    """Merge the providers, and the buses that lines without a switch connect."""
    merged = np.where(network.is_provider, np.flatnonzero(network.is_provider)[:1], np.arange(network.bus_count))
    source, target = merged[network.source], merged[network.target]
    is_fixed = ~network.is_switch
    ends = coo_array(
        (np.ones(int(is_fixed.sum())), (source[is_fixed], target[is_fixed])),
        shape=(network.bus_count, network.bus_count),
    )
    components, label = connected_components(ends, directed=False)
    # Providers other than the first have become isolated: give the labels without gaps and without them.
    kept, vertex = np.unique(label[merged], return_inverse=True)
    vertex_of_bus: IntArray = vertex.astype(np.int32)
    isolated = components - kept.size
    merges = network.bus_count - isolated - kept.size
    return SwitchGraph(
        vertex_count=int(kept.size),
        vertex_of_bus=vertex_of_bus,
        root=int(vertex_of_bus[np.flatnonzero(network.is_provider)[0]]),
        source=vertex_of_bus[network.source],
        target=vertex_of_bus[network.target],
        has_fixed_cycle=bool(is_fixed.sum() > merges),
    )


def log10_tree_count(network: ReducedNetwork) -> float:
    """Decimal logarithm of the number of radial configurations, -inf where there are none (Kirchhoff's theorem)."""
    graph = contract(network)
    if graph.has_fixed_cycle or not _is_connected(graph, network.is_switch):
        return -np.inf
    if graph.vertex_count == 1:
        return 0.0
    joins = graph.source != graph.target
    a, b = graph.source[joins], graph.target[joins]
    ones = np.ones(a.size)
    laplacian = coo_array(
        (
            np.concatenate([-ones, -ones, ones, ones]),
            (np.concatenate([a, b, a, b]), np.concatenate([b, a, a, b])),
        ),
        shape=(graph.vertex_count, graph.vertex_count),
    ).tocsc()
    kept = np.flatnonzero(np.arange(graph.vertex_count) != graph.root)
    factors = splu(laplacian[kept][:, kept].tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return float(np.log10(np.abs(factors.U.diagonal())).sum())


def random_radial(network: ReducedNetwork, seed: int) -> BoolArray | None:
    """A random radial configuration (m,), None where there is none; the same for the same seed.

    The lines are closed in random order, each that closes no loop.
    """
    graph = contract(network)
    if graph.has_fixed_cycle:
        return None
    joins = np.flatnonzero(network.is_switch & (graph.source != graph.target))
    lines = joins[np.random.default_rng(seed).permutation(joins.size)]
    low = np.minimum(graph.source[lines], graph.target[lines])
    high = np.maximum(graph.source[lines], graph.target[lines])
    _, places = np.unique(np.stack([low, high]), axis=1, return_index=True)  # of parallel lines the first
    ranks = coo_array(
        (places + 1.0, (low[places], high[places])), shape=(graph.vertex_count, graph.vertex_count)
    ).tocsr()
    tree = minimum_spanning_tree(ranks)
    if tree.nnz != graph.vertex_count - 1:
        return None
    is_open: BoolArray = network.is_switch.copy()
    is_open[lines[tree.data.astype(np.int64) - 1]] = False
    return is_open


def is_strictly_radial(network: ReducedNetwork, is_open: BoolArray) -> bool:
    """Whether a configuration (m,) supplies every bus over exactly one path; in which modes of transformers does not count."""
    merged = np.where(network.is_provider, np.flatnonzero(network.is_provider)[:1], np.arange(network.bus_count))
    is_closed = ~is_open
    lines = int(is_closed.sum())
    if lines != network.bus_count - int(network.is_provider.sum()):
        return False
    ends = coo_array(
        (np.ones(lines), (merged[network.source[is_closed]], merged[network.target[is_closed]])),
        shape=(network.bus_count, network.bus_count),
    )
    components, _ = connected_components(ends, directed=False)
    return int(components) == int(network.is_provider.sum())  # the tree, and providers other than the first, isolated


def _is_connected(graph: SwitchGraph, is_switch: BoolArray) -> bool:
    ends = coo_array(
        (np.ones(int(is_switch.sum())), (graph.source[is_switch], graph.target[is_switch])),
        shape=(graph.vertex_count, graph.vertex_count),
    )
    return bool(connected_components(ends, directed=False, return_labels=False) <= 1)
