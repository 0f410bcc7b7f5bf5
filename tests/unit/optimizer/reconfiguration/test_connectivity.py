"""Connectivity of grids: what no switch can break or connect."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from services.optimizer.reconfiguration.connectivity import connectivity_status
from services.optimizer.reconfiguration.connectivity_status import ConnectivityStatus
from services.optimizer.reconfiguration.reduction import reduce_network
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.grids import case
from tests.support.random_grids import random_case
from tests.support.seeds import new_seed


def status(*branches: str) -> ConnectivityStatus:
    grid = case(*branches).grid
    return connectivity_status(grid, reduce_network(grid))


def test_plain_feeder_is_fine() -> None:
    assert status("G 100V | L | C 1W") == ConnectivityStatus(ok=True)


def test_grid_without_anything_is_fine() -> None:
    assert status().ok


def test_unconnectable_nodes_are_listed_and_harmless() -> None:
    found = status("C 1W", "G 1000V", "Node1")
    assert found == ConnectivityStatus(ok=True, unconnectable_buses=("C", "Node1"))


def test_path_between_providers_cannot_be_broken() -> None:
    found = status("G1 100V | Line1 | N | Line2 | G2 100V")
    assert not found.ok
    assert found.unbreakable_cycle in (("Line1", "Line2"), ("Line2", "Line1"))


def test_parallel_line_is_left_out_of_the_cycle() -> None:
    found = status("G1 100V | Line1b | N | Line2 | G2 100V", "G1 | Line1 | N")
    assert found.unbreakable_cycle in (("Line1", "Line2"), ("Line2", "Line1"))


def test_loop_of_transitions_is_harmless() -> None:
    assert status("G 1000V | L | C 1W", "G | 0 | N1 | 1 | N2 | 2 | N3 | 3 | N4", "N2 | 4 | N4").ok


def test_loop_through_a_consumer_without_switch_is_not() -> None:
    found = status("G 100V | A sw | B 1W | D | C 1W | E | F 1W | H | B")
    assert not found.ok
    assert found.unbreakable_cycle is not None
    assert sorted(found.unbreakable_cycle) == ["D", "E", "H"]


def test_one_switch_in_each_loop_is_enough() -> None:
    assert status("G 100V | A | B 1W | D | C 1W | E sw | F 1W | H | B").ok


def test_breakers_do_not_break_cycles() -> None:
    assert not status("G 100V | A brk | C 1W", "G | B brk | C").ok


def test_both_findings_are_shown_together() -> None:
    found = status("G 100V | A brk | C 1W", "G | B brk | C", "X")
    assert found.unbreakable_cycle is not None
    assert found.unconnectable_buses == ("X",)


@pytest.mark.parametrize("number", range(12))
def test_verdict_agrees_with_trying_every_configuration(number: int) -> None:
    given = random_case(
        new_seed("exhaustive") + number, 8, providers=2, ties=3, switches=0.3, consumers=0.8, parallels=1
    )
    reduction = reduce_network(given.grid)
    network = reduction.network
    switches = np.flatnonzero(network.is_switch)
    assert switches.size < 14

    def is_radial_and_connected(opened: tuple[bool, ...]) -> bool:
        is_open = np.zeros(network.source.size, dtype=bool)
        is_open[switches] = opened
        trees = grow_trees(network, is_open)
        return trees.cycle_count == 0 and bool(trees.is_supplied.all())

    exists = any(is_radial_and_connected(opened) for opened in itertools.product((False, True), repeat=switches.size))
    assert connectivity_status(given.grid, reduction).ok == exists
