"""What prices of a relaxation's rows and planes are worth as a bound, whoever found them and however wrong they are.

Source: A. Neumaier, O. Shcherbina, "Safe bounds in linear and mixed-integer linear programming", Math. Programming 99, 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.bounds.relaxation import Relaxation
from services.optimizer.reconfiguration.network import FloatArray

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Planes:
    """Tangent planes l >= 2 α P + 2 β Q - (α² + β²) w of arcs, (K,) each."""

    arc: Positions
    alpha: FloatArray
    beta: FloatArray


def weigh(
    of: Relaxation,
    lower: FloatArray,
    upper: FloatArray,
    cost: FloatArray,
    rows: FloatArray,
    planes: Planes,
    plane_prices: FloatArray,
) -> tuple[float, FloatArray]:
    """What ``cost`` is at least within the boxes (5A,), in the relaxation's own unit, and the reduced cost of each column (5A,).

    Args:
        rows: (M,) any prices of the rows; those that the limits do not bear count as 0.
        plane_prices: (K,) any prices of the planes.
    """
    rows = borne(of, rows)
    worth = worth_of_rows(of, rows)
    reduced: FloatArray = cost - of.rows.T @ rows
    positive = np.maximum(plane_prices, 0.0)
    for block, value in enumerate(plane_terms(of, planes)):
        stretch = reduced[block * of.arcs.count : (block + 1) * of.arcs.count]
        stretch -= np.bincount(planes.arc, value * positive, minlength=of.arcs.count)
    return worth + float(np.minimum(reduced * lower, reduced * upper).sum()), reduced


def borne(of: Relaxation, rows: FloatArray) -> FloatArray:
    """Prices (M,) without those of the wrong sign: on a limit that is not there a price would be worth nothing."""
    is_of_nothing = ((rows > 0.0) & np.isneginf(of.row_lower)) | ((rows < 0.0) & np.isposinf(of.row_upper))
    return np.where(is_of_nothing, 0.0, rows)


def worth_of_rows(of: Relaxation, rows: FloatArray) -> float:
    """What the limits are worth at prices (M,) of the right sign."""
    limit = np.where(rows > 0.0, of.row_lower, of.row_upper)
    return float(np.where(rows != 0.0, rows * np.where(np.isfinite(limit), limit, 0.0), 0.0).sum())


def plane_terms(of: Relaxation, planes: Planes) -> tuple[FloatArray, ...]:
    """Coefficients of b, P, Q, l and w in planes, (K,) each, as of ``planes @ columns >= 0``."""
    alpha, beta = planes.alpha, planes.beta
    of_demand = alpha * of.p_fed[planes.arc] + beta * of.q_fed[planes.arc]
    return -2.0 * of_demand, -2.0 * alpha, -2.0 * beta, np.ones(planes.arc.size), alpha**2 + beta**2
