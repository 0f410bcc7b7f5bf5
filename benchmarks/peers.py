"""The same systems in pandapower and power-grid-model, to measure against in the same run.

Both mean three phases: line-to-line voltage and power of all phases. Losses and voltages are then the same numbers as in a
single-line equivalent with S = V conj(I).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower
import power_grid_model as pgm

from benchmarks.systems import System
from services.optimizer.reconfiguration.network import BoolArray, BusKind

IDEAL_SOURCE_VA = 1e25  # short-circuit power that leaves no voltage drop in the source


def pandapower_net(system: System) -> Any:  # Any: pandapower's own container is untyped
    """The system in pandapower; a zero-resistance line would be refused, none of the systems has one."""
    kv = max(node.v_gen_v for node in system.grid.nodes) / 1e3
    net = pandapower.create_empty_network()
    count = len(system.grid.nodes)
    pandapower.create_buses(net, count, vn_kv=kv)
    is_source = np.array([node.kind is BusKind.PROVIDER for node in system.grid.nodes])
    for source in np.flatnonzero(is_source).tolist():
        pandapower.create_ext_grid(net, source, vm_pu=system.grid.nodes[source].v_gen_v / 1e3 / kv)
    loads = np.flatnonzero(~is_source)
    pandapower.create_loads(
        net, loads, p_mw=system.demands.p_w[0, loads] / 1e6, q_mvar=system.demands.q_var[0, loads] / 1e6
    )
    lines = system.grid.lines
    pandapower.create_lines_from_parameters(
        net,
        [line.source for line in lines],
        [line.target for line in lines],
        length_km=1.0,
        r_ohm_per_km=[line.r_ohm for line in lines],
        x_ohm_per_km=[line.x_ohm for line in lines],
        c_nf_per_km=0.0,
        max_i_ka=1.0,
    )
    net.line["in_service"] = ~system.is_open
    return net


def runpp_seconds(net: Any, repetitions: int = 5) -> float:  # Any: as above
    """Processor time of one ``runpp`` as a user calls it: the median, compiled and warm."""
    pandapower.runpp(net)
    return median_seconds(lambda: pandapower.runpp(net), repetitions)


def power_grid_model(system: System) -> pgm.PowerGridModel:
    """The system in power-grid-model; lines have the ids N, N + 1, ..., after the N nodes."""
    v_base = max(node.v_gen_v for node in system.grid.nodes)
    node_count, line_count = len(system.grid.nodes), len(system.grid.lines)
    node = pgm.initialize_array("input", "node", node_count)
    node["id"], node["u_rated"] = np.arange(node_count), v_base
    line = pgm.initialize_array("input", "line", line_count)
    line["id"] = node_count + np.arange(line_count)
    line["from_node"] = [each.source for each in system.grid.lines]
    line["to_node"] = [each.target for each in system.grid.lines]
    line["from_status"] = line["to_status"] = ~system.is_open
    line["r1"] = [each.r_ohm for each in system.grid.lines]
    line["x1"] = [each.x_ohm for each in system.grid.lines]
    line["c1"], line["tan1"] = 0.0, 0.0
    is_source = np.array([each.kind is BusKind.PROVIDER for each in system.grid.nodes])
    consumers, providers = np.flatnonzero(~is_source), np.flatnonzero(is_source)
    load = pgm.initialize_array("input", "sym_load", consumers.size)
    load["id"] = node_count + line_count + np.arange(consumers.size)
    load["node"], load["status"], load["type"] = consumers, 1, pgm.LoadGenType.const_power
    load["p_specified"], load["q_specified"] = system.demands.p_w[0, consumers], system.demands.q_var[0, consumers]
    source = pgm.initialize_array("input", "source", providers.size)
    source["id"] = node_count + line_count + consumers.size + np.arange(providers.size)
    source["node"], source["status"], source["sk"] = providers, 1, IDEAL_SOURCE_VA
    source["u_ref"] = [system.grid.nodes[k].v_gen_v / v_base for k in providers]
    return pgm.PowerGridModel({"node": node, "line": line, "sym_load": load, "source": source})


def topology_batch(system: System, configurations: BoolArray) -> dict[str, Any]:  # Any: record arrays by component
    """Update data for ``calculate_power_flow``: one case for each configuration (C, L)."""
    update = pgm.initialize_array("update", "line", configurations.shape)
    update["id"] = len(system.grid.nodes) + np.arange(configurations.shape[1])
    update["from_status"] = update["to_status"] = ~configurations
    return {"line": update}


def median_seconds(work: Callable[[], object], repetitions: int) -> float:
    """Median processor time of ``work``."""
    times = []
    for _ in range(repetitions):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return float(np.median(times))
