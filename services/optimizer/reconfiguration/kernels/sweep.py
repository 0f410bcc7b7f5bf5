"""The power flow of the search: the same iterated DistFlow as the one that is reported, in real numbers on one stretch of buses.

Squared voltages and currents obey S = V conj(I) without the angles: a line that carries S from a bus of voltage V has
|I|² = |S|² / |V|², and its other end has |V|² - 2 Re(conj(z) S) + |z|² |I|².
"""

from __future__ import annotations

import math

from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.layout import Record, RecordArray, Room, Tables

SOLVED, FAILED, REJECTED = range(3)
TOLERANCE = 1e-10  # of the injected power, relative, from one round to the next
MAX_ROUNDS = 10_000
# What a failed flow weighs against limits kept badly: more than any sum of volts and squared watts.
FAILED_FLOW = 1e30


@compiled
def sweep(room: Room, roots: int, count: int, reject_above_w: float) -> int:
    """Power flow of the trees in the first ``count`` seats of ``room``.

    Args:
        room: with bus, parent, r, x, p, q of every seat, and v2 of the ``roots`` providers, which come first. Filled on
            return: flow_p, flow_q, current2, v2.
        reject_above_w: give up once the losses are known to exceed this. Only where losses grow from round to round,
            so without generation or capacitance; inf otherwise.
    Returns:
        SOLVED, FAILED where the flow does not converge or is impossible, or REJECTED.
    """
    seats = room.seats
    for k in range(count):
        seats[k].current2 = 0.0
    previous_p = 0.0
    previous_q = 0.0
    for _ in range(MAX_ROUNDS):
        room.work[0] += count
        is_possible = _gather_power(seats, roots, count)
        loss = _spread_voltage(seats, roots, count)
        if loss < 0.0 or not is_possible:
            return FAILED
        if loss > reject_above_w:
            return REJECTED
        p = 0.0
        q = 0.0
        for k in range(roots):
            p += seats[k].flow_p
            q += seats[k].flow_q
        change = (p - previous_p) * (p - previous_p) + (q - previous_q) * (q - previous_q)
        size = p * p + q * q
        if size == 0.0 or change < TOLERANCE * TOLERANCE * size:
            return SOLVED
        previous_p = p
        previous_q = q
    return FAILED


@compiled
def _gather_power(seats: RecordArray, roots: int, count: int) -> bool:
    """Powers from the leaves to the providers with the currents so far; whether no line loses more than it delivers."""
    for k in range(count):
        seats[k].flow_p = seats[k].p
        seats[k].flow_q = seats[k].q
    is_possible = True
    for k in range(count - 1, roots - 1, -1):
        seat = seats[k]
        parent = seats[seat.parent]
        loss = seat.r * seat.current2
        delivered = seat.flow_p
        # Where power flows back to the provider its size says nothing about convergence.
        if delivered >= 0.0 and not loss <= delivered:
            is_possible = False
        p = delivered + loss
        q = seat.flow_q + seat.x * seat.current2
        seat.flow_p = p
        seat.flow_q = q
        parent.flow_p += p
        parent.flow_q += q
    return is_possible


@compiled
def _spread_voltage(seats: RecordArray, roots: int, count: int) -> float:
    """Currents and voltages from the providers to the leaves; the losses, or -1 where a drop exceeds its voltage.

    The last term of the voltage has the current of the round before. That leaves the solution as it is, and a division
    does not have to wait for the one upstream.
    """
    loss = 0.0
    is_possible = True
    for k in range(roots, count):
        seat = seats[k]
        r = seat.r
        x = seat.x
        p = seat.flow_p
        q = seat.flow_q
        v2 = seats[seat.parent].v2
        z2 = r * r + x * x
        current2 = (p * p + q * q) / v2
        seat.v2 = v2 - 2.0 * (r * p + x * q) + z2 * seat.current2
        seat.current2 = current2
        loss += r * current2
        # Negated so that a number that has become undefined fails too.
        if not z2 * current2 <= v2:
            is_possible = False
    return loss if is_possible else -1.0


@compiled
def price(tables: Tables, room: Room, period: int, roots: int, count: int, status: int) -> tuple[float, float]:
    """Violation amount and objective of the trees in ``room`` after a sweep, capacities of providers apart."""
    seats = room.seats
    if status == FAILED:
        return _price_failed(seats, roots, count, tables.prices[period].loss)
    loss = 0.0
    for k in range(roots, count):
        loss += seats[k].r * seats[k].current2
    objective = tables.prices[period].loss * loss
    if tables.has_current_limits:
        objective += _price_currents(tables.lines, tables.limits, tables.prices[period], seats, roots, count)
    violation = 0.0
    if tables.has_voltage_limits:
        violation += _exceed_voltages(tables.buses, seats, roots, count)
    if tables.ceilings.size > 0:
        violation += _exceed_ceilings(tables.lines, tables.ceilings, seats, roots, count)
    return violation, objective


@compiled
def _price_failed(seats: RecordArray, roots: int, count: int, loss_price: float) -> tuple[float, float]:
    """A failed flow has no numbers of its own: what it would lose at full voltage says how far from possible it is."""
    loss = 0.0
    demand = 1.0
    v2 = 0.0
    for k in range(roots):
        v2 = max(v2, seats[k].v2)
    for k in range(roots, count):
        seats[k].current2 = 0.0
    _gather_power(seats, roots, count)
    for k in range(roots, count):
        seat = seats[k]
        loss += seat.r * (seat.flow_p * seat.flow_p + seat.flow_q * seat.flow_q) / v2
        demand += math.hypot(seat.p, seat.q)
        seat.v2 = v2  # the estimates of the search divide by it
    return FAILED_FLOW * (1.0 + loss / (loss + demand)), loss_price * loss


@compiled
def _price_currents(
    lines: RecordArray, limits: RecordArray, prices: Record, seats: RecordArray, roots: int, count: int
) -> float:
    """What the currents above the limits, and above half of them, cost."""
    over = 0.0
    over_half = 0.0
    for k in range(roots, count):
        line = lines[seats[k].line]
        if line.limit_first == line.limit_end:
            continue
        current = math.sqrt(seats[k].current2)
        for part in range(line.limit_first, line.limit_end):
            half = 0.5 * limits[part].imax_a
            excess = limits[part].share * current - half
            if excess > 0.0:
                over_half += excess
                over += max(excess - half, 0.0)
    cost: float = prices.imax * over + prices.imax_50 * over_half
    return cost


@compiled
def _exceed_voltages(buses: RecordArray, seats: RecordArray, roots: int, count: int) -> float:
    """Volts by which consumers are below or above their limits."""
    amount = 0.0
    for k in range(roots, count):
        bus = buses[seats[k].bus]
        v = math.sqrt(seats[k].v2)
        amount += max(bus.low_v - v, 0.0) + max(v - bus.high_v, 0.0)
    return amount


@compiled
def _exceed_ceilings(lines: RecordArray, ceilings: RecordArray, seats: RecordArray, roots: int, count: int) -> float:
    """Volts by which the parts of lines exceed their ceilings, the higher end of each part counting."""
    amount = 0.0
    for k in range(roots, count):
        seat = seats[k]
        line = lines[seat.line]
        if line.ceiling_first == line.ceiling_end:
            continue
        upstream = seats[seat.parent]
        is_forward = line.source == upstream.bus
        for part in range(line.ceiling_first, line.ceiling_end):
            ceiling = ceilings[part]
            near2 = _voltage2_along(seat, upstream.v2, is_forward, ceiling.near_r, ceiling.near_x)
            far2 = _voltage2_along(seat, upstream.v2, is_forward, ceiling.far_r, ceiling.far_x)
            amount += max(math.sqrt(max(near2, far2)) - ceiling.vmax_v, 0.0)
    return amount


@compiled
def _voltage2_along(seat: Record, upstream_v2: float, is_forward: bool, r: float, x: float) -> float:
    """Squared voltage on the upstream line of a seat, the impedance r + jx away from the line's source."""
    if not is_forward:  # offsets count from the line's source, the flow from its upstream end
        r = seat.r - r
        x = seat.x - x
    v2: float = upstream_v2 - 2.0 * (r * seat.flow_p + x * seat.flow_q) + (r * r + x * x) * seat.current2
    return v2


@compiled
def exceed_capacity(power_w: float, p_max_w: float) -> float:
    """Squared watts by which a provider gives more than it can."""
    excess = power_w - p_max_w
    return excess * excess if excess > 0.0 else 0.0


@compiled
def as_noise(difference: float, first: float, second: float) -> float:
    """The difference of two computed numbers, 0 where it is within what the power flow leaves undetermined."""
    return 0.0 if abs(difference) <= TOLERANCE * max(abs(first), abs(second)) else difference
