"""Counting radial configurations and drawing one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.systems import load_system
from services.optimizer.reconfiguration.reduction import reduce_network
from services.optimizer.reconfiguration.spanning_trees import is_strictly_radial, log10_tree_count, random_radial
from tests.support.grids import case
from tests.support.random_problems import Kind, random_problem
from tests.support.seeds import new_seed
from tests.support.slow_radial import radial_configurations, walk


@pytest.mark.parametrize(("name", "trees"), [("civanlar16", 190), ("baran33", 50_751), ("baran69", 407_924)])
def test_published_systems_have_as_many_radial_configurations_as_published(name: str, trees: int) -> None:
    network = reduce_network(load_system(name).grid).network
    assert 10.0 ** log10_tree_count(network) == pytest.approx(trees, rel=1e-9)


@pytest.mark.parametrize(("name", "trees"), [("taiwan84", 3.5e11), ("brazil136", 2.3e18)])
def test_large_numbers_of_configurations_have_the_published_size(name: str, trees: float) -> None:
    network = reduce_network(load_system(name).grid).network
    assert log10_tree_count(network) == pytest.approx(math.log10(trees), abs=0.01)


def test_the_count_is_that_of_trying_everything() -> None:
    seed = new_seed("counts")
    for each in range(seed, seed + 20):
        network = random_problem(each, Kind(providers=2, buses=6, ties=4))[0].network
        assert 10.0 ** log10_tree_count(network) == pytest.approx(len(list(radial_configurations(network))), rel=1e-9)


def test_a_cycle_without_switch_leaves_no_radial_configuration() -> None:
    network = reduce_network(case("G 100V | A brk | C 1W", "G | B brk | C").grid).network
    assert log10_tree_count(network) == -math.inf
    assert random_radial(network, seed=1) is None


def test_a_network_without_switches_that_is_radial_has_one_configuration() -> None:
    network = reduce_network(case("G 100V | A | C 1W | B | D 1W").grid).network
    assert log10_tree_count(network) == 0.0
    drawn = random_radial(network, seed=1)
    assert drawn is not None
    assert not drawn.any()


def test_random_configurations_are_radial_and_the_same_for_a_seed() -> None:
    seed = new_seed("random configurations")
    network = random_problem(seed, Kind(providers=3, buses=20, ties=12))[0].network
    drawn = [random_radial(network, each) for each in range(30)]
    for each, configuration in enumerate(drawn):
        assert configuration is not None
        assert walk(network, configuration) is not None
        assert is_strictly_radial(network, configuration)
        assert np.array_equal(configuration, random_radial(network, each))  # type: ignore[arg-type]
    assert len({configuration.tobytes() for configuration in drawn if configuration is not None}) > 10


def test_dark_buses_and_cycles_are_not_strictly_radial() -> None:
    grid = case("G 100V | A sw | C 1W", "G | B sw | C", "C | E sw | D").grid
    network = reduce_network(grid).network
    place = {grid.lines[line].id: k for k, line in enumerate(network.part_line)}

    def opened(*ids: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array([place_of in {place[name] for name in ids if name in place} for place_of in range(len(place))])

    assert is_strictly_radial(network, opened("A"))
    assert not is_strictly_radial(network, opened())
    assert not is_strictly_radial(network, opened("A", "B"))
