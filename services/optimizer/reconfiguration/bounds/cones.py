"""A relaxation with its cones as they are, solved by an interior-point method in some dozens of steps, however large it is.

Of what the solver says only the prices are used. A price on the cone of an arc is the same as a price on the plane that touches the
cone where these prices point: l w >= P² + Q² asks for z_l l + z_w w + z_P P + z_Q Q >= 0 with (z_l, z_w, z_P, z_Q) from its dual
cone, and for z_l > 0 no less is asked by the tangent plane of α = -z_P / (2 z_l), β = -z_Q / (2 z_l). So they are prices of a linear
program with these planes, and the bound is computed from them as from any others.

Source: P. Goulart, Y. Chen, "Clarabel: An interior-point solver for conic programs with quadratic objectives", 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

import clarabel
import numpy as np
from scipy.sparse import csc_array, csr_array, eye_array, vstack

from services.optimizer.reconfiguration.bounds.prices import Planes, Positions, borne
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation
from services.optimizer.reconfiguration.network import BoolArray, FloatArray

ACCURACY = 1e-7
_CONE = 4  # rows of one


@dataclass(frozen=True)
class ConePrices:
    """Prices of the rows (M,), planes (K,) and their prices (K,), which are positive."""

    rows: FloatArray
    planes: Planes
    plane_prices: FloatArray


def price_cones(relaxation: Relaxation, time_limit_s: float) -> ConePrices | None:
    """Prices near the best there are; None where the solver finds none in time."""
    equations, limits, cones = _equations(relaxation), _limits(relaxation), _cones(relaxation)
    blocks = [matrix for matrix, _ in (equations, limits)]
    sides = [side for _, side in (equations, limits)]
    arc, cone_rows = cones
    matrix = vstack([*blocks, -cone_rows], format="csc")
    side = np.concatenate([*sides, np.zeros(cone_rows.shape[0])])
    kinds = [clarabel.ZeroConeT(sides[0].size), clarabel.NonnegativeConeT(sides[1].size)]
    kinds += [clarabel.SecondOrderConeT(_CONE)] * arc.size
    columns = relaxation.cost.size
    solver = clarabel.DefaultSolver(
        csc_array((columns, columns)), relaxation.cost, matrix, side, kinds, _settings(time_limit_s)
    )
    dual = np.array(solver.solve().z)
    if dual.size != side.size or not np.isfinite(dual).all():
        return None
    of_equations, of_limits, of_cones = np.split(dual, np.cumsum([side.size for side in sides]))
    return _prices(relaxation, of_equations, of_limits, arc, of_cones.reshape(-1, _CONE))


def _prices(
    of: Relaxation, of_equations: FloatArray, of_limits: FloatArray, arc: Positions, of_cones: FloatArray
) -> ConePrices:
    is_equation, has_upper, has_lower = _kinds_of_rows(of)
    rows = np.zeros(of.row_lower.size)
    rows[is_equation] = -of_equations[: is_equation.sum()]
    rows[has_upper] -= of_limits[: has_upper.sum()]
    rows[has_lower] += of_limits[has_upper.sum() :][: has_lower.sum()]
    # The cone is (l + w, l - w, 2 P, 2 Q): its prices by these columns.
    price = of_cones[:, 0] + of_cones[:, 1]
    is_priced = price > 0.0
    chosen = of_cones[is_priced]
    planes = Planes(arc[is_priced], -chosen[:, 2] / price[is_priced], -chosen[:, 3] / price[is_priced])
    return ConePrices(borne(of, rows), planes, price[is_priced])


def _kinds_of_rows(of: Relaxation) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Which rows are equations, which of the others have an upper limit, which a lower one."""
    is_equation = of.row_lower == of.row_upper
    return is_equation, np.isfinite(of.row_upper) & ~is_equation, np.isfinite(of.row_lower) & ~is_equation


def _equations(of: Relaxation) -> tuple[csr_array, FloatArray]:
    is_equation, _, _ = _kinds_of_rows(of)
    is_fixed = of.lower == of.upper
    matrix = vstack([of.rows[is_equation], eye_array(of.cost.size, format="csr")[is_fixed]])
    return matrix, np.concatenate([of.row_lower[is_equation], of.lower[is_fixed]])


def _limits(of: Relaxation) -> tuple[csr_array, FloatArray]:
    """Rows and boxes as matrix @ columns <= side."""
    _, has_upper, has_lower = _kinds_of_rows(of)
    is_free = of.lower != of.upper
    each = eye_array(of.cost.size, format="csr")[is_free]
    matrix = vstack([of.rows[has_upper], -of.rows[has_lower], each, -each])
    return matrix, np.concatenate(
        [of.row_upper[has_upper], -of.row_lower[has_lower], of.upper[is_free], -of.lower[is_free]]
    )


def _cones(of: Relaxation) -> tuple[Positions, csr_array]:
    """The arcs that have a cone, and the rows of (l + w, l - w, 2 P, 2 Q) for one after the other, P and Q with what is held apart."""
    count = of.arcs.count
    arc = np.flatnonzero(of.upper[3 * count : 4 * count] > 0.0)
    used, p, q, current2, w = (arc + stretch * count for stretch in range(5))
    row = _CONE * np.arange(arc.size)
    one = np.ones(arc.size)
    entries = [
        (row, current2, one),
        (row, w, one),
        (row + 1, current2, one),
        (row + 1, w, -one),
        (row + 2, p, 2.0 * one),
        (row + 2, used, 2.0 * of.p_fed[arc]),
        (row + 3, q, 2.0 * one),
        (row + 3, used, 2.0 * of.q_fed[arc]),
    ]
    place = (np.concatenate([entry[0] for entry in entries]), np.concatenate([entry[1] for entry in entries]))
    values = np.concatenate([entry[2] for entry in entries])
    return arc, csr_array((values, place), shape=(_CONE * arc.size, 5 * count))


def _settings(time_limit_s: float) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.time_limit = time_limit_s
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = ACCURACY
    return settings
