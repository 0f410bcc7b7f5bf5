"""What no solution exceeds that is as good as the best known: boxes of a relaxation, each with the reason why it holds.

A box that is only likely would make the bound a guess. All quantities are per unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.network import FloatArray
from services.optimizer.reconfiguration.problem import ReducedNetwork


@dataclass(frozen=True)
class PerUnit:
    """A period in per unit: impedances by arc (A,), demands by bus (n,), 0 at providers.

    ``p_fed`` and ``q_fed`` (A,) are the demand of the fed bus where nothing generates, else 0: what flows hold apart.
    """

    v_base_v: float
    s_base_va: float
    r: FloatArray
    x: FloatArray
    p: FloatArray
    q: FloatArray
    p_fed: FloatArray
    q_fed: FloatArray
    is_drawing: bool  # no generation and no capacitance

    @property
    def z2(self) -> FloatArray:
        """(A,) squared impedances."""
        return self.r**2 + self.x**2


@dataclass(frozen=True)
class Caps:
    """Least and largest values by arc (A,), and the highest squared voltage by bus (n,)."""

    p_low: FloatArray
    p_high: FloatArray
    q_low: FloatArray
    q_high: FloatArray
    current2: FloatArray  # 0 where a line has no impedance: nothing depends on it there
    v2: FloatArray


def find_caps(network: ReducedNetwork, per_unit: PerUnit, loss_cap: float) -> Caps:
    """Caps on solutions whose loss is at most ``loss_cap``, which may be infinite.

    Raises:
        NoRelaxation: with generation, without a loss to rely on, or with reactance where there is no resistance.
    """
    caps = (
        _without_generation(per_unit, loss_cap)
        if per_unit.is_drawing
        else _with_generation(network, per_unit, loss_cap)
    )
    limits = (network.v_max_v / per_unit.v_base_v) ** 2
    return Caps(caps.p_low, caps.p_high, caps.q_low, caps.q_high, caps.current2, np.minimum(caps.v2, limits))


def _without_generation(per_unit: PerUnit, loss_cap: float) -> Caps:
    """Voltages fall from 1 at the most, and so 2 (r P + x Q) + |z|² l <= 1 on every arc. And r l is part of the loss.

    A line's flow is the demand behind it and what is lost there.
    """
    r, x = per_unit.r, per_unit.x
    with np.errstate(divide="ignore", invalid="ignore"):
        current2 = np.where(
            per_unit.z2 > 0.0, np.minimum(1.0 / per_unit.z2, np.where(r > 0.0, loss_cap / r, np.inf)), 0.0
        )
        p_by_drop = np.where(r > 0.0, 0.5 / r, np.inf)
        q_by_drop = np.where(x > 0.0, 0.5 / x, np.inf)
    # Lines count twice here, once for each direction.
    p_most = float(per_unit.p.sum()) + min(loss_cap, float((r * current2).sum()))
    q_most = float(per_unit.q.sum() + (x * current2).sum())
    zero = np.zeros(r.size)
    return Caps(
        zero, np.minimum(p_most, p_by_drop), zero, np.minimum(q_most, q_by_drop), current2, np.ones(per_unit.p.size)
    )


def _with_generation(network: ReducedNetwork, per_unit: PerUnit, loss_cap: float) -> Caps:
    """What flows is at most all demand and loss, or all generation; r l is part of the loss; for voltages see below."""
    r, x = per_unit.r, per_unit.x
    if not np.isfinite(loss_cap):
        raise NoRelaxation("with generation no flow is bounded before a feasible solution is known")
    if (x[r == 0.0] != 0.0).any():
        raise NoRelaxation("with generation the loss does not bound the current of a line without resistance")
    has_resistance = r > 0.0
    current2 = np.divide(loss_cap, r, out=np.zeros(r.size), where=has_resistance)
    lost_q = loss_cap * float(np.divide(np.abs(x), r, out=np.zeros(r.size), where=has_resistance).max(initial=0.0))
    one = np.ones(r.size)
    return Caps(
        p_low=one * float(np.minimum(per_unit.p, 0.0).sum()),
        p_high=one * (float(np.maximum(per_unit.p, 0.0).sum()) + loss_cap),
        q_low=one * (float(np.minimum(per_unit.q, 0.0).sum()) - lost_q),
        q_high=one * (float(np.maximum(per_unit.q, 0.0).sum()) + lost_q),
        current2=current2,
        v2=np.full(per_unit.p.size, (1.0 + _largest_rise(network, per_unit, loss_cap)) ** 2),
    )


def _largest_rise(network: ReducedNetwork, per_unit: PerUnit, loss_cap: float) -> float:
    """What no voltage is above that of its provider.

    Along a path that is at most the sum of |z| |I|, by Cauchy and Schwarz at most the root of the loss times the sum of |z|²/r;
    and no path weighs more than the heaviest spanning tree.
    """
    z_base_ohm = per_unit.v_base_v**2 / per_unit.s_base_va
    z2 = network.r_ohm**2 + network.x_ohm**2
    weight = np.divide(z2, network.r_ohm, out=np.zeros(z2.size), where=network.r_ohm > 0.0) / z_base_ohm
    vertex = np.where(network.is_provider, 0, np.arange(1, network.bus_count + 1))
    ends = vertex[network.source], vertex[network.target]
    # The lightest tree with negative weights. A sparse matrix adds up parallel lines, which is on the safe side.
    weights = coo_array((-weight, (np.minimum(*ends), np.maximum(*ends))), shape=(network.bus_count + 1,) * 2)
    return float(np.sqrt(loss_cap * -minimum_spanning_tree(weights.tocsr()).sum()))
