"""What is decided before the tree search: bounds never above an enumerated optimum, and better ones on networks with generation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from services.optimizer.reconfiguration.bounds import lower_bound
from services.optimizer.reconfiguration.bounds.arcs import used_arcs
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.lower_bound import LowerBound
from services.optimizer.reconfiguration.bounds.narrowing import NarrowingSearch
from services.optimizer.reconfiguration.bounds.region_search import RegionSearch
from services.optimizer.reconfiguration.bounds.tree_search import TreeSearch
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.topology import grow_trees
from tests.support.random_problems import Kind, random_problem
from tests.support.slow_radial import best_solution, judge, radial_configurations

KINDS = {
    "little generation": Kind(buses=9, ties=3, generation=0.1, zero_demand=0.3),
    "generation": Kind(buses=8, ties=3, generation=0.3),
    "much generation": Kind(providers=2, buses=7, ties=3, generation=0.6),
    "limits": Kind(providers=2, buses=7, ties=3, generation=0.3, limits=True),
    "moves from a start": Kind(buses=7, ties=3, generation=0.3, switching_cost=(1.0, 3000.0), start=True),
}


def narrowed(
    problem: ReconfigurationProblem, known: BoolArray, pieces: int = 20_000
) -> tuple[float, NarrowingSearch] | None:
    """The bound, and the search as it then is; None where nothing generates, or no relaxation is known."""
    try:
        lower = LowerBound(problem, known, lambda: False)
    except NoRelaxation:
        return None
    (search,) = lower._searches
    if not isinstance(search, NarrowingSearch):
        return None
    course = [lower.value]
    for _ in itertools.islice(lower.pieces(), pieces):
        course.append(lower.value)
    assert course == sorted(course)
    return lower.value, search


@pytest.mark.parametrize("by_regions", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_the_bound_is_never_above_the_optimum_whatever_solution_is_known(
    name: str, by_regions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_regions:
        monkeypatch.setattr(lower_bound, "MOST_ARCS_WITH_GENERATION", 0)
        monkeypatch.setattr(lower_bound, "BUSES_WITH_GENERATION", 4)
    bounded = decided = 0
    for seed in range(25):
        problem, _ = random_problem(seed, KINDS[name])
        best_open, best = best_solution(problem)
        if best.violation > 0.0:
            continue
        others = [np.array([is_open]) for is_open in radial_configurations(problem.network)]
        feasible = [other for other in others if judge(problem, other).violation == 0.0]
        for known in (best_open, feasible[seed % len(feasible)]):
            result = narrowed(problem, known)
            if result is None:
                continue
            value, search = result
            assert value <= best.objective * (1.0 + 1e-9)
            assert isinstance(search._search, RegionSearch if by_regions else TreeSearch)
            bounded += 1
            decided += int(not search._usable.all())
    assert bounded > 5
    assert decided > 0


def test_no_better_solution_uses_what_was_excluded() -> None:
    excluded = 0
    for seed in range(25):
        problem, start = random_problem(seed, KINDS["generation"])
        known = judge(problem, start)
        if known.violation > 0.0:
            continue
        result = narrowed(problem, start)
        if result is None:
            continue
        _, search = result
        for is_open in radial_configurations(problem.network):
            worth = judge(problem, np.array([is_open]))
            if worth.violation == 0.0 and worth.objective < known.objective * (1.0 - 2e-6):
                used = used_arcs(search._of.arcs, grow_trees(problem.network, is_open))
                assert search._usable[used].all()
        excluded += int((~search._usable).sum())
    assert excluded > 0


def test_a_bound_on_what_is_left_says_nothing_of_what_was_excluded() -> None:
    """Regions go on to count where nothing better is left: the bound ends at the best solution known."""
    for seed in range(25):
        problem, start = random_problem(seed, KINDS["generation"])
        known = judge(problem, start)
        result = narrowed(problem, start, 2) if known.violation == 0.0 else None
        if result is None:
            continue
        _, search = result
        search._floor = 2.0 * search._cutoff + 1.0
        assert search.bound <= known.objective
        return
    pytest.fail("no problem with generation")
