"""What is said of problems that nothing solves, and of what is no problem at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.scheduling.errors import Infeasible, ProblemMalformed, TimeRanOut
from services.optimizer.scheduling.problem import Commitment, Coupling, Flow, Kind, Level, Limit, ScheduleProblem
from services.optimizer.scheduling.solver import solve
from tests.unit.optimizer.scheduling.sites import Site

FLAT = (100.0,) * 4


def what_fails(problem: ScheduleProblem) -> tuple[str, int]:
    with pytest.raises(Infeasible) as error:
        solve(problem)
    return error.value.constraint, error.value.step


def test_a_fixed_load_above_a_hard_limit_is_named_with_its_step() -> None:
    site = Site(FLAT)
    site.load([5, 5, 20, 5])
    site.limit([0], -10, 10)
    assert what_fails(site.problem()) == ("limit 0", 2)


def test_two_limits_that_exclude_each_other_are_named() -> None:
    site = Site(FLAT)
    site.device(-100, 100)
    site.device(-100, 100)
    site.limit([0, 1], 50, 100)
    site.limit([0, 1], [-100, -100, -100, -100], [100, 20, 100, 100])
    assert what_fails(site.problem()) == ("limit 1", 1)


def test_a_stock_that_only_empties_is_named_where_it_is_empty() -> None:
    site = Site(FLAT)
    site.stock(site.device(0, 10), start=50, gain_kw=-30)
    assert what_fails(site.problem()) == ("stock 0", 2)


def test_a_node_that_nothing_feeds_is_named() -> None:
    site = Site(FLAT)
    heat, pump, load = site.device(-10, 0), site.device(-10, 0), site.load([0, 0, 0, 50])
    site.limit([heat, pump, load], 0, 0)
    assert what_fails(site.problem()) == ("limit 0", 3)


def test_a_converter_whose_ports_cannot_move_together_is_named() -> None:
    site = Site(FLAT)
    gas, heat = site.device(0, 10), site.device(-100, [0, -20, 0, 0])
    site.couplings.append(Coupling("converter", (gas, heat), (1.0, -0.5)))
    assert what_fails(site.problem()) == ("converter", 1)


def test_fixed_ports_of_another_ratio_are_named() -> None:
    site = Site(FLAT)
    gas, heat = site.load([10, 10, 10, 10]), site.load([-5, -5, -5, -4])
    site.couplings.append(Coupling("converter", (gas, heat), (1.0, -0.5)))
    assert what_fails(site.problem()) == ("converter", 3)


def test_modes_outside_of_the_power_that_is_there_are_named() -> None:
    site = Site(FLAT)
    site.device(0, [50, 50, 30, 50], bands_kw=[(40, 50), (60, 70)])
    assert what_fails(site.problem()) == ("the operation modes of device 0", 2)


def test_a_limit_that_leaves_a_mode_by_rounding_only_allows_it() -> None:
    site = Site(FLAT)
    sun, load = site.load(-5), site.load(35)
    store = site.device(-100, 100, bands_kw=[(-100, -5), (0, 0), (5, 100)])
    site.limit([sun, load, store], -100, 30)
    problem = site.problem()
    assert problem.limits[0].upper_mw[0] - (problem.devices[sun].lower_mw + problem.devices[load].lower_mw)[0] < 0.0
    site.limit([store], 0, 100)
    assert solve(site.problem(), time_limit_s=10.0).power_mw[store] == pytest.approx([0.0] * 4, abs=1e-9)


def test_modes_that_leave_a_target_out_of_reach_are_found_out() -> None:
    site = Site(FLAT)
    site.stock(site.device(0, 50, bands_kw=[(0, 0), (40, 50)]), equal={1: 20})
    constraint, step = what_fails(site.problem())
    assert (constraint, step) == ("stock 0", 0)


def test_no_time_at_all_is_said() -> None:
    site = Site(FLAT)
    site.stock(site.device(-10, 10))
    with pytest.raises(TimeRanOut):
        solve(site.problem(), time_limit_s=0.0)


def problem() -> ScheduleProblem:
    site = Site(FLAT)
    site.stock(site.device(-10, 10))
    return site.problem()


ONE = np.ones(4)
MALFORMED = {
    "no steps": lambda p: replace(p, step_count=0),
    "too short": lambda p: replace(p, devices=(replace(p.devices[0], upper_mw=np.ones(3)),)),
    "infinite power": lambda p: replace(p, devices=(replace(p.devices[0], upper_mw=np.full(4, np.inf)),)),
    "nothing between": lambda p: replace(p, devices=(replace(p.devices[0], lower_mw=ONE, upper_mw=-ONE),)),
    "charging empties": lambda p: replace(p, devices=(replace(p.devices[0], charging_efficiency=-ONE),)),
    "no efficiency": lambda p: replace(p, devices=(replace(p.devices[0], discharging_efficiency=0.0 * ONE),)),
    "band upside down": lambda p: replace(p, devices=(replace(p.devices[0], bands=((1.0, 0.0),)),)),
    "two stocks": lambda p: replace(p, stocks=p.stocks * 2),
    "unknown member": lambda p: replace(p, stocks=(replace(p.stocks[0], members=(7,)),)),
    "unknown start": lambda p: replace(p, stocks=(replace(p.stocks[0], start_mwh=np.nan),)),
    "more than all kept": lambda p: replace(p, stocks=(replace(p.stocks[0], kept=2.0 * ONE),)),
    "unknown gain": lambda p: replace(p, stocks=(replace(p.stocks[0], gain_mw=np.nan * ONE),)),
    "unknown bound": lambda p: replace(p, stocks=(replace(p.stocks[0], lower_mwh=np.nan * ONE),)),
    "unknown limit": lambda p: replace(p, limits=(Limit("x", (0,), np.nan * ONE, ONE),)),
    "twice in a limit": lambda p: replace(p, limits=(Limit("x", (0, 0), -ONE, ONE),)),
    "missing coefficient": lambda p: replace(p, couplings=(Coupling("x", (0,), ()),)),
    "coefficient of 0": lambda p: replace(p, couplings=(Coupling("x", (0,), (0.0,)),)),
    "infinite price": lambda p: replace(p, commitments=(Commitment("x", Kind.EACH, Flow((0,)), ONE, np.inf * ONE),)),
    "unknown stock": lambda p: replace(p, commitments=(Commitment("x", Kind.EACH, Level(3), ONE, ONE),)),
    "falling price of a level": lambda p: replace(p, commitments=(Commitment("x", Kind.EACH, Level(0), ONE, -ONE),)),
    "earning by a breach": lambda p: replace(p, commitments=(Commitment("x", Kind.ANY, Flow((0,)), ONE, -ONE),)),
}


@pytest.mark.parametrize("fault", list(MALFORMED))
def test_what_is_no_problem_is_refused(fault: str) -> None:
    with pytest.raises(ProblemMalformed):
        solve(MALFORMED[fault](problem()))
