"""The scheduling problem written down a second time, step by step and with every binary that its definition has.

Slow and simple: U and D for every device, deviations for every commitment. What ``schedule_faults`` and ``schedule_cost`` say of a
schedule needs no solver at all.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo

from services.optimizer.scheduling.problem import Commitment, FloatArray, Flow, Kind, ScheduleProblem, Stock

OPTIONS = {
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.0,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_feasibility_tolerance": 1e-9,
    "threads": 1,
}


def least_cost(problem: ScheduleProblem) -> float | None:
    """The least cost of a problem; None if nothing keeps its limits.

    HiGHS calls a worse schedule the best for one model in a thousand, another one with presolve than without: it is asked both ways.
    """
    model = model_of(problem)
    found = [cost for presolve in ("on", "off") if (cost := _solved(model, presolve)) is not None]
    return min(found, default=None)


def _solved(model: Any, presolve: str) -> float | None:
    solver = pyo.SolverFactory("appsi_highs")
    solver.highs_options = {**OPTIONS, "presolve": presolve}
    result = solver.solve(model, load_solutions=False)
    end = result.solver.termination_condition
    if end in {pyo.TerminationCondition.infeasible, pyo.TerminationCondition.infeasibleOrUnbounded}:
        return None
    assert end == pyo.TerminationCondition.optimal, end
    return float(result.problem.upper_bound)


def model_of(problem: ScheduleProblem) -> Any:
    """The whole problem as a mixed-integer model."""
    m = pyo.ConcreteModel()
    m.rules = pyo.ConstraintList()
    m.J = range(problem.step_count)
    m.U = pyo.Var(range(len(problem.devices)), m.J, domain=pyo.NonNegativeReals)
    m.D = pyo.Var(range(len(problem.devices)), m.J, domain=pyo.NonPositiveReals)
    m.P = pyo.Var(range(len(problem.devices)), m.J)
    m.s = pyo.Var(range(len(problem.stocks)), m.J)
    m.binaries = pyo.VarList(domain=pyo.Binary)
    m.free = pyo.VarList(domain=pyo.Reals)
    m.positive = pyo.VarList(domain=pyo.NonNegativeReals)
    for d in range(len(problem.devices)):
        _device(m, problem, d)
    for g, stock in enumerate(problem.stocks):
        _stock(m, problem, g, stock)
    for limit in problem.limits:
        for j in m.J:
            total = sum(m.P[d, j] for d in limit.devices)
            if math.isfinite(limit.lower_mw[j]):
                m.rules.add(total + 0.0 * m.P[0, j] >= float(limit.lower_mw[j]))
            if math.isfinite(limit.upper_mw[j]):
                m.rules.add(total + 0.0 * m.P[0, j] <= float(limit.upper_mw[j]))
    for coupling in problem.couplings:
        for j in m.J:
            alpha = m.free.add()
            for d, coefficient in zip(coupling.devices, coupling.coefficients, strict=True):
                m.rules.add(m.P[d, j] == coefficient * alpha)
    m.cost = pyo.Objective(expr=sum((_commitment(m, problem, each) for each in problem.commitments), 0.0 * m.P[0, 0]))
    return m


def _device(m: Any, problem: ScheduleProblem, d: int) -> None:
    device = problem.devices[d]
    big = max(1.0, *(float(np.abs(each).max()) for o in problem.devices for each in (o.lower_mw, o.upper_mw)))
    for j in m.J:
        low, high = float(device.lower_mw[j]), float(device.upper_mw[j])
        m.rules.add(m.P[d, j] == m.U[d, j] + m.D[d, j])
        m.rules.add((low, m.P[d, j], high))
        m.rules.add(m.D[d, j] >= min(low, 0.0))
        m.rules.add(m.U[d, j] <= max(high, 0.0))
        consumes = m.binaries.add()
        m.rules.add(m.U[d, j] <= big * consumes)
        m.rules.add(-m.D[d, j] <= big * (1 - consumes))
        if device.bands:
            modes = [m.binaries.add() for _ in device.bands]
            m.rules.add(sum(modes) == 1)
            m.rules.add(m.P[d, j] >= sum(z * low for z, (low, _) in zip(modes, device.bands, strict=True)))
            m.rules.add(m.P[d, j] <= sum(z * high for z, (_, high) in zip(modes, device.bands, strict=True)))


def _stock(m: Any, problem: ScheduleProblem, g: int, stock: Stock) -> None:
    for j in m.J:
        a, b = _kept(stock, j)
        inflow = sum(
            m.U[d, j] * _at(problem.devices[d].charging_efficiency, j, 1.0)
            + m.D[d, j] / _at(problem.devices[d].discharging_efficiency, j, 1.0)
            for d in stock.members
        )
        before = stock.start_mwh if j == 0 else m.s[g, j - 1]
        m.rules.add(m.s[g, j] == a * before + b * problem.step_h * (inflow + _at(stock.gain_mw, j, 0.0)))
        equal = _at(stock.equal_mwh, j, math.nan)
        if not math.isnan(equal):
            m.rules.add(m.s[g, j] == equal)
            continue
        low, high = _at(stock.lower_mwh, j, -math.inf), _at(stock.upper_mwh, j, math.inf)
        if math.isfinite(low):
            m.rules.add(m.s[g, j] >= low)
        if math.isfinite(high):
            m.rules.add(m.s[g, j] <= high)


def _kept(stock: Stock, j: int) -> tuple[float, float]:
    kept = _at(stock.kept, j, 1.0)
    if kept == 1.0:
        return 1.0, 1.0
    return (kept, (kept - 1.0) / math.log(kept)) if kept > 0.0 else (0.0, 0.0)


def _at(array: FloatArray | None, j: int, otherwise: float) -> float:
    return otherwise if array is None else float(array[j])


def _commitment(m: Any, problem: ScheduleProblem, commitment: Commitment) -> Any:
    over, quantity = commitment.over, commitment.quantity

    def value(j: int) -> Any:
        return sum((m.P[d, j] for d in over.devices), 0.0 * m.P[0, 0]) if isinstance(over, Flow) else m.s[over.stock, j]

    cost: Any = 0.0
    if commitment.kind is Kind.EACH:
        for j in m.J:
            if not math.isnan(quantity[j]):
                cost += _each(m, problem, commitment, j, value(j))
        return cost
    for steps in _groups(commitment):
        above, below = m.positive.add(), m.positive.add()
        up, down = _prices(commitment, steps[0])
        cost += up * above - down * below
        if not math.isnan(quantity[steps[0]]):
            for j in steps:
                m.rules.add(quantity[j] + above >= value(j))
                m.rules.add(quantity[j] - below <= value(j))
    return cost


def _each(m: Any, problem: ScheduleProblem, commitment: Commitment, j: int, value: Any) -> Any:
    above, below = m.positive.add(), m.positive.add()
    up, down = _prices(commitment, j)
    q = float(commitment.quantity[j])
    m.rules.add(q + above - below == value)
    if up < down:
        big = abs(q) + sum(float(max(abs(d.lower_mw[j]), abs(d.upper_mw[j]))) for d in problem.devices) + 1.0
        is_above = m.binaries.add()
        m.rules.add(above <= big * is_above)
        m.rules.add(below <= big * (1 - is_above))
    return up * above - down * below


def _prices(commitment: Commitment, j: int) -> tuple[float, float]:
    up, down = _at(commitment.up_price, j, 0.0), _at(commitment.down_price, j, 0.0)
    return (0.0 if math.isnan(up) else up), (0.0 if math.isnan(down) else down)


def _groups(commitment: Commitment) -> list[list[int]]:
    """Runs of steps with the same quantity and prices."""
    groups: list[list[int]] = []
    last: tuple[str, ...] = ()
    for j, q in enumerate(commitment.quantity):
        key = tuple(repr(float(each)) for each in (q, *_prices(commitment, j)))
        if key != last:
            groups.append([])
        groups[-1].append(j)
        last = key
    return groups


def schedule_faults(
    problem: ScheduleProblem, power_mw: FloatArray, level_mwh: FloatArray, tolerance: float = 1e-7
) -> list[str]:
    """What is wrong with a schedule, in words."""
    faults: list[str] = []

    def demand(holds: bool, what: str) -> None:
        if not holds:
            faults.append(what)

    for d, device in enumerate(problem.devices):
        for j, power in enumerate(power_mw[d]):
            demand(device.lower_mw[j] - tolerance <= power <= device.upper_mw[j] + tolerance, f"{device.name} at {j}")
            inside = [low - tolerance <= power <= high + tolerance for low, high in device.bands]
            demand(not device.bands or any(inside), f"{device.name} is in no band at {j}")
    for limit in problem.limits:
        total = sum(power_mw[d] for d in limit.devices)
        within = (total >= limit.lower_mw - tolerance) & (total <= limit.upper_mw + tolerance)
        demand(bool(np.all(within)), f"{limit.name}: {total}")
    for coupling in problem.couplings:
        flows = [power_mw[d] / k for d, k in zip(coupling.devices, coupling.coefficients, strict=True)]
        demand(all(np.allclose(flow, flows[0], atol=tolerance) for flow in flows), f"{coupling.name}: {flows}")
    for g, stock in enumerate(problem.stocks):
        level = stock.start_mwh
        demand(level_mwh[g, 0] == level, f"{stock.name} at the start")
        for j in range(problem.step_count):
            a, b = _kept(stock, j)
            inflow = _at(stock.gain_mw, j, 0.0)
            for d in stock.members:
                device, power = problem.devices[d], float(power_mw[d, j])
                inflow += max(power, 0.0) * _at(device.charging_efficiency, j, 1.0)
                inflow += min(power, 0.0) / _at(device.discharging_efficiency, j, 1.0)
            level = a * level + b * problem.step_h * inflow
            demand(
                abs(level - level_mwh[g, j + 1]) <= tolerance,
                f"{stock.name} at {j}: {level}, not {level_mwh[g, j + 1]}",
            )
            equal = _at(stock.equal_mwh, j, math.nan)
            low, high = _at(stock.lower_mwh, j, -math.inf), _at(stock.upper_mwh, j, math.inf)
            low, high = (low, high) if math.isnan(equal) else (equal, equal)
            demand(low - tolerance <= level <= high + tolerance, f"{stock.name} at {j}: {level}")
    return faults


def schedule_cost(problem: ScheduleProblem, power_mw: FloatArray, level_mwh: FloatArray) -> list[float]:
    """What a schedule costs by each commitment."""
    costs = []
    for each in problem.commitments:
        over = each.over
        cost = 0.0
        for steps in [[j] for j in range(problem.step_count)] if each.kind is Kind.EACH else _groups(each):
            up, down = _prices(each, steps[0])
            excess, shortfall = 0.0, 0.0
            for j in steps:
                if isinstance(over, Flow):
                    value = sum(float(power_mw[d, j]) for d in over.devices)
                else:
                    value = float(level_mwh[over.stock, j + 1])
                if not math.isnan(each.quantity[j]):
                    excess = max(excess, value - float(each.quantity[j]))
                    shortfall = min(shortfall, value - float(each.quantity[j]))
            cost += up * excess + down * shortfall
        costs.append(cost)
    return costs
