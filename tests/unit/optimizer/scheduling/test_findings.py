"""What is said of contradicting limits before anything is solved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.optimizer.scheduling.findings import findings
from services.optimizer.scheduling.problem import ScheduleProblem
from tests.unit.optimizer.scheduling.sites import Site

FLAT = (100.0,) * 4


def site(power_kw: float = 100.0, **stock: object) -> ScheduleProblem:
    built = Site(FLAT)
    built.stock(built.device(-power_kw, power_kw), **stock)  # type: ignore[arg-type] # whatever a test is about
    return built.problem()


def texts(problem: ScheduleProblem) -> list[tuple[int, str]]:
    return [(each.step, each.text) for each in findings(problem)]


def with_edges(problem: ScheduleProblem, least_kwh: float, most_kwh: float) -> ScheduleProblem:
    stocks = tuple(replace(each, least_mwh=1e-3 * least_kwh, most_mwh=1e-3 * most_kwh) for each in problem.stocks)
    return replace(problem, stocks=stocks)


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(site(equal={2: 40, 4: 90})) == []


def test_a_lower_bound_above_the_upper_one_is_found() -> None:
    problem = site(low=[0, 80, 0, 0], high=[100, 60, 100, 100])
    assert (1, "soc-minima [0.08] <= soc-maxima [0.06]") in texts(problem)


def test_bounds_outside_of_what_the_storage_holds_are_found() -> None:
    problem = with_edges(site(low=[0, 0, 5, 0], high=[100, 120, 100, 100]), 10, 110)
    assert texts(problem)[:1] == [(0, "soc-min [0.01] <= soc-minima [0]")]
    assert (1, "soc-maxima [0.12] <= soc-max [0.11]") in texts(problem)


def test_a_target_outside_of_what_the_storage_holds_is_found() -> None:
    problem = with_edges(site(equal={3: 130}, high=100), 0, 100)
    assert texts(problem) == [(2, "soc-targets [0.13] <= soc-max [0.1]")]


def test_a_jump_between_targets_that_no_power_can_make_is_found() -> None:
    upward = site(power_kw=10, equal={2: 20, 3: 90})
    assert texts(upward) == [(2, "soc-targets [0.09] <= most that can be reached in this step [0.03]")]
    downward = site(power_kw=10, equal={2: 90, 3: 20})
    assert texts(downward) == [(2, "least that can be reached in this step [0.08] <= soc-targets [0.02]")]


def test_a_target_that_more_than_one_step_leads_to_is_left_to_the_solver() -> None:
    assert findings(site(power_kw=10, equal={4: 90})) == []


def test_efficiencies_and_losses_count_in_what_can_be_reached() -> None:
    built = Site(FLAT)
    built.stock(built.device(-10, 10, 0.5), kept=0.5, equal={1: 40, 2: 24})
    taken = 0.5 / np.log(2.0)
    reach = 1e-3 * (0.5 * 40 + taken * 5)
    assert texts(built.problem()) == [
        (1, f"soc-targets [0.024] <= most that can be reached in this step [{reach:.9g}]")
    ]


def test_a_power_range_without_anything_in_it_is_found() -> None:
    problem = site()
    device = replace(problem.devices[0], lower_mw=np.array([0.0, 0.0, 0.2, 0.0]))
    found = findings(replace(problem, devices=(device,)))
    assert [(each.step, each.name) for each in found][:1] == [(2, "device 0")]
