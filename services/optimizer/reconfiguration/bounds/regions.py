"""A large relaxation taken apart: what links its regions is paid for at fixed prices, and each is then a small relaxation by itself.

With prices for the rows that have columns of several regions, the least objective is at least what these prices are worth plus the
least of each region's priced objective over the rows that lie within it. At the prices of the whole relaxation that sum is the bound
of the whole; what branch and bound adds in one region adds to it, whatever the others do (Lagrangian decomposition; A. Geoffrion,
"Lagrangean relaxation for integer programming", Math. Programming Study 2, 1974).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from services.optimizer.reconfiguration.arrays import ints
from services.optimizer.reconfiguration.bounds.arcs import Arcs
from services.optimizer.reconfiguration.bounds.cones import ConePrices
from services.optimizer.reconfiguration.bounds.prices import Planes, Positions
from services.optimizer.reconfiguration.bounds.relaxation import Relaxation
from services.optimizer.reconfiguration.network import FloatArray
from services.optimizer.reconfiguration.problem import ReducedNetwork

# Buses of a region: where the branch and bound of one takes some ten seconds, and most loops of its feeders lie within it.
BUSES = 400


@dataclass(frozen=True)
class Division:
    """Regions as sets of arcs, those with most loss first, and the share of all loss that each has."""

    arcs: list[Positions]
    loss_shares: FloatArray


def divide(network: ReducedNetwork, relaxation: Relaxation, prices: ConePrices, buses: int | None = None) -> Division:
    """Regions grown from the providers, and from where most is lost of what is left; an arc belongs to the bus that it feeds.

    ``buses``: of a region, ``BUSES`` if not given.
    """
    arcs, r = relaxation.arcs, relaxation.per_unit.r
    planes = prices.planes
    loss = np.bincount(planes.arc, r[planes.arc] * (planes.alpha**2 + planes.beta**2), minlength=arcs.count)
    loss_at_bus: FloatArray = np.bincount(arcs.fed, loss, minlength=network.bus_count).astype(np.float64)
    region_of_bus = _grow(network, loss_at_bus, BUSES if buses is None else buses)
    region = region_of_bus[arcs.fed]
    lost = np.bincount(region, loss, minlength=int(region_of_bus.max()) + 1)
    order = [int(index) for index in np.argsort(-lost, kind="stable") if lost[index] > 0.0]
    return Division([np.flatnonzero(region == index) for index in order], lost[order] / lost.sum())


def _grow(network: ReducedNetwork, weight: FloatArray, buses: int) -> NDArray[np.int64]:
    """(n,) the region of each bus. A region takes in what is fewest lines away, until it has its buses."""
    ends = (np.r_[network.source, network.target], np.r_[network.target, network.source])
    near = csr_array((np.ones(ends[0].size), ends), shape=(network.bus_count, network.bus_count))
    region = np.full(network.bus_count, -1)
    seeds = [*np.flatnonzero(network.is_provider).tolist(), *np.argsort(-weight, kind="stable").tolist()]
    count = 0
    for seed in seeds:
        if region[seed] >= 0:
            continue
        reached, taken = [(0, seed)], 0
        while reached and taken < buses:
            distance, bus = heapq.heappop(reached)
            if region[bus] >= 0:
                continue
            region[bus] = count
            taken += 1
            for other in near.indices[near.indptr[bus] : near.indptr[bus + 1]].tolist():
                if region[other] < 0:
                    heapq.heappush(reached, (distance + 1, other))
        count += 1
    return region


def cut_out(of: Relaxation, chosen: Positions, prices: ConePrices) -> tuple[Relaxation, ConePrices]:
    """The relaxation of one region (K,) arcs, in which rows that it shares with others are paid for; and what is left of the prices.

    At the prices that are left the bounds of all regions add up, with what the rows between them are worth, to that of the whole.
    """
    count = of.arcs.count
    columns = np.concatenate([chosen + stretch * count for stretch in range(5)])
    within = of.rows[:, columns]
    inside = np.diff(within.indptr)
    is_own = (inside == np.diff(of.rows.indptr)) & (inside > 0)
    place = np.full(count, -1)
    place[chosen] = np.arange(chosen.size)
    region = replace(
        of,
        arcs=_arcs_among(of.arcs, chosen, place),
        per_unit=replace(
            of.per_unit,
            r=of.per_unit.r[chosen],
            x=of.per_unit.x[chosen],
            p_fed=of.per_unit.p_fed[chosen],
            q_fed=of.per_unit.q_fed[chosen],
        ),
        p_fed=of.p_fed[chosen],
        q_fed=of.q_fed[chosen],
        cost=of.cost[columns] - within.T @ np.where(is_own, 0.0, prices.rows),
        lower=of.lower[columns],
        upper=of.upper[columns],
        rows=within[is_own],
        row_lower=of.row_lower[is_own],
        row_upper=of.row_upper[is_own],
        unit=1.0,
        constant=0.0,
    )
    is_here = place[prices.planes.arc] >= 0
    planes = Planes(place[prices.planes.arc[is_here]], prices.planes.alpha[is_here], prices.planes.beta[is_here])
    return region, ConePrices(prices.rows[is_own], planes, prices.plane_prices[is_here])


def _arcs_among(arcs: Arcs, chosen: Positions, place: Positions) -> Arcs:
    opposite = arcs.opposite[chosen]
    fed = np.unique(arcs.fed[chosen], return_inverse=True)[1]
    return Arcs(arcs.line[chosen], arcs.feeding[chosen], ints(fed), ints(np.where(opposite >= 0, place[opposite], -1)))
