"""The worth of solutions of the reduced network: against a slow judge, and where flows fail or do not exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.appraisal import NOT_RADIAL_AMOUNT, Appraisal, appraise
from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW
from services.optimizer.reconfiguration.network import BusKind
from services.optimizer.reconfiguration.reduction import build_problem, reduce_configuration, reduce_network
from shared.objective import DEFAULT_WEIGHTS
from tests.support.grids import Case, case
from tests.support.random_problems import Kind, random_problem
from tests.support.random_sessions import small_session
from tests.support.seeds import new_seed
from tests.support.slow_radial import judge

ONLY_LOSS = (1e6, 0.0, 0.0, 0.0, 0.0)
KINDS = {
    "limits": Kind(providers=2, limits=True, merged_lines=True),
    "generation": Kind(generation=0.5, merged_lines=True),
    "switching": Kind(periods=3, switching_cost=(-3.0, 9.0), start=True),
}


def worth_of(given: Case) -> Appraisal:
    reduction = reduce_network(given.grid)
    problem = build_problem(reduction, given.demands, ONLY_LOSS, None)
    return appraise(problem, np.tile(given.is_open[reduction.representative_line], (problem.hours.size, 1)))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_values_and_violations_are_those_of_a_slow_judge(kind: Kind) -> None:
    seed = new_seed("appraisal")
    for each in range(seed, seed + 10):
        problem, solution = random_problem(each, kind)
        found, expected = appraise(problem, solution), judge(problem, solution)
        assert found.values[:4] == pytest.approx(expected.values, rel=1e-8, abs=1e-9)
        assert found.objective == pytest.approx(expected.objective, rel=1e-8)
        assert found.violation_amount == pytest.approx(expected.violation, rel=1e-6, abs=1e-7)
        assert found.is_strictly_radial


def test_one_watt_over_one_ohm_at_a_hundred_volts() -> None:
    worth = worth_of(case("G 100V | L | C 1W"))
    assert worth.objective == pytest.approx(
        0.000100020005, rel=1e-6
    )  # V = 50 + sqrt(2500 - 1), loss = (1 W / V)² 1 ohm
    assert worth.violation_amount == 0.0


def test_a_failed_flow_outweighs_every_broken_limit() -> None:
    failed = worth_of(case("G 100V | L r=1 | C 3000W"))
    assert failed.violation_amount == FAILED_FLOW
    low = worth_of(case("G 100V | L r=1 | C 2000W vmin=99"))
    assert 0.0 < low.violation_amount < 100.0
    assert low.precedes(failed)
    assert not failed.precedes(low)


def test_cycles_and_demand_without_supply_outweigh_a_failed_flow() -> None:
    assert worth_of(case("G 100V | A sw | C 1W", "G | B sw | C")).violation_amount == NOT_RADIAL_AMOUNT
    assert worth_of(case("G 100V | A sw open | C 1W", "G | B sw open | C")).violation_amount == NOT_RADIAL_AMOUNT


def test_buses_without_demand_may_be_dark() -> None:
    worth = worth_of(case("G 100V | A | C 1W", "C | B sw open | D 0W vmin=90", "C | E sw open | D"))
    assert worth.violation_amount == 0.0
    assert not worth.is_strictly_radial


def test_an_undefined_objective_is_the_worst() -> None:
    good = Appraisal(np.zeros(5), 1.0, 5.0, is_strictly_radial=True)
    undefined = replace(good, objective=float("nan"))
    assert good.precedes(undefined)
    assert not undefined.precedes(good)
    assert not undefined.precedes(undefined)


@pytest.mark.parametrize("number", range(30))
def test_what_the_search_takes_for_feasible_is_reported_so(number: int) -> None:
    given = small_session(new_seed("agreement") + number)
    reduction = reduce_network(given.grid)
    is_closed_off = reduction.reduced_line_of_line < 0
    # Switches that lead nowhere stay as they are; and nothing can be done about the limits of what hangs on a provider.
    start = np.zeros(len(given.grid.lines), dtype=bool) if given.start is None else given.start
    solution = np.where(is_closed_off & given.grid.is_switch, start, given.solution)
    roots = {k for k, node in enumerate(given.grid.nodes) if node.kind is BusKind.PROVIDER}
    grid = replace(
        given.grid,
        lines=tuple(
            replace(line, vmax_v=np.inf) if gone and {line.source, line.target} & roots else line
            for line, gone in zip(given.grid.lines, is_closed_off, strict=True)
        ),
    )
    reduction = reduce_network(grid)
    problem = build_problem(reduction, given.demands, DEFAULT_WEIGHTS, start)
    found = appraise(problem, reduce_configuration(reduction, solution))
    reported = evaluate(grid, reduction, given.demands, solution, start).verdict
    assert found.values == pytest.approx(reported.values, rel=1e-9, abs=1e-9)
    assert (found.violation_amount == 0.0) == reported.is_feasible
    assert (found.violation_amount >= NOT_RADIAL_AMOUNT) == (reported.violation_amount >= NOT_RADIAL_AMOUNT)
