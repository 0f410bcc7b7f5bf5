"""Our power flow against pandapower and power-grid-model: how far losses and voltages differ, and how long one takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandapower

from benchmarks.peers import median_seconds, pandapower_net, power_grid_model, runpp_seconds
from benchmarks.report import Row
from benchmarks.synthetic import city
from benchmarks.systems import DATA, System, load_system, system_names
from services.optimizer.reconfiguration.expansion import ReducedFlow, solve_reduced
from services.optimizer.reconfiguration.network import FloatArray
from services.optimizer.reconfiguration.reduction import (
    Reduction,
    reduce_configuration,
    reduce_demands,
    reduce_network,
)
from services.optimizer.reconfiguration.topology import grow_trees

REPETITIONS = 50
CITY_BUSES = 10_000
TOLERANCE_PU = 1e-12  # asked of power-grid-model


def run(folder: Path = DATA) -> Sequence[Row]:
    """Measure the configurations as published, and a city."""
    systems = [load_system(name, folder) for name in system_names(folder)]
    systems.append(city(CITY_BUSES, substations=8, ties=CITY_BUSES * 3 // 20, seed=1))
    return [row for system in systems for row in _measure(system)]


def _measure(system: System) -> list[Row]:
    reduction = reduce_network(system.grid)
    p_w, q_var = reduce_demands(reduction, system.demands)
    is_open = reduce_configuration(reduction, system.is_open)

    def ours() -> ReducedFlow:
        return solve_reduced(reduction.network, grow_trees(reduction.network, is_open), p_w[0], q_var[0])

    flow = ours()
    loss_w, voltage_v = float((reduction.network.r_ohm * np.abs(flow.current_a) ** 2).sum()), np.abs(flow.voltage_v)
    seconds = median_seconds(ours, REPETITIONS)
    v_base = max(node.v_gen_v for node in system.grid.nodes)
    rows = []
    for peer, (peer_loss_w, peer_voltage_v, peer_seconds) in _peers(system, reduction).items():
        rows += [
            Row(
                f"{system.name}: time of one flow",
                f"{1e6 * seconds:.0f} µs",
                f"{peer} {1e6 * peer_seconds:.0f} µs",
                peer_seconds / seconds,
                "how often ours fits into the peer's; higher is better",
            ),
            Row(
                f"{system.name}: loss",
                f"{loss_w / 1e3:.6f} kW",
                f"{peer} {peer_loss_w / 1e3:.6f} kW",
                abs(loss_w / peer_loss_w - 1.0),
                "relative difference; lower is better",
                "<= 1e-6",
            ),
            Row(
                f"{system.name}: voltages",
                f"lowest {voltage_v.min() / v_base:.6f} pu",
                f"{peer} {peer_voltage_v.min() / v_base:.6f} pu",
                float(np.abs(voltage_v - peer_voltage_v).max() / v_base),
                "largest difference in pu; lower is better",
                "<= 1e-7",
            ),
        ]
    return rows


def _peers(system: System, reduction: Reduction) -> dict[str, tuple[float, FloatArray, float]]:
    """Loss [W], voltages [V] at the buses of the reduced network and time [s] by each peer."""
    net = pandapower_net(system)
    seconds = runpp_seconds(net)
    pandapower.runpp(net, tolerance_mva=1e-10)
    v_base = max(node.v_gen_v for node in system.grid.nodes)
    by_pandapower = (
        float(net.res_line["pl_mw"].sum() * 1e6),
        net.res_bus["vm_pu"].to_numpy()[reduction.node_of_bus] * v_base,
        seconds,
    )
    model = power_grid_model(system)

    def solve() -> dict[str, Any]:  # Any: record arrays by component
        return model.calculate_power_flow(error_tolerance=TOLERANCE_PU, max_iterations=50)

    result = solve()
    by_power_grid_model = (
        float((result["line"]["p_from"] + result["line"]["p_to"]).sum()),
        result["node"]["u"][reduction.node_of_bus],
        median_seconds(solve, REPETITIONS // 5),
    )
    return {"runpp": by_pandapower, "power-grid-model": by_power_grid_model}
