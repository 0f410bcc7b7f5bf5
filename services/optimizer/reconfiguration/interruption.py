"""Expected cost of interruptions (KILE, the Norwegian cost of energy not supplied): which faults hit whom, for how long, at what price.

A fault interrupts all consumers below the nearest breaker above it. Those that can be supplied another way once the faulted
stretch is isolated wait for the sectioning only, the others for the repair too. Works on the reduced network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.arrays import bools, fixed, floats, ints
from services.optimizer.reconfiguration.kernels.faults import add_fault_costs
from services.optimizer.reconfiguration.network import BoolArray, ConsumerCategory, FloatArray, IntArray, PowerGrid

HOUR_S = 3600.0
DAYS_A_YEAR = 365.0
W_PER_KW = 1000.0
CATEGORIES = tuple(ConsumerCategory)

# Cost rate [NOK/kW] of an interruption of d hours: the first entry with d below its end holds, as
# (end, constant, per hour, hours that are not counted). Source: the Norwegian regulation on network operations, in the
# form that the reference system uses; not continuous everywhere.
RATES: dict[ConsumerCategory, tuple[tuple[float, float, float, float], ...]] = {
    ConsumerCategory.AGRICULTURE: ((1.0, 5.0, 14.3, 0.0), (4.0, 19.0, 15.6, 1.0), (np.inf, 66.0, 14.3, 4.0)),
    ConsumerCategory.HOUSEHOLD: ((np.inf, 1.1, 9.8, 0.0),),
    ConsumerCategory.INDUSTRY: (
        (1 / 60, 34.0, 0.0, 0.0),
        (1.0, 34.0, 84.7, 0.0),
        (4.0, 118.0, 82.3, 1.0),
        (8.0, 365.0, 55.6, 4.0),
        (np.inf, 588.0, 36.5, 8.0),
    ),
    ConsumerCategory.SERVICES: (
        (1 / 60, 16.0, 0.0, 0.0),
        (1.0, 28.0, 168.3, 0.0),
        (4.0, 196.0, 91.1, 1.0),
        (8.0, 469.0, 141.3, 4.0),
        (np.inf, 1034.0, 102.4, 8.0),
    ),
    ConsumerCategory.PUBLIC: (
        (1 / 60, 7.0, 0.0, 0.0),
        (1.0, 60.0, 113.2, 0.0),
        (4.0, 173.0, 27.9, 1.0),
        (8.0, 257.0, 51.8, 4.0),
        (np.inf, 464.0, 17.6, 8.0),
    ),
    ConsumerCategory.ELIND: ((4.0, 49.0, 2.8, 0.0), (np.inf, 91.0, 2.8, 0.0)),
}


def cost_rate(category: ConsumerCategory, hours: float) -> float:
    """Cost of an interruption of so many hours, in NOK per kW interrupted."""
    for end, constant, per_hour, free in RATES[category]:
        if hours < end:
            return constant + per_hour * (hours - free)
    raise AssertionError  # the last entry has no end


@dataclass(frozen=True)
class FaultData:
    """What of a reduced network with n buses and m lines matters to interruptions."""

    faults_per_year: FloatArray  # (m,) 0 at breakers
    sectioning_time_s: FloatArray  # (m,) mean over the line's parts, weighted by their faults
    repair_time_s: FloatArray  # (m,) the same
    is_breaker: BoolArray  # (m,)
    category_fractions: FloatArray  # (n, 6) in the order of CATEGORIES


def fault_data(
    grid: PowerGrid, node_of_bus: IntArray, part_start: IntArray, part_line: IntArray, line_of_line: IntArray
) -> FaultData | None:
    """The fault data of a reduced network; None where no line of it can fault.

    Args:
        part_start, part_line: of the reduced network.
        line_of_line: (m,) an original line of each reduced one; the line itself where it is a breaker.
    """
    faults = np.array([0.0 if line.is_breaker else line.faults_per_year for line in grid.lines])[part_line]
    if not faults.any():
        return None
    line_of_part = np.repeat(np.arange(part_start.size - 1), np.diff(part_start))

    def total(values: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(line_of_part, values, part_start.size - 1).astype(np.float64)
        return sums

    def mean(times: Sequence[float]) -> FloatArray:
        return total(faults * np.array(times)[part_line]) / np.where(per_line > 0, per_line, 1.0)

    per_line = total(faults)
    return FaultData(
        faults_per_year=fixed(per_line),
        sectioning_time_s=fixed(mean([line.sectioning_time_s for line in grid.lines])),
        repair_time_s=fixed(mean([line.repair_time_s for line in grid.lines])),
        is_breaker=bools([grid.lines[line].is_breaker for line in line_of_line.tolist()]),
        category_fractions=floats(
            [[grid.nodes[node].category_fractions.get(kind, 0.0) for kind in CATEGORIES] for node in node_of_bus]
        ),
    )


@dataclass(frozen=True)
class Waiting:
    """Which buses a fault leaves dark until it is repaired: a bit for each, as ten thousands of lines have as many buses."""

    row_of_line: IntArray  # (m,) -1 for lines that cannot fault
    bits: NDArray[np.uint8]  # (R, n / 8 rounded up) of bus k bit k % 8 of byte k // 8


@dataclass(frozen=True)
class Interruptions:
    """Interruption costs of a network under given demands; keeps what it has computed once, as long as there is room."""

    data: FaultData
    waiting: Waiting
    p_w: FloatArray  # (T, n)
    hours: FloatArray  # (T,)
    # Of prices: half of it for those that are kept, half for those at work. Those of one period may be as large as the
    # network squared.
    room_bytes: int = 256 * 2**20
    _prices: dict[tuple[int, int, bool], FloatArray] = field(default_factory=dict)

    def cost(
        self, period: int, order: IntArray, upstream_line: IntArray, upstream_bus: IntArray, *, with_later: bool = True
    ) -> FloatArray:
        """(n,) expected cost [NOK] of each bus in one period.

        Args:
            order: supplied buses, each before those that it supplies; no cycles.
            upstream_line, upstream_bus: (n,) negative at providers and dark buses.
            with_later: whether an interruption that outlasts the period costs by the demand of the periods after it;
                otherwise the demand of this one is taken to go on.
        """
        cost: FloatArray = np.zeros(self.p_w.shape[1])
        lengths = self._lengths
        for first in range(0, lengths.hours.size, self._at_once):
            add_fault_costs(
                order,
                upstream_line,
                upstream_bus,
                self.data.is_breaker,
                self.data.faults_per_year * self.hours[period] / 24.0 / DAYS_A_YEAR,
                self.waiting.row_of_line,
                self.waiting.bits,
                self._prices_from(first, period, with_later=with_later),
                first,
                lengths.sectioned,
                lengths.repaired,
                cost,
            )
        return cost

    @property
    def _at_once(self) -> int:
        """How many lengths of interruptions are worked on at a time: prices and rates take a quarter of the room each."""
        return max(1, self.room_bytes // 4 // int(self.p_w[0].nbytes))

    def _prices_from(self, first: int, period: int, *, with_later: bool) -> FloatArray:
        """(d, n) cost [NOK] of one interruption, of each length from a first on, that begins at any moment of a period."""
        key = (period, first, with_later)
        if key in self._prices:
            return self._prices[key]
        these = slice(first, first + self._at_once)
        rates = self._lengths.rates[these] @ (self.data.category_fractions.T / W_PER_KW)
        prices: FloatArray = rates * self.p_w[period]
        if with_later:
            for k, hours in enumerate(self._lengths.hours[these].tolist()):
                if hours > 0.0:
                    prices[k] = rates[k] * average_power(self.p_w, self.hours, period, hours)
        # Periods are asked for in turn: to make room would take from each what it is about to need.
        if sum(kept.nbytes for kept in self._prices.values()) + prices.nbytes <= self.room_bytes // 2:
            self._prices[key] = prices
        return prices

    @cached_property
    def _lengths(self) -> _Lengths:
        """How long interruptions may be, and what each length costs."""
        sectioning = self.data.sectioning_time_s
        durations_s, places = np.unique(
            np.stack([sectioning, sectioning + self.data.repair_time_s]), return_inverse=True
        )
        hours = durations_s / HOUR_S
        rates = np.array(
            [
                [cost_rate(category, length) if length > 0.0 else 0.0 for category in CATEGORIES]
                for length in hours.tolist()
            ]
        )
        sectioned, repaired = places.reshape(2, -1)
        return _Lengths(hours, rates, ints(sectioned), ints(repaired))


@dataclass(frozen=True)
class _Lengths:
    """The D different lengths of interruptions, ascending."""

    hours: FloatArray  # (D,)
    rates: FloatArray  # (D, 6) [NOK/kW] in the order of CATEGORIES; 0 for a length of 0
    sectioned: IntArray  # (m,) which of them a fault of the line takes until the sectioning
    repaired: IntArray  # (m,) and until the repair


def average_power(p_w: FloatArray, hours: FloatArray, period: int, duration_h: float) -> FloatArray:
    """(n,) mean power over an outage of ``duration_h`` that begins at a uniformly distributed moment of a period [W].

    Args:
        p_w: (T, n) power in the periods [W]; the last goes on for ever.
        hours: (T,) lengths of the periods.
    """
    power: FloatArray
    if period == hours.size - 1:
        power = p_w[period]
        return power
    length = float(hours[period])
    # Of the moments at which an outage may begin, so many hours' worth have it last at t hours after the end of the period:
    # ``most`` until ``bend``, then t less than ``duration_h``. All terms are positive, so that nothing is lost in rounding.
    most, bend = min(length, duration_h), max(duration_h - length, 0.0)
    ends = np.cumsum(hours[period + 1 :])
    starts = np.concatenate([[0.0], ends[:-1]])
    ends[-1] = np.inf
    level = most * (np.minimum(ends, bend) - np.minimum(starts, bend))
    begins, stops = np.clip(starts, bend, duration_h), np.clip(ends, bend, duration_h)
    falling = (stops - begins) * ((duration_h - begins) + (duration_h - stops)) / 2
    weights = np.concatenate([[most * (length - most / 2)], level + falling]) / (length * duration_h)
    reach = int(np.flatnonzero(weights)[-1]) + 1  # of hundreds of periods an outage sees a few
    power = weights[:reach] @ p_w[period : period + reach]
    return power
