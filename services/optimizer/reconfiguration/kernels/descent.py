"""Local search by branch exchange: every tie in every period is tried until none improves the solution.

For a tie, the lines of its loop are candidates for opening. A first stage trusts an estimate of the change of loss that
costs no power flow and picks the best candidate; the second walks the loop from the tie in both directions, solving
each candidate, until it has become worse twice. In either stage only a solved improvement is carried out. Where
switching between periods has a price, an exchange is made in the run of periods in which it pays best.
"""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.exchange import make_exchange, weigh_exchange
from services.optimizer.reconfiguration.kernels.forest import find_loop, orient
from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.layout import (
    CLEAN,
    CURSOR,
    STAGE,
    TICK,
    TRIALS,
    Descent,
    Forest,
    Room,
    Tables,
)
from services.optimizer.reconfiguration.network import BoolArray

# Worsening candidates after which the walk along one side of a loop ends.
PATIENCE = 2
ROUNDING = 1e-12  # relative
ESTIMATED, SOLVED = range(2)  # stages


@compiled
def descend(tables: Tables, forest: Forest, room: Room, descent: Descent, budget: int) -> bool:
    """Improve until no tie gives an improvement in this stage (True) or ``room.work`` passes ``budget`` (False, to be called again)."""
    clock = descent.clock
    periods = tables.prices.size
    ties = forest.ties.shape[1]
    while clock[CLEAN] < periods * ties:
        if room.work[0] > budget:
            return False
        slot = clock[CURSOR] // ties
        at = clock[CURSOR] % ties
        clock[CURSOR] = (clock[CURSOR] + 1) % (periods * ties)
        clock[CLEAN] += 1
        room.work[0] += 2
        if tables.is_coupled and slot > 0 and is_same(forest.is_open[slot], forest.is_open[slot - 1]):
            continue  # runs are found from the first of the periods that have the same configuration
        if _is_unchanged(tables, forest, descent, slot, at):
            continue
        if _improve_tie(tables, forest, room, descent, slot, forest.ties[slot, at]):
            clock[CLEAN] = 0
        else:
            descent.checked[clock[STAGE], slot, at] = clock[TICK]
    return True


@compiled
def is_same(configuration: BoolArray, other: BoolArray) -> bool:
    """Whether two configurations (m,) are equal."""
    for line in range(configuration.size):  # noqa: SIM110  # compiled
        if configuration[line] != other[line]:
            return False
    return True


@compiled
def _is_unchanged(tables: Tables, forest: Forest, descent: Descent, slot: int, at: int) -> bool:
    """Whether nothing that an exchange of this tie depends on has changed since it was last found without improvement."""
    checked = descent.checked[descent.clock[STAGE], slot, at]
    if checked == descent.clock[TICK]:
        return True
    if tables.has_capacities:
        return False
    tie = forest.ties[slot, at]
    first = 0 if tables.is_coupled else slot
    end = tables.prices.size if tables.is_coupled else slot + 1
    for period in range(first, end):
        for bus in (tables.lines[tie].source, tables.lines[tie].target):
            head = forest.buses[period, bus].head
            if head >= 0 and forest.buses[period, head].changed > checked:
                return False
    return True


@compiled
def _improve_tie(tables: Tables, forest: Forest, room: Room, descent: Descent, slot: int, tie: int) -> bool:
    """Make the best exchange found for one tie if it is an improvement."""
    a = tables.lines[tie].source
    b = tables.lines[tie].target
    up_a, up_b = find_loop(forest.buses[slot], room, a, b)
    room.work[0] += up_a + up_b
    if up_a + up_b == 0:
        return False
    descent.found[4] = 0
    descent.best[:] = 0.0
    side, start, change = _estimate_best(tables, forest, room, slot, tie, up_a, up_b)
    if start >= 0 and (change < 0.0 or descent.clock[STAGE] == SOLVED):
        _climb(tables, forest, room, descent, slot, tie, side, start, up_b if side == 1 else up_a)
    if descent.clock[STAGE] == SOLVED:
        for walked in range(2):
            known = start if walked == side else -1
            _walk(tables, forest, room, descent, slot, tie, walked, up_b if walked == 1 else up_a, known)
    if descent.found[4] == 0 or _is_rounding(tables, descent):
        return False
    _carry_out(tables, forest, room, descent)
    return True


@compiled
def _estimate_best(
    tables: Tables, forest: Forest, room: Room, slot: int, tie: int, up_a: int, up_b: int
) -> tuple[int, int, float]:
    """The candidate of a loop with the lowest estimated loss, the currents elsewhere taken as unchanged.

    Opening a line that carries S moves S round the loop: against the flow on its own side, with it on the other.

    Returns:
        Side (0: path_a, 1: path_b) and position of the candidate, -1 where there is none, and the estimated change [W].
    """
    lines = tables.lines
    buses = forest.buses[slot]
    resistance = lines[tie].r / buses[lines[tie].source].v2
    balance_p = 0.0
    balance_q = 0.0
    for side in range(2):
        sign = 1.0 if side == 1 else -1.0
        for step in range(up_b if side == 1 else up_a):
            bus = buses[room.paths[side, step]]
            weight = lines[bus.upstream_line].r / buses[bus.upstream_bus].v2
            resistance += weight
            balance_p += sign * weight * bus.flow_p
            balance_q += sign * weight * bus.flow_q
    best_side = 0
    best_step = -1
    best = np.inf
    for side in range(2):
        sign = 1.0 if side == 0 else -1.0
        for step in range(up_b if side == 1 else up_a):
            bus = buses[room.paths[side, step]]
            if not lines[bus.upstream_line].is_switch:
                continue
            p = bus.flow_p
            q = bus.flow_q
            change = (p * p + q * q) * resistance + 2.0 * sign * (p * balance_p + q * balance_q)
            if change < best:
                best = change
                best_side = side
                best_step = step
    return best_side, best_step, best


@compiled
def _climb(
    tables: Tables,
    forest: Forest,
    room: Room,
    descent: Descent,
    slot: int,
    tie: int,
    side: int,
    start: int,
    length: int,
) -> None:
    """Consider a candidate and, while they are better still, its neighbours on the loop."""
    if not _consider(tables, forest, room, descent, slot, tie, side, start):
        return
    for direction in (1, -1):
        step = start + direction
        is_first = True
        while 0 <= step < length:
            if tables.lines[forest.buses[slot, room.paths[side, step]].upstream_line].is_switch:
                if not _consider(tables, forest, room, descent, slot, tie, side, step):
                    break
                is_first = False
            step += direction
        if not is_first:
            return


@compiled
def _walk(
    tables: Tables,
    forest: Forest,
    room: Room,
    descent: Descent,
    slot: int,
    tie: int,
    side: int,
    length: int,
    known: int,
) -> None:
    """Consider the candidates of one side from the tie on, but for one ``known``, until they have become worse twice."""
    patience = PATIENCE
    for step in range(length):
        if not tables.lines[forest.buses[slot, room.paths[side, step]].upstream_line].is_switch:
            continue
        if step == known or not _consider(tables, forest, room, descent, slot, tie, side, step):
            patience -= 1
            if patience == 0:
                return


@compiled
def _is_rounding(tables: Tables, descent: Descent) -> bool:
    """Whether the best candidate pays only because prices of switching do not cancel to the last digit."""
    prices: float = abs(tables.lines[descent.found[2]].switch_price) + abs(tables.lines[descent.found[3]].switch_price)
    return bool(descent.best[0] == 0.0 and -descent.best[1] <= ROUNDING * prices)


@compiled
def _consider(
    tables: Tables, forest: Forest, room: Room, descent: Descent, slot: int, tie: int, side: int, step: int
) -> bool:
    """Weigh one candidate; whether it is the best so far and an improvement."""
    cut = room.paths[side, step]
    opened = forest.buses[slot, cut].upstream_line
    if tables.is_coupled:
        violation, objective = _find_run(tables, forest, room, descent, slot, tie, opened)
    else:
        a = tables.lines[tie].source
        b = tables.lines[tie].target
        inner, outer = (b, a) if side == 1 else (a, b)
        descent.clock[TRIALS] += 1
        descent.reach[:] = slot
        violation, objective = weigh_exchange(tables, forest, room, slot, tie, inner, outer, cut, descent.best[1])
    if not precedes(violation, objective, descent.best[0], descent.best[1]):
        return False
    descent.best[0] = violation
    descent.best[1] = objective
    descent.found[0] = descent.reach[0]
    descent.found[1] = descent.reach[1]
    descent.found[2] = tie
    descent.found[3] = opened
    descent.found[4] = 1
    return True


@compiled
def precedes(violation: float, objective: float, other_violation: float, other_objective: float) -> bool:
    """Whether the first of two solutions (or of two changes to one) is better: less violation, then lower objective."""
    return violation < other_violation or (violation == other_violation and objective < other_objective)


@compiled
def _find_run(
    tables: Tables, forest: Forest, room: Room, descent: Descent, slot: int, tie: int, opened: int
) -> tuple[float, float]:
    """The run of periods, among those round ``slot`` in which an exchange is possible, in which it is best made.

    Within a run two periods differ as before, so that switching changes its price at the ends only; the best run is
    found like the subarray with the least sum. It goes to ``descent.reach``.

    Returns:
        Change of violation amount and objective, switching included.
    """
    period = slot
    while period > 0 and orient(tables.lines, forest, period - 1, tie, opened)[2] >= 0:
        period -= 1
    # A period that loses more than this is better left out: that costs four switchings at most.
    ceiling = 2.0 * (abs(tables.lines[tie].switch_price) + abs(tables.lines[opened].switch_price))
    best_violation = 0.0
    best_objective = np.inf
    violation = 0.0
    objective = np.inf  # of the best run that ends here, without the price at its end
    first = period
    while period < tables.prices.size:
        inner, outer, cut = orient(tables.lines, forest, period, tie, opened)
        if cut < 0:
            break
        descent.clock[TRIALS] += 1
        own_violation, own_objective = weigh_exchange(tables, forest, room, period, tie, inner, outer, cut, ceiling)
        edge = price_of_edge(tables, forest, period - 1, tie, opened)
        if precedes(0.0, edge, violation, objective):
            first = period
            violation = 0.0
            objective = edge
        violation += own_violation
        objective += own_objective
        total = objective + price_of_edge(tables, forest, period + 1, tie, opened)
        if precedes(violation, total, best_violation, best_objective):
            best_violation = violation
            best_objective = total
            descent.reach[0] = first
            descent.reach[1] = period
        period += 1
    return best_violation, best_objective


@compiled
def price_of_edge(tables: Tables, forest: Forest, outside: int, tie: int, opened: int) -> float:
    """Change of the price of switching between a period that makes the exchange and a neighbour, ``outside``, that does not."""
    if outside >= tables.prices.size or (outside < 0 and not tables.has_start):
        return 0.0
    if outside < 0:
        tie_is_open = tables.lines[tie].starts_open
        opened_is_open = tables.lines[opened].starts_open
    else:
        tie_is_open = forest.is_open[outside, tie]
        opened_is_open = forest.is_open[outside, opened]
    change: float = tables.lines[tie].switch_price if tie_is_open else -tables.lines[tie].switch_price
    change += -tables.lines[opened].switch_price if opened_is_open else tables.lines[opened].switch_price
    return change


@compiled
def _carry_out(tables: Tables, forest: Forest, room: Room, descent: Descent) -> None:
    """Make the exchange that was found, in all its periods, and account for it."""
    for slot in range(descent.found[0], descent.found[1] + 1):
        exchange(tables, forest, room, descent, slot, descent.found[2], descent.found[3])
    descent.gain[0] += descent.best[0]
    descent.gain[1] += descent.best[1]


@compiled
def exchange(
    tables: Tables, forest: Forest, room: Room, descent: Descent, slot: int, closed: int, opened: int
) -> tuple[float, float]:
    """Make one exchange; what it changes, switching apart."""
    clock = descent.clock
    inner, outer, cut = orient(tables.lines, forest, slot, closed, opened)
    clock[TICK] += 1
    change = make_exchange(tables, forest, room, slot, closed, inner, outer, cut, clock[TICK])
    descent.is_touched[slot] = True
    return change
