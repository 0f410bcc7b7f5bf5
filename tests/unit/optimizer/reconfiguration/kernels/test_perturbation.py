"""Kicks: by what a search knows a place at which it has been, and that knowing it costs no solution."""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.forest import plant
from services.optimizer.reconfiguration.kernels.perturbation import digest
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.spanning_trees import random_radial
from services.optimizer.reconfiguration.tables import empty_forest, empty_room, lay_out
from tests.support.random_problems import Kind, random_problem

SOLUTIONS = 300


def digest_of(problem: ReconfigurationProblem, solution: BoolArray, rng: np.random.Generator) -> int:
    """With the open lines in any order, as exchanges leave them."""
    tables = lay_out(problem)
    forest, room = empty_forest(tables), empty_room(tables)
    forest.is_open[:-1] = solution
    for slot in range(len(solution)):
        plant(tables, forest, room, slot, 1)
        rng.shuffle(forest.ties[slot])
    return int(digest(forest, len(solution)))


def test_solutions_have_the_same_digest_if_and_only_if_they_are_the_same() -> None:
    rng = np.random.default_rng(1)
    problem, _ = random_problem(3, Kind(providers=2, buses=20, ties=8, periods=2))
    solutions, digests = set(), set()
    pairs = set()
    for seed in range(SOLUTIONS):
        configurations = [random_radial(problem.network, 2 * seed + t) for t in range(2)]
        assert configurations[0] is not None
        assert configurations[1] is not None
        solution = np.array(configurations)
        found = digest_of(problem, solution, rng)
        solutions.add(solution.tobytes())
        digests.add(found)
        pairs.add((solution.tobytes(), found))
    assert len(solutions) > SOLUTIONS / 2
    assert len(solutions) == len(digests) == len(pairs)


def test_the_order_of_periods_counts() -> None:
    rng = np.random.default_rng(1)
    problem, _ = random_problem(3, Kind(periods=2))
    first, second = random_radial(problem.network, 1), random_radial(problem.network, 2)
    assert first is not None
    assert second is not None
    assert not np.array_equal(first, second)
    assert digest_of(problem, np.array([first, second]), rng) != digest_of(problem, np.array([second, first]), rng)
