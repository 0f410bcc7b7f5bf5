"""Gaps in a series: short ones are interpolated, long ones take the values of the days before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from services.optimizer.forecasting.task import FloatArray

# A gap up to this share of a day is bridged by a straight line.
_SHORT_GAP_DAYS = 1 / 12


def filled(values: FloatArray, steps_of_day: int) -> FloatArray:
    """The series (N,) without NaN between its first and its last known value; before and after them it stays NaN.

    A value in a long gap is the last one known at that time of day, or interpolated where there is none.
    """
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return values
    first, last = int(known[0]), int(known[-1])
    full = values.copy()
    inside = np.arange(first, last + 1)
    full[inside] = np.interp(inside, known, values[known])
    longest = max(1, int(steps_of_day * _SHORT_GAP_DAYS))
    for begin, end in pairwise(known.tolist()):
        if end - begin - 1 > longest:
            # One by one: days further inside the gap build on those before.
            for index in range(max(begin + 1, first + steps_of_day), end):
                full[index] = full[index - steps_of_day]
    return full
