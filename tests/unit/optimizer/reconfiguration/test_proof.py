"""When an optimum over strictly radial solutions is one over all feasible ones: each condition, kept and broken."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.appraisal import appraise
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.proof import proof_applies
from services.optimizer.reconfiguration.reduction import build_problem, reduce_network
from tests.support.grids import Case, case
from tests.support.random_problems import Kind, random_problem
from tests.support.seeds import new_seed
from tests.support.slow_radial import best_solution

WEIGHTS = (1e6, 1000.0, 1.0, 1.0, 0.0)


def problem_of(given: Case, *, with_start: bool = False) -> ReconfigurationProblem:
    return build_problem(reduce_network(given.grid), given.demands, WEIGHTS, given.is_open if with_start else None)


def dark_bus(bus: str = "", lines: str = "", load: str = "1W") -> Case:
    """Two consumers, and a bus without demand that two switches can supply; ``bus`` and ``lines`` give it properties."""
    return case(
        f"G 100V | A sw | C {load} vmin=90",
        f"G | B sw | D {load} vmin=90",
        f"C | E sw open cost=1 {lines} | N 0W {bus}",
        f"D | F sw cost=1 {lines} | N",
        factors=(1.0, 2.0),
    )


def test_where_every_bus_has_demand_anything_else_is_free() -> None:
    given = case("G 100V | A sw cost=-1 | C 1W vmax=99", "G | B sw open cost=-1 | C", factors=(1.0, 2.0))
    assert proof_applies(problem_of(given, with_start=True))


def test_a_bus_tied_to_demand_by_a_line_without_switch_cannot_be_dark() -> None:
    given = case(
        "G 100V | A sw cost=-1 | N brk vmin=99 | K brk | C 1W", "G | B sw open cost=-1 | N", factors=(1.0, 2.0)
    )
    assert proof_applies(problem_of(given, with_start=True))


@pytest.mark.parametrize(
    ("bus", "lines", "load", "applies"),
    [
        ("", "", "1W", True),
        ("vmin=90", "", "1W", True),  # as low as the lowest of the others may go
        ("vmin=95", "", "1W", False),
        ("vmax=100", "", "1W", True),  # no voltage is higher than the provider's
        ("vmax=99", "", "1W", False),
        ("vmax=101", "", "-1W", False),  # generation lifts voltages, by an amount that is not looked at
        ("vmin=90", "", "-1W", False),
        ("", "vmax=100", "1W", True),
        ("", "vmax=99", "1W", False),
        ("", "vmax=101", "-1W", False),
        ("", "", "-1W", True),
    ],
)
def test_limits_of_buses_that_may_be_dark(bus: str, lines: str, load: str, applies: bool) -> None:
    assert proof_applies(problem_of(dark_bus(bus, lines, load))) == applies


def test_switching_that_earns_may_pay_for_the_dark() -> None:
    given = dark_bus(lines="cost=-1")
    assert not proof_applies(problem_of(given))
    only_period = case("G 100V | A sw | C 1W", "C | E sw open cost=-1 | N 0W", "C | F sw cost=-1 | N")
    assert proof_applies(problem_of(only_period))
    assert not proof_applies(problem_of(only_period, with_start=True))


def test_a_start_that_is_not_radial_may_keep_a_bus_dark_for_nothing() -> None:
    assert proof_applies(problem_of(dark_bus(), with_start=True))
    dark_start = case("G 100V | A sw | C 1W", "C | E sw open cost=1 | N 0W", "C | F sw open cost=1 | N")
    assert not proof_applies(problem_of(dark_start, with_start=True))


def test_rings_of_dark_buses_are_not_covered() -> None:
    ring = case(
        "G 100V | A sw | C 1W",
        "C | E sw cost=1 | N 0W | F sw cost=1 | M 0W | H sw cost=1 | K 0W",
        "N | J sw open cost=1 | K",
        "C | L sw open cost=1 | M",
    )
    assert proof_applies(problem_of(ring))
    assert not proof_applies(problem_of(ring, with_start=True))


def test_where_it_applies_no_solution_with_dark_buses_is_better() -> None:
    seed = new_seed("dark solutions")
    kinds = (
        Kind(buses=4, ties=2, zero_demand=0.6, limits=True),
        Kind(buses=4, ties=2, zero_demand=0.6, generation=0.3),
        Kind(buses=3, ties=2, zero_demand=0.6, periods=2, switching_cost=(0.0, 3000.0)),
        Kind(buses=3, ties=2, zero_demand=0.6, periods=2, switching_cost=(0.0, 3000.0), start=True),
        Kind(buses=3, ties=1, zero_demand=0.6, periods=3, switching_cost=(-500.0, 3000.0)),
    )
    applied = 0
    for each in range(30):
        problem, _ = random_problem(seed + each, kinds[each % len(kinds)])
        if not proof_applies(problem):
            continue
        applied += 1
        _, best = best_solution(problem)
        if best.violation > 0.0:
            continue
        for solution in all_solutions(problem):
            worth = appraise(problem, solution)
            if worth.violation_amount == 0.0:
                assert worth.objective >= best.objective - 1e-8 * abs(best.objective) - 1e-9, seed + each
    assert applied > 5


def all_solutions(problem: ReconfigurationProblem) -> list[BoolArray]:
    """Everything that is feasible in each period by itself, radial or not: at most 1,000 sequences."""
    switches = np.flatnonzero(problem.network.is_switch)
    periods = problem.hours.size
    single: list[list[BoolArray]] = [[] for _ in range(periods)]
    for bits in itertools.product((False, True), repeat=switches.size):
        is_open = np.zeros(problem.network.source.size, dtype=bool)
        is_open[switches] = bits
        for period in range(periods):
            tiled = np.tile(is_open, (periods, 1))
            if not _breaks_something(problem, tiled, period):
                single[period].append(is_open)
    found = [np.array(choice) for choice in itertools.product(*single)]
    return found if len(found) <= 1000 else found[:: len(found) // 1000]


def _breaks_something(problem: ReconfigurationProblem, tiled: BoolArray, period: int) -> bool:
    alone = replace(
        problem,
        p_w=problem.p_w[period : period + 1],
        q_var=problem.q_var[period : period + 1],
        hours=problem.hours[period : period + 1],
        start_open=None,
    )
    return appraise(alone, tiled[:1]).violation_amount > 0.0
