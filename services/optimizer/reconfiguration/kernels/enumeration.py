"""Every radial configuration in turn, solved for every period: which is best in each, and which come close.

The lines fall into *chains*: lines in series between two junctions, of which a radial configuration opens one or none.
The chains without an open line form a spanning tree of the junctions. So the outer loop runs over the spanning trees of
the small graph of junctions and chains, the inner one over the places at which the other chains are open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.optimizer.reconfiguration.kernels.forest import take_seat
from services.optimizer.reconfiguration.kernels.jit import compiled, compiled_allocating
from services.optimizer.reconfiguration.kernels.layout import LongArray, Room, Tables
from services.optimizer.reconfiguration.kernels.sweep import REJECTED, as_noise, exceed_capacity, price, sweep
from services.optimizer.reconfiguration.network import BoolArray, FloatArray


class Chains(NamedTuple):
    """The graph of junctions 0..J-1 and chains 0..C-1."""

    junction_a: LongArray  # (C,)
    junction_b: LongArray  # (C,)
    first: LongArray  # (C + 1,) the lines of chain c are lines[first[c]:first[c + 1]]
    lines: LongArray


class Enumeration(NamedTuple):
    """Where an enumeration stands, and what it has found. K lines are open in each radial configuration."""

    clock: LongArray  # (3,) at the positions below
    is_closed: BoolArray  # (C,) chains without an open line in the current spanning tree
    label: LongArray  # (C + 1, J) connected junctions by the decisions before a chain
    digit: LongArray  # (C,) for an open chain, which of its lines is open
    is_open: BoolArray  # (m,) the current configuration
    best: FloatArray  # (2, T) least violation amount and then objective so far, without switching
    best_open: BoolArray  # (T, m) where that was found
    slack: FloatArray  # (T,) configurations within this of the best are kept; negative: none
    kept_open: LongArray  # (T, S, K)
    kept_objective: FloatArray  # (T, S)
    kept_count: LongArray  # (T,) may exceed S: then some were lost


STATE, VISITED, SPANNING_TREES = range(3)
TO_START, IN_TREE, AT_END = range(3)


@compiled
def enumerate_trees(tables: Tables, room: Room, chains: Chains, enumeration: Enumeration, budget: int) -> bool:
    """Go on until all radial configurations are visited (True) or ``room.work`` passes ``budget`` (False)."""
    clock = enumeration.clock
    while clock[STATE] != AT_END:
        if room.work[0] > budget:
            return False
        if clock[STATE] == IN_TREE and _turn_digits(chains, enumeration):
            _visit(tables, room, enumeration)
            continue
        if _next_spanning_tree(chains, enumeration, clock[STATE] == TO_START):
            clock[STATE] = IN_TREE
            clock[SPANNING_TREES] += 1
            room.work[0] += chains.junction_a.size
            for chain in range(chains.junction_a.size):
                enumeration.digit[chain] = 0
                for at in range(chains.first[chain], chains.first[chain + 1]):
                    enumeration.is_open[chains.lines[at]] = False
                if not enumeration.is_closed[chain]:
                    enumeration.is_open[chains.lines[chains.first[chain]]] = True
            _visit(tables, room, enumeration)
        else:
            clock[STATE] = AT_END
    return True


@compiled
def _turn_digits(chains: Chains, enumeration: Enumeration) -> bool:
    """The next combination of open places; False after the last."""
    for chain in range(chains.junction_a.size):
        if enumeration.is_closed[chain]:
            continue
        at = chains.first[chain] + enumeration.digit[chain]
        enumeration.is_open[chains.lines[at]] = False
        if at + 1 < chains.first[chain + 1]:
            enumeration.digit[chain] += 1
            enumeration.is_open[chains.lines[at + 1]] = True
            return True
        enumeration.digit[chain] = 0
        enumeration.is_open[chains.lines[chains.first[chain]]] = True
    return False


@compiled_allocating
def _next_spanning_tree(chains: Chains, enumeration: Enumeration, is_first: bool) -> bool:
    """The next spanning tree of the junctions: chains are closed in turn where they join two parts, and, coming back, left
    open where the rest can do without them.
    """
    count = chains.junction_a.size
    label = enumeration.label
    chain = 0
    if is_first:
        for junction in range(label.shape[1]):
            label[0, junction] = junction
    else:
        chain = count - 1
        while chain >= 0 and not (
            enumeration.is_closed[chain] and _can_leave_open(chains, label[chain], label[count], chain)
        ):
            chain -= 1
        if chain < 0:
            return False
        enumeration.is_closed[chain] = False
        label[chain + 1] = label[chain]
        chain += 1
    while chain < count:
        a = label[chain, chains.junction_a[chain]]
        b = label[chain, chains.junction_b[chain]]
        enumeration.is_closed[chain] = a != b
        for junction in range(label.shape[1]):
            known = label[chain, junction]
            label[chain + 1, junction] = a if known == b else known
        chain += 1
    return True


@compiled
def _can_leave_open(chains: Chains, label: LongArray, scratch: LongArray, chain: int) -> bool:
    """Whether the chains after this one connect all junctions, those with equal labels being connected already."""
    parts = 0
    for junction in range(label.size):
        scratch[junction] = label[junction]
        if label[junction] == junction:
            parts += 1
    for later in range(chain + 1, chains.junction_a.size):
        a = _find(scratch, chains.junction_a[later])
        b = _find(scratch, chains.junction_b[later])
        if a != b:
            scratch[b] = a
            parts -= 1
    return parts == 1


@compiled
def _find(parent: LongArray, junction: int) -> int:
    while parent[junction] != junction:
        parent[junction] = parent[parent[junction]]
        junction = parent[junction]
    return junction


@compiled
def _visit(tables: Tables, room: Room, enumeration: Enumeration) -> None:
    """Solve the current configuration in every period and keep it where it is good enough."""
    enumeration.clock[VISITED] += 1
    best = enumeration.best
    count = _seat_all(tables, room, enumeration.is_open)
    for period in range(tables.prices.size):
        slack = enumeration.slack[period]
        ceiling = best[1, period] + max(slack, 0.0)
        violation, objective = _solve(tables, room, count, period, ceiling if best[0, period] == 0.0 else np.inf)
        if slack >= 0.0:
            if as_noise(violation - best[0, period], violation, best[0, period]) <= 0.0 and objective <= ceiling:
                _keep(enumeration, period, objective)
            continue
        change = as_noise(violation - best[0, period], violation, best[0, period])
        if change < 0.0 or (change == 0.0 and objective < best[1, period]):
            best[0, period] = violation
            best[1, period] = objective
            for line in range(enumeration.is_open.size):
                enumeration.best_open[period, line] = enumeration.is_open[line]


@compiled
def judge(tables: Tables, room: Room, period: int, is_open: BoolArray) -> tuple[float, float]:
    """Violation amount and objective, without switching, of one radial configuration (m,) in one period.

    To the last digit what an enumeration finds for it.
    """
    return _solve(tables, room, _seat_all(tables, room, is_open), period, np.inf)


@compiled
def _solve(tables: Tables, room: Room, count: int, period: int, ceiling: float) -> tuple[float, float]:
    """Amounts of the trees in ``room`` in one period; the objective may be inf where it exceeds ``ceiling``."""
    roots = tables.roots.size
    seats = room.seats
    demand = tables.demand[period]
    for k in range(roots, count):
        seats[k].p = demand[seats[k].bus].p
        seats[k].q = demand[seats[k].bus].q
    loss_price = tables.prices[period].loss
    can_reject = tables.is_monotone and loss_price > 0.0
    status, loss = sweep(room, roots, count, ceiling / loss_price if can_reject else np.inf)
    if status == REJECTED:
        return 0.0, np.inf
    violation, objective = price(tables, room, period, roots, count, status, loss)
    if tables.has_capacities:
        for k in range(roots):
            violation += exceed_capacity(seats[k].flow_p, tables.buses[seats[k].bus].gen_p_max)
    return violation, objective


@compiled
def _seat_all(tables: Tables, room: Room, is_open: BoolArray) -> int:
    """Put all trees of a radial configuration into ``room``, breadth first; the number of seats taken."""
    lines = tables.lines
    demand = tables.demand[0]
    seats = room.seats
    room.work[0] += 3 * tables.buses.size  # about what seating costs, in buses swept
    count = 0
    for root in tables.roots:
        seat = seats[count]
        seat.bus = root
        seat.parent = count
        seat.line = -1
        seat.r = 0.0
        seat.x = 0.0
        seat.p = 0.0
        seat.q = 0.0
        seat.v2 = tables.buses[root].gen_v2
        count += 1
    at = 0
    while at < count:
        bus = seats[at].bus
        upstream = seats[at].line
        for entry in range(tables.buses[bus].first, tables.buses[bus].end):
            line = tables.incident[entry]
            if not is_open[line] and line != upstream:
                take_seat(lines, demand, room, count, lines[line].source + lines[line].target - bus, line, at)
                count += 1
        at += 1
    return count


@compiled
def _keep(enumeration: Enumeration, period: int, objective: float) -> None:
    """Note a configuration that comes close to the best of a period."""
    at = enumeration.kept_count[period]
    enumeration.kept_count[period] += 1
    if at < enumeration.kept_objective.shape[1]:
        enumeration.kept_objective[period, at] = objective
        k = 0
        for line in range(enumeration.is_open.size):
            if enumeration.is_open[line]:
                enumeration.kept_open[period, at, k] = line
                k += 1
