"""Proof by enumeration against trying everything with a slow judge, for one period and for sequences of them."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.reconfiguration.appraisal import appraise
from services.optimizer.reconfiguration.chains import find_chains
from services.optimizer.reconfiguration.enumeration import find_best
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.tables import lay_out
from tests.support.random_problems import Kind, random_problem
from tests.support.seeds import new_seed
from tests.support.slow_radial import best_solution

SEQUENCES = {"buses": 5, "ties": 2}
KINDS = {
    "one provider": Kind(),
    "three providers": Kind(providers=3, ties=4),
    "all lines switchable": Kind(fixed_lines=0.0, buses=6, ties=4),
    "hardly any switch": Kind(fixed_lines=0.8, ties=4),
    "generation": Kind(generation=0.5),
    "limits and merged lines": Kind(providers=2, limits=True, merged_lines=True),
    "limits and generation": Kind(providers=2, limits=True, merged_lines=True, generation=0.3),
    "periods apart": Kind(buses=5, ties=2, periods=3),
    "dear switching": Kind(buses=5, ties=2, periods=3, switching_cost=(100.0, 20_000.0), start=True),
    "cheap switching": Kind(buses=5, ties=2, periods=3, switching_cost=(0.0, 300.0), generation=0.2),
    "switching that earns": Kind(buses=5, ties=2, periods=3, switching_cost=(-5000.0, 20_000.0)),
    "limits and switching": Kind(
        providers=2, buses=5, ties=2, periods=2, limits=True, switching_cost=(-5000.0, 20_000.0), start=True
    ),
}
PROBLEMS_OF_A_KIND = 12


def enumerate_best(problem: ReconfigurationProblem, start: BoolArray) -> tuple[BoolArray, bool]:
    """The best solution that an enumeration from ``start`` yields, and whether it was complete."""
    best = start
    pieces = find_best(problem.network, lay_out(problem), lambda: best)
    while True:
        try:
            found = next(pieces)
        except StopIteration as end:
            return best, end.value
        if found is not None and appraise(problem, found).precedes(appraise(problem, best)):
            best = found


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_the_best_solution_is_that_of_trying_everything(kind: Kind) -> None:
    seed = new_seed("enumeration")
    for each in range(seed, seed + PROBLEMS_OF_A_KIND):
        problem, start = random_problem(each, kind)
        found, is_complete = enumerate_best(problem, start)
        worth, (_, expected) = appraise(problem, found), best_solution(problem)
        assert is_complete
        assert worth.violation_amount == pytest.approx(expected.violation, rel=1e-6, abs=1e-7), each
        if abs(worth.violation_amount - expected.violation) > 1e-12 * expected.violation:
            continue  # violations that differ by less than counts: which of several such is the best is a matter of the order
        assert worth.objective == pytest.approx(expected.objective, rel=1e-8, abs=1e-9), each


def test_without_demand_the_start_stays_as_it_is() -> None:
    problem, start = random_problem(1, Kind(zero_demand=1.0, periods=2, switching_cost=(1.0, 2.0), start=True))
    found, is_complete = enumerate_best(problem, start)
    assert is_complete
    assert np.array_equal(found, start)


def test_chains_hold_every_line_that_is_open_in_some_configuration_but_not_in_all() -> None:
    # Two rings, one hanging on the other by a line without alternative, a dead end, and a switch across a fixed line.
    seed = new_seed("chains")
    for each in range(seed, seed + 10):
        problem, _ = random_problem(each, Kind(buses=8, ties=3, fixed_lines=0.3))
        chains, always_open = find_chains(problem.network)
        assert len(set(chains.lines.tolist())) == chains.lines.size
        assert not set(chains.lines.tolist()) & set(always_open.tolist())
        assert problem.network.is_switch[chains.lines].all()
