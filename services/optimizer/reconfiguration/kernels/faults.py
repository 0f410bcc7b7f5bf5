"""Compiled sum of what faults cost: each line's fault hits all buses below the nearest breaker above it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.kernels.jit import compiled_allocating
from services.optimizer.reconfiguration.network import BoolArray, FloatArray, IntArray


@compiled_allocating
def add_fault_costs(
    order: IntArray,
    upstream_line: IntArray,
    upstream_bus: IntArray,
    is_breaker: BoolArray,
    expected: FloatArray,
    waiting_row: IntArray,
    waiting_bits: NDArray[np.uint8],
    price: FloatArray,
    first: int,
    sectioned: IntArray,
    repaired: IntArray,
    cost: FloatArray,
) -> None:
    """Add the expected cost of all faults to that of each bus, as far as the lengths of interruptions are among some.

    Args:
        order: supplied buses, each before those that it supplies; no cycles.
        upstream_line, upstream_bus: (n,) negative at providers.
        is_breaker: (m,)
        expected: (m,) number of faults.
        waiting_row: (m,), waiting_bits: (R, n / 8) buses that a fault of the line leaves dark until it is repaired, as bits.
        price: (d, n) of an interruption, by which length it has, counted from ``first``.
        sectioned, repaired: (m,) the length of an interruption until the sectioning or the repair.
        cost: (n,) in and out.
    """
    head, place, size, at = _lay_out(order, upstream_line, upstream_bus, is_breaker)
    for bus in order:
        if upstream_bus[bus] < 0:
            continue
        line = upstream_line[bus]
        if expected[line] == 0.0:
            continue
        short, long = sectioned[line] - first, repaired[line] - first
        if not (0 <= short < price.shape[0] or 0 <= long < price.shape[0]):
            continue
        row = waiting_row[line]
        # The line hangs below whatever protects its upstream end.
        protected = head[upstream_bus[bus]]
        for k in range(place[protected], place[protected] + size[protected]):
            hit = at[k]
            length = long if waiting_bits[row, hit >> 3] >> (hit & 7) & 1 else short
            if 0 <= length < price.shape[0]:
                cost[hit] += expected[line] * price[length, hit]


@compiled_allocating
def _lay_out(
    order: IntArray, upstream_line: IntArray, upstream_bus: IntArray, is_breaker: BoolArray
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """An order in which what a bus supplies is one stretch.

    Returns:
        head (n,): the bus directly below the nearest breaker above each bus, or the provider; place (n,) in that order; size
        (n,): buses supplied through each, itself included; and the buses in that order.
    """
    head = np.empty(upstream_bus.size, dtype=np.int32)
    size = np.ones(upstream_bus.size, dtype=np.int32)
    for k in range(order.size - 1, -1, -1):
        if upstream_bus[order[k]] >= 0:
            size[upstream_bus[order[k]]] += size[order[k]]
    place = np.empty(upstream_bus.size, dtype=np.int32)
    free = np.empty(upstream_bus.size, dtype=np.int32)  # where the next bus supplied by this one goes
    at = np.empty(order.size, dtype=np.int32)
    next_tree = 0
    for bus in order:
        upstream = upstream_bus[bus]
        if upstream < 0:
            head[bus] = bus
            place[bus] = next_tree
            next_tree += size[bus]
        else:
            head[bus] = bus if is_breaker[upstream_line[bus]] else head[upstream]
            place[bus] = free[upstream]
            free[upstream] += size[bus]
        free[bus] = place[bus] + 1
        at[place[bus]] = bus
    return head, place, size, at
