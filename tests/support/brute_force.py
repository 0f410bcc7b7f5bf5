"""A judge of switched networks in plain numpy that shares nothing with the optimiser: many configurations at once, as dense matrices.

A configuration supplies every bus over exactly one path if and only if its closed lines are as many as the buses to supply and their
incidence matrix has an inverse. That inverse also gives the currents of all lines and the voltages of all buses, so that a power
flow is a fixed point of two products of matrices. The best solution is found by looking at every configuration, and the best
sequence of them by dynamic programming.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAILED = 1e20  # violation of a flow that does not settle: more than that of every one that does
AT_ONCE = 2_000  # configurations
MOST_ROUNDS = 300


@dataclass(frozen=True)
class Switched:
    """A network of N buses and L lines with demands over T periods, in V, W, var, A and ohm."""

    ends: Ints  # (L, 2) buses
    r: Floats  # (L,)
    x: Floats
    is_switch: Bools
    imax: Floats  # inf without
    vmax: Floats
    price: Floats  # of moving the switch
    v_source: Floats  # (N,) of providers, 0 elsewhere
    p_most: Floats  # (N,) that a provider can give
    v_low: Floats  # (N,) of consumers, 0 elsewhere
    v_high: Floats  # inf elsewhere
    p: Floats  # (T, N)
    q: Floats
    hours: Floats  # (T,)
    weights: Floats  # (4,) of loss [MWh], current above the limits and above half of them [Ah], switching
    before: Bools | None  # (L,) open before the first period


@dataclass(frozen=True)
class Judged:
    """What configurations (K, L) are worth in one period, switching apart."""

    loss_w: Floats  # (K,)
    violation: Floats
    objective: Floats


def is_radial(network: Switched, is_open: Bools) -> Bools:
    """(K,) whether each bus of configurations (K, L) has exactly one supply."""
    incidence, rest = _incidence(network)
    right_count = (~is_open).sum(axis=1) == rest.size
    found = np.zeros(len(is_open), dtype=bool)
    candidates = np.flatnonzero(right_count)
    if not candidates.size:
        return found
    for some in np.array_split(candidates, 1 + candidates.size // AT_ONCE):
        square = incidence[:, rest][_closed(is_open[some])]
        found[some] = np.abs(np.linalg.det(square)) > 0.5  # it is -1, 0 or 1
    return found


def every_radial(network: Switched) -> Bools:
    """(K, L) all configurations in which each bus has exactly one supply."""
    switches = np.flatnonzero(network.is_switch)
    lines = len(network.ends)
    to_open = lines - int((network.v_source == 0.0).sum())
    opened = np.array(list(itertools.combinations(switches.tolist(), to_open)), dtype=np.int64)
    is_open = np.zeros((len(opened), lines), dtype=bool)
    if to_open:
        np.put_along_axis(is_open, opened, values=True, axis=1)
    return is_open[is_radial(network, is_open)]


def judge(network: Switched, is_open: Bools, period: int) -> Judged:
    """Radial configurations (K, L) in one period."""
    groups = np.array_split(np.arange(len(is_open)), 1 + len(is_open) // AT_ONCE)
    judged = [_judge(network, is_open[group], period) for group in groups]
    return Judged(*(np.concatenate([getattr(one, name) for one in judged]) for name in Judged.__dataclass_fields__))


def worth(network: Switched, solution: Bools) -> tuple[float, float]:
    """Violation and objective of a solution (T, L), switching included."""
    judged = [judge(network, solution[t : t + 1], t) for t in range(len(solution))]
    cost = 0.0
    before = network.before
    for is_open in solution:
        if before is not None:
            cost += float(network.price[is_open != before].sum())
        before = is_open
    violation = sum(float(one.violation[0]) for one in judged)
    return violation, sum(float(one.objective[0]) for one in judged) + cost * float(network.weights[3])


def best(network: Switched) -> tuple[float, float]:
    """Violation and objective of the best of all sequences of radial configurations.

    What a sequence violates does not depend on its switching: first the least of that in each period, then of the
    configurations with so much the cheapest sequence.
    """
    choices = every_radial(network)
    judged = [judge(network, choices, t) for t in range(network.hours.size)]
    least = [float(one.violation.min()) for one in judged]
    price = network.price * network.weights[3]
    reached: Floats | None = None
    previous = None if network.before is None else network.before[None, :]
    for one, violation in zip(judged, least, strict=True):
        kept = one.violation <= violation * (1 + 1e-9) + 1e-9
        here, cost = choices[kept], one.objective[kept]
        if previous is not None:
            moved = _prices(previous, here, price)
            cost = cost + (moved if reached is None else moved + reached[:, None]).min(axis=0)
        reached, previous = cost, here
    assert reached is not None
    return sum(least), float(reached.min())


def _prices(first: Bools, second: Bools, price: Floats) -> Floats:
    """(A, B) what it costs to switch from each of (A, L) to each of (B, L)."""
    a, b = first.astype(float), second.astype(float)
    total: Floats = (a * price).sum(axis=1)[:, None] + (b * price).sum(axis=1)[None, :] - 2.0 * (a * price) @ b.T
    return total


def _judge(network: Switched, is_open: Bools, period: int) -> Judged:
    incidence, rest = _incidence(network)
    closed = _closed(is_open)
    roots = np.flatnonzero(network.v_source > 0.0)
    inverse = np.linalg.inv(incidence[:, rest][closed])  # (K, E, E)
    fixed = incidence[:, roots][closed] @ network.v_source[roots]  # (K, E)
    z = (network.r + 1j * network.x)[closed]
    demand = (network.p + 1j * network.q)[period, rest]
    no_load = -_times(inverse, fixed.astype(complex))
    v, current = no_load.copy(), np.zeros_like(z)
    unsettled = np.arange(len(is_open))
    for _ in range(MOST_ROUNDS):
        with np.errstate(all="ignore"):
            flow = -_times(inverse[unsettled].transpose(0, 2, 1), np.conj(demand / v[unsettled]))
            following = no_load[unsettled] + _times(inverse[unsettled], z[unsettled] * flow)
            moves = ~(np.abs(following - v[unsettled]).max(axis=1) < 1e-12 * network.v_source.max())
        v[unsettled], current[unsettled] = following, flow
        unsettled = unsettled[moves]
        if not unsettled.size:
            break
    v[unsettled], current[unsettled] = no_load[unsettled], 0.0
    size = np.abs(current)
    loss = (network.r[closed] * size**2).sum(axis=1)
    full = np.broadcast_to(network.v_source.astype(complex), (len(is_open), network.v_source.size)).copy()
    full[:, rest] = v
    over = np.maximum(size - network.imax[closed], 0.0).sum(axis=1)
    over_half = np.maximum(size - 0.5 * network.imax[closed], 0.0).sum(axis=1)
    violation = np.maximum(network.v_low - np.abs(full), 0.0)[:, rest].sum(axis=1)
    violation += np.maximum(np.abs(full) - network.v_high, 0.0)[:, rest].sum(axis=1)
    at_ends = np.abs(np.take_along_axis(full[:, None, :], network.ends[closed], axis=2)).max(axis=2)
    violation += np.maximum(at_ends - network.vmax[closed], 0.0).sum(axis=1)
    leaving = np.einsum("kl,kln->kn", current, incidence[:, roots][closed])  # into the lines at each provider
    given = (network.v_source[roots] * np.conj(leaving)).real
    violation += (np.maximum(given - network.p_most[roots], 0.0) ** 2).sum(axis=1)
    hours = network.hours[period]
    objective = hours * (network.weights[0] * loss / 1e6 + network.weights[1] * over + network.weights[2] * over_half)
    violation[unsettled], objective[unsettled] = FAILED, np.inf
    return Judged(loss, violation, objective)


def _times(matrices: NDArray[np.floating], vectors: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
    """Each real matrix (K, E, E) with its complex vector (K, E)."""
    parts = np.stack([vectors.real, vectors.imag], axis=2)
    products = matrices @ parts
    return np.asarray(products[:, :, 0] + 1j * products[:, :, 1])


def _incidence(network: Switched) -> tuple[Floats, Ints]:
    """(L, N) with 1 where a line starts and -1 where it ends, and the buses that are no providers."""
    incidence = np.zeros((len(network.ends), network.v_source.size))
    rows = np.arange(len(network.ends))
    incidence[rows, network.ends[:, 0]] = 1.0
    incidence[rows, network.ends[:, 1]] = -1.0
    return incidence, np.flatnonzero(network.v_source == 0.0)


def _closed(is_open: Bools) -> Ints:
    """(K, E) the closed lines of configurations that have equally many."""
    return np.nonzero(~is_open)[1].reshape(len(is_open), -1)
