"""Interruption costs by the letter of their definition, on the edges that are left of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from services.optimizer.reconfiguration.network import BusKind, ConsumerCategory, Demands, FloatArray, PowerGrid
from tests.support.slow_grid import Edge, flood, providers

# [NOK/kW] for outages below 1 min, 1 h, 4 h, 8 h and from there on: constant, per hour, and the hour from which that counts.
RATE_BOUNDS_H = (1 / 60, 1.0, 4.0, 8.0)
RATES = {
    "agriculture": ((5, 14.3, 0), (5, 14.3, 0), (19, 15.6, 1), (66, 14.3, 4), (66, 14.3, 4)),
    "household": ((1.1, 9.8, 0),) * 5,
    "industry": ((34, 0, 0), (34, 84.7, 0), (118, 82.3, 1), (365, 55.6, 4), (588, 36.5, 8)),
    "services": ((16, 0, 0), (28, 168.3, 0), (196, 91.1, 1), (469, 141.3, 4), (1034, 102.4, 8)),
    "public": ((7, 0, 0), (60, 113.2, 0), (173, 27.9, 1), (257, 51.8, 4), (464, 17.6, 8)),
    "elind": ((49, 2.8, 0), (49, 2.8, 0), (49, 2.8, 0), (91, 2.8, 0), (91, 2.8, 0)),
}


def interruption_costs(
    grid: PowerGrid, demands: Demands, t: int, edges: Sequence[Edge], present: Sequence[Edge]
) -> tuple[FloatArray, FloatArray]:
    """(N,) expected cost of one period [NOK]: with the demand of later periods, and as if this one went on for ever."""
    paths = _paths(grid, present)
    cost, alone = np.zeros(len(grid.nodes)), np.zeros(len(grid.nodes))
    for edge in present:
        faults = np.array([grid.lines[k].faults_per_year for k in edge.lines])
        upstream = [bus for bus in edge.ends if bus in paths and edge not in paths[bus]]
        if edge.is_breaker or not upstream or faults.sum() == 0:
            continue
        breaker = next((above for above in reversed(paths[upstream[0]]) if above.is_breaker), None)
        root = paths[upstream[0]][0] if paths[upstream[0]] else None
        hit = [
            bus
            for bus, path in paths.items()
            if grid.nodes[bus].kind is BusKind.CONSUMER
            and (breaker in path if breaker else path and (root is None or path[0] is root))
        ]
        assert breaker is not None or not hit, "a fault that no breaker keeps from the provider has no session"
        sectioning = faults @ [grid.lines[k].sectioning_time_s for k in edge.lines] / faults.sum() / 3600
        repair = faults @ [grid.lines[k].repair_time_s for k in edge.lines] / faults.sum() / 3600
        others = _lit_without(grid, edges, edge)
        expected = faults.sum() * demands.periods[t].hours / 24 / 365
        for bus in hit:
            duration = sectioning if bus in others else sectioning + repair
            if duration == 0:
                continue
            rate = sum(
                share * rate_of(category, duration) for category, share in grid.nodes[bus].category_fractions.items()
            )
            cost[bus] += expected * rate / 1000 * mean_power(demands, bus, t, duration)
            alone[bus] += expected * rate / 1000 * demands.p_w[t, bus]
    return cost, alone


def _paths(grid: PowerGrid, present: Sequence[Edge]) -> dict[int, list[Edge]]:
    """The edges from its provider to each supplied bus."""
    paths: dict[int, list[Edge]] = {root: [] for root in providers(grid)}
    waiting = list(paths)
    while waiting:
        bus = waiting.pop()
        for edge in present:
            if bus in edge.ends and edge.other(bus) not in paths:
                paths[edge.other(bus)] = [*paths[bus], edge]
                waiting.append(edge.other(bus))
    return paths


def _lit_without(grid: PowerGrid, edges: Sequence[Edge], faulted: Edge) -> set[int]:
    """Buses with supply when the switches closest to a faulted edge are open and all others closed."""
    fixed = [edge for edge in edges if not edge.is_switch and edge is not faulted]
    zone = flood(faulted.ends, fixed)
    closest = {edge for edge in edges if edge.is_switch and edge is not faulted and zone & set(edge.ends)}
    return flood(providers(grid), [edge for edge in edges if edge not in closest])


def rate_of(category: ConsumerCategory, hours: float) -> float:
    """[NOK/kW] of the table."""
    constant, per_hour, since = RATES[category.value][sum(hours >= bound for bound in RATE_BOUNDS_H)]
    return constant + per_hour * (hours - since)


def mean_power(demands: Demands, bus: int, t: int, duration_h: float) -> float:
    """Mean over the outages that begin in period t of the mean power during them [W]."""
    ends = np.cumsum([0.0, *(period.hours for period in demands.periods[t:])])
    powers = demands.p_w[t:, bus]

    def energy(moment: float) -> float:
        """From the beginning of the period until a moment [Wh]."""
        whole = [(min(end, moment) - begin) * p for (begin, end), p in zip(pairwise(ends), powers, strict=True)]
        within = [wh for wh, begin in zip(whole, ends, strict=False) if begin < moment]
        return float(sum(within) + max(moment - ends[-1], 0.0) * powers[-1])

    length = ends[1]
    # Between these moments the energy of an outage is linear in its beginning.
    bends = sorted({0.0, length, *(end - duration_h for end in ends if 0 < end - duration_h < length)})
    area = 0.0
    for begin, end in pairwise(bends):
        lost = [energy(moment + duration_h) - energy(moment) for moment in (begin, end)]
        area += (end - begin) * (lost[0] + lost[1]) / 2
    return float(area / length / duration_h)
