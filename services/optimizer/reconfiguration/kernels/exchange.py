"""One branch exchange: what it would change, and making it. Only the one or two feeders that it touches are solved anew.

An exchange closes a tie between ``inner`` and ``outer`` and opens the upstream line of ``cut``, a bus that feeds ``inner``
and not ``outer``: the buses fed through ``cut`` are fed through the tie instead.
"""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.forest import (
    feeds,
    make_space,
    open_feeder,
    replace_tie,
    store,
    take_seat,
)
from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.layout import Forest, RecordArray, Room, Tables
from services.optimizer.reconfiguration.kernels.sweep import REJECTED, as_noise, exceed_capacity, price, sweep


@compiled
def weigh_exchange(
    tables: Tables,
    forest: Forest,
    room: Room,
    slot: int,
    tie: int,
    inner: int,
    outer: int,
    cut: int,
    ceiling: float,
) -> tuple[float, float]:
    """Change of violation amount and of objective, without switching; differences within noise are 0.

    Args:
        ceiling: the answer may be (0, inf) for an exchange that changes the objective by more than this and no violation.
    """
    room.work[0] += 15  # about what is done beside sweeping
    buses = forest.buses[slot]
    losing = buses[cut].head
    gaining = buses[outer].head
    from_root = buses[losing].upstream_bus
    to_root = outer if gaining < 0 else buses[gaining].upstream_bus
    old_violation, old_objective = _amounts(tables, buses, losing, gaining, from_root, to_root)
    gained_power = 0.0
    lost_power = buses[losing].power
    if gaining == losing:
        gained_power = -lost_power
        lost_power = 0.0
    elif gaining >= 0:
        gained_power = -buses[gaining].power
    period = forest.period[slot]
    loss_price = tables.prices[period].loss
    can_reject = tables.is_monotone and old_violation == 0.0 and loss_price > 0.0
    allowed = old_objective + ceiling

    count = _seat_gaining(tables, forest, room, slot, tie, inner, outer, cut)
    status, loss = sweep(room, 1, count, allowed / loss_price if can_reject else np.inf)
    if status == REJECTED:
        return 0.0, np.inf
    violation, objective = price(tables, room, period, 1, count, status, loss)
    gained_power += room.seats[0].flow_p
    is_left = cut != losing  # of the losing feeder something stays
    if is_left and gaining != losing:
        count = _seat_losing(tables, forest, room, slot, cut)
        status, loss = sweep(room, 1, count, (allowed - objective) / loss_price if can_reject else np.inf)
        if status == REJECTED:
            return 0.0, np.inf
        more_violation, more_objective = price(tables, room, period, 1, count, status, loss)
        violation += more_violation
        objective += more_objective
        lost_power -= room.seats[0].flow_p
    if tables.has_capacities:
        gain = gained_power - lost_power if to_root == from_root else gained_power
        violation += exceed_capacity(buses[to_root].generation + gain, tables.buses[to_root].gen_p_max)
        if to_root != from_root:
            left = buses[from_root].generation - lost_power
            violation += exceed_capacity(left, tables.buses[from_root].gen_p_max)
    return (
        as_noise(violation - old_violation, violation, old_violation),
        as_noise(objective - old_objective, objective, old_objective),
    )


@compiled
def make_exchange(
    tables: Tables, forest: Forest, room: Room, slot: int, tie: int, inner: int, outer: int, cut: int, tick: int
) -> tuple[float, float]:
    """Carry an exchange out; what it changes, as :func:`weigh_exchange` says it."""
    buses = forest.buses[slot]
    losing = buses[cut].head
    gaining = buses[outer].head
    make_space(forest, room, slot, buses[losing].size + (buses[gaining].size if gaining >= 0 else 0))
    opened = buses[cut].upstream_line
    from_root = buses[losing].upstream_bus
    to_root = outer if gaining < 0 else buses[gaining].upstream_bus
    old_violation, old_objective = _amounts(tables, buses, losing, gaining, from_root, to_root)
    start = buses[losing].place
    end = start + buses[losing].size
    cut_start = buses[cut].place
    cut_end = cut_start + buses[cut].size
    buses[from_root].generation -= buses[losing].power
    if gaining >= 0 and gaining != losing:
        buses[buses[gaining].upstream_bus].generation -= buses[gaining].power
    count = _seat_gaining(tables, forest, room, slot, tie, inner, outer, cut)
    _solve_and_store(tables, forest, room, slot, count, tick)
    is_left = cut != losing  # of the losing feeder something stays
    if is_left and gaining != losing:
        count = open_feeder(tables, room, from_root)
        count = _seat_stretch(tables, forest, room, slot, count, start, cut_start)
        count = _seat_stretch(tables, forest, room, slot, count, cut_end, end)
        _solve_and_store(tables, forest, room, slot, count, tick)
    replace_tie(forest, slot, tie, opened)
    left = losing if is_left else -1
    violation, objective = _amounts(tables, buses, buses[inner].head, left, from_root, to_root)
    return (
        as_noise(violation - old_violation, violation, old_violation),
        as_noise(objective - old_objective, objective, old_objective),
    )


@compiled
def _amounts(
    tables: Tables, buses: RecordArray, head: int, other_head: int, root: int, other_root: int
) -> tuple[float, float]:
    """Violation amount and objective of one or two feeders (the other head may be the same, or -1) and their providers."""
    violation = buses[head].violation
    objective = buses[head].objective
    if other_head >= 0 and other_head != head:
        violation += buses[other_head].violation
        objective += buses[other_head].objective
    if tables.has_capacities:
        violation += exceed_capacity(buses[root].generation, tables.buses[root].gen_p_max)
        if other_root != root:
            violation += exceed_capacity(buses[other_root].generation, tables.buses[other_root].gen_p_max)
    return violation, objective


@compiled
def _solve_and_store(tables: Tables, forest: Forest, room: Room, slot: int, count: int, tick: int) -> None:
    """Solve the feeder in ``room`` and keep it."""
    status, loss = sweep(room, 1, count, np.inf)
    store(forest, room, slot, count, price(tables, room, forest.period[slot], 1, count, status, loss), tick)


@compiled
def _seat_gaining(
    tables: Tables, forest: Forest, room: Room, slot: int, tie: int, inner: int, outer: int, cut: int
) -> int:
    """Put the feeder that receives the moved part into ``room``, the part right after all that ``outer`` feeds already."""
    buses = forest.buses[slot]
    gaining = buses[outer].head
    if gaining < 0:
        count = open_feeder(tables, room, outer)
        return _seat_moved(tables, forest, room, slot, count, tie, inner, outer, cut)
    count = open_feeder(tables, room, buses[gaining].upstream_bus)
    start = buses[gaining].place
    end = start + buses[gaining].size
    middle = buses[outer].place + buses[outer].size
    cut_start = end  # nothing to leave out
    cut_end = end
    if feeds(buses, gaining, cut):
        cut_start = buses[cut].place
        cut_end = cut_start + buses[cut].size
    count = _seat_stretch(tables, forest, room, slot, count, start, min(middle, cut_start))
    count = _seat_stretch(tables, forest, room, slot, count, min(middle, cut_end), middle)
    count = _seat_moved(tables, forest, room, slot, count, tie, inner, outer, cut)
    count = _seat_stretch(tables, forest, room, slot, count, middle, max(middle, cut_start))
    return _seat_stretch(tables, forest, room, slot, count, max(middle, cut_end), end)


@compiled
def _seat_losing(tables: Tables, forest: Forest, room: Room, slot: int, cut: int) -> int:
    """Put the feeder of ``cut`` without what ``cut`` feeds into ``room``."""
    buses = forest.buses[slot]
    losing = buses[cut].head
    start = buses[losing].place
    cut_start = buses[cut].place
    count = open_feeder(tables, room, buses[losing].upstream_bus)
    count = _seat_stretch(tables, forest, room, slot, count, start, cut_start)
    return _seat_stretch(tables, forest, room, slot, count, cut_start + buses[cut].size, start + buses[losing].size)


@compiled
def _seat_moved(
    tables: Tables, forest: Forest, room: Room, slot: int, count: int, tie: int, inner: int, outer: int, cut: int
) -> int:
    """Put what ``cut`` feeds into ``room``, hanging from ``inner``: the lines on the way from there to ``cut`` turn round."""
    buses = forest.buses[slot]
    demand = tables.demand[forest.period[slot]]
    line = tie
    parent = outer
    bus = inner
    done_start = buses[inner].place + buses[inner].size
    done_end = done_start
    while True:
        start = buses[bus].place
        end = start + buses[bus].size
        take_seat(tables.lines, demand, room, count, bus, line, room.position[parent])
        count = _seat_stretch(tables, forest, room, slot, count + 1, start + 1, done_start)
        count = _seat_stretch(tables, forest, room, slot, count, done_end, end)
        if bus == cut:
            return count
        line = buses[bus].upstream_line
        parent = bus
        bus = buses[bus].upstream_bus
        done_start = start
        done_end = end


@compiled
def _seat_stretch(tables: Tables, forest: Forest, room: Room, slot: int, count: int, start: int, end: int) -> int:
    """Put a stretch of the pool into ``room``, its buses fed as they are; the next free seat."""
    buses = forest.buses[slot]
    demand = tables.demand[forest.period[slot]]
    for at in range(start, end):
        bus = forest.pool[slot, at]
        line = buses[bus].upstream_line
        take_seat(tables.lines, demand, room, count, bus, line, room.position[buses[bus].upstream_bus])
        count += 1
    return count
