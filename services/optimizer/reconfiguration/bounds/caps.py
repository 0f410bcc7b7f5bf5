"""What no solution exceeds that is as good as the best known: boxes of a relaxation, each with the reason why it holds.

A box that is only likely would make the bound a guess. All quantities are per unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.optimizer.reconfiguration.bounds.arcs import Arcs
from services.optimizer.reconfiguration.bounds.blocks import Blocks, find_blocks
from services.optimizer.reconfiguration.bounds.errors import NoRelaxation
from services.optimizer.reconfiguration.network import FloatArray
from services.optimizer.reconfiguration.problem import ReducedNetwork
from services.optimizer.reconfiguration.topology import merge_providers


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
    """Least and largest values by arc (A,) where it is used, and the highest squared voltage by bus (n,)."""

    p_low: FloatArray
    p_high: FloatArray
    q_low: FloatArray
    q_high: FloatArray
    current2: FloatArray  # 0 where a line has no impedance: nothing depends on it there
    v2: FloatArray


def find_caps(network: ReducedNetwork, arcs: Arcs, per_unit: PerUnit, loss_cap: float) -> Caps:
    """Caps on solutions whose loss is at most ``loss_cap``, which may be infinite.

    Raises:
        NoRelaxation: with generation, without a loss to rely on, or with reactance where there is no resistance.
    """
    blocks = find_blocks(merge_providers(network))
    caps = (
        _without_generation(per_unit, blocks, arcs, loss_cap)
        if per_unit.is_drawing
        else _with_generation(network, per_unit, blocks, arcs, loss_cap)
    )
    limits = (network.v_max_v / per_unit.v_base_v) ** 2
    return replace(caps, v2=np.minimum(caps.v2, limits))


def _without_generation(per_unit: PerUnit, blocks: Blocks, arcs: Arcs, loss_cap: float) -> Caps:
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
    p_most = _behind(blocks, arcs, per_unit.p) + min(loss_cap, float((r * current2).sum()))
    q_most = _behind(blocks, arcs, per_unit.q) + float((x * current2).sum())
    zero = np.zeros(r.size)
    return Caps(
        zero, np.minimum(p_most, p_by_drop), zero, np.minimum(q_most, q_by_drop), current2, np.ones(per_unit.p.size)
    )


def _with_generation(network: ReducedNetwork, per_unit: PerUnit, blocks: Blocks, arcs: Arcs, loss_cap: float) -> Caps:
    """What flows is at most all demand behind the line and what is lost, or all generation there but what the fed bus draws.

    r l is part of the loss; for voltages see below.
    """
    r, x = per_unit.r, per_unit.x
    if not np.isfinite(loss_cap):
        raise NoRelaxation("with generation no flow is bounded before a feasible solution is known")
    if (x[r == 0.0] != 0.0).any():
        raise NoRelaxation("with generation the loss does not bound the current of a line without resistance")
    has_resistance = r > 0.0
    current2 = np.divide(loss_cap, r, out=np.zeros(r.size), where=has_resistance)
    x_per_r = np.divide(x, r, out=np.zeros(r.size), where=has_resistance)
    lost_q, made_q = loss_cap * max(x_per_r.max(initial=0.0), 0.0), loss_cap * max(-x_per_r.min(initial=0.0), 0.0)
    p, q = per_unit.p, per_unit.q
    demand_p, demand_q = np.maximum(p, 0.0), np.maximum(q, 0.0)
    generated_p, generated_q = demand_p - p, demand_q - q
    p_back, q_back = _behind(blocks, arcs, generated_p), _behind(blocks, arcs, generated_q) + made_q
    p_most, q_most = _behind(blocks, arcs, demand_p) + loss_cap, _behind(blocks, arcs, demand_q) + lost_q
    return Caps(
        p_low=demand_p[arcs.fed] - p_back,
        p_high=p_most - generated_p[arcs.fed],
        q_low=demand_q[arcs.fed] - q_back,
        q_high=q_most - generated_q[arcs.fed],
        current2=current2,
        v2=_highest_voltages(network, arcs, per_unit, blocks, loss_cap, lost_q, made_q),
    )


def _behind(blocks: Blocks, arcs: Arcs, amount: FloatArray) -> FloatArray:
    """(A,) what lies behind an arc at the most, of amounts by bus (n,): all that is supplied through its block."""
    beyond: FloatArray = blocks.beyond(np.concatenate([[0.0], amount]))[blocks.of_line[arcs.line]]
    return beyond


def _highest_voltages(
    network: ReducedNetwork,
    arcs: Arcs,
    per_unit: PerUnit,
    blocks: Blocks,
    loss_cap: float,
    lost_q: float,
    made_q: float,
) -> FloatArray:
    """(n,) squared voltages that no solution exceeds: the lower of two caps.

    The squared voltage rises along a line by 2 (r P + x Q) at the most, with what flows back there. And the voltage rises along a
    path by no more than the sum of |z| |I|, by Cauchy and Schwarz at most the root of the loss times the sum of |z|²/r. Within a
    block no path weighs more than the heaviest spanning tree.
    """
    z_base_ohm = per_unit.v_base_v**2 / per_unit.s_base_va
    r, x = network.r_ohm / z_base_ohm, network.x_ohm / z_base_ohm
    demand_p, demand_q = np.maximum(per_unit.p, 0.0), np.maximum(per_unit.q, 0.0)
    p_back, q_back, q_most = (
        blocks.beyond(np.concatenate([[0.0], amount]))
        for amount in (demand_p - per_unit.p, demand_q - per_unit.q, demand_q)
    )
    q_back = q_back + made_q
    by_flow = 2.0 * (
        _largest_return(blocks, arcs, r, demand_p, p_back)
        + _largest_return(blocks, arcs, np.maximum(x, 0.0), demand_q, q_back)
        + (q_most + lost_q) * blocks.heaviest_trees(np.maximum(-x, 0.0))
    )
    by_loss = blocks.heaviest_trees(np.divide(r**2 + x**2, r, out=np.zeros(r.size), where=r > 0.0))
    highest: FloatArray = np.minimum(
        1.0 + blocks.along(by_flow), (1.0 + np.sqrt(loss_cap * blocks.along(by_loss))) ** 2
    )
    return highest[1:]


def _largest_return(
    blocks: Blocks, arcs: Arcs, weight: FloatArray, demand: FloatArray, generated: FloatArray
) -> FloatArray:
    """(B,) what the power that flows back over the lines of a path in a block comes to at the most, times their ``weight`` (m,).

    What flows back over a line is at most what is generated in the block and beyond it (B,), less what is drawn behind the line:
    by the buses that it and the later lines of the path feed, with all that hangs on these. Each bus is fed over one of its lines.
    Most would come back if buses with heavy lines and little demand came last, and could be had in parts.
    """
    largest = generated * blocks.heaviest_trees(weight)
    of_bus = np.zeros(demand.size)
    np.maximum.at(of_bus, arcs.fed, weight[arcs.line])
    block_of_bus = blocks.of_vertex[1:]
    hanging = np.bincount(blocks.entry, blocks.beyond(np.concatenate([[0.0], demand])), minlength=demand.size + 1)[1:]
    for block in np.flatnonzero(generated > 0.0).tolist():
        buses = np.flatnonzero(block_of_bus == block)
        gain, drawn = of_bus[buses], (demand + hanging)[buses]
        with np.errstate(divide="ignore", invalid="ignore"):
            order = np.argsort(np.where(gain > 0.0, -gain / drawn, 0.0), kind="stable")
        gain, drawn = gain[order], drawn[order]
        end = np.cumsum(drawn)
        before, behind = np.minimum(end - drawn, generated[block]), np.minimum(end, generated[block])
        share = np.divide(behind - before, drawn, out=np.ones(order.size), where=drawn > 0.0)
        back = generated[block] - 0.5 * (before + behind)
        largest[block] = min(largest[block], float((gain * share * back).sum()))
    return largest
