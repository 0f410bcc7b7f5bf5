"""Days of a battery whose least costs follow from a few multiplications."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.scheduling.problem import Flow, Kind
from services.optimizer.scheduling.solver import solve
from tests.unit.optimizer.scheduling.sites import Site
from tests.unit.optimizer.scheduling.test_worked_examples import costs_by_name

KW = 1e-4
COST = 1e-6
QUARTERS = 96
HOURS = 24
SLOPE = np.linspace(0.0, 1.0, HOURS)  # makes one hour dearer than the one before


def contracted_site(price: np.ndarray, back: np.ndarray) -> Site:
    """A battery of 1 MW with 400 of 1000 kWh behind a contract of 1 kW, peaks above 20 kW, and three contracts about doing nothing."""
    site = Site(list(price), list(back), step_h=0.25)
    site.stock(site.device(-1000, 1000), start=400, high=1000, full=None)
    site.limit([0], -2000, 2000)
    for what in ("consumption", "production"):
        site.breach(what, 1, 1000)
        site.peak(what, 20, 260)
    site.commit("per power", Kind.EACH, Flow((0,)), site.each(0), 1, -1)
    site.commit("per energy", Kind.EACH, Flow((0,)), site.each(0), 0.25, -0.25)
    site.commit("free", Kind.EACH, Flow((0,)), site.each(0), 0, 0)
    return site


def test_a_full_battery_at_the_end_of_the_day_is_charged_evenly() -> None:
    site = contracted_site(np.full(QUARTERS, 100.0), np.full(QUARTERS, 90.0))
    site.wish(0, "minima", {QUARTERS: 1000}, price_per_kwh=6000)
    problem = site.problem()
    solution = solve(problem)
    assert np.allclose(1e3 * solution.power_mw, 25.0, atol=KW)
    costs = costs_by_name(problem, solution)
    expected = {
        "net energy": 60.0,
        "any consumption breach": 24_000.0,
        "all consumption breaches": 576_000.0,
        "consumption peak": 1.3,
        "production peak": 0.0,
        "per power": 2.4,
        "per energy": 0.6,
        "free": 0.0,
        "all soc minima": 0.0,
    }
    assert {name: costs[name] for name in expected} == pytest.approx(expected, rel=COST, abs=1e-9)


def test_a_wish_outranks_what_a_device_may_not_draw() -> None:
    price = np.full(QUARTERS, 100.0)
    price[64:68], price[68:72] = 0.0, 1000.0
    site = contracted_site(price, price - 10.0)
    site.devices.clear()
    site.device(-25, 25)
    capacity = np.where((np.arange(QUARTERS) >= 48) & (np.arange(QUARTERS) < 72), 0.0, 25.0)
    for what in ("consumption", "production"):
        site.breach(what, list(capacity), 100, whose=" of device")
    site.wish(0, "minima", dict.fromkeys(range(64, 73), 800.0), price_per_kwh=6000)
    problem = site.problem()
    solution = solve(problem)
    assert np.allclose(1e3 * solution.power_mw[0, :64], 25.0, atol=KW)
    assert np.allclose(1e3 * solution.power_mw[0, 64:72], 0.0, atol=KW)
    costs = costs_by_name(problem, solution)
    assert costs["any consumption breach of device"] == pytest.approx(2_500.0, rel=COST)
    assert costs["all consumption breaches of device"] == pytest.approx(10_000.0, rel=COST)


def test_the_largest_breach_alone_is_repeated_and_with_every_breach_is_not() -> None:
    price, back = 100.0 + SLOPE, 90.0 + SLOPE
    price[10], back[10] = SLOPE[10], -10.0 + SLOPE[10]
    powers = []
    for drops in ("all consumption breaches", ""):
        site = Site(list(price), list(back))
        site.stock(site.device(-1000, 1000), start=400, high=1000, full=None)
        site.breach("consumption", 100, 1)
        site.wish(0, "targets", {1: 600})
        site.commitments = [each for each in site.commitments if each.name != drops]
        powers.append(1e3 * solve(site.problem()).power_mw[0])
    assert powers[0][[0, 10]] == pytest.approx([200.0, 200.0], abs=KW)
    assert powers[1][[0, 10]] == pytest.approx([200.0, 100.0], abs=KW)


def draining_site() -> Site:
    site = Site(list(100.0 + SLOPE), list(90.0 + SLOPE))
    site.stock(site.device(-1000, 1000), start=400, high=1000, full=None)
    return site


def test_a_battery_is_drained_in_the_dearest_hour() -> None:
    solution = solve(draining_site().problem())
    assert solution.objective == pytest.approx(-36.4, rel=COST)
    assert 1e3 * solution.power_mw[0] == pytest.approx([0.0] * 23 + [-400.0], abs=KW)


def test_a_battery_is_drained_in_as_few_dear_hours_as_a_limit_allows() -> None:
    site = draining_site()
    site.limit([0], -100, 100)
    solution = solve(site.problem())
    assert 1e3 * solution.power_mw[0] == pytest.approx([0.0] * 20 + [-100.0] * 4, abs=KW)


def test_a_battery_is_drained_evenly_where_the_peak_is_what_costs() -> None:
    site = draining_site()
    site.peak("production", 0, 80)
    solution = solve(site.problem())
    assert 1e3 * solution.power_mw[0] == pytest.approx([-400.0 / 24] * 24, abs=KW)


def test_two_vehicles_share_the_cheap_hours() -> None:
    price = [0.8598, 1.4613, 2430.3887, 3000.1779, 18.6619, 369.3274]
    site = Site(price)
    for step in (6, 3):
        g = site.stock(site.device(0, [0.0] + [1000.0] * 5), high=1000, full=None)
        site.wish(g, "targets", {step: 1000})
    site.limit([0, 1], -1000, 1000)
    solution = solve(site.problem())
    assert 1e3 * solution.power_mw == pytest.approx(np.array([[0, 0, 0, 0, 1000, 0], [0, 1000, 0, 0, 0, 0]]), abs=KW)


def test_a_battery_and_a_heat_store() -> None:
    site = Site([100.0] * HOURS)
    site.stock(site.device(-20, 20, 0.95, 0.95), start=20, equal={23: 80})
    site.stock(site.device(0, 10, 0.95), start=10, high=50, full=50, equal={23: 40})
    problem = site.problem()
    solution = solve(problem)
    net = costs_by_name(problem, solution)["net energy"]
    assert net == pytest.approx(7.47, abs=0.006)
    energy_kwh = 1e3 * solution.power_mw.sum(axis=1)
    assert 0.1 * energy_kwh == pytest.approx([4.32, 3.16], abs=0.006)
    assert 1e3 * solution.power_mw[0, [0, 1, 2, -1]] == pytest.approx([20, 20, 20, -20], abs=KW)
    assert 1e3 * solution.power_mw[1, :3] == pytest.approx([10, 10, 10], abs=KW)
    assert np.allclose(solution.power_mw[:, 4:-1], 0.0, atol=1e-3 * KW)
