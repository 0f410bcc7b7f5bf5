"""What a solution is worth: power flows, objectives and violations of a sequence of configurations of a grid.

This is the judgement that is reported and that decides between solutions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.constraints import PeriodState, RadialFlow, find_violations
from services.optimizer.reconfiguration.expansion import expand_flow, solve_reduced
from services.optimizer.reconfiguration.flow import PeriodFlow
from services.optimizer.reconfiguration.network import BoolArray, Demands, FloatArray, PowerGrid
from services.optimizer.reconfiguration.problem import IMAX, IMAX_50, INTERRUPTION, SWITCHING, TOTAL_LOSS
from services.optimizer.reconfiguration.reduction import (
    Reduction,
    interruptions_of,
    reduce_configuration,
    reduce_demands,
)
from services.optimizer.reconfiguration.topology import Trees, grow_trees
from services.optimizer.reconfiguration.verdict import Verdict


@dataclass(frozen=True)
class Evaluation:
    """The flow of each period, None where cycles or misfed transformers forbid one, and the verdict on the whole."""

    flows: tuple[PeriodFlow | None, ...]
    expected_costs: FloatArray  # (T, N) cost of interruptions of each consumer as if each period went on for ever [NOK]
    verdict: Verdict


def evaluate(
    grid: PowerGrid, reduction: Reduction, demands: Demands, configurations: BoolArray, start: BoolArray | None
) -> Evaluation:
    """Evaluate configurations (T, L), one for each period of the demands.

    Args:
        start: (L,) configuration before the first period; without one the first period is free of switching.
    """
    states = _period_states(grid, reduction, demands, configurations)
    flows = tuple(state.flow.original if state.flow else None for state in states)
    is_switched = _switched(configurations, start)
    violations, amount = find_violations(grid, reduction, states)
    values = _objectives(grid, demands.hours, flows, is_switched)
    values[INTERRUPTION], expected_costs = _interruption_costs(grid, reduction, demands, states)
    verdict = Verdict(
        is_feasible=not violations,
        violations=violations,
        values=values,
        violation_amount=amount,
        changed_switches=tuple(is_switched.sum(axis=1).tolist()),
    )
    return Evaluation(flows, expected_costs, verdict)


def _period_states(
    grid: PowerGrid, reduction: Reduction, demands: Demands, configurations: BoolArray
) -> list[PeriodState]:
    p_w, q_var = reduce_demands(reduction, demands)
    reduced_open = reduce_configuration(reduction, configurations)
    trees_of: dict[bytes, Trees] = {}  # configurations often last for several periods
    states: list[PeriodState] = []
    for t, period in enumerate(demands.periods):
        key = reduced_open[t].tobytes()
        if key not in trees_of:
            trees_of[key] = grow_trees(reduction.network, reduced_open[t])
        trees = trees_of[key]
        flow = None
        if trees.allow_flow:
            reduced = solve_reduced(reduction.network, trees, p_w[t], q_var[t])
            flow = RadialFlow(reduced, expand_flow(grid, reduction, trees, reduced, configurations[t]))
        states.append(PeriodState(period, demands.p_w[t], demands.q_var[t], reduced_open[t], trees, flow))
    return states


def _switched(configurations: BoolArray, start: BoolArray | None) -> BoolArray:
    """(T, L) switches that are moved before each period."""
    before_first = configurations[:1] if start is None else start[None, :]
    before = np.concatenate([before_first, configurations[:-1]])
    is_switched: BoolArray = configurations ^ before
    return is_switched


def _objectives(
    grid: PowerGrid, hours: FloatArray, flows: tuple[PeriodFlow | None, ...], is_switched: BoolArray
) -> FloatArray:
    values: FloatArray = np.zeros(5)
    for length, flow in zip(hours.tolist(), flows, strict=True):
        if flow is None:
            continue
        with np.errstate(all="ignore"):  # a failed flow may have grown beyond all bounds
            values[TOTAL_LOSS] += length * flow.loss_w.sum() / 1e6
            values[IMAX] += length * np.maximum(flow.current_a - grid.imax_a, 0.0).sum()
            values[IMAX_50] += length * np.maximum(flow.current_a - 0.5 * grid.imax_a, 0.0).sum()
    if None in flows:
        values[TOTAL_LOSS] = 0.0  # as clients know it: a loss is that of all periods or none
    values[SWITCHING] = (is_switched * grid.switching_cost).sum()
    return values


def _interruption_costs(
    grid: PowerGrid, reduction: Reduction, demands: Demands, states: list[PeriodState]
) -> tuple[float, FloatArray]:
    """The total over all periods, and per period and node what it would be if the demand of the period went on for ever."""
    interruptions = interruptions_of(reduction, demands)
    total = 0.0
    per_consumer: FloatArray = np.zeros((len(states), len(grid.nodes)))
    if interruptions is not None:
        for t, state in enumerate(states):
            trees = state.trees
            if trees.cycle_count:
                continue
            above = (trees.supplied_order, trees.upstream_line, trees.upstream_bus)
            total += float(interruptions.cost(t, *above).sum())
            per_consumer[t, reduction.node_of_bus] = interruptions.cost(t, *above, with_later=False)
    return total, per_consumer
