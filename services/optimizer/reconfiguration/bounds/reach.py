"""What flows and voltages can be where some directions of supply are known to be used by no solution that is as good as the best.

Blocks (:mod:`blocks`) say what hangs together whatever the directions. Once some are excluded, more is known: a bus lies on every way
to another one, and what one bus feeds cannot reach those that feed it. Voltages are then followed back up the ways of supply.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from services.optimizer.reconfiguration.bounds.arcs import Arcs
from services.optimizer.reconfiguration.bounds.caps import Caps, PerUnit
from services.optimizer.reconfiguration.network import BoolArray, FloatArray
from services.optimizer.reconfiguration.problem import ReducedNetwork

PROVIDERS = 0  # the vertex of all providers; that of a bus is one more than its position
STEPS = 100  # back from a bus, of all ways together, in which the way is not known
SWEEPS, LEAST_CHANGE = 6, 1e-4

# A way back: the set of its vertices; those that none of the others holds; the P drawn, Q drawn and Q made of all that they hold.
_Way = tuple[int, tuple[int, ...], float, float, float]


@dataclass(frozen=True)
class Reach:
    """Sets of vertices, each a whole number with a bit for each vertex.

    A vertex is *held* by another one that is on all ways to it: if that one is supplied, all it holds is supplied through it.
    """

    held: list[int]  # (n + 1,) what a vertex holds, itself among it
    holders: list[int]  # (n + 1,) what holds a vertex, itself among it
    within: list[int]  # (A,) what may be supplied through an arc, if it is used; 0 where it cannot be
    feeding: list[int]  # (A,) vertices
    fed: list[int]  # (A,)
    into: list[list[int]]  # (n + 1,) arcs into a vertex that may be used

    @property
    def is_usable(self) -> BoolArray:
        """(A,) whether an arc may be used."""
        return np.array([within != 0 for within in self.within], dtype=np.bool_)


def find_reach(network: ReducedNetwork, arcs: Arcs, usable: BoolArray) -> Reach:
    """What is supplied through what, if all arcs that are used are ``usable`` (A,)."""
    size = network.bus_count + 1
    feeding = [PROVIDERS if network.is_provider[bus] else bus + 1 for bus in arcs.feeding.tolist()]
    fed = [bus + 1 for bus in arcs.fed.tolist()]
    out = [0] * size
    for arc in np.flatnonzero(usable).tolist():
        out[feeding[arc]] |= 1 << fed[arc]
    everything = _reached(out, PROVIDERS, -1)
    held = [everything]
    for vertex in range(1, size):
        held.append(everything & ~_reached(out, PROVIDERS, ~(1 << vertex)) if everything >> vertex & 1 else 0)
    holders = [0] * size
    for vertex in range(size):
        for other in _members(held[vertex]):
            holders[other] |= 1 << vertex
    within = [0] * arcs.count
    into: list[list[int]] = [[] for _ in range(size)]
    for arc in np.flatnonzero(usable).tolist():
        near, far = feeding[arc], fed[arc]
        if held[far] >> near & 1 or not everything >> near & 1:
            continue
        within[arc] = _reached(out, far, ~(holders[near] | holders[far] & ~(1 << far)))
        into[far].append(arc)
    return Reach(held, holders, within, feeding, fed, into)


def tighten(caps: Caps, of: Reach, per_unit: PerUnit, loss_cap: float) -> Caps:
    """Caps that are no wider, for solutions whose loss is at most ``loss_cap`` and whose arcs may all be used.

    What arrives over an arc is the demand of what its fed bus holds, that of some of what lies within its reach, and the loss there.
    """
    p, q = _Amounts(of, per_unit.p), _Amounts(of, per_unit.q)
    x_per_r = np.divide(per_unit.x, per_unit.r, out=np.zeros(per_unit.r.size), where=per_unit.r > 0.0)
    lost_q, made_q = loss_cap * max(x_per_r.max(initial=0.0), 0.0), loss_cap * max(-x_per_r.min(initial=0.0), 0.0)
    is_usable = of.is_usable
    fed = np.array(of.fed)
    narrowed = replace(
        caps,
        p_low=np.maximum(caps.p_low, p.negative_within + p.positive_held[fed]),
        p_high=np.minimum(caps.p_high, p.positive_within + p.negative_held[fed] + loss_cap),
        q_low=np.maximum(caps.q_low, q.negative_within + q.positive_held[fed] - made_q),
        q_high=np.minimum(caps.q_high, q.positive_within + q.negative_held[fed] + lost_q),
    )
    climb = _Climb(of, per_unit, p, q, lost_q, made_q, loss_cap)
    return replace(
        narrowed,
        p_low=np.where(is_usable, narrowed.p_low, 0.0),
        p_high=np.where(is_usable, narrowed.p_high, 0.0),
        q_low=np.where(is_usable, narrowed.q_low, 0.0),
        q_high=np.where(is_usable, narrowed.q_high, 0.0),
        v2=climb.highest(caps.v2),
    )


class _Amounts:
    """Sums of demand (n,), what is drawn and what is generated apart."""

    def __init__(self, of: Reach, demand: FloatArray) -> None:
        positive, negative = (np.concatenate([[0.0], part]) for part in (np.maximum(demand, 0), np.minimum(demand, 0)))
        self.positive_held = _sums(of.held, positive)  # (n + 1,)
        self.negative_held = _sums(of.held, negative)
        self.positive_within = _sums(of.within, positive)  # (A,)
        self.negative_within = _sums(of.within, negative)


class _Climb:
    """Voltages followed back up all ways of supply, as far as needed, to where another cap is known."""

    def __init__(
        self, of: Reach, per_unit: PerUnit, p: _Amounts, q: _Amounts, lost_q: float, made_q: float, loss_cap: float
    ) -> None:
        self._of = of
        r, x = per_unit.r, per_unit.x
        # The squared voltage rises along an arc by -2 (r P + x Q) at the most; what the buses on the way down hold is among P and Q.
        q_far = np.where(x >= 0.0, q.negative_within - made_q, q.positive_within + lost_q)
        self._rise = (-2.0 * (r * p.negative_within + x * q_far)).tolist()
        self._r, self._x = (2.0 * r).tolist(), (2.0 * x).tolist()
        self._p_held = p.positive_held.tolist()
        self._q_held, self._q_held_back = q.positive_held.tolist(), q.negative_held.tolist()
        self._weight = np.divide(per_unit.z2, r, out=np.zeros(r.size), where=r > 0.0).tolist()
        self._loss_cap = loss_cap

    def highest(self, v2: FloatArray) -> FloatArray:
        """(n,) squared voltages that no solution exceeds, where it does not exceed ``v2`` (n,)."""
        cap = [1.0, *v2.tolist()]
        order = [vertex for vertex in _by_distance(self._of) if vertex != PROVIDERS]
        for _ in range(SWEEPS):
            change = 0.0
            for vertex in order:
                found = self._highest_at(vertex, cap)
                change = max(change, cap[vertex] - found)
                cap[vertex] = min(cap[vertex], found)
            if change < LEAST_CHANGE:
                break
        return np.array(cap[1:])

    def _highest_at(self, vertex: int, cap: list[float]) -> float:
        """The cap of a vertex from those of the vertices up its ways of supply.

        Of all ways back the one on which it could be highest is followed one more step, until that is settled or costs too much.
        """
        of = self._of
        held = of.held
        start: _Way = (1 << vertex, (vertex,), self._p_held[vertex], self._q_held[vertex], self._q_held_back[vertex])
        # Highest voltage, then: where the way is followed to; its rise and weight; its vertices and what they hold.
        ways: list[tuple[float, int, int, float, float, _Way]] = [(-np.inf, 0, vertex, 0.0, 0.0, start)]
        count = steps = 0
        while ways:
            bound, _, top, rise, weight, (walked, holding, p_held, q_held, q_back) = heapq.heappop(ways)
            is_followed = top == vertex or not (top == PROVIDERS or of.holders[vertex] >> top & 1)
            if not is_followed or steps >= STEPS:
                return -bound
            steps += 1
            for arc in of.into[top]:
                near = of.feeding[arc]
                if walked >> near & 1 or walked & ~of.within[arc]:
                    continue
                q_known = q_held if self._x[arc] >= 0.0 else q_back
                higher = rise + self._rise[arc] - self._r[arc] * p_held - self._x[arc] * q_known
                heavier = weight + self._weight[arc]
                by_loss = (np.sqrt(cap[near]) + np.sqrt(self._loss_cap * heavier)) ** 2
                count += 1
                path: _Way
                if near == PROVIDERS:
                    path = (walked, holding, p_held, q_held, q_back)
                else:
                    own = [other for other in holding if not held[near] >> other & 1]
                    path = (
                        walked | 1 << near,
                        (*own, near),
                        self._p_held[near] + sum(self._p_held[other] for other in own),
                        self._q_held[near] + sum(self._q_held[other] for other in own),
                        self._q_held_back[near] + sum(self._q_held_back[other] for other in own),
                    )
                heapq.heappush(ways, (-min(cap[near] + higher, by_loss), count, near, higher, heavier, path))
        return cap[vertex]


def _by_distance(of: Reach) -> list[int]:
    """Vertices in the order in which they are reached from the providers."""
    out: list[list[int]] = [[] for _ in of.held]
    for arcs in of.into:
        for arc in arcs:
            out[of.feeding[arc]].append(of.fed[arc])
    order, seen = [PROVIDERS], {PROVIDERS}
    for vertex in order:
        for other in out[vertex]:
            if other not in seen:
                seen.add(other)
                order.append(other)
    return order


def _reached(out: list[int], start: int, allowed: int) -> int:
    """What is reached from a vertex over ``out`` within ``allowed``."""
    seen = waiting = 1 << start
    while waiting:
        lowest = waiting & -waiting
        waiting ^= lowest
        new = out[lowest.bit_length() - 1] & allowed & ~seen
        seen |= new
        waiting |= new
    return seen


def _members(of: int) -> list[int]:
    members = []
    while of:
        lowest = of & -of
        members.append(lowest.bit_length() - 1)
        of ^= lowest
    return members


def _sums(sets: list[int], amount: FloatArray) -> FloatArray:
    """The sum of amounts (n + 1,) over each of the sets."""
    length = amount.size // 8 + 1
    return np.array(
        [
            np.unpackbits(np.frombuffer(each.to_bytes(length, "little"), dtype=np.uint8), bitorder="little")[
                : amount.size
            ]
            @ amount
            for each in sets
        ]
    )
