"""The search that evaluates exactly finds the same whatever it can remember, and remembers no more than it has room for."""

from __future__ import annotations

import tracemalloc

import numpy as np

from services.optimizer.reconfiguration.general_search import GeneralSearch
from services.optimizer.reconfiguration.reduction import build_problem, reduce_configuration, reduce_network
from tests.support.random_grids import random_case

WEIGHTS = (1.0, 0.0, 0.0, 0.0, 0.0)


def test_what_is_remembered_keeps_to_its_room_and_changes_nothing() -> None:
    given = random_case(3, 30, consumers=1.0, switches=0.9, parallels=0, ties=8)
    reduction = reduce_network(given.grid)
    problem = build_problem(reduction, given.demands, WEIGHTS, None)
    start = reduce_configuration(reduction, given.opened())
    GeneralSearch(problem, start, seed=0).advance(1_000_000)  # loads what is compiled
    found, held = [], []
    for room_bytes in (20_000, 2**26):
        tracemalloc.start(10)
        search = GeneralSearch(problem, start, seed=1, room_bytes=room_bytes)
        search.advance(4_000_000)
        held.append(bytes_of_the_optimiser())
        tracemalloc.stop()
        found.append((search.trials, search.best))
    assert found[0][0] == found[1][0] > 1000
    assert np.array_equal(found[0][1], found[1][1])
    assert held[0] < 60_000 < 200_000 < held[1]


def bytes_of_the_optimiser() -> int:
    """What it has taken and not given back; whatever else this process does does not count."""
    taken = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(True, "*/services/optimizer/*", all_frames=True)]
    )
    return sum(line.size for line in taken.statistics("filename"))
