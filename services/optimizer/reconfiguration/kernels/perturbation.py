"""Iterated local search: kick a local optimum with a few random exchanges, descend, keep the result if it is better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.kernels.descent import (
    ESTIMATED,
    SOLVED,
    descend,
    exchange,
    is_same,
    price_of_edge,
)
from services.optimizer.reconfiguration.kernels.forest import find_loop, orient
from services.optimizer.reconfiguration.kernels.jit import compiled, compiled_allocating
from services.optimizer.reconfiguration.kernels.layout import (
    CLEAN,
    CURSOR,
    IS_KICKED,
    KICKS,
    STAGE,
    TICK,
    Descent,
    Forest,
    RecordArray,
    Room,
    Tables,
)
from services.optimizer.reconfiguration.kernels.sweep import exceed_capacity

WORKING, LOCAL_OPTIMUM, IMPROVED = range(3)  # what ``iterate`` has come to
# A kick makes 1 to KICK exchanges; on published systems 2 and 8 do as well.
KICK = 4
SHAKEN = 3
# Ties drawn to find one that touches what the kick has already changed, so that the exchanges of a kick interact.
DRAWS = 8
# Lines from the tie within which half of the kicks open a line.
NEAR = 4
# Relative: what the sum of many computed changes leaves undetermined.
NOISE = 1e-9


@compiled
def iterate(
    tables: Tables,
    forest: Forest,
    kept: Forest,
    room: Room,
    descent: Descent,
    random: NDArray[np.uint64],
    budget: int,
) -> int:
    """Go on with the search until ``room.work`` passes ``budget`` or something is found.

    Most kicks end in one of a few places, so that the second stage of the descent, the dearer one, is done once from each.

    Args:
        kept: the local optimum that the search returns to, once one has been found.
        random: (1,) state of the generator, not 0.
    Returns:
        WORKING; LOCAL_OPTIMUM when the first descent has come to its end; IMPROVED when the forest is a local optimum
        better than the one before. After the latter two, and only then, the forest is the best of this search.
    """
    clock = descent.clock
    while True:
        if not descend(tables, forest, room, descent, budget):
            return WORKING
        if clock[STAGE] == ESTIMATED:
            descent.digests[0] = digest(forest, tables.prices.size)
            room.work[0] += tables.prices.size * forest.ties.shape[1] // 4
            if clock[IS_KICKED] == 0 or not _is_exhausted(descent):
                clock[STAGE] = SOLVED
                clock[CLEAN] = 0
                continue
        result = LOCAL_OPTIMUM
        if clock[IS_KICKED] != 0:
            is_improved = clock[STAGE] == SOLVED and _is_better(tables, forest, descent)
            result = IMPROVED if is_improved else WORKING
        if result == WORKING:
            _note_exhausted(descent)
            _restore(forest, kept, descent)
        else:
            measure(tables, forest, descent)
            _restore(kept, forest, descent)
            descent.digests[0] = digest(forest, tables.prices.size)
            _note_exhausted(descent)
        descent.gain[:] = 0.0
        clock[IS_KICKED] = 1
        if result != WORKING:
            # The forest stays as it is until the next call, so that the caller can copy it; the kick is then due.
            return result
        kick(tables, forest, room, descent, random)
        room.work[0] += 20  # also where there is nothing to kick
        if room.work[0] > budget:
            return WORKING


@compiled
def digest(forest: Forest, periods: int) -> np.uint64:
    """A number that tells solutions from each other: the open lines by period, scattered (Steele et al., SplitMix64) and added."""
    total = np.uint64(0)
    for slot in range(periods):
        for tie in forest.ties[slot]:
            key = np.uint64(tie * periods + slot + 1) * np.uint64(0x9E3779B97F4A7C15)
            key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            total += key ^ (key >> np.uint64(31))
    return total


@compiled
def _is_exhausted(descent: Descent) -> bool:
    """Whether the search has been at this solution, ``digests[0]``, and gone on from it in vain."""
    at = 1 + int(descent.digests[0] % np.uint64(descent.digests.size - 1))
    return bool(descent.digests[at] == descent.digests[0])


@compiled
def _note_exhausted(descent: Descent) -> None:
    """Remember that going on from the solution ``digests[0]`` leads to nothing better than the one that is kept."""
    at = 1 + int(descent.digests[0] % np.uint64(descent.digests.size - 1))
    descent.digests[at] = descent.digests[0]


@compiled
def _is_better(tables: Tables, forest: Forest, descent: Descent) -> bool:
    """Whether the forest is better than when it was last judged, by more than what sums of changes leave undetermined."""
    violation = descent.total[0]
    objective = descent.total[1]
    if violation == 0.0 and descent.gain[0] == 0.0:
        return bool(descent.gain[1] < -NOISE * abs(objective))
    # Amounts of very different size have been added and taken away.
    measure(tables, forest, descent)
    new_violation = descent.total[0]
    new_objective = descent.total[1]
    descent.total[0] = violation
    descent.total[1] = objective
    if abs(new_violation - violation) > NOISE * violation:
        return bool(new_violation < violation)
    return bool(new_objective < objective - NOISE * abs(objective))


@compiled
def measure(tables: Tables, forest: Forest, descent: Descent) -> None:
    """Sum up violation amount and objective of all periods into ``descent.total``."""
    periods = tables.prices.size
    violation = 0.0
    objective = 0.0
    for slot in range(periods):
        amounts = amounts_of(tables, forest.buses[slot])
        violation += amounts[0]
        objective += amounts[1]
        if slot > 0 or tables.has_start:
            for line in range(tables.lines.size):
                was_open = forest.is_open[slot - 1, line] if slot > 0 else tables.lines[line].starts_open
                if was_open != forest.is_open[slot, line]:
                    objective += tables.lines[line].switch_price
    descent.total[0] = violation
    descent.total[1] = objective


@compiled
def amounts_of(tables: Tables, buses: RecordArray) -> tuple[float, float]:
    """Violation amount and objective, without switching, of one slot of a forest."""
    violation = 0.0
    objective = 0.0
    for root in tables.roots:
        violation += exceed_capacity(buses[root].generation, tables.buses[root].gen_p_max)
    for bus in range(buses.size):
        if buses[bus].head == bus:
            violation += buses[bus].violation
            objective += buses[bus].objective
    return violation, objective


@compiled
def kick(tables: Tables, forest: Forest, room: Room, descent: Descent, random: NDArray[np.uint64]) -> None:
    """Make a few random exchanges, near each other; the descent starts anew.

    Where periods are coupled, in all that have the configuration of a random one, or in a random run of them.
    """
    clock = descent.clock
    periods = tables.prices.size
    clock[KICKS] += 1
    clock[CLEAN] = 0
    clock[STAGE] = ESTIMATED
    if forest.ties.shape[1] == 0:
        return
    slot = draw(random, periods)
    clock[CURSOR] = slot * forest.ties.shape[1] + draw(random, forest.ties.shape[1])
    first = slot
    last = slot
    if tables.is_coupled and draw(random, 2) == 0:
        while first > 0 and is_same(forest.is_open[first - 1], forest.is_open[slot]):
            first -= 1
        while last + 1 < periods and is_same(forest.is_open[last + 1], forest.is_open[slot]):
            last += 1
    elif tables.is_coupled:
        first = slot - draw(random, slot + 1)
        last = slot + draw(random, periods - slot)
    start = clock[TICK]
    for _ in range(1 + draw(random, KICK)):
        tie, opened = _draw_exchange(tables, forest, room, random, slot, start)
        if tie < 0:
            continue
        for period in range(first, last + 1):
            if orient(tables.lines, forest, period, tie, opened)[2] < 0:
                continue
            descent.gain[1] += price_of_edge(tables, forest, period - 1, tie, opened)
            descent.gain[1] += price_of_edge(tables, forest, period + 1, tie, opened)
            violation, objective = exchange(tables, forest, room, descent, period, tie, opened)
            descent.gain[0] += violation
            descent.gain[1] += objective


@compiled
def shake(tables: Tables, forest: Forest, room: Room, descent: Descent, random: NDArray[np.uint64]) -> None:
    """Kick until about one tie in ``SHAKEN`` has moved in every period."""
    for _ in range(1 + forest.ties.shape[1] * tables.prices.size // (SHAKEN * KICK)):
        kick(tables, forest, room, descent, random)


@compiled
def _draw_exchange(
    tables: Tables, forest: Forest, room: Room, random: NDArray[np.uint64], slot: int, start: int
) -> tuple[int, int]:
    """A random tie, if possible at a feeder changed since ``start``, and a random line of its loop; (-1, -1) without one."""
    tie = -1
    for _ in range(DRAWS):
        tie = forest.ties[slot, draw(random, forest.ties.shape[1])]
        is_near = False
        for bus in (tables.lines[tie].source, tables.lines[tie].target):
            head = forest.buses[slot, bus].head
            if head >= 0 and forest.buses[slot, head].changed > start:
                is_near = True
        if is_near:
            break
    up_a, up_b = find_loop(forest.buses[slot], room, tables.lines[tie].source, tables.lines[tie].target)
    if draw(random, 2) == 0:
        up_a = min(up_a, NEAR)
        up_b = min(up_b, NEAR)
    if up_a + up_b == 0:
        return -1, -1
    offset = draw(random, up_a + up_b)
    for step in range(up_a + up_b):
        at = (offset + step) % (up_a + up_b)
        cut = room.paths[0, at] if at < up_a else room.paths[1, at - up_a]
        opened = forest.buses[slot, cut].upstream_line
        if tables.lines[opened].is_switch:
            return tie, opened
    return -1, -1


@compiled_allocating
def _restore(forest: Forest, kept: Forest, descent: Descent) -> None:
    """Copy the periods that were touched. Both are then a local optimum: no tie improves it."""
    for slot in range(descent.is_touched.size):
        if not descent.is_touched[slot]:
            continue
        descent.is_touched[slot] = False
        forest.pool_end[slot] = kept.pool_end[slot]
        forest.pool[slot] = kept.pool[slot]
        forest.ties[slot] = kept.ties[slot]
        forest.tie_place[slot] = kept.tie_place[slot]
        forest.is_open[slot] = kept.is_open[slot]
        for bus in range(forest.buses.shape[1]):
            forest.buses[slot, bus] = kept.buses[slot, bus]
    descent.checked[:] = descent.clock[TICK]


@compiled
def draw(random: NDArray[np.uint64], end: int) -> int:
    """A number from 0 to ``end`` - 1 by Marsaglia's xorshift generator: the same on every machine for a given state."""
    state = random[0]
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    random[0] = state
    return int(np.int64((state >> np.uint64(11)) % np.uint64(end)))
