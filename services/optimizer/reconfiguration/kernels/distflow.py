"""Compiled power flow of a radial configuration: iterated DistFlow, backward and forward over the tree of each provider.

Constant-power demands, series impedances only; power, voltage and current are related by S = V conj(I) without a factor
of three. After M. E. Baran, F. F. Wu, "Network reconfiguration in distribution systems for loss reduction and load
balancing", IEEE Trans. Power Delivery 4(2), 1989, with the exact loss term from the previous round.
"""

from __future__ import annotations

import math

import numpy as np

from services.optimizer.reconfiguration.kernels.jit import compiled, compiled_allocating
from services.optimizer.reconfiguration.network import BoolArray, ComplexArray, FloatArray, IntArray

CONVERGED, LOSS_EXCEEDS_POWER, DROP_EXCEEDS_VOLTAGE, TOO_MANY_ROUNDS = range(4)
TOLERANCE = 1e-10  # of the injected power, relative, from one round to the next
MAX_ROUNDS = 10_000


@compiled_allocating
def solve_flow(
    order: IntArray,
    tree_start: IntArray,
    upstream_line: IntArray,
    upstream_bus: IntArray,
    r: FloatArray,
    x: FloatArray,
    v_gen: FloatArray,
    is_output: BoolArray,
    ratio: FloatArray,
    set_voltage: FloatArray,
    power_factor: FloatArray,
    p: FloatArray,
    q: FloatArray,
    voltage: ComplexArray,
    current: ComplexArray,
    power: ComplexArray,
    injection: ComplexArray,
    rounds: IntArray,
    status: IntArray,
) -> None:
    """Power flow of one radial configuration; the tree of each provider on its own.

    Args:
        order, tree_start, upstream_line, upstream_bus: of ``walk_trees``; the configuration must have no cycles.
        r, x: (m,) impedance of each line [ohm].
        v_gen: (n,) voltage of the providers [V], angle zero.
        is_output: (n,) buses that a transformer supplies; for these the input over the output voltage, or the output voltage
            that it sets [V] (0 where the ratio holds), and the output over the input power. Other buses have no transformer.
        p, q: (n,) demand [W, var]; that of a provider is ignored.
        voltage: (n,) out [V]; 0 at buses without supply.
        current: (m,) out [A], counted away from the provider; 0 where nothing flows.
        power: (m,) out [VA], entering the line at its upstream end.
        injection: (R,) out [VA], given by each provider.
        rounds: (R,) out: rounds taken by each tree.
        status: (R,) out: CONVERGED or why that tree failed; its numbers are then those of the last round.
    """
    voltage[:] = 0.0
    current[:] = 0.0
    power[:] = 0.0
    sum_p = np.empty(p.size)
    sum_q = np.empty(p.size)
    for k in range(tree_start.size - 1):
        rounds[k], status[k] = _solve_tree(
            order[tree_start[k] : tree_start[k + 1]],
            upstream_line,
            upstream_bus,
            r,
            x,
            v_gen,
            is_output,
            ratio,
            set_voltage,
            power_factor,
            p,
            q,
            voltage,
            current,
            power,
            sum_p,
            sum_q,
        )
        root = order[tree_start[k]]
        injection[k] = complex(sum_p[root], sum_q[root])


@compiled
def _solve_tree(
    tree: IntArray,
    upstream_line: IntArray,
    upstream_bus: IntArray,
    r: FloatArray,
    x: FloatArray,
    v_gen: FloatArray,
    is_output: BoolArray,
    ratio: FloatArray,
    set_voltage: FloatArray,
    power_factor: FloatArray,
    p: FloatArray,
    q: FloatArray,
    voltage: ComplexArray,
    current: ComplexArray,
    power: ComplexArray,
    sum_p: FloatArray,
    sum_q: FloatArray,
) -> tuple[int, int]:
    """Rounds over one tree until its injection stands still; ``sum_p`` and ``sum_q`` at its root hold the injection."""
    root = tree[0]
    for bus in tree:
        voltage[bus] = v_gen[root]
    previous_p = 0.0
    previous_q = 0.0
    for done in range(1, MAX_ROUNDS + 1):
        loss_exceeds = _backward(
            tree, upstream_line, upstream_bus, r, x, is_output, power_factor, p, q, current, power, sum_p, sum_q
        )
        drop_exceeds = _forward(
            tree,
            upstream_line,
            upstream_bus,
            r,
            x,
            is_output,
            ratio,
            set_voltage,
            power_factor,
            voltage,
            current,
            power,
        )
        if loss_exceeds:
            return done, LOSS_EXCEEDS_POWER
        if drop_exceeds:
            return done, DROP_EXCEEDS_VOLTAGE
        gen_p = sum_p[root]
        gen_q = sum_q[root]
        size = math.hypot(gen_p, gen_q)
        if size == 0.0 or math.hypot(gen_p - previous_p, gen_q - previous_q) / size < TOLERANCE:
            return done, CONVERGED
        previous_p = gen_p
        previous_q = gen_q
    return MAX_ROUNDS, TOO_MANY_ROUNDS


@compiled
def _backward(
    tree: IntArray,
    upstream_line: IntArray,
    upstream_bus: IntArray,
    r: FloatArray,
    x: FloatArray,
    is_output: BoolArray,
    power_factor: FloatArray,
    p: FloatArray,
    q: FloatArray,
    current: ComplexArray,
    power: ComplexArray,
    sum_p: FloatArray,
    sum_q: FloatArray,
) -> bool:
    """Powers from the leaves to the root, with the losses of the currents so far; whether a loss exceeds its power."""
    loss_exceeds = False
    for bus in tree:
        sum_p[bus] = p[bus]
        sum_q[bus] = q[bus]
    sum_p[tree[0]] = 0.0
    sum_q[tree[0]] = 0.0
    for position in range(tree.size - 1, 0, -1):
        bus = tree[position]
        line = upstream_line[bus]
        if is_output[bus]:
            s = complex(sum_p[bus] / power_factor[bus], sum_q[bus] / power_factor[bus])
            power[line] = s
            sum_p[upstream_bus[bus]] += s.real
            sum_q[upstream_bus[bus]] += s.imag
            continue
        i = current[line]
        i_squared = i.real * i.real + i.imag * i.imag
        loss = r[line] * i_squared
        # Where power flows back to the provider its size says nothing about convergence.
        if sum_p[bus] >= 0.0 and not loss <= sum_p[bus]:
            loss_exceeds = True
        s_p = sum_p[bus] + loss
        s_q = sum_q[bus] + x[line] * i_squared
        power[line] = complex(s_p, s_q)
        upstream = upstream_bus[bus]
        sum_p[upstream] += s_p
        sum_q[upstream] += s_q
    return loss_exceeds


@compiled
def _forward(
    tree: IntArray,
    upstream_line: IntArray,
    upstream_bus: IntArray,
    r: FloatArray,
    x: FloatArray,
    is_output: BoolArray,
    ratio: FloatArray,
    set_voltage: FloatArray,
    power_factor: FloatArray,
    voltage: ComplexArray,
    current: ComplexArray,
    power: ComplexArray,
) -> bool:
    """Currents and voltages from the root to the leaves; whether a voltage drop exceeds the voltage it starts from."""
    drop_exceeds = False
    for position in range(1, tree.size):
        bus = tree[position]
        line = upstream_line[bus]
        v = voltage[upstream_bus[bus]]
        s = power[line]
        v_squared = v.real * v.real + v.imag * v.imag
        if v_squared == 0.0:  # nothing is left to drive a current
            current[line] = 0.0
            voltage[bus] = 0.0
            drop_exceeds = True
            continue
        if is_output[bus]:
            v_out = v / ratio[bus] if set_voltage[bus] == 0.0 else v * (set_voltage[bus] / math.sqrt(v_squared))
            voltage[bus] = v_out
            current[line] = (s * power_factor[bus] / v_out).conjugate()
            continue
        i_re = (s.real * v.real + s.imag * v.imag) / v_squared  # conj(S / V) = conj(S) V / |V|²
        i_im = (s.real * v.imag - s.imag * v.real) / v_squared
        drop_re = r[line] * i_re - x[line] * i_im
        drop_im = r[line] * i_im + x[line] * i_re
        current[line] = complex(i_re, i_im)
        voltage[bus] = complex(v.real - drop_re, v.imag - drop_im)
        # Negated so that a number that has become undefined fails too.
        if not drop_re * drop_re + drop_im * drop_im <= v_squared:
            drop_exceeds = True
    return drop_exceeds
