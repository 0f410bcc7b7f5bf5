"""Repair: always radial and connected, with the fewest changes, and the same each time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from services.optimizer.reconfiguration.reduction import reduce_configuration, reduce_network
from services.optimizer.reconfiguration.repair import NotRadial, Repaired, RepairImpossible, make_radial, repair
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.grids import Case, case
from tests.support.random_grids import random_case
from tests.support.seeds import new_seed


def repaired(given: Case, *opened: list[str]) -> tuple[list[list[str]], Repaired]:
    result = repair(given.grid, reduce_network(given.grid), given.opened(*opened))
    ids = [[given.grid.lines[line].id for line in np.flatnonzero(row)] for row in result.configurations]
    return ids, result


def test_closes_the_one_switch_that_is_missing() -> None:
    given = case("G 100V | L1 open | X1 | L2 sw | C 1W", "G | L3 open | X2 | L4 sw | C")
    opened, result = repaired(given)
    assert (result.opened, result.closed) == (0, 1)
    assert opened in ([["L1"]], [["L3"]])


def test_opens_one_switch_of_a_cycle_far_from_the_provider() -> None:
    ring = case("G 100V | A sw | B 1W | D sw | C 1W | E sw | F 1W | H sw | I 1W | J sw | G")
    opened, result = repaired(ring)
    assert (result.opened, result.closed) == (1, 0)
    assert opened == [["E"]]


def test_separates_providers() -> None:
    opened, result = repaired(case("G 100V | A sw | B 1W | C sw | D 1W | E sw | H 100V"))
    assert opened == [["C"]]
    assert (result.opened, result.closed) == (1, 0)


def test_radial_configuration_stays_as_it_is() -> None:
    given = case("G 100V | A open | C 1W", "G | B sw | C")
    opened, result = repaired(given)
    assert opened == [["A"]]
    assert (result.opened, result.closed) == (0, 0)


def test_switches_of_dead_ends_stay_as_they_are() -> None:
    given = case("G 100V | A open | C 1W", "G | B open | C", "C | D open | T", "C | E sw | U")
    opened, result = repaired(given)
    assert opened in ([["A", "D"]], [["B", "D"]])
    assert (result.opened, result.closed) == (0, 1)


def test_connects_transitions_and_consumers_without_demand_too() -> None:
    given = case("G 100V | L1 sw | X1 | L2 sw | C 1W", "G | L3 open | X2 | L4 open | C")
    opened, result = repaired(given)
    assert len(opened[0]) == 1
    assert (result.opened, result.closed) == (0, 1)


def test_counts_add_up_over_periods() -> None:
    given = case("G 100V | A sw | C 1W", "G | B sw | C", factors=(1, 1, 1))
    _, result = repaired(given, [], ["A", "B"], ["A"])
    assert (result.opened, result.closed) == (1, 1)


def test_cycle_without_switch_is_impossible() -> None:
    given = case("G 100V | A sw | B 1W | D | C 1W | E | F 1W | H | B")
    with pytest.raises(RepairImpossible, match=r"\b[DEH], [DEH], [DEH]\b"):
        repaired(given)
    network = reduce_network(given.grid).network
    with pytest.raises(NotRadial):
        make_radial(network, np.zeros(network.source.size, dtype=bool))


def test_grid_without_anything_is_repaired() -> None:
    _, result = repaired(case(factors=(1, 1)))
    assert result.configurations.shape == (2, 0)


@pytest.mark.parametrize("number", range(15))
def test_any_configuration_becomes_radial_and_connected(number: int) -> None:
    given = random_case(new_seed("repair") + number, 60, providers=1 + number % 3, ties=10, switches=0.6)
    reduction = reduce_network(given.grid)
    rng = np.random.default_rng(number)
    configurations = (rng.random((4, len(given.grid.lines))) < rng.random()) & given.grid.is_switch
    result = repair(given.grid, reduction, configurations)
    again = repair(given.grid, reduction, configurations)
    assert np.array_equal(result.configurations, again.configurations)
    assert not (result.configurations & ~given.grid.is_switch).any()
    assert result.opened == (result.configurations & ~configurations).sum()
    assert result.closed == (configurations & ~result.configurations).sum()
    for is_open in reduce_configuration(reduction, result.configurations):
        trees = grow_trees(reduction.network, is_open)
        assert trees.cycle_count == 0
        assert trees.is_supplied.all()


@pytest.mark.parametrize("number", range(6))
def test_no_radial_configuration_is_nearer(number: int) -> None:
    given = random_case(new_seed("nearest") + number, 8, ties=4, switches=0.4, consumers=1.0, parallels=0)
    network = reduce_network(given.grid).network
    switches = np.flatnonzero(network.is_switch)
    is_open = (np.random.default_rng(number).random(network.source.size) < 0.4) & network.is_switch
    changes = int((make_radial(network, is_open) ^ is_open).sum())
    for opened in itertools.product((False, True), repeat=switches.size):
        other = np.zeros_like(is_open)
        other[switches] = opened
        trees = grow_trees(network, other)
        if trees.cycle_count == 0 and trees.is_supplied.all():
            assert (other ^ is_open).sum() >= changes
