"""The search against looking at everything, on grids as documents have them: reduced, searched, and set back into the grid.

Optima, losses, limits and radiality come from :mod:`tests.support.brute_force`, which shares nothing with the optimiser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.appraisal import appraise
from services.optimizer.reconfiguration.general_search import GeneralSearch
from services.optimizer.reconfiguration.reduction import (
    build_problem,
    expand_configuration,
    reduce_configuration,
    reduce_network,
)
from services.optimizer.reconfiguration.search import Search
from services.optimizer.reconfiguration.tables import lay_out
from tests.support.brute_force import Bools, Switched, best, every_radial, is_radial, judge, worth
from tests.support.random_switched import Kind, as_grid, random_switched
from tests.support.seeds import new_seed

SNAPSHOTS = (
    Kind(),
    Kind(providers=3),
    Kind(fixed_lines=0.0, ties=(2, 3)),
    Kind(ideal_lines=0.15),
    Kind(generation=0.4),
    Kind(providers=2, limits=True),
    Kind(providers=2, limits=True, generation=0.4),
    Kind(generation=0.9, no_demand=0.4, ideal_lines=0.1),
)
SEQUENCES = (
    Kind(buses=(5, 9), ties=(2, 3), periods=4, price=(100.0, 20_000.0), has_before=True),
    Kind(buses=(5, 9), ties=(2, 3), periods=4, price=(0.0, 500.0), generation=0.3),
    Kind(buses=(5, 8), ties=(2, 2), periods=3, price=(-3000.0, 20_000.0), providers=2),
    Kind(buses=(5, 8), ties=(2, 3), periods=3, price=(100.0, 5000.0), limits=True, has_before=True),
)
# Buses swept in a piece, and pieces at most: some tenths of a second. Nearly all need a tenth of these, after which it is looked.
PIECE, PIECES, PIECES_PER_LOOK = 20_000, 400, 20


@pytest.mark.parametrize(
    ("kinds", "problems", "search"),
    [(SNAPSHOTS, 200, Search), (SEQUENCES, 100, Search), (SNAPSHOTS + SEQUENCES, 100, GeneralSearch)],
    ids=["snapshots", "sequences", "without knowing the network"],
)
def test_the_optimum_is_found_in_ninety_nine_of_a_hundred_networks(
    kinds: tuple[Kind, ...], problems: int, search: type[Search | GeneralSearch]
) -> None:
    seed = new_seed("search quality")
    missed = []
    for each in range(problems):
        network, start = random_switched(seed + each, kinds[each % len(kinds)])
        least, lowest = best(network)
        for found, claimed in searched(search, network, start, seed=each):
            assert is_radial(network, found).all()
            violation, objective = worth(network, found)
            assert claimed == pytest.approx((violation, objective), rel=1e-7, abs=1e-6), seed + each
            if violation <= least * (1 + 1e-6) + 1e-6 and objective <= lowest + 1e-7 * abs(lowest):
                break
        else:
            missed.append(seed + each)
    assert len(missed) <= problems / 100, missed


def searched(
    search: type[Search | GeneralSearch], network: Switched, start: Bools, seed: int
) -> Iterator[tuple[Bools, tuple[float, float]]]:
    """The solutions (T, L) that a search has every now and then, with violation and objective as the optimiser has them."""
    grid, demands = as_grid(network)
    reduction = reduce_network(grid)
    problem = build_problem(reduction, demands, np.array([*network.weights, 0.0]), network.before)
    begin = reduce_configuration(reduction, start)
    searching: Search | GeneralSearch
    searching = (
        Search(problem.network, lay_out(problem), begin, seed)
        if search is Search
        else GeneralSearch(problem, begin, seed)
    )
    for _ in range(PIECES // PIECES_PER_LOOK):
        for _ in range(PIECES_PER_LOOK):
            searching.advance(PIECE)
        claimed = appraise(problem, searching.best)
        yield (
            expand_configuration(reduction, searching.best, start),
            (claimed.violation_amount, claimed.objective),
        )


def test_the_judge_agrees_with_a_flow_by_hand() -> None:
    """100 V over 1 ohm to 1 W: V = 50 + sqrt(2500 - 1), loss (1 W / V)²."""
    network, _ = random_switched(1, Kind(buses=(2, 2), ties=(1, 1), providers=1, no_demand=0.0))
    network = replace(
        network,
        r=np.ones(2),
        x=np.zeros(2),
        v_source=np.array([100.0, 0.0]),
        p=np.array([[0.0, 1.0]]),
        q=np.zeros((1, 2)),
        is_switch=np.array([True, True]),
    )
    assert judge(network, np.array([[True, False]]), 0).loss_w[0] == pytest.approx((1 / (50 + 2499**0.5)) ** 2)
    assert every_radial(network).tolist() == [[True, False], [False, True]]
    assert not is_radial(network, np.array([[True, True], [False, False]])).any()
