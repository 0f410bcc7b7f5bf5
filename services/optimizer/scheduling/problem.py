"""The scheduling problem as arrays: what a schedule may be and what it costs. Written by whoever knows the customer's
words, solved by ``solver``; nothing here knows of assets, sensors or times of day.

N steps of ``step_h`` hours; D devices, G stocks. Power is in MW and positive for consumption, energy in MWh, money in the
currency of all prices. A value "per step" at index j belongs to step j; a level of a stock at index j is that at the *end* of step j.
Only plain arrays are held, so that a problem can be sent to another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Device:
    """What takes or gives power: ``lower_mw <= power <= upper_mw``, both finite. Equal bounds make it inflexible.

    Where ``lower < 0 < upper`` and the two efficiencies differ from 1, the device does only one of both in a step.
    With ``bands`` its power lies in one of them in every step, and within the bounds.
    """

    name: str
    lower_mw: FloatArray  # (N,)
    upper_mw: FloatArray  # (N,)
    charging_efficiency: FloatArray | None = None  # (N,) ≥ 0, None is 1: energy stored per energy taken
    discharging_efficiency: FloatArray | None = (
        None  # (N,) > 0, None is 1: energy given per energy taken from the stock
    )
    bands: tuple[tuple[float, float], ...] = ()  # (low, high) [MW]


@dataclass(frozen=True)
class Stock:
    """Energy that some devices fill and empty, known at the start. A device belongs to one stock at most.

    s[j] = a·s[j-1] + b·h·(Σ members (charged·charging_efficiency - discharged/discharging_efficiency) + gain_mw[j]), where
    (a, b) = (1, 1) if kept[j] is 1, else (kept, (kept - 1)/ln kept): what flows in does so evenly during the step.
    ``lower``, ``upper`` and ``equal`` bind s[j]; the bounds of a step give way to ``equal``. All are hard: wishes are commitments.
    """

    name: str
    members: tuple[int, ...]  # devices
    start_mwh: float
    kept: FloatArray | None = None  # (N,) share of energy left after a step, 0..1; None is 1
    gain_mw: FloatArray | None = None  # (N,) from elsewhere, any sign; None is 0
    lower_mwh: FloatArray | None = None  # (N,) -inf where there is none
    upper_mwh: FloatArray | None = None  # (N,) inf where there is none
    equal_mwh: FloatArray | None = None  # (N,) NaN where there is none
    least_mwh: float = -np.inf  # limits of the thing itself: lower, upper and equal are checked against them before
    most_mwh: float = np.inf  # solving, but they bind nothing by themselves


@dataclass(frozen=True)
class Limit:
    """``lower_mw <= Σ power of the devices <= upper_mw``, hard: a connection, a site, or with 0 and 0 an internal node."""

    name: str
    devices: tuple[int, ...]
    lower_mw: FloatArray  # (N,) -inf where there is none
    upper_mw: FloatArray  # (N,) inf where there is none


@dataclass(frozen=True)
class Coupling:
    """A converter: power[devices[i], j] = coefficients[i]·α[j] with a free α. A coefficient is < 0 for what is given."""

    name: str
    devices: tuple[int, ...]
    coefficients: tuple[float, ...]  # not 0


class Kind(Enum):
    """How a commitment counts deviations: ``EACH`` step by itself, or of ``ANY`` group of steps only the largest.

    A group of ``ANY`` is a run of steps with the same quantity and the same prices (NaN is a value of its own).
    """

    EACH = "each"
    ANY = "any"


@dataclass(frozen=True)
class Flow:
    """The power of some devices together [MW]."""

    devices: tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """The energy in a stock at the ends of steps [MWh], not relative to its start."""

    stock: int


@dataclass(frozen=True)
class Commitment:
    """A price on being above or below a quantity.

    With x the flow [MW] or the level [MWh] and q the quantity, ``EACH`` costs in every step
    ``up_price·max(x - q, 0) + down_price·min(x - q, 0)``; ``ANY`` costs the same in every group for the largest excess
    and the largest shortfall. So penalties are positive upward and negative downward, a price of energy is the same both
    ways, and prices are currency per MW (a price of energy times ``step_h``) for a flow, currency per MWh for a level.
    A quantity of NaN leaves a step free, a price of NaN is 0, and so is a missing one.
    """

    name: str  # costs are reported in the order of commitments; names may be the same
    kind: Kind
    over: Flow | Level
    quantity: FloatArray  # (N,) MW or MWh
    up_price: FloatArray | None = None  # (N,); of ANY >= 0
    down_price: FloatArray | None = None  # (N,); of ANY <= 0

    def prices(self) -> tuple[FloatArray, FloatArray]:
        """(N,) upward and downward, without NaN."""
        return _price(self.up_price, self.quantity), _price(self.down_price, self.quantity)

    def groups(self) -> IntArray:
        """(N,) the group of ``ANY`` that each step is in, counted from 0."""
        values = np.stack([self.quantity, *self.prices()])
        before, after = values[:, :-1], values[:, 1:]
        is_same = (before == after) | (np.isnan(before) & np.isnan(after))
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(~is_same.all(axis=0), dtype=np.int64)])


@dataclass(frozen=True)
class ScheduleProblem:
    """The least-cost schedule of all devices over N steps. ``solver.solve`` refuses what is malformed (wrong shapes, say)."""

    step_h: float
    step_count: int
    devices: tuple[Device, ...]
    stocks: tuple[Stock, ...] = ()
    limits: tuple[Limit, ...] = ()
    couplings: tuple[Coupling, ...] = ()
    commitments: tuple[Commitment, ...] = ()


def _price(given: FloatArray | None, quantity: FloatArray) -> FloatArray:
    return np.zeros_like(quantity) if given is None else np.nan_to_num(given, nan=0.0)
