"""Power flow of a grid by Kirchhoff's laws for all its nodes and lines at once, meshed by parallel lines or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray, PowerGrid
from tests.support.slow_grid import Edge, flood, mode_between, providers


@dataclass(frozen=True)
class SlowFlow:
    """Voltages and currents of the grid, 0 where there is no supply."""

    voltage_v: ComplexArray  # (N,)
    current_a: ComplexArray  # (L,)
    loss_w: FloatArray  # (L,)
    injection_va: dict[int, complex]  # by provider


def solve_slowly(grid: PowerGrid, demand_va: ComplexArray, is_open: BoolArray, fed_at: dict[int, int]) -> SlowFlow:
    """Kirchhoff's laws for everything that has supply. Loops of lines without impedance have no solution here."""
    present = [
        Edge((line.source, line.target), [k], False, False, False)
        for k, line in enumerate(grid.lines)
        if not is_open[k]
    ]
    supplied = flood(providers(grid), present)
    first_center = len(grid.document_nodes)
    nodes = [bus for bus in sorted(supplied) if bus < first_center]
    wires = [
        k for k, line in enumerate(grid.lines) if not is_open[k] and line.transformer < 0 and line.source in supplied
    ]
    outputs = [(x, end) for x, source in fed_at.items() for end in grid.transformers[x].terminals if end != source]
    roots = providers(grid)
    at = {bus: k for k, bus in enumerate(nodes)}
    n, w, o = len(nodes), len(wires), len(outputs)
    v = np.ones(len(grid.nodes), dtype=complex)
    x_old = np.zeros(n + w + o + len(roots), dtype=complex)
    without_load = len(grid.transformers) + 1  # turns until every voltage, also one that a transformer sets, is near
    for turn in range(500):
        a = np.zeros((x_old.size, x_old.size), dtype=complex)
        b = np.zeros(x_old.size, dtype=complex)
        for k, wire in enumerate(wires):
            line = grid.lines[wire]
            s, d = at[line.source], at[line.target]
            a[n + k, s], a[n + k, d], a[n + k, n + k] = 1, -1, -complex(line.r_ohm, line.x_ohm)
            a[s, n + k], a[d, n + k] = -1, 1
        for k, (x, end) in enumerate(outputs):
            mode = mode_between(grid, x, fed_at[x], end)
            assert mode is not None
            ratio, power_factor = mode
            if ratio is None:
                transformer = grid.transformers[x]
                ratio = abs(v[fed_at[x]]) / transformer.end_voltages_v[transformer.terminals.index(end)]
            u, d, row = at[fed_at[x]], at[end], n + w + k
            a[row, u], a[row, d] = 1 / ratio, -1
            a[d, row], a[u, row] = 1, -1 / (ratio * power_factor)
        for k, root in enumerate(roots):
            row = n + w + o + k
            a[row, at[root]], b[row] = 1, grid.nodes[root].v_gen_v
            a[at[root], row] = 1
        for bus in nodes:
            if bus not in roots and turn >= without_load:
                b[at[bus]] = np.conj(demand_va[bus] / v[bus])
        x_new = np.linalg.solve(a, b)
        v[nodes] = x_new[:n]
        if turn > without_load and np.abs(x_new - x_old).max() <= 1e-13 * np.abs(x_new).max():
            break
        x_old = x_new
    else:
        raise AssertionError("this judge needs flows that converge")

    voltage = np.zeros(len(grid.nodes), dtype=complex)
    voltage[nodes] = x_new[:n]
    current = np.zeros(len(grid.lines), dtype=complex)
    loss = np.zeros(len(grid.lines))
    for k, wire in enumerate(wires):
        current[wire] = x_new[n + k]
        loss[wire] = grid.lines[wire].r_ohm * abs(current[wire]) ** 2
    internal = {(line.transformer, line.source): k for k, line in enumerate(grid.lines) if line.transformer >= 0}
    for x, source in fed_at.items():
        entering = 0j
        for k, (owner, end) in enumerate(outputs):
            if owner == x:
                mode = mode_between(grid, x, source, end)
                assert mode is not None
                leaving = voltage[end] * np.conj(x_new[n + w + k])
                current[internal[x, end]] = x_new[n + w + k]
                loss[internal[x, end]] = (leaving / mode[1]).real * (1 - mode[1])
                entering += leaving / mode[1]
        current[internal[x, source]] = np.conj(entering / voltage[source])
        voltage[first_center + x] = voltage[source]
    injection = {root: voltage[root] * np.conj(x_new[n + w + o + k]) for k, root in enumerate(roots)}
    return SlowFlow(voltage, current, loss, injection)
