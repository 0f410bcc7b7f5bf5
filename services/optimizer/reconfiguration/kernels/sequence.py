"""The cheapest sequence of configurations, one from each period's candidates, switching between them included (Viterbi)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.optimizer.reconfiguration.kernels.jit import compiled
from services.optimizer.reconfiguration.kernels.layout import LongArray
from services.optimizer.reconfiguration.network import BoolArray, FloatArray


class Sequence(NamedTuple):
    """Candidates of every period and how far the search has come; S candidates at most, K open lines each."""

    size: LongArray  # (T,) candidates
    candidate_open: LongArray  # (T, S, K) open lines
    objective: FloatArray  # (T, S) without switching
    switch_price: FloatArray  # (m,)
    rest: FloatArray  # (T,) the least that all periods after this one can cost
    reach: FloatArray  # (T, S) out: the cheapest way to this candidate; inf where it cannot be part of an optimum
    before: LongArray  # (T, S) out: the candidate of the period before on that way
    is_marked: BoolArray  # (m,) scratch
    clock: LongArray  # (2,) period and candidate that come next


@compiled
def extend_sequences(sequence: Sequence, ceiling: float, steps: int) -> bool:
    """Go on to the end (True), or for about ``steps`` comparisons of lines (False).

    ``reach`` of the first period must be filled. Ways that must come to cost more than ``ceiling`` are given up.
    """
    periods, _, open_count = sequence.candidate_open.shape
    while sequence.clock[0] < periods:
        period = sequence.clock[0]
        while sequence.clock[1] < sequence.size[period]:
            if steps < 0:
                return False
            _extend_to(sequence, period, sequence.clock[1], ceiling)
            steps -= sequence.size[period - 1] * open_count
            sequence.clock[1] += 1
        sequence.clock[0] += 1
        sequence.clock[1] = 0
    return True


@compiled
def _extend_to(sequence: Sequence, period: int, candidate: int, ceiling: float) -> None:
    """The cheapest way to one candidate. What two configurations both have open is not switched."""
    here = sequence.candidate_open[period, candidate]
    price = sequence.switch_price
    opened = 0.0
    for line in here:
        sequence.is_marked[line] = True
        opened += price[line]
    best = np.inf
    best_before = -1
    for other in range(sequence.size[period - 1]):
        so_far = sequence.reach[period - 1, other]
        if so_far == np.inf:
            continue
        cost = so_far + opened
        for line in sequence.candidate_open[period - 1, other]:
            cost += -price[line] if sequence.is_marked[line] else price[line]
        if cost < best:
            best = cost
            best_before = other
    for line in here:
        sequence.is_marked[line] = False
    best += sequence.objective[period, candidate]
    sequence.before[period, candidate] = best_before
    sequence.reach[period, candidate] = best if best + sequence.rest[period] <= ceiling else np.inf
