"""When a process runs: so many steps at constant power, shifted to where energy is cheapest. No linear program is needed."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import numpy as np

from services.optimizer.scheduling.pieces import BoolArray
from services.optimizer.scheduling.problem import FloatArray, IntArray
from shared.errors import BusbarError

_TIE = 1e-9  # relative to the largest sum of prices: sums that differ by less are the same


class ProcessImpossible(BusbarError):
    """There is no room for a process in its window."""

    code = "process_impossible"


class ProcessType(Enum):
    """Whether a process waits for better prices, and whether it may pause."""

    INFLEXIBLE = "INFLEXIBLE"
    BREAKABLE = "BREAKABLE"
    SHIFTABLE = "SHIFTABLE"


def running_steps(
    process_type: ProcessType, price: FloatArray, is_blocked: BoolArray, needed: int, *, is_maximised: bool = False
) -> BoolArray:
    """The steps in which a process runs that needs ``needed`` of N.

    Args:
        price: (N,) of energy, or anything whose sum is to be least (with ``is_maximised`` largest). Of no meaning to INFLEXIBLE.
        is_blocked: (N,) steps in which it may not run.
    Returns:
        (N,) true where it runs. A process that needs all steps or more runs all the time.
    Raises:
        ProcessImpossible: there are not as many steps, not as many one after the other, or any blocked one where all are needed.
    """
    count = len(price)
    if needed >= count:
        if is_blocked.any():
            raise ProcessImpossible("the process needs the whole window, of which a part is restricted")
        return np.ones(count, dtype=np.bool_)
    value = -price if is_maximised else price
    if process_type is ProcessType.BREAKABLE:
        return _cheapest_steps(value, is_blocked, needed)
    starts = np.flatnonzero(_is_free_for(is_blocked, needed))
    if not len(starts):
        raise ProcessImpossible(f"no {needed} free steps follow each other")
    first = int(starts[0])
    if process_type is ProcessType.SHIFTABLE and needed > 0:
        sums = np.lib.stride_tricks.sliding_window_view(value, needed).sum(axis=1)[starts]
        first = int(starts[np.argmax(sums <= sums.min() + _TIE * np.abs(sums).max())])
    return (np.arange(count) >= first) & (np.arange(count) < first + needed)


def needed_steps(duration_s: float, step_s: float) -> int:
    """Steps that a duration takes, begun ones in full."""
    return int(np.ceil(duration_s / step_s - 1e-9))


def blocked_steps(starts_s: IntArray, step_s: int, restrictions_s: Iterable[tuple[float, float]]) -> BoolArray:
    """Which steps (N,), by their starts in seconds since the epoch, any restriction [begin, end) touches."""
    blocked = np.zeros(len(starts_s), dtype=np.bool_)
    for begin, end in restrictions_s:
        blocked |= (starts_s < end) & (starts_s + step_s > begin)
    return blocked


def _cheapest_steps(value: FloatArray, is_blocked: BoolArray, needed: int) -> BoolArray:
    free = np.flatnonzero(~is_blocked)
    if len(free) < needed:
        raise ProcessImpossible(f"there are {len(free)} free steps, and {needed} are needed")
    runs = np.zeros(len(value), dtype=np.bool_)
    runs[free[np.argsort(value[free], kind="stable")[:needed]]] = True
    return runs


def _is_free_for(is_blocked: BoolArray, needed: int) -> BoolArray:
    """(N - needed + 1,) whether as many steps from each on are free."""
    before = np.concatenate([[0], np.cumsum(is_blocked)])
    free: BoolArray = before[needed:] == before[: len(before) - needed]
    return free
