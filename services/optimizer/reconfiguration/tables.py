"""Arrays for the compiled loops: a problem laid out for them, and empty trees, scratch and descent state of its size."""

from __future__ import annotations

import numpy as np

from services.optimizer.reconfiguration.arrays import ints
from services.optimizer.reconfiguration.kernels.layout import (
    BUS,
    CEILING,
    CLOCK_SIZE,
    DEMAND,
    LIMIT,
    LINE,
    PLANTED,
    PRICE,
    SEAT,
    Descent,
    Forest,
    LongArray,
    RecordArray,
    Room,
    Tables,
)
from services.optimizer.reconfiguration.kernels.trees import incidence
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.problem import (
    IMAX,
    IMAX_50,
    SWITCHING,
    TOTAL_LOSS,
    ReconfigurationProblem,
    ReducedNetwork,
)

# By a search, of those that it need not look at again: half a megabyte.
SOLUTIONS_REMEMBERED = 2**16 - 1


def lay_out(problem: ReconfigurationProblem) -> Tables:
    """The problem as the compiled loops read it. All arrays are copies, so that every problem has the same types."""
    network = problem.network
    is_limited = np.isfinite(network.part_imax_a)
    has_ceiling = np.isfinite(network.part_vmax_v)
    prices = np.zeros(problem.hours.size, dtype=PRICE)
    prices["loss"] = problem.hours * problem.weights[TOTAL_LOSS] / 1e6
    prices["imax"] = problem.hours * problem.weights[IMAX]
    prices["imax_50"] = problem.hours * problem.weights[IMAX_50]
    demand = np.zeros(problem.p_w.shape, dtype=DEMAND)
    demand["p"] = np.where(network.is_provider, 0.0, problem.p_w)
    demand["q"] = np.where(network.is_provider, 0.0, problem.q_var)
    lines = _lay_out_lines(problem, is_limited, has_ceiling)
    buses, incident = _lay_out_buses(network)
    draws_power = (demand["p"] >= 0.0).all() and (demand["q"] >= 0.0).all() and (lines["x"] >= 0.0).all()
    has_start = problem.start_open is not None
    return Tables(
        lines=lines,
        limits=_lay_out_limits(network, is_limited),
        ceilings=_lay_out_ceilings(network, has_ceiling),
        buses=buses,
        incident=incident,
        roots=np.flatnonzero(network.is_provider).astype(np.int64),
        demand=demand,
        prices=prices,
        has_start=has_start,
        has_current_limits=bool(is_limited.any() and (prices["imax"].any() or prices["imax_50"].any())),
        has_voltage_limits=bool((buses["low_v"] > 0.0).any() or np.isfinite(buses["high_v"]).any()),
        has_capacities=bool(np.isfinite(buses["gen_p_max"][network.is_provider]).any()),
        is_monotone=bool(draws_power),
        is_coupled=bool(lines["switch_price"].any() and (has_start or problem.hours.size > 1)),
    )


def _lay_out_lines(problem: ReconfigurationProblem, is_limited: BoolArray, has_ceiling: BoolArray) -> RecordArray:
    network = problem.network
    lines = np.zeros(network.source.size, dtype=LINE)
    lines["source"] = network.source
    lines["target"] = network.target
    lines["r"] = network.r_ohm
    lines["x"] = network.x_ohm
    lines["is_switch"] = network.is_switch
    lines["switch_price"] = network.switching_cost * problem.weights[SWITCHING]
    if problem.start_open is not None:
        lines["starts_open"] = problem.start_open
    for name, is_kept in (("limit", is_limited), ("ceiling", has_ceiling)):
        kept_before = np.concatenate([[0], np.cumsum(is_kept)])
        lines[f"{name}_first"] = kept_before[network.part_start[:-1]]
        lines[f"{name}_end"] = kept_before[network.part_start[1:]]
    return lines


def _lay_out_buses(network: ReducedNetwork) -> tuple[RecordArray, LongArray]:
    source, target = (ints(ends) for ends in (network.source, network.target))
    first, incident = incidence(network.bus_count, source, target)
    buses = np.zeros(network.bus_count, dtype=BUS)
    buses["gen_v2"] = network.v_gen_v**2
    buses["gen_p_max"] = network.p_gen_max_w
    buses["low_v"] = network.v_min_v
    buses["high_v"] = network.v_max_v
    buses["first"] = first[:-1]
    buses["end"] = first[1:]
    buses["is_provider"] = network.is_provider
    return buses, incident.astype(np.int64)


def _lay_out_limits(network: ReducedNetwork, is_limited: BoolArray) -> RecordArray:
    limits = np.zeros(int(is_limited.sum()), dtype=LIMIT)
    limits["share"] = np.abs(network.part_share[is_limited])
    limits["imax_a"] = network.part_imax_a[is_limited]
    return limits


def _lay_out_ceilings(network: ReducedNetwork, has_ceiling: BoolArray) -> RecordArray:
    ceilings = np.zeros(int(has_ceiling.sum()), dtype=CEILING)
    ceilings["vmax_v"] = network.part_vmax_v[has_ceiling]
    ceilings["near_r"] = network.part_offset_near[has_ceiling].real
    ceilings["near_x"] = network.part_offset_near[has_ceiling].imag
    ceilings["far_r"] = network.part_offset_far[has_ceiling].real
    ceilings["far_x"] = network.part_offset_far[has_ceiling].imag
    return ceilings


def empty_forest(tables: Tables) -> Forest:
    """A forest for the problem, with one slot more than it has periods. Its trees are not planted yet."""
    slots = tables.prices.size + 1
    lines, buses = tables.lines.size, tables.buses.size
    return Forest(
        is_open=np.zeros((slots, lines), dtype=np.bool_),
        ties=_longs(slots, tie_count(tables)),
        tie_place=_longs(slots, lines),
        buses=np.zeros((slots, buses), dtype=PLANTED),
        pool=_longs(slots, 2 * buses),
        pool_end=_longs(slots),
        period=np.minimum(np.arange(slots), slots - 2).astype(np.int64),
    )


def empty_room(tables: Tables) -> Room:
    """Scratch for the problem."""
    buses = tables.buses.size
    return Room(
        seats=np.zeros(buses, dtype=SEAT),
        position=_longs(buses),
        stack=_longs(buses),
        paths=_longs(2, buses),
        work=np.zeros(1, dtype=np.int64),
    )


def new_descent(tables: Tables) -> Descent:
    """A descent that has not begun."""
    periods = tables.prices.size
    return Descent(
        checked=np.full((2, periods, tie_count(tables)), -1, dtype=np.int64),
        clock=np.zeros(CLOCK_SIZE, dtype=np.int64),
        total=np.zeros(2),
        gain=np.zeros(2),
        is_touched=np.zeros(periods, dtype=np.bool_),
        best=np.zeros(2),
        reach=np.zeros(2, dtype=np.int64),
        digests=np.zeros(1 + SOLUTIONS_REMEMBERED, dtype=np.uint64),
        found=np.zeros(5, dtype=np.int64),
    )


def tie_count(tables: Tables) -> int:
    """Open lines of every radial configuration."""
    return max(tables.lines.size - tables.buses.size + tables.roots.size, 0)


def _longs(*shape: int) -> LongArray:
    return np.zeros(shape, dtype=np.int64)
