"""Compiled judgement of one configuration: its trees, the power flow that is reported, and what that is worth."""

from __future__ import annotations

from typing import NamedTuple

from services.optimizer.reconfiguration.kernels.distflow import CONVERGED, solve_flow
from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.modes import find_outputs
from services.optimizer.reconfiguration.kernels.sweep import FAILED_FLOW
from services.optimizer.reconfiguration.kernels.trees import DARK, walk_trees
from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray, IntArray


class Circuit(NamedTuple):
    """What of a reduced network matters to the worth of its configurations, all read-only."""

    first: IntArray  # (n + 1,) of ``incidence``
    incident: IntArray  # (2m,)
    roots: IntArray  # (R,) provider buses
    source: IntArray  # (m,)
    target: IntArray  # (m,)
    r_ohm: FloatArray  # (m,)
    x_ohm: FloatArray  # (m,)
    v_gen_v: FloatArray  # (n,)
    p_gen_max_w: FloatArray  # (n,)
    v_min_v: FloatArray  # (n,)
    v_max_v: FloatArray  # (n,)
    part_start: IntArray  # (m + 1,) and the parts as in ``ReducedNetwork``
    part_share: ComplexArray
    part_offset_near: ComplexArray
    part_offset_far: ComplexArray
    part_imax_a: FloatArray
    part_vmax_v: FloatArray


class Modes(NamedTuple):
    """The transformers as in ``TransformerTables``; nowhere any where there are none."""

    of_bus: IntArray  # (n,)
    terminal_of_line: IntArray  # (m,)
    has_mode: BoolArray  # (X, 3, 3)
    ratio: FloatArray
    set_voltage_v: FloatArray
    power_factor: FloatArray


class Workspace(NamedTuple):
    """Trees and flow of the configuration judged last."""

    order: IntArray  # (n,) and the next three: of ``walk_trees``
    tree_start: IntArray
    upstream_line: IntArray
    upstream_bus: IntArray
    is_output: BoolArray  # (n,) and the next three: of ``Outputs``
    ratio: FloatArray
    set_voltage_v: FloatArray
    power_factor: FloatArray
    is_misfed: BoolArray  # (X,)
    voltage: ComplexArray  # (n,) and the rest: of ``solve_flow``
    current: ComplexArray
    power: ComplexArray
    injection: ComplexArray
    rounds: IntArray
    status: IntArray


class Findings(NamedTuple):
    """What a configuration is worth in one period, per hour."""

    cycle_count: int
    has_flow: bool  # no cycles, and no transformer used in a missing mode
    supplies_all: bool  # every bus
    supplies_demand: bool  # every bus with demand
    loss_w: float
    over_a: float  # current above the limits
    over_half_a: float  # current above half of them
    violation: float  # volts and squared watts beyond limits, or FAILED_FLOW


@compiled
def judge_period(
    circuit: Circuit, modes: Modes, p_w: FloatArray, q_var: FloatArray, is_open: BoolArray, room: Workspace
) -> Findings:
    """Grow the trees of a configuration (m,), solve its flow for demands (n,), and sum up.

    Without a flow all amounts are 0.
    """
    cycle_count = walk_trees(
        circuit.first,
        circuit.incident,
        circuit.source,
        circuit.target,
        is_open,
        circuit.roots,
        room.order,
        room.tree_start,
        room.upstream_line,
        room.upstream_bus,
    )
    is_fed_well = find_outputs(
        modes.of_bus,
        modes.terminal_of_line,
        modes.has_mode,
        modes.ratio,
        modes.set_voltage_v,
        modes.power_factor,
        room.upstream_line,
        room.upstream_bus,
        room.is_output,
        room.ratio,
        room.set_voltage_v,
        room.power_factor,
        room.is_misfed,
    )
    supplies_demand = True
    for bus in range(p_w.size):
        if room.upstream_line[bus] == DARK and (p_w[bus] != 0.0 or q_var[bus] != 0.0):
            supplies_demand = False
    supplies_all = room.tree_start[circuit.roots.size] == p_w.size
    has_flow = cycle_count == 0 and is_fed_well
    if not has_flow:
        return Findings(cycle_count, has_flow, supplies_all, supplies_demand, 0.0, 0.0, 0.0, 0.0)
    solve_flow(
        room.order,
        room.tree_start,
        room.upstream_line,
        room.upstream_bus,
        circuit.r_ohm,
        circuit.x_ohm,
        circuit.v_gen_v,
        room.is_output,
        room.ratio,
        room.set_voltage_v,
        room.power_factor,
        p_w,
        q_var,
        room.voltage,
        room.current,
        room.power,
        room.injection,
        room.rounds,
        room.status,
    )
    loss, over, over_half = _sum_up(circuit, room)
    violation = 0.0
    for k in range(room.status.size):
        if room.status[k] != CONVERGED:
            violation = FAILED_FLOW
    if violation == 0.0:
        violation = _exceed_limits(circuit, room)
    return Findings(cycle_count, has_flow, supplies_all, supplies_demand, loss, over, over_half, violation)


@compiled
def _sum_up(circuit: Circuit, room: Workspace) -> tuple[float, float, float]:
    """Loss [W], and current above the limits and above half of them [A]."""
    loss = 0.0
    over = 0.0
    over_half = 0.0
    for position in range(room.tree_start[circuit.roots.size]):
        bus = room.order[position]
        line = room.upstream_line[bus]
        if line < 0:
            continue
        current = abs(room.current[line])
        loss += circuit.r_ohm[line] * current * current
        if room.is_output[bus]:
            loss += room.power[line].real * (1.0 - room.power_factor[bus])
        for part in range(circuit.part_start[line], circuit.part_start[line + 1]):
            half = 0.5 * circuit.part_imax_a[part]
            excess = abs(circuit.part_share[part]) * current - half
            if excess > 0.0:
                over_half += excess
                over += max(excess - half, 0.0)
    return loss, over, over_half


@compiled
def _exceed_limits(circuit: Circuit, room: Workspace) -> float:
    """Volts beyond the limits of supplied consumers and of lines, and squared watts beyond the providers'."""
    amount = 0.0
    for position in range(room.tree_start[circuit.roots.size]):
        bus = room.order[position]
        line = room.upstream_line[bus]
        if line < 0:
            continue
        v = abs(room.voltage[bus])
        amount += max(circuit.v_min_v[bus] - v, 0.0) + max(v - circuit.v_max_v[bus], 0.0)
        source = circuit.source[line]
        at_source = room.voltage[source]
        current = room.current[line] if source == room.upstream_bus[bus] else -room.current[line]
        for part in range(circuit.part_start[line], circuit.part_start[line + 1]):
            near = abs(at_source - circuit.part_offset_near[part] * current)
            far = abs(at_source - circuit.part_offset_far[part] * current)
            amount += max(max(near, far) - circuit.part_vmax_v[part], 0.0)
    for k in range(circuit.roots.size):
        excess = room.injection[k].real - circuit.p_gen_max_w[circuit.roots[k]]
        if excess > 0.0:
            amount += excess * excess
    return amount
