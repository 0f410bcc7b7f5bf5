"""What holds of every schedule, whatever its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.optimizer.scheduling.errors import Infeasible
from services.optimizer.scheduling.problem import Commitment, Device, Flow, Kind, Level, Limit, ScheduleProblem, Stock
from services.optimizer.scheduling.program import assemble
from services.optimizer.scheduling.reduction import reduce_problem
from services.optimizer.scheduling.solver import Solution, solve
from tests.unit.optimizer.scheduling.independent_model import schedule_faults
from tests.unit.optimizer.scheduling.random_problems import random_problem
from tests.unit.optimizer.scheduling.sites import Site

SEEDS = range(1000, 1040)
COST = 1e-6


def solved(problem: ScheduleProblem) -> Solution | None:
    try:
        return solve(problem)
    except Infeasible:
        return None


def scaled(problem: ScheduleProblem, power: float, price: float) -> ScheduleProblem:
    """All powers and energies times one number, all prices times another."""

    def times(array: np.ndarray | None, factor: float) -> np.ndarray | None:
        return None if array is None else array * factor

    devices = tuple(
        replace(
            each,
            lower_mw=each.lower_mw * power,
            upper_mw=each.upper_mw * power,
            bands=tuple((low * power, high * power) for low, high in each.bands),
        )
        for each in problem.devices
    )
    stocks = tuple(
        replace(
            each,
            start_mwh=each.start_mwh * power,
            gain_mw=times(each.gain_mw, power),
            lower_mwh=times(each.lower_mwh, power),
            upper_mwh=times(each.upper_mwh, power),
            equal_mwh=times(each.equal_mwh, power),
        )
        for each in problem.stocks
    )
    limits = tuple(
        replace(each, lower_mw=each.lower_mw * power, upper_mw=each.upper_mw * power) for each in problem.limits
    )
    commitments = tuple(
        replace(
            each,
            quantity=each.quantity * power,
            up_price=times(each.up_price, price),
            down_price=times(each.down_price, price),
        )
        for each in problem.commitments
    )
    return replace(problem, devices=devices, stocks=stocks, limits=limits, commitments=commitments)


@pytest.mark.parametrize(("power", "price"), [(1e-3, 1.0), (100.0, 1.0), (1.0, 1e-3), (50.0, 20.0)])
def test_larger_powers_and_prices_cost_as_much_more(power: float, price: float) -> None:
    for seed in SEEDS:
        problem = random_problem(seed)
        plain, larger = solved(problem), solved(scaled(problem, power, price))
        assert (plain is None) == (larger is None), seed
        if plain is not None and larger is not None:
            assert larger.objective == pytest.approx(
                power * price * plain.objective, rel=COST, abs=1e-7 * power * price
            ), seed


def test_another_order_of_devices_and_commitments_costs_the_same() -> None:
    for seed in SEEDS:
        problem = random_problem(seed)
        count = len(problem.devices)
        place = {d: count - 1 - d for d in range(count)}

        def moved(devices: tuple[int, ...], place: dict[int, int] = place) -> tuple[int, ...]:
            return tuple(place[d] for d in devices)

        turned = replace(
            problem,
            devices=problem.devices[::-1],
            stocks=tuple(replace(each, members=moved(each.members)) for each in problem.stocks),
            limits=tuple(replace(each, devices=moved(each.devices)) for each in problem.limits),
            couplings=tuple(replace(each, devices=moved(each.devices)) for each in problem.couplings),
            commitments=tuple(
                replace(each, over=Flow(moved(each.over.devices))) if isinstance(each.over, Flow) else each
                for each in problem.commitments[::-1]
            ),
        )
        plain, other = solved(problem), solved(turned)
        assert (plain is None) == (other is None), seed
        if plain is not None and other is not None:
            assert other.objective == pytest.approx(plain.objective, rel=COST, abs=1e-7), seed


def test_a_hard_limit_less_never_costs_more() -> None:
    for seed in SEEDS:
        problem = random_problem(seed)
        if problem.limits and (strict := solved(problem)) is not None:
            free = solve(replace(problem, limits=problem.limits[1:]))
            assert free.objective <= strict.objective + COST * abs(strict.objective) + 1e-7, seed


def test_losses_and_directions_are_kept_over_a_day_of_negative_prices() -> None:
    hours = np.arange(48)
    site = Site(list(30.0 * np.sin(hours / 7.0) - 12.0), list(30.0 * np.sin(hours / 7.0) - 20.0), step_h=0.5)
    for k in range(3):
        site.stock(site.device(-20 - k, 20, 0.9, 0.8), start=50, high=60 + k, full=60 + k)
    site.limit(range(3), -45, 45)
    problem = site.problem()
    solution = solve(problem, time_limit_s=20.0, mip_gap=0.02)
    assert solution.gap <= 0.02
    assert schedule_faults(problem, solution.power_mw, solution.level_mwh) == []


def test_a_week_of_flat_prices_is_charged_at_once_beside_a_dear_breach() -> None:
    """Preferences of a hundred millionth of a price decide, while a price of ten thousand millions is paid elsewhere."""
    steps = 672
    site = Site([100.0] * steps, 99.0, step_h=0.25)
    g = site.stock(site.device(-10, 10), high=1000, full=1000)
    site.wish(g, "minima", {steps: 101})
    other = site.stock(site.device(0, 1), start=0, high=1000, full=None)
    site.wish(other, "minima", {4: 500}, price_per_kwh=1e7)
    solution = solve(site.problem())
    power_kw = 1e3 * solution.power_mw[0]
    expected = np.zeros(steps)
    expected[:40], expected[40] = 10.0, 4.0
    assert np.allclose(power_kw, expected, atol=1e-4)


def test_time_that_runs_out_leaves_a_schedule_with_its_gap() -> None:
    steps = 96
    hours = np.arange(steps) / 4
    site = Site(list(30.0 * np.sin(hours / 3.8)), list(30.0 * np.sin(hours / 3.8) - 20.0), step_h=0.25)
    for k in range(10):
        size = 20.0 + 7.0 * k
        site.stock(site.device(-size, size, 0.95, 0.95), start=size, high=3 * size, full=3 * size)
    site.load(list(100.0 + 50.0 * np.cos(hours)))
    site.limit(range(11), -400, 400)
    problem = site.problem()
    solution = solve(problem, time_limit_s=1.5)
    assert not solution.is_proven
    assert 0.0 < solution.gap < 1.0
    assert schedule_faults(problem, solution.power_mw, solution.level_mwh) == []
    assert solve(problem, time_limit_s=10.0, mip_gap=2.0 * solution.gap).is_proven


def test_prices_for_both_ways_together_need_no_choice() -> None:
    """One price falls where the other rises more: their sum rises, and a linear program is enough."""
    steps = 4
    one, zero = np.ones(steps), np.zeros(steps)
    device = Device("device 0", -0.1 * one, 0.1 * one)
    prices = (
        Commitment("falls", Kind.EACH, Flow((0,)), zero, 10.0 * one, 30.0 * one),
        Commitment("rises", Kind.EACH, Flow((0,)), zero, 50.0 * one, -50.0 * one),
    )
    problem = ScheduleProblem(1.0, steps, (device,), commitments=prices)
    assert assemble(problem, reduce_problem(problem)).breaks == ()
    alone = replace(problem, commitments=prices[:1])
    assert len(assemble(alone, reduce_problem(alone)).breaks) == 1
    solution = solve(problem)
    assert np.allclose(solution.power_mw, 0.0)
    assert solution.objective == 0.0


@pytest.mark.parametrize("count", [2, 5])
def test_where_it_costs_nothing_devices_take_what_they_need_in_their_order(count: int) -> None:
    """One connection for chargers that each need a step of it, at one price: there are as many best schedules as orders."""
    steps = count + 2
    none, most = np.zeros(steps), np.full(steps, 50e-3)
    devices = tuple(Device(f"charger {d}", none, most) for d in range(count))
    full = np.full(steps, np.nan)
    full[-1] = 50e-3
    stocks = tuple(Stock(f"car {d}", (d,), 0.0, upper_mwh=most, equal_mwh=full) for d in range(count))
    everyone = tuple(range(count))
    energy = Commitment("energy", Kind.EACH, Flow(everyone), none, np.full(steps, 20.0), np.full(steps, 20.0))
    sooner = tuple(
        Commitment(f"sooner {d}", Kind.EACH, Level(d), most, none, -1e-3 * np.linspace(1.0, 0.0, steps))
        for d in everyone
    )
    connection = Limit("connection", everyone, none, most)
    problem = ScheduleProblem(1.0, steps, devices, stocks, (connection,), commitments=(energy, *sooner))
    assert solve(problem).power_mw == pytest.approx(50e-3 * np.eye(count, steps), abs=1e-9)
