"""The hard constraints on a solution: which of them it breaks, in words that clients know, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.appraisal import NOT_RADIAL_AMOUNT
from services.optimizer.reconfiguration.expansion import ReducedFlow
from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW
from services.optimizer.reconfiguration.network import BoolArray, FloatArray, IntArray, Period, PowerGrid
from services.optimizer.reconfiguration.reduction import Reduction
from services.optimizer.reconfiguration.topology import Trees, original_path, shortest_cycle
from services.optimizer.reconfiguration.verdict import Violation
from services.optimizer.reconfiguration.wording import listed, listed_ids, number, quoted, shown

CONSUMER_VOLTAGE = "Consumer bus voltage limits (Iterated DF)"
LINE_VOLTAGE = "Line voltage limits (Iterated DF)"
PROVIDER_CAPACITY = "Provider capacity (Iterated DF)"
TRANSFORMER_TERMINALS = "Transformer input/output terminals"
CONSISTENT_FLOW = "Computing a consistent flow (Iterated DF)"
RADIAL = "Radial configuration"
CONNECTED = "Connnected consumers"  # three n: clients know it by this name
CYCLIC = "Cyclic power flow"
TRANSFORMER_MODES = "Invalid tranformer modes"  # and by this, without the s


@dataclass(frozen=True)
class RadialFlow:
    """The flow of one period in both networks."""

    reduced: ReducedFlow
    original: PeriodFlow


@dataclass(frozen=True)
class PeriodState:
    """What was computed for one period; there is no flow where cycles or misfed transformers forbid one."""

    period: Period
    p_w: FloatArray  # (N,)
    q_var: FloatArray  # (N,)
    reduced_open: BoolArray  # (m,)
    trees: Trees
    flow: RadialFlow | None


@dataclass(frozen=True, slots=True)
class _Breach:
    """One element beyond its limit in one period."""

    text: str
    amount: float


_Check = Callable[[PeriodState, RadialFlow], Iterator[_Breach]]


def find_violations(
    grid: PowerGrid, reduction: Reduction, states: Sequence[PeriodState]
) -> tuple[tuple[Violation, ...], float]:
    """Violations of a solution in the order in which they are reported, and the amount that ranks infeasible ones.

    The amount adds volts beyond voltage limits, squared watts beyond provider limits and misfed transformers, a sum that
    outweighs these for each period whose flow fails, instead of what its meaningless numbers exceed, and one that outweighs
    everything for each period that is not radial or leaves demand without supply. The search counts in the same way: what it
    finds could otherwise never replace a solution whose flow fails or that leaves consumers in the dark.
    """
    checks: tuple[tuple[str, _Check], ...] = (
        (CONSUMER_VOLTAGE, lambda state, flow: _consumer_voltages(grid, reduction, state, flow)),
        (LINE_VOLTAGE, lambda _, flow: _line_voltages(grid, flow)),
        (PROVIDER_CAPACITY, lambda state, flow: _provider_capacities(grid, reduction, state, flow)),
    )
    violations: list[Violation] = []
    amount = 0.0
    for name, check in checks:
        violation, excess = _flow_limit(name, check, states)
        violations += violation
        amount += excess
    without_flow = [state for state in states if state.flow is None or _has_failed(state.flow)]
    failed = [state for state in states if state.flow is not None and _has_failed(state.flow)]
    not_radial = [state for state in states if not state.trees.allow_flow]
    misfed = [state for state in states if state.trees.outputs.misfed.size]
    unserved = [(state, nodes) for state in states if (nodes := _unserved_nodes(reduction, state)).size]
    of_no_use = {id(state) for state in (*not_radial, *(state for state, _ in unserved))}
    amount += sum(state.trees.outputs.misfed.size for state in misfed)
    amount += FAILED_FLOW * len(failed) + NOT_RADIAL_AMOUNT * len(of_no_use)
    violations += _misfed_terminals(grid, misfed)
    violations += _inconsistent_flow(without_flow)
    violations += _not_radial(not_radial)
    violations += _unserved(grid, unserved)
    violations += _cyclic(grid, reduction, [state for state in not_radial if state.trees.cycle_count])
    violations += _missing_modes(grid, misfed)
    return tuple(violations), amount


def _has_failed(flow: RadialFlow) -> bool:
    return flow.original.status < FlowStatus.APPROXIMATE


def _flow_limit(name: str, check: _Check, states: Sequence[PeriodState]) -> tuple[list[Violation], float]:
    """A constraint on flows; it cannot be shown to hold where there is none."""
    texts: list[str] = []
    amount = 0.0
    for state in states:
        at = f"period starting {state.period.start.isoformat()}"
        if state.flow is None:
            texts.append(f"{at}: no power flow")
            continue
        for breach in check(state, state.flow):
            texts.append(f"{at}: {breach.text}")
            amount += 0.0 if _has_failed(state.flow) else breach.amount
    return [Violation(name, listed(texts, "; "))] if texts else [], amount


def _consumer_voltages(
    grid: PowerGrid, reduction: Reduction, state: PeriodState, flow: RadialFlow
) -> Iterator[_Breach]:
    nodes = reduction.node_of_bus
    lowest, highest = reduction.network.v_min_v, reduction.network.v_max_v
    v = flow.original.voltage_v[nodes]
    wants_power = (state.p_w[nodes] != 0) | (state.q_var[nodes] != 0)
    may_be_dark = (v == 0) & ~wants_power
    for bus in np.flatnonzero(((v < lowest) | (v > highest)) & ~may_be_dark).tolist():
        yield _Breach(
            f"consumer {quoted(grid.nodes[nodes[bus]].id)} has {number(v[bus])} V,"
            f" not between {number(lowest[bus])} V and {number(highest[bus])} V",
            float(max(lowest[bus] - v[bus], v[bus] - highest[bus])),
        )


def _line_voltages(grid: PowerGrid, flow: RadialFlow) -> Iterator[_Breach]:
    v = flow.original.voltage_v
    highest = np.maximum(v[grid.line_source], v[grid.line_target])
    for k in np.flatnonzero(flow.original.is_present & (highest > grid.vmax_v)).tolist():
        yield _Breach(
            f"line {quoted(grid.lines[k].id)} has {number(highest[k])} V, more than {number(grid.vmax_v[k])} V",
            float(highest[k] - grid.vmax_v[k]),
        )


def _provider_capacities(
    grid: PowerGrid, reduction: Reduction, state: PeriodState, flow: RadialFlow
) -> Iterator[_Breach]:
    roots = state.trees.order[state.trees.tree_start[:-1]]
    for root, injection in zip(roots.tolist(), flow.reduced.injection_va.real.tolist(), strict=True):
        limit = float(reduction.network.p_gen_max_w[root])
        excess = injection - limit
        if excess > 0:
            node = grid.nodes[reduction.node_of_bus[root]]
            yield _Breach(
                f"provider {quoted(node.id)} injects {number(injection)} W, more than {number(limit)} W",
                excess * excess,
            )


def _inconsistent_flow(without_flow: Sequence[PeriodState]) -> list[Violation]:
    texts = [
        f"Period {shown(state.period.id)}: "
        + (state.flow.original.status_details if state.flow else f"the computation failed, as {_why_no_flow(state)}")
        for state in without_flow
    ]
    return [Violation(CONSISTENT_FLOW, listed(texts, "\n"))] if texts else []


def _why_no_flow(state: PeriodState) -> str:
    return "there are cycles" if state.trees.cycle_count else "transformers are used in missing modes"


def _misfed_terminals(grid: PowerGrid, misfed: Sequence[PeriodState]) -> list[Violation]:
    """Transformers that are fed at a terminal from which no mode leads to another one."""
    texts = [
        f"{listed_ids([grid.transformers[x].id for x in state.trees.outputs.misfed])} in period {shown(state.period.id)}"
        for state in misfed
    ]
    if not texts:
        return []
    return [Violation(TRANSFORMER_TERMINALS, f"Transformers fed in a direction without mode: {listed(texts, '; ')}")]


def _missing_modes(grid: PowerGrid, misfed: Sequence[PeriodState]) -> list[Violation]:
    """The same transformers, by the nodes that they connect."""
    texts = []
    for state in misfed:
        transformers = [
            "transformer connecting " + "/".join(shown(grid.nodes[node].id) for node in grid.transformers[x].terminals)
            for x in state.trees.outputs.misfed
        ]
        texts.append(f"Period {shown(state.period.id)}: {listed(transformers)}")
    return [Violation(TRANSFORMER_MODES, listed(texts, "\n"))] if texts else []


def _not_radial(not_radial: Sequence[PeriodState]) -> list[Violation]:
    if not not_radial:
        return []
    periods = listed_ids([state.period.id for state in not_radial])
    return [Violation(RADIAL, f"The configuration is not radial in periods: {periods}")]


def _unserved_nodes(reduction: Reduction, state: PeriodState) -> IntArray:
    """Nodes that have demand and no supply."""
    nodes = reduction.node_of_bus
    wants_power = (state.p_w[nodes] != 0) | (state.q_var[nodes] != 0)
    unserved: IntArray = nodes[wants_power & ~state.trees.is_supplied & ~reduction.network.is_provider]
    return unserved


def _unserved(grid: PowerGrid, unserved: Sequence[tuple[PeriodState, IntArray]]) -> list[Violation]:
    """Demand without supply, of the first period that has any."""
    for state, nodes in unserved:
        missing, total = float(state.p_w[nodes].sum()), float(state.p_w.sum())
        share = 100.0 * missing / total if total else 0.0
        ids = listed_ids([grid.nodes[node].id for node in nodes])
        text = f"{missing:,.2f} VA active power ({share:.2f} % of all) is not supplied in period {shown(state.period.id)}: {ids}"
        return [Violation(CONNECTED, text)]
    return []


def _cyclic(grid: PowerGrid, reduction: Reduction, not_radial: Sequence[PeriodState]) -> list[Violation]:
    """The number of cycles of each period and a shortest one of them."""
    cycles: dict[int, str] = {}  # by the identity of the trees, which periods of one configuration share
    texts: list[str] = []
    for state in not_radial:
        trees = state.trees
        if id(trees) not in cycles:
            cycles[id(trees)] = ", ".join(_shortest_cycle_ids(grid, reduction, state))
        period = shown(state.period.id)
        texts.append(f"{trees.cycle_count} cycles in period {period}, for example: {cycles[id(trees)]}")
    return [Violation(CYCLIC, listed(texts, "\n"))] if texts else []


def _shortest_cycle_ids(grid: PowerGrid, reduction: Reduction, state: PeriodState) -> list[str]:
    is_dark = ~state.trees.is_supplied[reduction.network.source]
    loop = shortest_cycle(reduction.network, state.reduced_open | is_dark)
    assert loop is not None, "a line that closes a cycle among supplied buses is in one"
    return [grid.lines[line].id for line in original_path(loop, reduction.paths)]
