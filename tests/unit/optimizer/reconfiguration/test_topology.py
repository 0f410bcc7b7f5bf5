"""Supply, the number of cycles, and shortest cycles in path order; providers count as one bus."""

from __future__ import annotations

from itertools import pairwise

import networkx
import numpy as np
import pytest

from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.reduction import Reduction, reduce_configuration, reduce_network
from services.optimizer.reconfiguration.topology import (
    Loop,
    Trees,
    find_loops,
    grow_trees,
    original_path,
    shortest_cycle,
)
from tests.support.grids import Case, case
from tests.support.random_grids import random_case
from tests.support.seeds import new_seed


def topology(*branches: str) -> tuple[Case, Reduction, Trees]:
    given = case(*branches)
    reduction = reduce_network(given.grid)
    return given, reduction, grow_trees(reduction.network, reduce_configuration(reduction, given.is_open))


def cycle_ids(*branches: str) -> list[str] | None:
    given, reduction, _ = topology(*branches)
    loop = shortest_cycle(reduction.network, reduce_configuration(reduction, given.is_open))
    return None if loop is None else [given.grid.lines[line].id for line in original_path(loop, reduction.paths)]


class TestSupply:
    def test_reaches_what_present_lines_connect(self) -> None:
        _, _, trees = topology("G 100V | A | B 0W | S open | C 0W | K | D 0W", "C | M open | G")
        assert trees.is_supplied.tolist() == [True, True, False, False]
        assert trees.upstream_bus.tolist() == [-1, 0, -1, -1]
        assert trees.cycle_count == 0

    def test_has_one_tree_for_each_provider_from_its_root_outwards(self) -> None:
        _, _, trees = topology("G 100V | A | B 0W | C | D 0W", "E 0W | F | H 100V", "I 100V")
        trees_of = [trees.order[a:b].tolist() for a, b in pairwise(trees.tree_start)]
        assert trees_of == [[0, 1, 2], [4, 3], [5]]


class TestCount:
    @pytest.mark.parametrize(
        ("branches", "count"),
        [
            (("G 100V | A sw | C 1W",), 0),
            (("G 100V | A sw | C 1W | B sw | H 100V",), 1),
            (("G 100V | A sw | H 100V",), 1),
            (("G 100V | A sw | C 1W", "G | B sw | C"), 1),
            (("G 100V | A sw | C 1W", "G | B sw | C", "C | D sw | G"), 2),
            (("G 100V | A sw | B 1W | C sw | D 1W | E sw | F 1W | H sw | G", "B | I sw | F"), 2),
            (("G 100V | A open | B 1W | C sw | D 1W | E sw | B",), 0),
        ],
    )
    def test_of_lines_that_close_cycles(self, branches: tuple[str, ...], count: int) -> None:
        assert topology(*branches)[2].cycle_count == count


class TestShortestCycle:
    def test_is_none_in_a_tree(self) -> None:
        assert cycle_ids("G 100V | A sw | C 1W | B sw | D 1W", "C | E open | G") is None

    def test_runs_from_provider_to_provider(self) -> None:
        ids = cycle_ids("G1 100V | A sw | B 1W | C sw | D 1W | E sw | G2 100V", "D | F sw | I 1W")
        assert ids in (["A", "C", "E"], ["E", "C", "A"])

    def test_may_be_one_line_between_providers(self) -> None:
        assert cycle_ids("G1 100V | A sw | G2 100V") == ["A"]

    def test_may_be_two_parallel_lines(self) -> None:
        ids = cycle_ids("G 100V | A sw | B 1W | C sw | D 1W", "B | E sw | D")
        assert ids is not None
        assert sorted(ids) == ["C", "E"]

    def test_prefers_the_shorter(self) -> None:
        ids = cycle_ids(
            "G 100V | A sw | B 1W | C sw | D 1W | E sw | F 1W | H sw | G", "F | I sw | J 1W | K sw | L 1W | M sw | F"
        )
        assert ids is not None
        assert sorted(ids) == ["I", "K", "M"]

    def test_starts_at_the_provider_it_passes(self) -> None:
        ids = cycle_ids("B 1W | C sw | D 1W | E sw | G 100V | A sw | B")
        assert ids in (["A", "C", "E"], ["E", "C", "A"])

    def test_of_merged_lines_is_in_path_order(self) -> None:
        ids = cycle_ids("G 100V | A | T | B | C 1W | D sw | G")
        assert ids in (["A", "B", "D"], ["D", "B", "A"])

    def test_of_parallel_lines_takes_the_lowest_id(self) -> None:
        ids = cycle_ids("G 100V | z | T | m | C 1W | D sw | G", "G | k | U | b | T", "T | n | C")
        assert ids in (["k", "b", "m", "D"], ["D", "m", "b", "k"])


def as_graph(network: ReducedNetwork, is_absent: BoolArray) -> networkx.MultiGraph:
    """The independent view: providers contracted, a dummy bus in each line so that parallel lines are cycles."""
    graph = networkx.Graph()
    vertex = [-1 if provider else bus for bus, provider in enumerate(network.is_provider)]
    for line in np.flatnonzero(~is_absent).tolist():
        for part, end in enumerate((network.source[line], network.target[line])):
            graph.add_edge(("half", line, part), vertex[end])
        graph.add_edge(("half", line, 0), ("half", line, 1))
    return graph


def assert_is_closed_walk(network: ReducedNetwork, loop: Loop) -> None:
    assert len(set(loop.lines)) == len(loop.lines)
    ends = [
        (network.source[line], network.target[line]) if forward else (network.target[line], network.source[line])
        for line, forward in zip(loop.lines, loop.is_forward, strict=True)
    ]
    assert tuple(start for start, _ in ends) == loop.buses
    for (_, end), (start, _) in zip(ends, ends[1:] + ends[:1], strict=True):
        assert start == end or (network.is_provider[start] and network.is_provider[end])


@pytest.mark.parametrize("number", range(10))
def test_random_grids_agree_with_networkx(number: int) -> None:
    given = random_case(new_seed("cycles") + number, 40, providers=1 + number % 3, ties=2 + 2 * number, consumers=0.9)
    network = reduce_network(given.grid).network
    is_absent = np.random.default_rng(number).random(network.source.size) < 0.05
    graph = as_graph(network, is_absent)
    loop = shortest_cycle(network, is_absent)
    girth = networkx.girth(graph)
    assert (float("inf") if loop is None else 3 * len(loop.lines)) == girth
    independent = graph.number_of_edges() - graph.number_of_nodes() + networkx.number_connected_components(graph)
    loops = find_loops(network, is_absent, most=10_000)
    assert len(loops) == independent
    for each in [*loops, *([loop] if loop else [])]:
        assert_is_closed_walk(network, each)
        assert not is_absent[list(each.lines)].any()
