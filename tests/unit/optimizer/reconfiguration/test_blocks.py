"""Blocks against networkx, and what lies beyond them against taking the entry away."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from services.optimizer.reconfiguration.bounds.blocks import find_blocks
from services.optimizer.reconfiguration.topology import MergedNetwork, merge_providers
from tests.support.random_problems import Kind, random_problem

SEEDS = range(20)
KIND = Kind(providers=2, buses=14, ties=4)


def graph_of(merged: MergedNetwork) -> nx.MultiGraph:
    graph = nx.MultiGraph()
    graph.add_nodes_from(range(merged.vertex_count))
    ends = zip(merged.source.tolist(), merged.target.tolist(), strict=True)
    graph.add_edges_from((a, b, line) for line, (a, b) in enumerate(ends) if a != b)
    return graph


@pytest.mark.parametrize("seed", SEEDS)
def test_lines_are_in_one_block_where_networkx_says_so(seed: int) -> None:
    problem, _ = random_problem(seed, KIND)
    merged = merge_providers(problem.network)
    blocks = find_blocks(merged)
    supplied = nx.node_connected_component(graph_of(merged), 0)
    simple = nx.Graph(graph_of(merged).subgraph(supplied))
    theirs = {frozenset(component) for component in nx.biconnected_components(simple)}
    ours = {
        frozenset(np.r_[merged.source[blocks.of_line == block], merged.target[blocks.of_line == block]].tolist())
        for block in range(blocks.entry.size)
    }
    assert ours == theirs


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_beyond_a_block_is_cut_off_with_its_lines(seed: int) -> None:
    problem, _ = random_problem(seed, KIND)
    merged = merge_providers(problem.network)
    blocks = find_blocks(merged)
    amount = np.random.default_rng(seed).random(merged.vertex_count)
    beyond = blocks.beyond(amount)
    whole = nx.node_connected_component(graph_of(merged), 0)
    for block in range(blocks.entry.size):
        graph = graph_of(merged)
        own = np.flatnonzero(blocks.of_line == block)
        graph.remove_edges_from([(int(merged.source[k]), int(merged.target[k]), int(k)) for k in own])
        lost = sorted(whole - nx.node_connected_component(graph, 0))
        assert beyond[block] == pytest.approx(amount[lost].sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_no_path_from_the_providers_weighs_more_than_the_trees_on_its_way(seed: int) -> None:
    problem, _ = random_problem(seed, Kind(providers=2, buses=7, ties=3))
    merged = merge_providers(problem.network)
    blocks = find_blocks(merged)
    weight = np.random.default_rng(seed).random(merged.source.size)
    most = blocks.along(blocks.heaviest_trees(weight))
    graph = graph_of(merged)
    for bus in sorted(nx.node_connected_component(graph, 0) - {0}):
        for path in nx.all_simple_edge_paths(graph, 0, bus):
            assert sum(weight[line] for _, _, line in path) <= most[bus] + 1e-12
