"""Power flow of a grid: computed on its reduced network, then spread over the nodes and lines of the grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.arrays import bools
from services.optimizer.reconfiguration.flow import FlowStatus, PeriodFlow
from services.optimizer.reconfiguration.kernels.distflow import (
    CONVERGED,
    DROP_EXCEEDS_VOLTAGE,
    LOSS_EXCEEDS_POWER,
    TOO_MANY_ROUNDS,
    solve_flow,
)
from services.optimizer.reconfiguration.kernels.hanging import spread_voltages
from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray, IntArray, PowerGrid
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.reduction import Reduction
from services.optimizer.reconfiguration.topology import Trees

REASONS = {
    LOSS_EXCEEDS_POWER: "the loss of a line exceeds the power delivered through it",
    DROP_EXCEEDS_VOLTAGE: "the voltage drop over a line exceeds the voltage at its upstream end",
    TOO_MANY_ROUNDS: "the injected power does not settle",
}


@dataclass(frozen=True)
class ReducedFlow:
    """The power flow of one radial configuration of a reduced network."""

    voltage_v: ComplexArray  # (n,) 0 where unsupplied
    current_a: ComplexArray  # (m,) away from the provider
    power_va: ComplexArray  # (m,) entering at the upstream end
    transformer_loss_va: ComplexArray  # (m,) lost on the way to a transformer's output
    injection_va: ComplexArray  # (R,) per provider, in bus order
    rounds: IntArray  # (R,)
    outcome: IntArray  # (R,) CONVERGED or why the tree of that provider failed


def solve_reduced(network: ReducedNetwork, trees: Trees, p_w: FloatArray, q_var: FloatArray) -> ReducedFlow:
    """The flow over trees that have no cycle, for demands (n,) at the buses."""
    provider_count = trees.tree_start.size - 1
    voltage = np.empty(network.bus_count, dtype=np.complex128)
    current, power = (np.empty(network.source.size, dtype=np.complex128) for _ in range(2))
    injection = np.empty(provider_count, dtype=np.complex128)
    rounds, outcome = (np.empty(provider_count, dtype=np.int32) for _ in range(2))
    solve_flow(
        trees.order,
        trees.tree_start,
        trees.upstream_line,
        trees.upstream_bus,
        network.r_ohm,
        network.x_ohm,
        network.v_gen_v,
        trees.outputs.is_output,
        trees.outputs.ratio,
        trees.outputs.set_voltage_v,
        trees.outputs.power_factor,
        p_w,
        q_var,
        voltage,
        current,
        power,
        injection,
        rounds,
        outcome,
    )
    lost = np.zeros(network.source.size, dtype=np.complex128)
    below = np.flatnonzero(trees.outputs.is_output)
    lines = trees.upstream_line[below]
    lost[lines] = power[lines] * (1.0 - trees.outputs.power_factor[below])
    return ReducedFlow(voltage, current, power, lost, injection, rounds, outcome)


def expand_flow(
    grid: PowerGrid, reduction: Reduction, trees: Trees, flow: ReducedFlow, is_open: BoolArray
) -> PeriodFlow:
    """The flow in the grid, for the configuration (L,) from which the trees come."""
    with np.errstate(all="ignore"):  # a failed flow may have grown beyond all bounds
        return _expand(grid, reduction, trees, flow, is_open)


def _expand(grid: PowerGrid, reduction: Reduction, trees: Trees, flow: ReducedFlow, is_open: BoolArray) -> PeriodFlow:
    network = reduction.network
    runs_forward = _runs_forward(network, trees)
    line_of_part = np.repeat(np.arange(network.source.size), np.diff(network.part_start))
    enters_near = runs_forward[line_of_part]
    # Impedance between the upstream end of the whole line and of the part: what is lost there does not reach the part.
    z = (network.r_ohm + 1j * network.x_ohm)[line_of_part]
    passed = np.where(enters_near, network.part_offset_near, z - network.part_offset_far)
    line_current = flow.current_a[line_of_part]
    part_power = np.conj(network.part_share) * (flow.power_va[line_of_part] - passed * np.abs(line_current) ** 2)
    is_backward = part_power.real < 0

    line_count = len(grid.lines)
    from_source: BoolArray = np.ones(line_count, dtype=bool)
    from_source[reduction.hung_line] = reduction.hung_line_is_forward
    from_source[network.part_line] = (enters_near == reduction.part_is_forward) ^ is_backward
    current_a: FloatArray = np.zeros(line_count)
    current_a[network.part_line] = np.abs(network.part_share * line_current)
    sent_power_va: ComplexArray = np.zeros(line_count, dtype=np.complex128)
    sent_power_va[network.part_line] = np.where(is_backward, -part_power, part_power)

    transformer_loss_va: ComplexArray = np.zeros(line_count, dtype=np.complex128)
    transformer_loss_va[network.part_line] = np.abs(network.part_share) * flow.transformer_loss_va[line_of_part]

    voltage: ComplexArray = np.zeros(len(grid.nodes), dtype=np.complex128)
    voltage[reduction.node_of_bus] = flow.voltage_v
    line = reduction.middle_line
    current = np.where(runs_forward, flow.current_a, -flow.current_a)[line]  # from source to target
    voltage[reduction.middle_node] = flow.voltage_v[network.source[line]] - reduction.middle_offset * current
    spread_voltages(voltage, reduction.hung_node, reduction.hung_on, reduction.hung_switch, bools(is_open))

    status, details = _status(flow)
    return PeriodFlow(
        status=status,
        status_details=details,
        voltage_v=np.abs(voltage),
        is_present=~is_open,
        from_source=from_source,
        current_a=current_a,
        sent_power_va=sent_power_va,
        loss_va=(grid.r_ohm + 1j * grid.x_ohm) * current_a**2 + transformer_loss_va,
    )


def _runs_forward(network: ReducedNetwork, trees: Trees) -> BoolArray:
    """(m,) lines whose source is the upstream end; True where a line is in no tree."""
    runs_forward: BoolArray = np.ones(network.source.size, dtype=bool)
    below = np.flatnonzero(trees.upstream_bus >= 0)
    lines = trees.upstream_line[below]
    runs_forward[lines] = network.source[lines] == trees.upstream_bus[below]
    return runs_forward


def _status(flow: ReducedFlow) -> tuple[FlowStatus, str]:
    rounds = f"{flow.rounds.max(initial=0)} iterations"
    if flow.rounds.size > 1:
        rounds = f"up to {rounds}"
    failures = flow.outcome[flow.outcome != CONVERGED]
    if failures.size:
        return FlowStatus.FAILED, f"{REASONS[int(failures[0])]} ({rounds})"
    return FlowStatus.EXACT, rounds
