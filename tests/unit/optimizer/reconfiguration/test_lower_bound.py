"""The lower bound against looking at everything, and against prices that no solver has found."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.reconfiguration.bounds import lower_bound, tree_search
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.lower_bound import LowerBound
from services.optimizer.reconfiguration.bounds.program import Outcome, Program
from services.optimizer.reconfiguration.bounds.relaxation import relax
from services.optimizer.reconfiguration.bounds.tree_search import CERTAIN_WITHIN
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.proof import may_be_relaxed
from tests.support.random_problems import Kind, random_problem
from tests.support.slow_radial import Worth, best_solution, judge, radial_configurations, walk

PIECES = 400
KINDS = {
    "loads": Kind(buses=8, ties=3),
    "several providers": Kind(providers=3, buses=7, ties=3, fixed_lines=0.0),
    "limits": Kind(providers=2, buses=7, ties=3, limits=True),
    "generation": Kind(buses=7, ties=3, generation=0.3),
    "generation and limits": Kind(providers=2, buses=6, ties=3, generation=0.3, limits=True),
    "merged lines": Kind(buses=7, ties=3, merged_lines=True, limits=True, zero_demand=0.0),
    "moves from a start": Kind(buses=7, ties=3, switching_cost=(1.0, 3000.0), start=True),
    "periods": Kind(buses=5, ties=2, periods=2),
    "periods and moves": Kind(providers=2, buses=4, ties=2, periods=2, switching_cost=(1.0, 3000.0), start=True),
}
SEEDS = range(30)


def bound_of(problem: ReconfigurationProblem, best: BoolArray, pieces: int = PIECES) -> tuple[float, BoolArray]:
    """The bound after so much work, with what was found on the way adopted as a run would do; and the best solution then."""
    lower = LowerBound(problem, best, lambda: False)
    worth = judge(problem, best)
    for _ in itertools.islice(lower.pieces(), pieces):
        found = lower.take_found()
        if found is not None and (new := judge(problem, found)).precedes(worth):
            best, worth = found, new
            lower.know(best)
    return lower.value, best


def feasible_optimum(problem: ReconfigurationProblem) -> tuple[BoolArray, Worth] | None:
    solution, best = best_solution(problem)
    return (solution, best) if best.violation == 0.0 else None


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_bound_is_never_above_the_enumerated_optimum(kind: Kind) -> None:
    bounded = tight = 0
    for seed in SEEDS:
        problem, start = random_problem(seed, kind)
        optimum = feasible_optimum(problem)
        if optimum is None or not may_be_relaxed(problem):
            continue
        solution, best = optimum
        try:
            # Neither of the two may matter: a start that is poor, or the optimum itself.
            bounds = [bound_of(problem, start)[0], bound_of(problem, solution)[0]]
        except NoRelaxation:
            assert kind.generation, "a feasible start is only needed where there is generation"
            bounds = [bound_of(problem, solution)[0]]
        assert all(0.0 <= bound <= best.objective for bound in bounds)
        bounded += 1
        tight += bounds[-1] >= (1.0 - CERTAIN_WITHIN) * best.objective
    assert bounded >= 5
    is_exact = not kind.limits and (kind.periods == 1 or kind.switching_cost is None)
    assert not is_exact or tight == bounded


def test_what_is_found_on_the_way_is_the_optimum() -> None:
    for seed in SEEDS:
        problem, start = random_problem(seed, KINDS["loads"])
        bound, found = bound_of(problem, start)
        _, best = best_solution(problem)
        assert judge(problem, found).objective == pytest.approx(best.objective, rel=2.0 * CERTAIN_WITHIN)
        assert bound == pytest.approx(best.objective, rel=2.0 * CERTAIN_WITHIN)


def test_the_bound_only_rises() -> None:
    problem, start = random_problem(3, Kind(buses=40, ties=12))
    lower = LowerBound(problem, start, lambda: False)
    course = []
    for _ in itertools.islice(lower.pieces(), 60):
        course.append(lower.value)
    assert course == sorted(course)
    assert course[-1] > course[0]


@pytest.mark.parametrize("kind", [KINDS["loads"], KINDS["generation"]], ids=["loads", "generation"])
def test_any_prices_make_a_bound(kind: Kind) -> None:
    """Weak duality, with prices that are noise: no rounding or early end of the solver can make a bound that is none."""
    rng = np.random.default_rng(1)
    for seed in range(5):
        problem, _ = random_problem(seed, kind)
        _, best = best_solution(problem)
        relaxation = relax(problem, 0, best.objective)
        program = Program(relaxation, lambda: False)
        arcs = np.arange(relaxation.arcs.count)
        program.add_planes(arcs, rng.normal(size=arcs.size), rng.normal(size=arcs.size))
        for size in (1e-6, 1e-3, 1.0, 1e3):
            program.decide(np.zeros(arcs.size, dtype=np.int8), np.ones(arcs.size, dtype=np.int8))
            worth, _ = program.worth_of(size * rng.normal(size=program.size))
            assert worth * relaxation.unit + relaxation.constant <= best.objective


def test_what_a_price_says_of_an_arc_holds() -> None:
    """A bound plus the price of using an arc is a bound on the configurations that use it."""
    checked = 0
    for seed in range(10):
        problem, _ = random_problem(seed, KINDS["loads"])
        _, best = best_solution(problem)
        relaxation = relax(problem, 0, best.objective)
        program = Program(relaxation, lambda: False)
        for _ in range(10):
            program.solve()
            missed, alpha, beta = program.missed_cones()
            chosen = np.flatnonzero(missed)
            program.add_planes(chosen, alpha[chosen], beta[chosen])
        program.solve()
        bound, rise = program.bound()
        worths = [
            (walk(problem.network, is_open), judge(problem, is_open[None, :]).objective)
            for is_open in radial_configurations(problem.network)
        ]
        for arc in np.flatnonzero((rise > 0.0) & (relaxation.lower[: rise.size] == 0.0)).tolist():
            fed, way = (
                int(relaxation.arcs.fed[arc]),
                (int(relaxation.arcs.line[arc]), int(relaxation.arcs.feeding[arc])),
            )
            using = [worth for upstream, worth in worths if upstream is not None and upstream[fed] == way]
            # Boxes leave out what costs more than the optimum, which every solution but that does.
            assert min(using, default=np.inf) >= min((bound + rise[arc]) * relaxation.unit, best.objective)
            checked += len(using)
    assert checked > 50


def test_what_is_not_covered_is_refused() -> None:
    problem, start = random_problem(1, KINDS["loads"])
    priced = replace(problem, weights=np.array([1e6, -1.0, 0.0, 0.0, 0.0]))
    free = replace(problem, weights=np.array([0.0, 1.0, 1.0, 1.0, 1.0]))
    idle = replace(problem, p_w=0.0 * problem.p_w, q_var=0.0 * problem.q_var)
    for other in (priced, free, idle):
        with pytest.raises(NoRelaxation):
            LowerBound(other, start, lambda: False)


def test_generation_without_a_feasible_solution_is_refused() -> None:
    problem, start = random_problem(2, KINDS["generation"])
    assert (problem.p_w < 0.0).any()
    with pytest.raises(NoRelaxation, match="feasible"):
        relax(problem, 0, None)
    LowerBound(problem, start, lambda: False)


def test_a_stop_ends_a_piece_at_once() -> None:
    problem, start = random_problem(4, Kind(buses=300, ties=60))
    is_stopped = False
    lower = LowerBound(problem, start, lambda: is_stopped)
    pieces = lower.pieces()
    free = next(pieces)
    is_stopped = True
    assert max(next(pieces) for _ in range(3)) < free


def test_too_many_open_parts_end_the_work_and_leave_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, start = random_problem(3, Kind(buses=40, ties=12))
    monkeypatch.setattr(tree_search, "MOST_BYTES", 1000)
    lower = LowerBound(problem, start, lambda: False)
    assert len(list(lower.pieces())) < 200
    assert 0.0 < lower.value < judge(problem, start).objective


def test_what_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, start = random_problem(3, KINDS["periods"])
    lines = 2 * problem.network.source.size * problem.hours.size
    monkeypatch.setattr(lower_bound, "MOST_ARCS", lines)
    LowerBound(problem, start, lambda: False)
    monkeypatch.setattr(lower_bound, "MOST_ARCS", lines - 1)
    with pytest.raises(NoRelaxation, match="memory"):
        LowerBound(problem, start, lambda: False)


@pytest.mark.parametrize("kind", [KINDS["loads"], KINDS["generation"]], ids=["loads", "generation"])
def test_a_solver_that_calls_everything_infeasible_costs_no_configuration(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a proof of it each configuration is looked at by itself: the optimum is found, and the bound is none above it."""
    monkeypatch.setattr(Program, "solve", lambda *_: Outcome.EMPTY)
    monkeypatch.setattr(Program, "is_proven_empty", lambda _: False)
    for seed in range(3):
        problem, start = random_problem(seed, kind)
        _, best = best_solution(problem)
        bound, found = bound_of(problem, start, pieces=20_000)
        assert judge(problem, found).objective == pytest.approx(best.objective, rel=2.0 * CERTAIN_WITHIN)
        assert bound <= best.objective
