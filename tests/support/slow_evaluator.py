"""A slow judge of whole solutions, written from the definitions alone: no code of the optimiser beyond its data types.

It works on the grid as it is uploaded; only what decides over cycles, supply and interruptions is found on what reduction
leaves of it. Flows that diverge are not its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray, BusKind, Demands, FloatArray, PowerGrid
from tests.support.slow_flow import SlowFlow, solve_slowly
from tests.support.slow_grid import Edge, feeding_terminals, flood, has_modes, providers, reduce_slowly
from tests.support.slow_interruptions import interruption_costs

CONSUMER_VOLTAGE = "Consumer bus voltage limits (Iterated DF)"
LINE_VOLTAGE = "Line voltage limits (Iterated DF)"
PROVIDER_CAPACITY = "Provider capacity (Iterated DF)"
USELESS_PERIOD = 1e100  # amount of a period that is not radial or leaves demand without supply


@dataclass
class SlowWorth:
    """What a solution is worth: the five values, the amount of its violations, and what is violated by name and ids."""

    values: FloatArray  # (5,)
    amount: float
    # By name the ids of elements, or of periods where no element is at fault.
    violated: dict[str, set[str]] = field(default_factory=dict)
    changed_switches: tuple[int, ...] = ()
    costs: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))  # (T, N) of interruptions, each period for ever
    flows: list[SlowFlow | None] = field(default_factory=list)  # per period, none where it is impossible
    by_period: list[FloatArray] = field(default_factory=list)  # what each adds to the values


def judge(grid: PowerGrid, demands: Demands, configurations: BoolArray, start: BoolArray | None) -> SlowWorth:
    """A solution (T, L)."""
    worth = SlowWorth(np.zeros(5), 0.0, costs=np.zeros((len(demands.periods), len(grid.nodes))))
    buses, edges = reduce_slowly(grid)
    before = start
    for t, is_open in enumerate(configurations):
        so_far = worth.values.copy()
        moved = [] if before is None else [k for k in range(len(grid.lines)) if before[k] != is_open[k]]
        worth.values[3] += sum(grid.lines[k].switching_cost for k in moved)
        worth.changed_switches += (len(moved),)
        before = is_open
        present = [edge for edge in edges if not (edge.is_switch and is_open[edge.lines[0]])]
        _judge_period(grid, demands, t, is_open, buses, present, worth)
        supplied = flood(providers(grid), present)
        if _cycles(grid, supplied, present) == 0:
            costs = interruption_costs(grid, demands, t, edges, present)
            worth.values[4] += costs[0].sum()
            worth.costs[t] = costs[1]
        worth.by_period.append(worth.values - so_far)
    if None in worth.flows:
        worth.values[0] = 0.0
    return worth


def _cycles(grid: PowerGrid, supplied: set[int], present: Sequence[Edge]) -> int:
    return sum(edge.ends[0] in supplied for edge in present) - (len(supplied) - len(providers(grid)))


def _judge_period(
    grid: PowerGrid,
    demands: Demands,
    t: int,
    is_open: BoolArray,
    buses: set[int],
    present: Sequence[Edge],
    worth: SlowWorth,
) -> None:
    period = demands.periods[t]
    supplied = flood(providers(grid), present)
    wants = (demands.p_w[t] != 0) | (demands.q_var[t] != 0)
    dark = {bus for bus in buses if wants[bus] and bus not in supplied}
    cycles = _cycles(grid, supplied, present)
    fed_at = feeding_terminals(grid, is_open)
    misfed = {x for x, terminal in fed_at.items() if not has_modes(grid, x, terminal)}

    def violate(name: str, *ids: str) -> None:
        worth.violated.setdefault(name, set()).update(ids)

    if dark and "Connnected consumers" not in worth.violated:  # the first such period is described
        violate("Connnected consumers", period.id, *(grid.nodes[bus].id for bus in dark))
    if cycles or misfed:
        for name in (CONSUMER_VOLTAGE, LINE_VOLTAGE, PROVIDER_CAPACITY, "Computing a consistent flow (Iterated DF)"):
            violate(name)
        violate("Radial configuration", period.id)
        worth.amount += 1
    if cycles:
        violate("Cyclic power flow", f"{cycles} cycles in period {period.id}")
    if misfed:
        violate("Transformer input/output terminals", *(grid.transformers[x].id for x in misfed))
        violate("Invalid tranformer modes")
        worth.amount += len(misfed)
    if dark or cycles or misfed:
        worth.amount += USELESS_PERIOD
    if cycles or misfed:
        worth.flows.append(None)
        return

    flow = solve_slowly(grid, demands.p_w[t] + 1j * demands.q_var[t], is_open, fed_at)
    v = np.abs(flow.voltage_v)
    worth.flows.append(flow)
    worth.values[0] += period.hours * flow.loss_w.sum() / 1e6
    for k, line in enumerate(grid.lines):
        size = abs(flow.current_a[k])
        if not is_open[k] and np.isfinite(line.imax_a):
            worth.values[1] += period.hours * max(size - line.imax_a, 0.0)
            worth.values[2] += period.hours * max(size - 0.5 * line.imax_a, 0.0)
        excess = max(v[line.source], v[line.target]) - line.vmax_v
        if not is_open[k] and excess > 0:
            violate(LINE_VOLTAGE, line.id)
            worth.amount += excess
    for k in sorted(buses):
        node = grid.nodes[k]
        if node.kind is BusKind.CONSUMER and (k in supplied or wants[k]):
            excess = max(node.v_min_v - v[k], v[k] - node.v_max_v)
            if excess > 0:
                violate(CONSUMER_VOLTAGE, node.id)
                worth.amount += excess
    for k, injection in flow.injection_va.items():
        excess = injection.real - grid.nodes[k].p_gen_max_w
        if excess > 0:
            violate(PROVIDER_CAPACITY, grid.nodes[k].id)
            worth.amount += excess**2
