"""The power flow of the search: the solution of the iterated DistFlow that is reported, in real numbers on one stretch of buses.

Squared voltages and currents obey S = V conj(I) without the angles: a line that delivers S at a bus of voltage V has
|I|² = |S|² / |V|², takes up S + z |I|², and its other end has |V|² + 2 Re(conj(z) S) + |z|² |I|².
"""

from __future__ import annotations

import math

from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.layout import Record, RecordArray, Room, Tables

SOLVED, FAILED, REJECTED, IN_DOUBT = range(4)
TOLERANCE = 1e-10  # of the injected power, relative, from one round to the next
MAX_ROUNDS = 10_000
# A flow that is closer than this to one that is impossible is left to the definition, which says what counts as failed.
CERTAIN_LOSS = 0.5  # of a line, relative to the demand behind it
# Squared voltage relative to the provider's, or the other way round; squared drop relative to the squared voltage behind it.
CERTAIN_V2 = 0.5
CERTAIN_ROUNDS = 50
# What a failed flow weighs against limits kept badly: more than any sum of volts and squared watts.
FAILED_FLOW = 1e30


@compiled
def sweep(room: Room, roots: int, count: int, reject_above_w: float) -> tuple[int, float]:
    """Power flow of the trees in the first ``count`` seats of ``room``.

    Args:
        room: with bus, parent, r, x, p, q of every seat, and v2 of the ``roots`` providers, which come first. Filled on
            return: flow_p, flow_q, current2, v2.
        reject_above_w: give up once the losses are known to exceed this. Only where losses grow from round to round,
            so without generation or capacitance; inf otherwise.
    Returns:
        SOLVED, FAILED where the flow does not converge or is impossible, or REJECTED; and the losses [W].
    """
    status, loss = _settle(room, roots, count, reject_above_w)
    return _iterate(room, roots, count, reject_above_w) if status == IN_DOUBT else (status, loss)


@compiled
def _settle(room: Room, roots: int, count: int, reject_above_w: float) -> tuple[int, float]:
    """The power flow with each current from the power and the voltage behind its line; IN_DOUBT where it is not certain.

    Here a loss is wrong as far as a voltage of the round before is, and there as far as a current is, which the losses
    further down change most: this comes to the same solution in half as many rounds. In both voltages fall and losses
    grow from round to round where there is no generation and no capacitance.
    """
    seats = room.seats
    top_v2 = 0.0
    for k in range(roots):
        top_v2 = max(top_v2, seats[k].v2)
    demand_p, demand_q = _begin(seats, count, top_v2)
    for _ in range(CERTAIN_ROUNDS):
        room.work[0] += count
        _add_powers(seats, roots, count)
        loss_p, loss_q, low_v2 = _drop_voltages(seats, roots, count)
        if low_v2 < CERTAIN_V2 * top_v2:
            return IN_DOUBT, loss_p
        if loss_p > reject_above_w:
            return REJECTED, loss_p
        p = 0.0
        q = 0.0
        for k in range(roots):
            p += seats[k].flow_p
            q += seats[k].flow_q
        # The next round would have the losses at the voltages of this one in the injected power.
        change_p = demand_p + loss_p - p
        change_q = demand_q + loss_q - q
        if change_p * change_p + change_q * change_q <= TOLERANCE * TOLERANCE * (p * p + q * q):
            is_certain = _finish(seats, roots, count, top_v2)
            return SOLVED if is_certain else IN_DOUBT, loss_p
    return IN_DOUBT, loss_p


@compiled
def _begin(seats: RecordArray, count: int, v2: float) -> tuple[float, float]:
    """Prepare the first round, with the same voltage everywhere; active and reactive demand."""
    demand_p = 0.0
    demand_q = 0.0
    for k in range(count):
        seat = seats[k]
        seat.sum_p = seat.p
        seat.sum_q = seat.q
        seat.demand = seat.p
        seat.current2 = 0.0
        seat.per_v2 = 1.0 / v2
        demand_p += seat.p
        demand_q += seat.q
    return demand_p, demand_q


@compiled
def _add_powers(seats: RecordArray, roots: int, count: int) -> None:
    """Powers and drops from the leaves to the providers with the voltages so far.

    Most buses come right after the one that feeds them: their power is handed on without a detour through memory.
    """
    next_p = 0.0
    next_q = 0.0
    for k in range(count - 1, -1, -1):
        seat = seats[k]
        delivered_p = seat.sum_p + next_p
        delivered_q = seat.sum_q + next_q
        seat.sum_p = seat.p  # to begin the next sum
        seat.sum_q = seat.q
        power2 = delivered_p * delivered_p + delivered_q * delivered_q
        p = delivered_p + seat.r * seat.per_v2 * power2
        q = delivered_q + seat.x * seat.per_v2 * power2
        seat.power2 = power2
        seat.flow_p = p
        seat.flow_q = q
        seat.drop = seat.r * (delivered_p + p) + seat.x * (delivered_q + q)
        next_p = 0.0
        next_q = 0.0
        if k < roots:
            continue
        if seat.parent == k - 1:
            next_p = p
            next_q = q
        else:
            seats[seat.parent].sum_p += p
            seats[seat.parent].sum_q += q


@compiled
def _drop_voltages(seats: RecordArray, roots: int, count: int) -> tuple[float, float, float]:
    """Voltages and currents from the providers to the leaves; active and reactive losses, and the lowest squared voltage."""
    loss_p = 0.0
    loss_q = 0.0
    low_v2 = math.inf
    v2 = seats[roots - 1].v2
    for k in range(roots, count):
        seat = seats[k]
        if seat.parent != k - 1:
            v2 = seats[seat.parent].v2
        v2 -= seat.drop
        per_v2 = 1.0 / v2
        current2 = seat.power2 * per_v2
        loss_p += seat.r * current2
        loss_q += seat.x * current2
        seat.v2 = v2
        seat.per_v2 = per_v2
        seat.current2 = current2
        low_v2 = min(low_v2, v2)
    return loss_p, loss_q, low_v2


@compiled
def _finish(seats: RecordArray, roots: int, count: int, top_v2: float) -> bool:
    """Powers with the last currents; whether the flow is so far from failing that no round of the definition can fail.

    These have between none and one and a half times the losses in the power behind a line, which must not come between
    nothing and the line's own loss.
    """
    is_certain = True
    next_p = 0.0
    next_q = 0.0
    next_demand = 0.0
    for k in range(count - 1, -1, -1):
        seat = seats[k]
        loss = seat.r * seat.current2
        demand = seat.demand + next_demand  # of all that the line feeds
        delivered = seat.sum_p + next_p
        p = delivered + loss
        q = seat.sum_q + next_q + seat.x * seat.current2
        seat.flow_p = p
        seat.flow_q = q
        next_p = 0.0
        next_q = 0.0
        next_demand = 0.0
        if k < roots:
            continue
        drop2 = (seat.r * seat.r + seat.x * seat.x) * seat.current2
        if not (loss <= CERTAIN_LOSS * demand or 1.5 * delivered - 0.5 * demand < -loss):
            is_certain = False
        if not (drop2 <= CERTAIN_V2 * seat.v2 and CERTAIN_V2 * seat.v2 <= top_v2):
            is_certain = False
        if seat.parent == k - 1:
            next_p = p
            next_q = q
            next_demand = demand
        else:
            seats[seat.parent].sum_p += p
            seats[seat.parent].sum_q += q
            seats[seat.parent].demand += demand
    return is_certain


@compiled
def _iterate(room: Room, roots: int, count: int, reject_above_w: float) -> tuple[int, float]:
    """The power flow round by round as the reported one does it, which decides what has failed.

    A line that takes up S from a bus of voltage V has |I|² = |S|² / |V|², and its other end |V|² - 2 Re(conj(z) S) + |z|² |I|².
    """
    seats = room.seats
    for k in range(count):
        seats[k].current2 = 0.0
    previous_p = 0.0
    previous_q = 0.0
    loss = 0.0
    for _ in range(MAX_ROUNDS):
        room.work[0] += count
        is_possible = _gather_power(seats, roots, count)
        loss = _spread_voltage(seats, roots, count)
        if loss < 0.0 or not is_possible:
            return FAILED, loss
        if loss > reject_above_w:
            return REJECTED, loss
        p = 0.0
        q = 0.0
        for k in range(roots):
            p += seats[k].flow_p
            q += seats[k].flow_q
        change = (p - previous_p) * (p - previous_p) + (q - previous_q) * (q - previous_q)
        size = p * p + q * q
        if size == 0.0 or change < TOLERANCE * TOLERANCE * size:
            return SOLVED, loss
        previous_p = p
        previous_q = q
    return FAILED, loss


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
def price(
    tables: Tables, room: Room, period: int, roots: int, count: int, status: int, loss_w: float
) -> tuple[float, float]:
    """Violation amount and objective of the trees in ``room`` after a sweep with these results, capacities of providers apart."""
    seats = room.seats
    if status == FAILED:
        return _price_failed(seats, roots, count, tables.prices[period].loss)
    objective = tables.prices[period].loss * loss_w
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
