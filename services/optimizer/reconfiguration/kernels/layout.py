"""The arrays on which the search works, grouped by what they are: the problem, the trees as they stand, room to compute.

They are arrays of records, so that a compiled function takes a handful of arguments and finds what belongs to a bus in
one place in memory. All whole numbers have 64 bits, lest every function be compiled for each mixture of sizes. Everything
is in SI units. Slot t of a ``Forest`` is period t; one slot more serves for trying out a
whole configuration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.optimizer.reconfiguration.network import BoolArray, FloatArray

LongArray = NDArray[np.int64]
RecordArray = NDArray[np.void]
Record = Any  # one of its entries; the compiler knows the fields by name, the type checker does not

LINE = np.dtype(
    [
        ("r", "f8"),
        ("x", "f8"),
        ("switch_price", "f8"),  # objective per change of the switch
        ("source", "i8"),
        ("target", "i8"),
        ("limit_first", "i8"),  # the parts with a current limit are limits[limit_first:limit_end]
        ("limit_end", "i8"),
        ("ceiling_first", "i8"),  # the parts with a voltage ceiling are ceilings[ceiling_first:ceiling_end]
        ("ceiling_end", "i8"),
        ("is_switch", "?"),
        ("starts_open", "?"),  # in the configuration before the first period
    ],
    align=True,
)
LIMIT = np.dtype([("share", "f8"), ("imax_a", "f8")])  # size of the part's current per size of the line's
CEILING = np.dtype(
    [("vmax_v", "f8"), ("near_r", "f8"), ("near_x", "f8"), ("far_r", "f8"), ("far_x", "f8")]
)  # offsets of the part's two ends from the line's source
BUS = np.dtype(
    [
        ("gen_v2", "f8"),  # squared voltage of a provider
        ("gen_p_max", "f8"),
        ("low_v", "f8"),  # limit of a consumer, 0 without
        ("high_v", "f8"),  # limit of a consumer, inf without
        ("first", "i8"),  # its lines are incident[first:end]
        ("end", "i8"),
        ("is_provider", "?"),
    ],
    align=True,
)
DEMAND = np.dtype([("p", "f8"), ("q", "f8")])  # 0 at providers
PRICE = np.dtype([("loss", "f8"), ("imax", "f8"), ("imax_50", "f8")])  # objective per W, per A, per A


class Tables(NamedTuple):
    """A problem in the form the compiled loops read it; n buses, m lines, R providers, T periods."""

    lines: RecordArray  # (m,) LINE
    limits: RecordArray  # LIMIT
    ceilings: RecordArray  # CEILING
    buses: RecordArray  # (n,) BUS
    incident: LongArray  # (2m,) lines by bus
    roots: LongArray  # (R,) provider buses
    demand: RecordArray  # (T, n) DEMAND
    prices: RecordArray  # (T,) PRICE
    has_start: bool
    has_current_limits: bool  # and they are priced
    has_voltage_limits: bool
    has_capacities: bool
    is_monotone: bool  # no generation and no capacitance: more current lowers every voltage and raises every current
    is_coupled: bool  # switching between configurations has a price


PLANTED = np.dtype(
    [
        ("flow_p", "f8"),  # entering the upstream line [W]
        ("flow_q", "f8"),
        ("v2", "f8"),  # squared voltage
        ("violation", "f8"),  # the next four for heads: of the feeder
        ("objective", "f8"),  # without switching
        ("power", "f8"),  # entering the feeder [W]
        ("changed", "i8"),  # tick of the last change
        ("generation", "f8"),  # for providers [W]
        ("upstream_bus", "i8"),  # -1 at providers
        ("upstream_line", "i8"),  # -1 at providers
        ("depth", "i8"),  # lines to the provider
        ("size", "i8"),  # buses fed through this one, itself included
        ("head", "i8"),  # -1 at providers
        ("place", "i8"),  # where it stands in the pool
    ],
    align=True,
)


class Forest(NamedTuple):
    """Radial configurations as trees, one *feeder* for each line that leaves a provider, with the state of each.

    A feeder is named by its *head*, the bus next to the provider. Its buses stand together in ``pool``, each before the
    buses that it feeds and these directly after it, so that what a bus feeds is one stretch of the pool.
    """

    is_open: BoolArray  # (T + 1, m)
    ties: LongArray  # (T + 1, K) the open lines, in no order
    tie_place: LongArray  # (T + 1, m) where an open line stands in ties
    buses: RecordArray  # (T + 1, n) PLANTED
    pool: LongArray  # (T + 1, 2n)
    pool_end: LongArray  # (T + 1,)
    period: LongArray  # (T + 1,) the period whose demand a slot has


SEAT = np.dtype(
    [
        ("r", "f8"),  # of the upstream line
        ("x", "f8"),
        ("p", "f8"),  # demand
        ("q", "f8"),
        ("flow_p", "f8"),  # entering the upstream line
        ("flow_q", "f8"),
        ("current2", "f8"),  # squared current of the upstream line
        ("v2", "f8"),  # squared voltage
        ("per_v2", "f8"),  # from here on what one pass of a power flow leaves for the next: 1 / v2
        ("sum_p", "f8"),  # demand and the power of those fed from here that have been passed
        ("sum_q", "f8"),
        ("demand", "f8"),  # active, of this bus and those fed from here that have been passed
        ("power2", "f8"),  # squared power that the upstream line delivers
        ("drop", "f8"),  # of squared voltage on the upstream line
        ("bus", "i8"),
        ("parent", "i8"),  # position
        ("line", "i8"),  # the upstream line
        ("count", "i8"),  # buses fed through this position
    ],
    align=True,
)


class Room(NamedTuple):
    """Scratch of one computation: buses of one or more trees in an order from the providers outwards.

    The first seats are the providers', in which ``parent`` and ``line`` mean nothing.
    """

    seats: RecordArray  # (n,) SEAT
    position: LongArray  # (n,) of a bus among the seats
    stack: LongArray  # (n,)
    paths: LongArray  # (2, n) buses from the two ends of a tie up to where its loop closes
    work: LongArray  # (1,) buses swept so far: the measure of time that is the same on every machine


class Descent(NamedTuple):
    """Where a local search stands."""

    checked: LongArray  # (2, T, K) by stage: tick at which a tie, by its place, was last found without improvement
    clock: LongArray  # (CLOCK_SIZE,) at the positions below
    total: FloatArray  # (2,) violation amount and objective when the search was last judged
    gain: FloatArray  # (2,) their changes since then
    is_touched: BoolArray  # (T,) periods with an exchange since then
    best: FloatArray  # (2,) of the best candidate so far: change of violation amount and objective
    reach: LongArray  # (2,) of the candidate being considered: first and last period
    digests: NDArray[np.uint64]  # (1 + many,) of the solution after the first stage, and of those exhausted; 0 for none
    found: LongArray  # (5,) of the same: first and last period, closed line, opened line, and whether there is one


TICK, CURSOR, CLEAN, STAGE, IS_KICKED, TRIALS, KICKS = range(7)
CLOCK_SIZE = 7
