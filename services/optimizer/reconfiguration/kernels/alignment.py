"""Moves of whole configurations: a run of periods takes over the configuration of the period next to it."""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.kernels.descent import precedes
from services.optimizer.reconfiguration.kernels.forest import plant
from services.optimizer.reconfiguration.kernels.jit import compiled, compiled_allocating
from services.optimizer.reconfiguration.kernels.layout import CLEAN, TICK, Descent, Forest, RecordArray, Room, Tables
from services.optimizer.reconfiguration.kernels.perturbation import NOISE, amounts_of
from services.optimizer.reconfiguration.kernels.sweep import as_noise
from services.optimizer.reconfiguration.network import BoolArray


@compiled_allocating
def align(tables: Tables, forest: Forest, room: Room, descent: Descent, source: int, step: int) -> bool:
    """Let the periods next to ``source`` on one side have its configuration, as far as it pays; whether it does.

    Args:
        source: a period, or -1 for the configuration before the first, which must be radial.
        step: 1 for the periods after it, -1 for those before.
    """
    periods = tables.prices.size
    scratch = periods
    starts_open = np.empty(tables.lines.size, dtype=np.bool_)
    for line in range(tables.lines.size):
        starts_open[line] = tables.lines[line].starts_open
    given = starts_open if source < 0 else forest.is_open[source].copy()
    best_violation = 0.0
    best_objective = 0.0
    best_end = source
    violation = 0.0
    objective = 0.0
    size = 0.0  # of what has been added up, for what of it is noise
    slot = source + step
    while 0 <= slot < periods:
        forest.is_open[scratch] = given
        forest.period[scratch] = slot
        plant(tables, forest, room, scratch, descent.clock[TICK])
        new_violation, new_objective = amounts_of(tables, forest.buses[scratch])
        old_violation, old_objective = amounts_of(tables, forest.buses[slot])
        violation += as_noise(new_violation - old_violation, new_violation, old_violation)
        objective += as_noise(new_objective - old_objective, new_objective, old_objective)
        inner = given if source < 0 and slot == 0 else forest.is_open[slot - step]
        objective -= _price_between(tables.lines, inner, forest.is_open[slot])
        size += abs(old_objective)
        beyond = slot + step
        total = objective
        if 0 <= beyond < periods or (beyond < 0 and tables.has_start):
            outer = forest.is_open[beyond] if beyond >= 0 else starts_open
            total += _price_between(tables.lines, given, outer)
            total -= _price_between(tables.lines, forest.is_open[slot], outer)
        if precedes(violation, total + NOISE * size, best_violation, best_objective):
            best_violation = violation
            best_objective = total
            best_end = slot
        slot += step
    if best_end == source:
        return False
    slot = source
    while slot != best_end:
        slot += step
        descent.clock[TICK] += 1
        forest.is_open[slot] = given
        plant(tables, forest, room, slot, descent.clock[TICK])
        descent.is_touched[slot] = True
    descent.clock[CLEAN] = 0
    return True


@compiled
def _price_between(lines: RecordArray, first: BoolArray, second: BoolArray) -> float:
    """Objective of switching from one configuration to another."""
    price = 0.0
    for line in range(lines.size):
        if first[line] != second[line]:
            price += lines[line].switch_price
    return price
