"""The any-time search: it finds optima, keeps what it has, and does the same again for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.reconfiguration.appraisal import Appraisal, appraise
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.search import Search
from services.optimizer.reconfiguration.spanning_trees import is_strictly_radial
from services.optimizer.reconfiguration.tables import lay_out
from tests.support.random_problems import Kind, random_problem
from tests.support.seeds import new_seed
from tests.support.slow_radial import Worth, best_solution

KINDS = (
    Kind(),
    Kind(providers=3, ties=4),
    Kind(generation=0.5),
    Kind(providers=2, limits=True, merged_lines=True),
    Kind(providers=2, limits=True, merged_lines=True, generation=0.3),
    Kind(buses=5, ties=2, periods=3, switching_cost=(100.0, 20_000.0), start=True),
    Kind(buses=5, ties=2, periods=3, switching_cost=(-5000.0, 20_000.0)),
)
PROBLEMS = 140


def search(problem: ReconfigurationProblem, start: BoolArray, seed: int, pieces: int = 12) -> BoolArray:
    searching = Search(problem.network, lay_out(problem), start, seed)
    for _ in range(pieces):
        searching.advance(20_000)
    return searching.best


def reaches(found: Appraisal, best: Worth) -> bool:
    return found.violation_amount <= best.violation * (
        1 + 1e-6
    ) + 1e-7 and found.objective <= best.objective + 1e-7 * abs(best.objective)


def test_the_optimum_is_found_in_ninety_nine_of_a_hundred_small_problems() -> None:
    seed = new_seed("search")
    missed = []
    for each in range(PROBLEMS):
        problem, start = random_problem(seed + each, KINDS[each % len(KINDS)])
        found = search(problem, start, seed=each)
        assert all(is_strictly_radial(problem.network, configuration) for configuration in found)
        if not reaches(appraise(problem, found), best_solution(problem)[1]):
            missed.append(seed + each)
    assert len(missed) <= PROBLEMS / 100, missed


@pytest.mark.parametrize("kind", KINDS[::2])
def test_the_same_seed_gives_the_same_search(kind: Kind) -> None:
    problem, start = random_problem(7, kind)
    assert np.array_equal(search(problem, start, seed=5), search(problem, start, seed=5))


def test_the_best_solution_never_gets_worse() -> None:
    seed = new_seed("never worse")
    problem, start = random_problem(seed, Kind(providers=2, buses=30, ties=15, limits=True, generation=0.2))
    searching = Search(problem.network, lay_out(problem), start, seed)
    best = appraise(problem, start)
    for _ in range(5_000):
        if searching.restarts == 3:
            return
        if searching.advance(20_000):
            worth = appraise(problem, searching.best)
            assert not best.precedes(worth)
            best = worth
    pytest.fail("the search does not start anew")


def test_an_infeasible_start_is_left_for_a_feasible_solution() -> None:
    for seed in range(40):
        problem, start = random_problem(seed, Kind(limits=True))
        _, best = best_solution(problem)
        if best.violation == 0.0 and appraise(problem, start).violation_amount > 0.0:
            assert appraise(problem, search(problem, start, seed=1)).violation_amount == 0.0
            return
    pytest.fail("none of the problems has an infeasible start and a feasible solution")


def test_a_network_without_ties_is_searched_without_end() -> None:
    problem, start = random_problem(1, Kind(ties=0))
    assert np.array_equal(search(problem, start, seed=1), start)
