"""Power flows of a grid by two well-known programs, to compare ours with.

Both mean three phases: line-to-line voltage, power of all phases, current of one. Losses and voltages are then the same
numbers as in a single-line equivalent with S = V conj(I); currents are smaller by the root of three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandapower
import power_grid_model as pgm

from services.optimizer.reconfiguration.network import BoolArray, BusKind, ComplexArray, FloatArray, PowerGrid

IDEAL_SOURCE_VA = 1e25  # short-circuit power that leaves no voltage drop in the source
TRANSFORMER_MVA = 1.0  # rated power to which the impedance of a transformer is referred
ROOT_3 = np.sqrt(3.0)


@dataclass(frozen=True)
class ReferenceFlow:
    """Magnitudes and powers per node and line of the grid, without supply 0."""

    voltage_v: FloatArray  # (N,)
    current_a: FloatArray  # (L,) by the single-line convention
    power_from_source_va: ComplexArray  # (L,) entering each line at its source
    power_from_target_va: ComplexArray  # (L,)
    injection_w: float  # by all providers

    @property
    def loss_w(self) -> FloatArray:
        """(L,)"""
        loss: FloatArray = (self.power_from_source_va + self.power_from_target_va).real
        return loss


@dataclass(frozen=True)
class Coupling:
    """An ideal transformer with the line behind its output, which together are what pandapower knows as a transformer."""

    source: int  # node of the input
    line: int  # from the node of the output to the next one
    ratio: float  # of the voltage at the input to that at the output


def by_power_grid_model(grid: PowerGrid, demand_va: ComplexArray, is_open: BoolArray) -> ReferenceFlow:
    """Newton-Raphson on the whole grid, meshed or not; demand (N,), configuration (L,). No ideal lines."""
    v_base = max(node.v_gen_v for node in grid.nodes)
    node_count, line_count = len(grid.nodes), len(grid.lines)
    node = pgm.initialize_array("input", "node", node_count)
    node["id"], node["u_rated"] = np.arange(node_count), v_base
    line = pgm.initialize_array("input", "line", line_count)
    line["id"] = node_count + np.arange(line_count)
    line["from_node"], line["to_node"] = grid.line_source, grid.line_target
    line["from_status"] = line["to_status"] = ~is_open
    line["r1"], line["x1"] = grid.r_ohm, [each.x_ohm for each in grid.lines]
    line["c1"], line["tan1"] = 0.0, 0.0
    consumers = np.flatnonzero([each.kind is BusKind.CONSUMER for each in grid.nodes])
    load = pgm.initialize_array("input", "sym_load", consumers.size)
    load["id"] = node_count + line_count + np.arange(consumers.size)
    load["node"], load["status"], load["type"] = consumers, 1, pgm.LoadGenType.const_power
    load["p_specified"], load["q_specified"] = demand_va[consumers].real, demand_va[consumers].imag
    providers = np.flatnonzero([each.kind is BusKind.PROVIDER for each in grid.nodes])
    source = pgm.initialize_array("input", "source", providers.size)
    source["id"] = node_count + line_count + consumers.size + np.arange(providers.size)
    source["node"], source["status"], source["sk"] = providers, 1, IDEAL_SOURCE_VA
    source["u_ref"] = [grid.nodes[k].v_gen_v / v_base for k in providers]
    model = pgm.PowerGridModel({"node": node, "line": line, "sym_load": load, "source": source})
    result = model.calculate_power_flow(error_tolerance=1e-12, max_iterations=50)
    lines = result["line"]
    return ReferenceFlow(
        voltage_v=result["node"]["u"],
        current_a=lines["i_from"] * ROOT_3,
        power_from_source_va=lines["p_from"] + 1j * lines["q_from"],
        power_from_target_va=lines["p_to"] + 1j * lines["q_to"],
        injection_w=float(result["source"]["p"].sum()),
    )


def by_pandapower(
    grid: PowerGrid,
    demand_va: ComplexArray,
    is_open: BoolArray,
    couplings: Sequence[Coupling] = (),
    nominal_kv: FloatArray | None = None,
) -> ReferenceFlow:
    """Newton-Raphson of pandapower; demand (N,), configuration (L,). No ideal lines.

    Transformers are the couplings: their lines and output nodes are 0 in what is found. Where there are any, the nominal
    voltages (N,) say near which voltage each node is.
    """
    kv = np.full(len(grid.nodes), max(node.v_gen_v for node in grid.nodes) / 1e3) if nominal_kv is None else nominal_kv
    net = pandapower.create_empty_network()
    for k, node in enumerate(grid.document_nodes):
        pandapower.create_bus(net, vn_kv=kv[k])
        if node.kind is BusKind.PROVIDER:
            pandapower.create_ext_grid(net, k, vm_pu=node.v_gen_v / 1e3 / kv[k])
        elif demand_va[k]:
            pandapower.create_load(net, k, p_mw=demand_va[k].real / 1e6, q_mvar=demand_va[k].imag / 1e6)
    for line in grid.document_lines:
        pandapower.create_line_from_parameters(
            net,
            line.source,
            line.target,
            length_km=1.0,
            r_ohm_per_km=line.r_ohm,
            x_ohm_per_km=line.x_ohm,
            c_nf_per_km=0.0,
            max_i_ka=1.0,
        )
    is_served = ~is_open[: len(grid.document_lines)]
    for coupling in couplings:
        line = grid.lines[coupling.line]
        is_served[coupling.line] = False
        base_ohm = kv[line.target] ** 2 / TRANSFORMER_MVA
        pandapower.create_transformer_from_parameters(
            net,
            coupling.source,
            line.target,
            sn_mva=TRANSFORMER_MVA,
            vn_hv_kv=kv[line.target] * coupling.ratio,
            vn_lv_kv=kv[line.target],
            vk_percent=abs(complex(line.r_ohm, line.x_ohm)) / base_ohm * 100,
            vkr_percent=line.r_ohm / base_ohm * 100,
            pfe_kw=0.0,
            i0_percent=0.0,
        )
    net.line["in_service"] = is_served
    pandapower.runpp(net, tolerance_mva=1e-10, numba=False)
    result = net.res_line.fillna(0.0)
    inside, centers = len(grid.lines) - len(result), len(grid.transformers)

    def per_line(values: np.ndarray) -> np.ndarray:
        return np.append(values, np.zeros(inside))

    return ReferenceFlow(
        voltage_v=np.append(net.res_bus["vm_pu"].fillna(0.0).to_numpy(), np.zeros(centers)) * kv * 1e3,
        current_a=per_line(result["i_from_ka"].to_numpy() * 1e3 * ROOT_3),
        power_from_source_va=per_line((result["p_from_mw"] + 1j * result["q_from_mvar"]).to_numpy() * 1e6),
        power_from_target_va=per_line((result["p_to_mw"] + 1j * result["q_to_mvar"]).to_numpy() * 1e6),
        injection_w=float(net.res_ext_grid["p_mw"].sum()) * 1e6,
    )
