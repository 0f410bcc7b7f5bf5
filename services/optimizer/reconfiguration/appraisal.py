"""What a configuration of the reduced network is worth, exactly: the measure of everything that the optimiser publishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.expansion import ReducedFlow, solve_reduced
from services.optimizer.reconfiguration.kernels.distflow import CONVERGED
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW
from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.problem import (
    IMAX,
    IMAX_50,
    INTERRUPTION,
    SWITCHING,
    TOTAL_LOSS,
    ReconfigurationProblem,
    ReducedNetwork,
)
from services.optimizer.reconfiguration.topology import Trees, grow_trees

ROUNDING = 1e-9  # relative: what two computations of the same violation may differ by
NOT_RADIAL_AMOUNT = 1e100  # of a period; outweighs every other amount


@dataclass(frozen=True)
class Appraisal:
    """Worth of one solution; ``precedes`` orders solutions."""

    values: FloatArray  # (5,) unweighted
    violation_amount: float
    objective: float
    is_strictly_radial: bool  # in every period each bus has supply, over one path

    def precedes(self, other: Appraisal) -> bool:
        """Whether this is better: less violation by more than rounding, or as much and a lower objective."""
        if abs(self.violation_amount - other.violation_amount) > ROUNDING * other.violation_amount:
            return self.violation_amount < other.violation_amount
        return self.objective < other.objective or (np.isnan(other.objective) and not np.isnan(self.objective))


@dataclass(frozen=True, slots=True)
class PeriodWorth:
    """Worth of the configuration of one period by itself, switching apart."""

    values: FloatArray  # (5,) unweighted, of the whole period
    violation_amount: float
    is_strictly_radial: bool
    has_flow: bool


def appraise(problem: ReconfigurationProblem, is_open: BoolArray) -> Appraisal:
    """Evaluate a solution (T, m) with the power flow that is reported.

    The violation amount adds volts beyond voltage limits, squared watts beyond the capacities of providers, a sum that
    outweighs these for each period whose flow fails, and one that outweighs everything for each period that has cycles, uses
    a transformer in a missing mode or leaves demand without supply.
    """
    return combine(problem, [appraise_period(problem, t, is_open[t]) for t in range(problem.hours.size)], is_open)


def combine(problem: ReconfigurationProblem, periods: Sequence[PeriodWorth], is_open: BoolArray) -> Appraisal:
    """The worth of a solution (T, m) from that of its periods."""
    values: FloatArray = np.sum([worth.values for worth in periods], axis=0) if periods else np.zeros(5)
    if not all(worth.has_flow for worth in periods):
        values[TOTAL_LOSS] = 0.0  # as clients know it: a loss is that of all periods or none
    values[SWITCHING] = switching_cost(problem, is_open)
    return Appraisal(
        values,
        sum(worth.violation_amount for worth in periods),
        float(values @ problem.weights),
        all(worth.is_strictly_radial for worth in periods),
    )


def appraise_period(problem: ReconfigurationProblem, period: int, is_open: BoolArray) -> PeriodWorth:
    """Evaluate the configuration (m,) of one period."""
    values: FloatArray = np.zeros(5)
    trees = grow_trees(problem.network, is_open)
    is_strictly_radial = trees.allow_flow and bool(trees.is_supplied.all())
    violation = 0.0
    if not trees.allow_flow or _leaves_demand(problem, period, trees):
        violation += NOT_RADIAL_AMOUNT
    if problem.interruptions is not None and not trees.cycle_count:
        values[INTERRUPTION] = problem.interruptions.cost(
            period, trees.supplied_order, trees.upstream_line, trees.upstream_bus
        ).sum()
    if not trees.allow_flow:
        return PeriodWorth(values, violation, is_strictly_radial, has_flow=False)
    flow = solve_reduced(problem.network, trees, problem.p_w[period], problem.q_var[period])
    with np.errstate(all="ignore"):  # a failed flow may have grown beyond all bounds
        values[:SWITCHING] = problem.hours[period] * _period_values(problem.network, flow)
        if (flow.outcome != CONVERGED).any():
            violation += FAILED_FLOW
        else:
            violation += _exceed_limits(problem.network, trees, flow)
    return PeriodWorth(values, violation, is_strictly_radial, has_flow=True)


def switching_cost(problem: ReconfigurationProblem, is_open: BoolArray) -> float:
    """Cost of all switches moved between consecutive configurations, and from the start if there is one."""
    before = is_open[:1] if problem.start_open is None else problem.start_open[None, :]
    is_moved = is_open ^ np.concatenate([before, is_open[:-1]])
    return float((is_moved * problem.network.switching_cost).sum())


def _leaves_demand(problem: ReconfigurationProblem, period: int, trees: Trees) -> bool:
    has_demand = (problem.p_w[period] != 0.0) | (problem.q_var[period] != 0.0)
    return bool((has_demand & ~trees.is_supplied).any())


def _period_values(network: ReducedNetwork, flow: ReducedFlow) -> FloatArray:
    """(3,) per hour: loss [MW], and current above the limits and above half of them [A]."""
    current = np.abs(flow.current_a)
    part_current = np.abs(network.part_share) * np.repeat(current, np.diff(network.part_start))
    values: FloatArray = np.zeros(3)
    values[TOTAL_LOSS] = ((network.r_ohm * current**2).sum() + flow.transformer_loss_va.real.sum()) / 1e6
    values[IMAX] = np.maximum(part_current - network.part_imax_a, 0.0).sum()
    values[IMAX_50] = np.maximum(part_current - 0.5 * network.part_imax_a, 0.0).sum()
    return values


def _exceed_limits(network: ReducedNetwork, trees: Trees, flow: ReducedFlow) -> float:
    """Volts beyond the limits of supplied consumers and of lines, and squared watts beyond the providers'."""
    v = np.abs(flow.voltage_v)
    supplied = trees.is_supplied & ~network.is_provider
    amount = np.maximum(network.v_min_v - v, 0.0)[supplied].sum() + np.maximum(v - network.v_max_v, 0.0)[supplied].sum()

    below = np.flatnonzero(trees.upstream_bus >= 0)
    current = np.zeros_like(flow.current_a)  # from source to target
    lines = trees.upstream_line[below]
    is_forward = network.source[lines] == trees.upstream_bus[below]
    current[lines] = np.where(is_forward, 1.0, -1.0) * flow.current_a[lines]
    line_of_part = np.repeat(np.arange(network.source.size), np.diff(network.part_start))
    source_v = flow.voltage_v[network.source][line_of_part]
    near = np.abs(source_v - network.part_offset_near * current[line_of_part])
    far = np.abs(source_v - network.part_offset_far * current[line_of_part])
    is_used = np.isin(line_of_part, lines)
    amount += np.maximum(np.maximum(near, far) - network.part_vmax_v, 0.0)[is_used].sum()

    roots = trees.order[trees.tree_start[:-1]]
    amount += (np.maximum(flow.injection_va.real - network.p_gen_max_w[roots], 0.0) ** 2).sum()
    return float(amount)
