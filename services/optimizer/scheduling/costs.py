"""What a schedule costs: every commitment by its definition, from powers and levels alone."""

from __future__ import annotations

import numpy as np

from services.optimizer.scheduling.problem import Commitment, FloatArray, Flow, Kind, ScheduleProblem

_NOISE = (
    1e-9  # MW or MWh, and relative: deviations up to this are rounding, and a breach price would make money of them
)


def costs_of(problem: ScheduleProblem, power_mw: FloatArray, level_mwh: FloatArray) -> FloatArray:
    """Costs (C,) of the commitments of a problem, for powers (D, N) and levels (G, N + 1)."""
    return np.array([_cost(each, *deviations(each, power_mw, level_mwh)) for each in problem.commitments])


def deviations(commitment: Commitment, power_mw: FloatArray, level_mwh: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(N,) by how much each step is above (>= 0) and below (<= 0) the quantity; 0 where nothing is bound."""
    if isinstance(commitment.over, Flow):
        value = power_mw[list(commitment.over.devices)].sum(axis=0)
    else:
        value = level_mwh[commitment.over.stock, 1:]
    quantity = commitment.quantity
    difference = np.where(np.isnan(quantity), 0.0, value - quantity)
    noise = _NOISE * np.maximum(1.0, np.abs(np.nan_to_num(quantity)))
    difference = np.where(np.abs(difference) <= noise, 0.0, difference)
    return np.maximum(difference, 0.0), np.minimum(difference, 0.0)


def _cost(commitment: Commitment, above: FloatArray, below: FloatArray) -> float:
    up, down = commitment.prices()
    if commitment.kind is Kind.EACH:
        return float(up @ above + down @ below)
    group = commitment.groups()
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return float(up[starts] @ np.maximum.reduceat(above, starts) + down[starts] @ np.minimum.reduceat(below, starts))
