"""Trees of a radial configuration kept up to date feeder by feeder: built, stored, and asked for the loop that a tie closes."""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.layout import Forest, RecordArray, Room, Tables
from services.optimizer.reconfiguration.kernels.sweep import price, sweep
from services.optimizer.reconfiguration.network import BoolArray


@compiled
def plant(tables: Tables, forest: Forest, room: Room, slot: int, tick: int) -> tuple[float, float]:
    """Build the trees of ``forest.is_open[slot]``, which must be radial, and solve them.

    Returns:
        Violation amount (capacities of providers apart) and objective of the whole slot.
    """
    ties = 0
    for line in range(tables.lines.size):
        if forest.is_open[slot, line]:
            forest.ties[slot, ties] = line
            forest.tie_place[slot, line] = ties
            ties += 1
    forest.pool_end[slot] = 0
    buses = forest.buses[slot]
    violation = 0.0
    objective = 0.0
    for root in tables.roots:
        buses[root].generation = 0.0
        buses[root].v2 = tables.buses[root].gen_v2
        buses[root].depth = 0
        buses[root].head = -1
        buses[root].upstream_bus = -1
        buses[root].upstream_line = -1
        for entry in range(tables.buses[root].first, tables.buses[root].end):
            line = tables.incident[entry]
            if forest.is_open[slot, line]:
                continue
            count = _walk_feeder(tables, buses, room, forest.is_open[slot], forest.period[slot], root, line)
            status, loss = sweep(room, 1, count, np.inf)
            amounts = price(tables, room, forest.period[slot], 1, count, status, loss)
            store(forest, room, slot, count, amounts, tick)
            violation += amounts[0]
            objective += amounts[1]
    return violation, objective


@compiled
def _walk_feeder(
    tables: Tables, buses: RecordArray, room: Room, is_open: BoolArray, period: int, root: int, first_line: int
) -> int:
    """Put the feeder that leaves ``root`` by ``first_line`` into ``room``, depth first; the number of seats taken."""
    lines = tables.lines
    count = open_feeder(tables, room, root)
    head = lines[first_line].source + lines[first_line].target - root
    buses[head].upstream_bus = root
    buses[head].upstream_line = first_line
    room.stack[0] = head
    waiting = 1
    while waiting > 0:
        waiting -= 1
        bus = room.stack[waiting]
        line = buses[bus].upstream_line
        take_seat(lines, tables.demand[period], room, count, bus, line, room.position[buses[bus].upstream_bus])
        count += 1
        for entry in range(tables.buses[bus].first, tables.buses[bus].end):
            other_line = tables.incident[entry]
            if is_open[other_line] or other_line == line:
                continue
            other = lines[other_line].source + lines[other_line].target - bus
            buses[other].upstream_bus = bus
            buses[other].upstream_line = other_line
            room.stack[waiting] = other
            waiting += 1
    return count


@compiled
def open_feeder(tables: Tables, room: Room, root: int) -> int:
    """Start a feeder in ``room``: its provider has the first seat; the next free one."""
    seat = room.seats[0]
    seat.bus = root
    seat.parent = 0
    seat.line = -1
    seat.r = 0.0
    seat.x = 0.0
    seat.p = 0.0
    seat.q = 0.0
    seat.v2 = tables.buses[root].gen_v2
    room.position[root] = 0
    return 1


@compiled
def take_seat(lines: RecordArray, demand: RecordArray, room: Room, at: int, bus: int, line: int, parent: int) -> None:
    """Give one bus seat ``at``, fed through ``line`` from the seat ``parent``."""
    seat = room.seats[at]
    seat.bus = bus
    seat.parent = parent
    seat.line = line
    seat.r = lines[line].r
    seat.x = lines[line].x
    seat.p = demand[bus].p
    seat.q = demand[bus].q
    room.position[bus] = at


@compiled
def store(forest: Forest, room: Room, slot: int, count: int, amounts: tuple[float, float], tick: int) -> None:
    """Keep the feeder in ``room`` as it was solved; there must be space for it at the end of the pool."""
    seats = room.seats
    buses = forest.buses[slot]
    pool = forest.pool[slot]
    start = forest.pool_end[slot]
    for k in range(1, count):
        seats[k].count = 1
    for k in range(count - 1, 1, -1):
        seats[seats[k].parent].count += seats[k].count
    for k in range(1, count):
        seat = seats[k]
        upstream = seats[seat.parent].bus
        bus = buses[seat.bus]
        pool[start + k - 1] = seat.bus
        bus.place = start + k - 1
        bus.upstream_bus = upstream
        bus.upstream_line = seat.line
        bus.depth = buses[upstream].depth + 1
        bus.size = seat.count
        bus.head = seats[1].bus
        bus.flow_p = seat.flow_p
        bus.flow_q = seat.flow_q
        bus.v2 = seat.v2
    forest.pool_end[slot] = start + count - 1
    head = buses[seats[1].bus]
    head.violation = amounts[0]
    head.objective = amounts[1]
    head.power = seats[0].flow_p
    head.changed = tick
    buses[seats[0].bus].generation += seats[0].flow_p


@compiled
def make_space(forest: Forest, room: Room, slot: int, needed: int) -> None:
    """Move the feeders together where the end of the pool has no ``needed`` places left."""
    pool = forest.pool[slot]
    buses = forest.buses[slot]
    if forest.pool_end[slot] + needed <= pool.size:
        return
    end = 0
    for bus in range(buses.size):
        if buses[bus].head == bus:
            for at in range(buses[bus].place, buses[bus].place + buses[bus].size):
                room.stack[end] = pool[at]
                end += 1
    for at in range(end):
        pool[at] = room.stack[at]
        buses[pool[at]].place = at
    forest.pool_end[slot] = end


@compiled
def replace_tie(forest: Forest, slot: int, closed: int, opened: int) -> None:
    """Note that the open line ``closed`` is closed now and ``opened`` is open."""
    at = forest.tie_place[slot, closed]
    forest.ties[slot, at] = opened
    forest.tie_place[slot, opened] = at
    forest.is_open[slot, closed] = False
    forest.is_open[slot, opened] = True


@compiled
def find_loop(buses: RecordArray, room: Room, a: int, b: int) -> tuple[int, int]:
    """The loop that a line between a and b would close, as the buses whose upstream lines it consists of.

    Args:
        buses: (n,) of one slot of a forest.
    Returns:
        Numbers of entries of ``room.paths[0]``, going up from a, and of ``room.paths[1]``, going up from b. The paths end
        where they meet, or at the providers, which count as one.
    """
    up_a = 0
    up_b = 0
    while a != b:
        if buses[a].depth >= buses[b].depth:
            if buses[a].depth == 0:
                break
            room.paths[0, up_a] = a
            up_a += 1
            a = buses[a].upstream_bus
        else:
            room.paths[1, up_b] = b
            up_b += 1
            b = buses[b].upstream_bus
    return up_a, up_b


@compiled
def feeds(buses: RecordArray, upper: int, bus: int) -> bool:
    """Whether ``upper``, no provider, is ``bus`` or feeds it; ``buses`` are of one slot of a forest."""
    if buses[bus].head != buses[upper].head:
        return False
    distance: int = buses[bus].place - buses[upper].place
    size: int = buses[upper].size
    return 0 <= distance < size


@compiled
def orient(lines: RecordArray, forest: Forest, slot: int, closed: int, opened: int) -> tuple[int, int, int]:
    """How exchanging two lines moves a part of a tree.

    Returns:
        (inner, outer, cut): the buses fed through ``cut``, the lower end of ``opened``, are fed anew from ``outer`` to
        ``inner`` through ``closed``. cut is -1 where the exchange is impossible: ``closed`` is no tie, ``opened`` is
        open, or they share no loop.
    """
    if not forest.is_open[slot, closed] or forest.is_open[slot, opened]:
        return -1, -1, -1
    buses = forest.buses[slot]
    a = lines[closed].source
    b = lines[closed].target
    cut = lines[opened].source
    if buses[cut].upstream_line != opened:
        cut = lines[opened].target
    feeds_a = feeds(buses, cut, a)
    if feeds_a == feeds(buses, cut, b):
        return -1, -1, -1
    return (a, b, cut) if feeds_a else (b, a, cut)
