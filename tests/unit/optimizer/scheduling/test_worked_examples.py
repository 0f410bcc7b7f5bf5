"""Worked examples: four hours (or quarters of one) of a battery of 100 kWh or so, whose schedules and costs were measured elsewhere.

Powers within 1e-4 kW where the schedule is unique, costs within 1e-6. ``ANY_POWER`` marks steps that it leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

import numpy as np
import pytest

from services.optimizer.scheduling.errors import Infeasible
from services.optimizer.scheduling.problem import Coupling, Flow, Kind, ScheduleProblem
from services.optimizer.scheduling.solver import Solution, solve
from tests.unit.optimizer.scheduling.sites import Site, battery

ANY_POWER = nan
ZIGZAG = (10.0, 50.0, 20.0, 60.0)
FLAT = (100.0,) * 4
RISING = (10.0, 20.0, 30.0, 40.0)
KW = 1e-4
COST = 1e-6

Expected = tuple[Sequence[Sequence[float]], dict[str, float]]


def costs_by_name(problem: ScheduleProblem, solution: Solution) -> dict[str, float]:
    found: dict[str, float] = {}
    for commitment, cost in zip(problem.commitments, solution.costs, strict=True):
        found[commitment.name] = found.get(commitment.name, 0.0) + float(cost)
    return found


PREFERENCE = "prefer a full storage 0 sooner"


def arbitrage() -> tuple[Site, Expected]:
    return battery(ZIGZAG), ([[100, -100, 100, -100]], {"net energy": -8.0, PREFERENCE: 8.3333333e-5})


def arbitrage_selling_at_half() -> tuple[Site, Expected]:
    return battery(ZIGZAG, [5, 25, 10, 30]), ([[100, -100, 100, -100]], {"net energy": -2.5})


def losses_both_ways() -> tuple[Site, Expected]:
    site = Site(ZIGZAG)
    site.stock(site.device(-100, 100, 0.9, 0.9))
    return site, ([[100, -72, 100, -90]], {"net energy": -6.0, PREFERENCE: 8.75e-5})


def losses_in_charging() -> tuple[Site, Expected]:
    site = Site(ZIGZAG)
    site.stock(site.device(-100, 100, 0.9))
    return site, ([[100, -80, 100, -100]], {"net energy": -7.0})


def a_stock_that_leaks() -> tuple[Site, Expected]:
    site = Site(FLAT)
    site.stock(site.device(0, 0), start=100, kept=0.9)
    return site, ([[0, 0, 0, 0]], {"net energy": 0.0, PREFERENCE: 7.92e-7})


def full_early_and_the_rest_sold_back() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=50)
    site.wish(0, "targets", {4: 75})
    return site, ([[50, 50, 0, -25]], {"net energy": 7.5, PREFERENCE: 1.25e-6, "any soc targets": 0.0})


def no_cycle_where_selling_pays_less() -> tuple[Site, Expected]:
    site = battery(FLAT, 99, power_kw=50)
    site.wish(0, "targets", {4: 75})
    return site, ([[50, 25, 0, 0]], {"net energy": 7.5, PREFERENCE: 1.875e-6})


def a_free_cycle() -> tuple[Site, Expected]:
    return battery(FLAT, power_kw=50), ([[50, 50, -50, -50]], {"net energy": 0.0, PREFERENCE: 1.6666667e-6})


def nothing_to_gain() -> tuple[Site, Expected]:
    return battery(FLAT, 99, power_kw=50), ([[0, 0, 0, 0]], {"net energy": 0.0, PREFERENCE: 5e-6})


def sold_as_late_as_can_be() -> tuple[Site, Expected]:
    return battery(FLAT, 99, power_kw=50, start=100), (
        [[0, 0, -50, -50]],
        {"net energy": -9.9, PREFERENCE: 4.1666667e-7},
    )


def full_at_all_times_alike() -> tuple[Site, Expected]:
    site = Site(FLAT, 99)
    site.stock(site.device(-50, 50), is_flat=True)
    site.wish(0, "targets", {4: 75})
    return site, ([[50, 25, 0, 0]], {"net energy": 7.5, PREFERENCE: 3.125e-6})


def a_wish_out_of_reach() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=10)
    site.wish(0, "minima", {4: 90})
    return site, ([[10, 10, 10, 10]], {"net energy": 4.0, "any soc minima": 50_000.0, "all soc minima": 50_000.0})


def a_wish_for_a_while() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=10)
    site.wish(0, "minima", {3: 35, 4: 35})
    return site, ([[10, 10, 10, 5]], {"net energy": 3.5, "any soc minima": 5_000.0, "all soc minima": 5_000.0})


def a_target_out_of_reach() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=10)
    site.wish(0, "targets", {4: 90})
    return site, ([[10, 10, 10, 10]], {"any soc targets": 50_000.0, "all soc targets": 50_000.0})


def a_cheap_wish_out_of_reach() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=10)
    site.wish(0, "minima", {4: 90}, price_per_kwh=1.0)
    return site, ([[10, 10, 10, 10]], {"net energy": 4.0, "any soc minima": 50.0, "all soc minima": 50.0})


def a_wish_cheaper_to_miss() -> tuple[Site, Expected]:
    site = battery(FLAT)
    site.wish(0, "minima", {4: 90}, price_per_kwh=0.04)
    return site, ([[100, 0, 0, -100]], {"net energy": 0.0, "any soc minima": 3.6, "all soc minima": 3.6})


def quarters_of_an_hour() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=10, step_h=0.25)
    site.wish(0, "minima", {4: 90})
    costs = {"net energy": 1.0, "any soc minima": 320_000.0, "all soc minima": 80_000.0, PREFERENCE: 1.9166667e-5}
    return site, ([[10, 10, 10, 10]], costs)


def quarters_of_an_hour_for_a_while() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=10, step_h=0.25)
    site.wish(0, "minima", {2: 90, 3: 90, 4: 90})
    return site, ([[10, 10, 10, 10]], {"any soc minima": 340_000.0, "all soc minima": 247_500.0})


def a_connection_before_a_wish() -> tuple[Site, Expected]:
    site = battery(FLAT)
    site.wish(0, "targets", {2: 60})
    site.breach("consumption", 20, 10_000)
    site.breach("production", 200, 10_000)
    site.limit([0], -200, 200)
    costs = {"net energy": 0.0, "any soc targets": 20_000.0, "all soc targets": 20_000.0, "any consumption breach": 0.0}
    return site, ([[20, 20, 20, -60]], costs)


def a_hard_target_before_a_connection() -> tuple[Site, Expected]:
    site = Site(FLAT, step_h=0.25)
    site.stock(site.device(-10, 10), equal={4: 10})
    site.breach("consumption", 5, 10)
    costs = {"net energy": 1.0, "any consumption breach": 50.0, "all consumption breaches": 50.0}
    return site, ([[10, 10, 10, 10]], costs)


def a_priced_peak() -> tuple[Site, Expected]:
    site = battery(ZIGZAG, 0)
    site.wish(0, "targets", {4: 80})
    site.peak("consumption", 10, 260)
    return site, ([[20, 20, 20, 20]], {"net energy": 2.8, "consumption peak": 2.6})


def without_a_priced_peak() -> tuple[Site, Expected]:
    site = battery(ZIGZAG, 0)
    site.wish(0, "targets", {4: 80})
    return site, ([[80, 0, 0, 0]], {"net energy": 0.8})


def room_beside_a_load() -> tuple[Site, Expected]:
    site = battery(ZIGZAG, 0)
    site.load([30, 10, 40, 20])
    site.wish(0, "targets", {4: 80})
    site.breach("consumption", 50, 10_000)
    return site, ([[20, 40, 10, 10], [30, 10, 40, 20]], {"net energy": 5.8})


def own_sun_first() -> tuple[Site, Expected]:
    site = battery([300.0] * 4, 50)
    site.load([0, -40, -60, -10])
    return site, ([[0, 40, 60, -100], [0, -40, -60, -10]], {"net energy": -5.5})


def own_sun_and_a_load() -> tuple[Site, Expected]:
    site = battery([300.0] * 4, 50)
    site.load([0, -40, -60, -10])
    site.load([20, 20, 20, 70])
    return site, ([[0, 20, 40, -60], [0, -40, -60, -10], [20, 20, 20, 70]], {"net energy": 6.0})


def curtailed_where_prices_are_negative() -> tuple[Site, Expected]:
    site = Site([10, -5, -20, 30])
    site.device([-10, -20, -30, -5], 0)
    return site, ([[-10, 0, 0, -5]], {"net energy": -0.25})


def curtailed_by_a_connection() -> tuple[Site, Expected]:
    site = Site([10.0] * 4)
    site.device([-10, -20, -30, -5], 0)
    site.limit([0], -100, 100)
    site.breach("production", 15, 10_000)
    return site, ([[-10, -15, -15, -5]], {"net energy": -0.45, "any production breach": 0.0})


def two_chargers() -> tuple[Site, Expected]:
    site = Site(RISING)
    for step in (2, 4):
        g = site.stock(site.device(0, 50))
        site.wish(g, "targets", {step: 50})
    site.breach("consumption", 50, 10_000)
    costs = {"net energy": 1.5, PREFERENCE: 7.5e-5, "prefer a full storage 1 sooner": 1.125e-4}
    return site, ([[50, 0, 0, 0], [0, 50, 0, 0]], costs)


def a_heat_pump() -> tuple[Site, Expected]:
    site = Site([100, 20, 300, 400])
    site.stock(site.device(0, 10, 4.0), start=10, high=20, full=20, gain_kw=-10)
    return site, ([[0, 7.5, 0, 0]], {"net energy": 0.15})


def a_stock_that_gains() -> tuple[Site, Expected]:
    return battery(ZIGZAG, gain_kw=10), ([[90, -100, 70, -100]], {"net energy": -8.7})


def a_contract_dearer_than_prices() -> tuple[Site, Expected]:
    site = Site([40, 30, 20, 10], 0)
    site.stock(site.device(-100, 100), full=None)
    site.wish(0, "targets", {4: 40})
    site.commit("contract", Kind.EACH, Flow((0,)), site.each(0.01), 500, -500)
    return site, ([[10, 10, 10, 10]], {"net energy": 1.0, "contract": 0.0})


def a_contract_at_flat_prices() -> tuple[Site, Expected]:
    site = battery(FLAT)
    site.wish(0, "targets", {4: 40})
    site.commit("contract", Kind.EACH, Flow((0,)), site.each(0.01), 50, -20)
    return site, ([[10, 10, 10, 10]], {"net energy": 4.0, "contract": 0.0})


def a_group_of_two() -> tuple[Site, Expected]:
    site = battery([100, 50, 100, 200], power_kw=60)
    site.device([-80, -80, -80, 0], 0)
    site.limit([0, 1], -50, 50)
    return site, ([[30, 30, 30, -50], [-80, -80, -80, 0]], {"net energy": -22.5})


def heat_and_power() -> tuple[Site, Expected]:
    site = Site(FLAT)
    power, gas, heat = site.device(-200, 0), site.device(0, 200), site.device(-200, 0)
    load = site.load(50)
    site.couplings.append(Coupling("converter", (gas, heat, power), (1.0, -0.5, -0.3)))
    site.limit([heat, load], 0, 0)
    site.commit("gas net energy", Kind.EACH, Flow((gas,)), site.each(0), 50, 50)
    return site, ([[-30] * 4, [100] * 4, [-50] * 4, [50] * 4], {"gas net energy": 20.0, "net energy": -12.0})


def operation_modes() -> tuple[Site, Expected]:
    site = Site([10, 1, 10, 1], 0)
    site.stock(site.device(0, 100, bands_kw=[(0, 0), (40, 50)]), high=500, full=500)
    site.wish(0, "targets", {4: 120})
    return site, ([[40, 40, 0, 40]], {"net energy": 0.48})


def an_hour_in_which_charging_stores_nothing() -> tuple[Site, Expected]:
    site = Site([1, 20, 30, 40], 0)
    site.stock(site.device(-50, 50, [0, 1, 1, 1]))
    site.wish(0, "targets", {4: 80})
    return site, ([[0, 50, 30, 0]], {"net energy": 1.9})


def soft_limits_of_a_device() -> tuple[Site, Expected]:
    site = battery(FLAT, 0)
    site.wish(0, "targets", {2: 60})
    site.breach("consumption", 20, 100)
    site.breach("production", 20, 100)
    costs = {"net energy": 6.0, "any consumption breach": 1_000.0, "all consumption breaches": 2_000.0}
    return site, ([[30, 30, 0, ANY_POWER]], costs)


def losses_over_time() -> tuple[Site, Expected]:
    site = Site(RISING, 0)
    site.stock(site.device(0, 50), kept=0.9, full=100)
    site.wish(0, "targets", {4: 80})
    return site, ([[50, 50, 8.153792, 0]], {"net energy": 1.744613751, PREFERENCE: 4.7102e-5})


def an_upper_wish_for_a_while() -> tuple[Site, Expected]:
    site = battery(ZIGZAG)
    site.wish(0, "maxima", {1: 40, 2: 40, 3: 40})
    return site, ([[40, -40, 40, -40]], {"net energy": -3.2, "any soc maxima": 0.0})


def an_upper_wish_out_of_reach() -> tuple[Site, Expected]:
    site = battery(FLAT, power_kw=20, start=100)
    site.wish(0, "maxima", {1: 40, 2: 40, 3: 40})
    costs = {"net energy": -8.0, "any soc maxima": 40_000.0, "all soc maxima": 60_000.0}
    return site, ([[-20, -20, -20, -20]], costs)


def selling_dearer_than_buying() -> tuple[Site, Expected]:
    site = battery([10.0] * 4, 30)
    site.limit([0], -150, 150)
    return site, ([[100, -100, 100, -100]], {"net energy": -4.0})


def selling_dearer_than_buying_with_soft_limits() -> tuple[Site, Expected]:
    site = battery([10.0] * 4, 30)
    site.limit([0], -150, 150)
    site.breach("consumption", 150, 10_000)
    site.breach("production", 150, 10_000)
    return site, ([[100, -100, 100, -100]], {"net energy": -4.0, "any consumption breach": 0.0})


def never_both_directions_at_once() -> tuple[Site, Expected]:
    site = Site([-50.0] * 4)
    site.stock(site.device(-100, 100, 0.9, 0.9), start=100)
    return site, ([[-81, 100, -81, 100]], {"net energy": -1.9})


def a_priced_peak_of_production() -> tuple[Site, Expected]:
    site = battery([100, 90, 80, 70], start=100)
    site.peak("production", 20, 200)
    return site, ([[-25] * 4], {"net energy": -8.5, "production peak": 1.0, PREFERENCE: 6.25e-5})


def one_stock_for_two_heaters() -> tuple[Site, Expected]:
    site = Site(RISING)
    a, b = site.device(0, 10, 2.0), site.device(0, 50)
    site.stock(a, b)
    site.wish(0, "minima", {4: 100})
    return site, ([[10, 10, 5, 0], [50, 0, 0, 0]], {"net energy": 0.95, PREFERENCE: 2.75e-5})


def power_that_is_not_always_there() -> tuple[Site, Expected]:
    site = Site(RISING)
    site.stock(site.device(0, [0, 50, 30, 50]))
    site.wish(0, "targets", {4: 90})
    return site, ([[0, 50, 30, 10]], {"net energy": 2.3, PREFERENCE: 1.05e-4})


EXAMPLES: list[Callable[[], tuple[Site, Expected]]] = [
    arbitrage,
    arbitrage_selling_at_half,
    losses_both_ways,
    losses_in_charging,
    a_stock_that_leaks,
    full_early_and_the_rest_sold_back,
    no_cycle_where_selling_pays_less,
    a_free_cycle,
    nothing_to_gain,
    sold_as_late_as_can_be,
    full_at_all_times_alike,
    a_wish_out_of_reach,
    a_wish_for_a_while,
    a_target_out_of_reach,
    a_cheap_wish_out_of_reach,
    a_wish_cheaper_to_miss,
    quarters_of_an_hour,
    quarters_of_an_hour_for_a_while,
    a_connection_before_a_wish,
    a_hard_target_before_a_connection,
    a_priced_peak,
    without_a_priced_peak,
    room_beside_a_load,
    own_sun_first,
    own_sun_and_a_load,
    curtailed_where_prices_are_negative,
    curtailed_by_a_connection,
    two_chargers,
    a_heat_pump,
    a_stock_that_gains,
    a_contract_dearer_than_prices,
    a_contract_at_flat_prices,
    a_group_of_two,
    heat_and_power,
    operation_modes,
    an_hour_in_which_charging_stores_nothing,
    soft_limits_of_a_device,
    losses_over_time,
    an_upper_wish_for_a_while,
    an_upper_wish_out_of_reach,
    selling_dearer_than_buying,
    selling_dearer_than_buying_with_soft_limits,
    never_both_directions_at_once,
    a_priced_peak_of_production,
    one_stock_for_two_heaters,
    power_that_is_not_always_there,
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_schedule_and_costs_are_those_measured(example: Callable[[], tuple[Site, Expected]]) -> None:
    site, (power_kw, costs) = example()
    priced = [0] if example is heat_and_power else None
    problem = site.problem(priced)
    solution = solve(problem)
    expected = np.array(power_kw, dtype=np.float64)
    found = 1e3 * solution.power_mw
    assert np.all(np.isnan(expected) | (np.abs(found - expected) <= KW)), found
    by_name = costs_by_name(problem, solution)
    for name, cost in costs.items():
        # The smallest costs are given with five digits.
        assert by_name[name] == pytest.approx(cost, rel=COST if abs(cost) > 1e-3 else 1e-4, abs=1e-9), name
    assert solution.is_proven
    assert solution.gap == 0.0


def test_a_hard_target_out_of_reach_is_named() -> None:
    site = Site(FLAT)
    site.stock(site.device(-10, 10), equal={4: 90})
    with pytest.raises(Infeasible) as error:
        solve(site.problem())
    assert (error.value.constraint, error.value.step) == ("stock 0", 3)


def test_a_hard_target_that_a_hard_limit_keeps_out_of_reach_is_named() -> None:
    site = Site(FLAT)
    site.stock(site.device(-100, 100), equal={2: 60})
    site.limit([0], -20, 20)
    with pytest.raises(Infeasible) as error:
        solve(site.problem())
    assert (error.value.constraint, error.value.step) == ("stock 0", 1)
