"""The relaxation of one period as arrays: what is minimised, within which boxes, subject to which rows.

Each arc a = (i, j) of line k has five columns: whether it is used, b; what arrives at j, P and Q; the squared current l; and
w = b v_j, the squared voltage at j if a feeds it, else 0. All are per unit of the highest provider voltage and of a share of the
demand. With d_a = 2 (r P + x Q) + |z|² l, the drop of squared voltage along a, the rows say:

* every bus that is no provider has one parent: the sum of b over the arcs into j is 1;
* what arrives at j is its demand and what leaves it, with what the leaving lines lose;
* w_a + d_a <= b_a V_i² and, where i is no provider, w_a + d_a <= the sum of w over the arcs into i other than the opposite of a,
  which b_a excludes;
* l w >= P² + Q², by tangent planes that are added where they are missed: l >= 2 α P + 2 β Q - (α² + β²) w for any α and β.

A radial power flow satisfies all of these, so the least value of the objective over them is a lower bound. Connectivity has no
rows: without generation demand can only be met from a provider, and buses without demand that are cut off cost nothing. Then P and Q
are at least the demand, which is left out of their columns, and an unused arc carries nothing, as w and d are not negative. With
generation, or capacitance, which may raise voltages, flows have a sign of their own and are tied to b by what no solution exceeds
that is as good as the best known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from services.optimizer.reconfiguration.bounds.arcs import Arcs, find_arcs
from services.optimizer.reconfiguration.bounds.caps import Caps, PerUnit, find_caps
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.bounds.reach import find_reach, tighten
from services.optimizer.reconfiguration.bounds.rows import Positions, Rows
from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.problem import SWITCHING, TOTAL_LOSS, ReconfigurationProblem, ReducedNetwork

# Power per unit, as a share of the whole demand: what a feeder carries is then a number around 1.
SHARE = 0.1


@dataclass(frozen=True)
class Relaxation:
    """Minimise ``cost @ columns`` within boxes and rows; times ``unit`` plus ``constant`` it is in units of the objective.

    The columns are five stretches of A: b, P, Q, l, w. Every box is finite, which is what makes any prices of the rows a bound.
    """

    arcs: Arcs
    per_unit: PerUnit
    p_fed: FloatArray  # (A,) what P leaves out of the power that arrives, where the arc is used
    q_fed: FloatArray  # (A,)
    cost: FloatArray  # (5A,)
    lower: FloatArray  # (5A,)
    upper: FloatArray  # (5A,)
    rows: csr_array  # (M, 5A)
    row_lower: FloatArray  # (M,)
    row_upper: FloatArray  # (M,)
    unit: float  # > 0
    constant: float


def relax(
    problem: ReconfigurationProblem, period: int, objective: float | None, usable: BoolArray | None = None
) -> Relaxation:
    """The relaxation of one period by itself, for strictly radial configurations.

    Switching is part of it where the configuration before this period is known; currents above limits cost nothing here.

    Args:
        objective: of the best feasible solution of this period, if one is known: the boxes leave out what costs more.
        usable: (A,) where it is known that no better solution uses the other arcs. The caps then follow the ways of supply that are
            left, which for 1,000 arcs takes half a second.

    Raises:
        NoRelaxation: see :func:`_check`; or nothing bounds the flows and voltages of a network with generation.
    """
    network = problem.network
    _check(problem)
    arcs = find_arcs(network)
    if np.setdiff1d(np.flatnonzero(~network.is_provider), arcs.fed).size:
        raise NoRelaxation("no line leads to some bus")
    per_unit = per_unit_of(problem, period, arcs)
    price = (
        float(problem.hours[period] * problem.weights[TOTAL_LOSS]) / 1e6 * per_unit.s_base_va
    )  # objective per unit of loss
    loss_cap = np.inf if objective is None else objective / price
    caps = find_caps(network, arcs, per_unit, loss_cap)
    if usable is None:
        usable = np.ones(arcs.count, dtype=np.bool_)
    else:
        reach = find_reach(network, arcs, usable)
        usable = reach.is_usable
        caps = tighten(caps, reach, per_unit, loss_cap)
    is_only = usable & (np.bincount(arcs.fed[usable], minlength=network.bus_count)[arcs.fed] == 1)
    zero = np.zeros(arcs.count)
    rows = _rows(network, arcs, per_unit, caps)
    unit = price if objective is None or objective <= 0.0 else objective
    starts_closed = (
        ~problem.start_open
        if period == 0 and problem.start_open is not None
        else np.zeros(network.source.size, dtype=np.bool_)
    )
    has_start = period == 0 and problem.start_open is not None
    switch_price = network.switching_cost * problem.weights[SWITCHING] * has_start
    return Relaxation(
        arcs=arcs,
        per_unit=per_unit,
        p_fed=per_unit.p_fed,
        q_fed=per_unit.q_fed,
        cost=np.concatenate(
            [np.where(starts_closed, -switch_price, switch_price)[arcs.line], zero, zero, price * per_unit.r, zero]
        )
        / unit,
        lower=np.concatenate(
            [is_only.astype(np.float64), np.minimum(caps.p_low, 0.0), np.minimum(caps.q_low, 0.0), zero, zero]
        ),
        upper=np.concatenate(
            [
                zero + usable,
                np.maximum(caps.p_high, 0.0),
                np.maximum(caps.q_high, 0.0),
                caps.current2 * usable,
                caps.v2[arcs.fed] * usable,
            ]
        ),
        rows=rows.matrix(5 * arcs.count),
        row_lower=rows.lower,
        row_upper=rows.upper,
        unit=unit,
        constant=float(switch_price[starts_closed].sum()),
    )


def _check(problem: ReconfigurationProblem) -> None:
    network = problem.network
    if network.transformers is not None:
        raise NoRelaxation("there are transformers")
    if (network.r_ohm < 0.0).any() or not network.is_provider.any():
        raise NoRelaxation("a resistance is negative, or there is no provider")
    if (problem.weights < 0.0).any() or problem.weights[TOTAL_LOSS] == 0.0 or (network.switching_cost < 0.0).any():
        raise NoRelaxation("a price is negative, or losses have none")


def per_unit_of(problem: ReconfigurationProblem, period: int, arcs: Arcs) -> PerUnit:
    """A period per unit of the highest provider voltage and of a share of the demand.

    Raises:
        NoRelaxation: there is no demand.
    """
    network = problem.network
    p_w = np.where(network.is_provider, 0.0, problem.p_w[period])
    q_var = np.where(network.is_provider, 0.0, problem.q_var[period])
    v_base_v = float(network.v_gen_v[network.is_provider].max())
    s_base_va = SHARE * float(np.abs(p_w).sum() + np.abs(q_var).sum())
    if s_base_va == 0.0:
        raise NoRelaxation("there is no demand")
    z_base_ohm = v_base_v**2 / s_base_va
    p, q = p_w / s_base_va, q_var / s_base_va
    is_drawing = bool((p >= 0.0).all() and (q >= 0.0).all() and (network.x_ohm >= 0.0).all())
    return PerUnit(
        v_base_v=v_base_v,
        s_base_va=s_base_va,
        r=network.r_ohm[arcs.line] / z_base_ohm,
        x=network.x_ohm[arcs.line] / z_base_ohm,
        p=p,
        q=q,
        p_fed=p[arcs.fed] * is_drawing,
        q_fed=q[arcs.fed] * is_drawing,
        is_drawing=is_drawing,
    )


def _rows(network: ReducedNetwork, arcs: Arcs, per_unit: PerUnit, caps: Caps) -> Rows:
    """All rows but the tangent planes."""
    rows = Rows()
    is_fed = ~network.is_provider
    b, p, q, current2, w = (stretch * arcs.count + np.arange(arcs.count) for stretch in range(5))
    r, x = per_unit.r, per_unit.x
    drop = [(p, 2.0 * r), (q, 2.0 * x), (current2, r**2 + x**2), (b, 2.0 * (r * per_unit.p_fed + x * per_unit.q_fed))]

    # One parent for each bus; a line that is no switch is used one way or the other, a switch at most one way.
    rows.sum_by(arcs.fed, is_fed, [(b, 1.0)], 1.0, 1.0)
    has_arc = np.bincount(arcs.line, minlength=network.source.size) > 0
    is_double = np.bincount(arcs.line, minlength=network.source.size) == 2
    rows.sum_by(arcs.line, has_arc & ~network.is_switch, [(b, 1.0)], 1.0, 1.0)
    rows.sum_by(arcs.line, is_double & network.is_switch, [(b, 1.0)], -np.inf, 1.0)

    # What arrives is demand, what leaves, and what the leaving lines lose. `p_fed` is demand, so that it is on no side twice.
    for flow, fed, lost, demand in ((p, per_unit.p_fed, r, per_unit.p), (q, per_unit.q_fed, x, per_unit.q)):
        rest = 0.0 if per_unit.is_drawing else demand[is_fed]
        rows.balance(
            is_fed,
            arriving=(arcs.fed, [(flow, 1.0)]),
            leaving=(arcs.feeding, [(flow, 1.0), (b, fed), (current2, lost)]),
            rest=rest,
        )

    # Voltage: from what the arc may have at most, and from what its bus has.
    v2_feeding = np.where(network.is_provider, (network.v_gen_v / per_unit.v_base_v) ** 2, caps.v2)[arcs.feeding]
    each = np.arange(arcs.count)
    rows.of_each(each, [(w, 1.0), *drop, (b, -v2_feeding)], -np.inf, 0.0)
    inner = np.flatnonzero(is_fed[arcs.feeding])
    rows.of_each(inner, [(w, 1.0), *drop], -np.inf, 0.0, less=_others_into(arcs, inner, w))

    rows.sum_by(
        arcs.fed, is_fed & (network.v_min_v > 0.0), [(w, 1.0)], (network.v_min_v / per_unit.v_base_v) ** 2, np.inf
    )
    capacity = network.p_gen_max_w / per_unit.s_base_va
    rows.sum_by(
        arcs.feeding,
        network.is_provider & np.isfinite(capacity) & (np.bincount(arcs.feeding, minlength=network.bus_count) > 0),
        [(p, 1.0), (b, per_unit.p_fed), (current2, r)],
        -np.inf,
        capacity,
    )

    # Flows of unused arcs, where neither drop nor sign keeps them at 0.
    free_p = np.flatnonzero((r == 0.0) | (not per_unit.is_drawing))
    free_q = np.flatnonzero((x == 0.0) | (not per_unit.is_drawing))
    rows.of_each(free_p, [(p, 1.0), (b, -caps.p_high)], -np.inf, 0.0)
    rows.of_each(free_q, [(q, 1.0), (b, -caps.q_high)], -np.inf, 0.0)
    if not per_unit.is_drawing:
        rows.of_each(each, [(p, 1.0), (b, -caps.p_low)], 0.0, np.inf)
        rows.of_each(each, [(q, 1.0), (b, -caps.q_low)], 0.0, np.inf)
        rows.of_each(each, [(w, 1.0), (b, -caps.v2[arcs.fed])], -np.inf, 0.0)
    return rows


def _others_into(arcs: Arcs, of: Positions, w: Positions) -> tuple[Positions, Positions]:
    """For each of these arcs the arcs into the bus that feeds it, but its opposite: (their place in ``of``, their column)."""
    order = np.argsort(arcs.fed, kind="stable")
    first = np.searchsorted(arcs.fed[order], arcs.feeding[of], side="left")
    end = np.searchsorted(arcs.fed[order], arcs.feeding[of], side="right")
    place = np.repeat(np.arange(of.size), end - first)
    other = order[np.concatenate([np.arange(a, b) for a, b in zip(first, end, strict=True)])] if of.size else order[:0]
    kept = other != arcs.opposite[of][place]
    return place[kept], w[other[kept]]
