"""Bounds from an interior-point method and from regions: as good as those of planes, and never above an enumerated optimum."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from services.optimizer.reconfiguration.bounds import lower_bound, region_search, regions
from services.optimizer.reconfiguration.bounds.cones import price_cones
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.lower_bound import LowerBound
from services.optimizer.reconfiguration.bounds.prices import weigh
from services.optimizer.reconfiguration.bounds.program import Outcome, Program
from services.optimizer.reconfiguration.bounds.region_search import RegionSearch
from services.optimizer.reconfiguration.bounds.regions import cut_out, divide
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation, relax
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from tests.support.random_problems import Kind, random_problem
from tests.support.slow_radial import best_solution, judge
from tests.unit.optimizer.reconfiguration.test_lower_bound import KINDS

CITY = Kind(buses=40, ties=12)


def bound_of(of: Relaxation) -> float:
    prices = price_cones(of, 60.0)
    assert prices is not None
    return weigh(of, of.lower, of.upper, of.cost, prices.rows, prices.planes, prices.plane_prices)[0]


def closed_in(of: Relaxation) -> tuple[float, float]:
    """What a linear program makes of the planes of the cones' prices, and what with all planes added that are still missed."""
    program, prices = Program(of, lambda: False), price_cones(of, 60.0)
    assert prices is not None
    program.add_planes(prices.planes.arc, prices.planes.alpha, prices.planes.beta)
    assert program.solve() is Outcome.SOLVED
    first = program.bound()[0]
    for _ in range(50):
        missed, alpha, beta = program.missed_cones()
        chosen = np.flatnonzero(missed > 1e-9)
        if not chosen.size:
            break
        program.add_planes(chosen, alpha[chosen], beta[chosen])
        assert program.solve() is Outcome.SOLVED
    return first, program.bound()[0]


@pytest.mark.parametrize("kind", ["loads", "limits", "generation"])
def test_cones_are_all_that_their_planes_are_and_nothing_is_left_to_add(kind: str) -> None:
    compared = 0
    for seed in range(8):
        problem, _ = random_problem(seed, KINDS[kind])
        _, best = best_solution(problem)
        if best.violation > 0.0:
            continue
        of = relax(problem, 0, best.objective)
        bound = bound_of(of)
        of_planes, of_all = closed_in(of)
        assert of_planes == pytest.approx(bound, abs=1e-6)
        assert of_all == pytest.approx(bound, abs=1e-5)
        compared += 1
    assert compared > 3


def test_no_time_gives_no_prices_or_prices_of_a_bound() -> None:
    problem, start = random_problem(3, CITY)
    worth = judge(problem, start).objective
    of = relax(problem, 0, worth)
    prices = price_cones(of, 0.0)
    if prices is not None:
        value, _ = weigh(of, of.lower, of.upper, of.cost, prices.rows, prices.planes, prices.plane_prices)
        assert value * of.unit + of.constant <= worth


def test_what_regions_are_worth_adds_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "BUSES", 7)
    problem, start = random_problem(3, CITY)
    of = relax(problem, 0, judge(problem, start).objective)
    prices = price_cones(of, 60.0)
    assert prices is not None
    division = divide(problem.network, of, prices)
    assert len(division.arcs) > 4
    assert division.loss_shares.sum() == pytest.approx(1.0)
    covered = np.concatenate(division.arcs)
    assert np.unique(covered).size == covered.size
    # What lies in no region is one more here, so that nothing is missing; rows within it and those between are paid for.
    rest = np.setdiff1d(np.arange(of.arcs.count), covered)
    total, is_own = 0.0, np.zeros(of.row_lower.size, dtype=np.bool_)
    for chosen in [*division.arcs, *([rest] if rest.size else [])]:
        region, own = cut_out(of, chosen, prices)
        value, _ = weigh(region, region.lower, region.upper, region.cost, own.rows, own.planes, own.plane_prices)
        total += value
        columns = np.concatenate([chosen + stretch * of.arcs.count for stretch in range(5)])
        inside = np.diff(of.rows[:, columns].indptr)
        is_own |= (inside == np.diff(of.rows.indptr)) & (inside > 0)
    between = np.where(is_own, 0.0, prices.rows)
    limit = np.where(between > 0.0, of.row_lower, of.row_upper)
    total += float((between[between != 0.0] * limit[between != 0.0]).sum())
    whole, _ = weigh(of, of.lower, of.upper, of.cost, prices.rows, prices.planes, prices.plane_prices)
    assert total == pytest.approx(whole, abs=1e-9)


def by_regions(problem: ReconfigurationProblem, best: BoolArray, pieces: int) -> tuple[float, float]:
    """The bound at first and after so much work."""
    lower = LowerBound(problem, best, lambda: False)
    assert all(isinstance(search, RegionSearch) for search in lower._searches)
    course = [lower.value]
    for _ in itertools.islice(lower.pieces(), pieces):
        course.append(lower.value)
    assert course == sorted(course)
    return next((value for value in course if value > 0.0), 0.0), course[-1]


@pytest.mark.parametrize("kind", ["loads", "limits", "generation", "several providers", "merged lines", "periods"])
def test_bounds_by_regions_are_never_above_the_enumerated_optimum(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "BUSES", 4)
    monkeypatch.setattr(lower_bound, "MOST_ARCS_OF_ONE_SEARCH", 0)
    bounded = 0
    for seed in range(30):
        problem, _ = random_problem(seed, KINDS[kind])
        solution, best = best_solution(problem)
        if best.violation > 0.0:
            continue
        try:
            first, last = by_regions(problem, solution, 20_000)
        except NoRelaxation:
            continue
        assert 0.0 <= first <= last <= best.objective
        bounded += 1
    assert bounded > 3


def test_branch_and_bound_in_regions_raises_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "BUSES", 20)
    monkeypatch.setattr(lower_bound, "MOST_ARCS_OF_ONE_SEARCH", 0)
    problem, start = random_problem(3, CITY)
    first, last = by_regions(problem, start, 2_000)
    assert first > 0.0
    assert last > first


def test_regions_are_settled_in_any_order_until_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "BUSES", 7)
    monkeypatch.setattr(lower_bound, "MOST_ARCS_OF_ONE_SEARCH", 0)
    monkeypatch.setattr(region_search, "TURN", 1)
    for seed in (3, 5):
        problem, start = random_problem(seed, CITY)
        lower = LowerBound(problem, start, lambda: False)
        assert sum(1 for _ in itertools.islice(lower.pieces(), 100_000)) < 100_000
        assert 0.0 < lower.value <= judge(problem, start).objective


def test_a_solver_that_does_not_find_its_way_costs_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost is not empty: what it cannot solve is divided until each configuration is looked at by itself."""
    monkeypatch.setattr(Program, "solve", lambda *_: Outcome.LOST)
    for seed in range(3):
        problem, start = random_problem(seed, KINDS["loads"])
        _, best = best_solution(problem)
        lower = LowerBound(problem, start, lambda: False)
        worth = judge(problem, start)
        for _ in itertools.islice(lower.pieces(), 20_000):
            found = lower.take_found()
            if found is not None and (new := judge(problem, found)).precedes(worth):
                worth = new
                lower.know(found)
        assert worth.objective == pytest.approx(best.objective, rel=2e-6)
        assert lower.value <= best.objective
