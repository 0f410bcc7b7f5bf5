"""From a problem to the few quantities that its program is about: powers, sums of powers that are priced or limited, levels.

Sums over the same free devices are one quantity whatever fixed powers they contain besides, and a sum over one free device
is that device. Limits become edges of their quantity, prices are shifted by what is fixed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from services.optimizer.scheduling.errors import Infeasible
from services.optimizer.scheduling.pieces import BoolArray, Break, Price
from services.optimizer.scheduling.problem import (
    Commitment,
    Device,
    FloatArray,
    Flow,
    IntArray,
    Kind,
    Limit,
    ScheduleProblem,
    Stock,
)

SLACK = 1e-9  # MW or MWh by which a limit may be missed: the solver's own tolerance


@dataclass(frozen=True)
class Largest:
    """A price on the largest excess and the largest shortfall in each group of steps."""

    price: Price
    group: IntArray  # (N,)

    def sides(self, lower: FloatArray, upper: FloatArray) -> Iterator[tuple[float, FloatArray, IntArray]]:
        """Of a quantity between edges: the sign of a deviation, what it costs (N,), and the steps that can have one."""
        for sign, cost, edge in ((1.0, self.price.up, upper), (-1.0, -self.price.down, -lower)):
            steps = np.flatnonzero((cost > 0.0) & (edge > sign * self.price.quantity))
            if len(steps):
                yield sign, cost, steps


@dataclass
class Quantity:
    """Something that moves between edges and is priced. Filled while a problem is read."""

    lower: FloatArray  # (N,)
    upper: FloatArray  # (N,)
    prices: list[Price] = field(default_factory=list)
    largest: list[Largest] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)

    def tighten(self, name: str, lower: FloatArray, upper: FloatArray) -> None:
        """Keep within other edges (N,) too; ``name`` is what asks for it.

        Raises:
            Infeasible: the two ranges do not meet.
        """
        low, high = np.maximum(self.lower, lower), np.minimum(self.upper, upper)
        _refuse(name, low > high + SLACK)
        self.lower, self.upper = np.minimum(low, high), high


@dataclass(frozen=True)
class Sum:
    """The power of two or more free devices together, without what is fixed."""

    devices: tuple[int, ...]
    quantity: Quantity
    natural: tuple[FloatArray, FloatArray]  # (N,) between which it is anyway, whatever is asked of it

    @property
    def is_limited(self) -> BoolArray:
        """(N,) where its edges are narrower than what its devices allow."""
        return (self.quantity.lower > self.natural[0]) | (self.quantity.upper < self.natural[1])

    @property
    def needs_columns(self) -> bool:
        """Whether it has a price that is not the same everywhere; else its price is one of its devices' powers."""
        low, high = self.quantity.lower, self.quantity.upper
        bends = any(
            ((price.up != price.down) & (price.quantity > low) & (price.quantity < high)).any()
            for price in self.quantity.prices
        )
        return bends or any(True for largest in self.quantity.largest for _ in largest.sides(low, high))


@dataclass(frozen=True)
class Reduction:
    """All quantities of a problem. ``powers`` of devices that cannot move in any step are in no sum."""

    powers: tuple[Quantity, ...]  # of devices
    sums: tuple[Sum, ...]
    levels: tuple[Quantity, ...]  # of stocks


def reduce_problem(problem: ScheduleProblem) -> Reduction:
    """The quantities of a problem.

    Raises:
        Infeasible: edges contradict each other already.
    """
    powers = [Quantity(device.lower_mw, device.upper_mw) for device in problem.devices]
    levels = [_level(stock, problem.step_count) for stock in problem.stocks]
    is_free = [bool((device.lower_mw < device.upper_mw).any()) for device in problem.devices]
    split = _Split(powers, is_free, np.zeros(problem.step_count))
    limits = [(limit, *split.of(limit.devices)) for limit in problem.limits]
    for limit, free, fixed_mw in limits:
        _limit_few(limit, [powers[d] for d in free], fixed_mw)
    for power, device in zip(powers, problem.devices, strict=True):
        _keep_to_bands(power, device)
    for stock in problem.stocks:
        for d in stock.members:
            _choose_direction(powers[d], problem.devices[d])
    for limit, free, fixed_mw in limits:
        if len(free) > 1:
            split.sum_of(free).quantity.tighten(limit.name, limit.lower_mw - fixed_mw, limit.upper_mw - fixed_mw)
    for commitment in problem.commitments:
        _place(commitment, split, levels)
    return Reduction(tuple(powers), tuple(split.sums.values()), tuple(levels))


@dataclass
class _Split:
    """Sets of devices as their free ones and what the others take."""

    powers: list[Quantity]
    is_free: list[bool]
    nothing_mw: FloatArray  # (N,) zeros
    sums: dict[tuple[int, ...], Sum] = field(default_factory=dict)

    def of(self, devices: Iterable[int]) -> tuple[tuple[int, ...], FloatArray]:
        """The free ones of some devices, and (N,) the power of the others together."""
        ordered = sorted(devices)
        fixed_mw = self.nothing_mw
        for d in ordered:
            if not self.is_free[d]:
                fixed_mw = fixed_mw + self.powers[d].lower
        return tuple(d for d in ordered if self.is_free[d]), fixed_mw

    def sum_of(self, free: tuple[int, ...]) -> Sum:
        if free not in self.sums:
            low = np.sum([self.powers[d].lower for d in free], axis=0)
            high = np.sum([self.powers[d].upper for d in free], axis=0)
            self.sums[free] = Sum(free, Quantity(low, high), (low, high))
        return self.sums[free]


def _level(stock: Stock, step_count: int) -> Quantity:
    free = np.full(step_count, np.inf)
    lower = -free if stock.lower_mwh is None else stock.lower_mwh
    upper = free if stock.upper_mwh is None else stock.upper_mwh
    if stock.equal_mwh is not None:
        lower, upper = (np.where(np.isnan(stock.equal_mwh), edge, stock.equal_mwh) for edge in (lower, upper))
    level = Quantity(-free, free)
    level.tighten(stock.name, lower, upper)
    return level


def _limit_few(limit: Limit, free: list[Quantity], fixed_mw: FloatArray) -> None:
    """A limit of one free device is its own; one of none can only be kept or not."""
    if len(free) == 1:
        free[0].tighten(limit.name, limit.lower_mw - fixed_mw, limit.upper_mw - fixed_mw)
    elif not free:
        _refuse(limit.name, (fixed_mw < limit.lower_mw - SLACK) | (fixed_mw > limit.upper_mw + SLACK))


def _keep_to_bands(power: Quantity, device: Device) -> None:
    """No power between two bands, nor outside all of them."""
    if not device.bands:
        return
    name = f"the operation modes of {device.name}"
    bands: list[tuple[float, float]] = []
    for low, high in sorted(device.bands):
        if bands and low <= bands[-1][1]:
            bands[-1] = (bands[-1][0], max(bands[-1][1], high))
        else:
            bands.append((low, high))
    power.tighten(name, np.full_like(power.lower, bands[0][0]), np.full_like(power.upper, bands[-1][1]))
    gaps = [(before[1], after[0]) for before, after in itertools.pairwise(bands)]
    for left, right in gaps:
        power.lower = np.where(
            (power.lower > left) & (power.lower < right), _past(power.lower, left, right), power.lower
        )
        power.upper = np.where(
            (power.upper > left) & (power.upper < right), _past(power.upper, right, left), power.upper
        )
    _refuse(name, power.lower > power.upper)
    for left, right in gaps:
        is_open = (power.lower <= left) & (power.upper >= right)
        power.breaks.append(
            Break(is_open, np.full_like(power.lower, left), np.full_like(power.lower, right), is_costly=False)
        )


def _past(edge: FloatArray, near: float, far: float) -> FloatArray:
    """(N,) the end of a gap to which an edge within it moves: a limit that leaves a band by rounding only still allows that band."""
    return np.where(np.abs(edge - near) <= SLACK, near, far)


def _choose_direction(power: Quantity, device: Device) -> None:
    """Whoever loses (or gains) energy in a stock does not charge and discharge at once."""
    there_and_back = efficiency(device.charging_efficiency) * efficiency(device.discharging_efficiency)
    is_open = (power.lower < 0.0) & (power.upper > 0.0) & (np.abs(there_and_back - 1.0) > 1e-12)
    if is_open.any():
        zero = np.zeros_like(power.lower)
        power.breaks.append(Break(is_open, zero, zero, is_costly=False))


def efficiency(given: FloatArray | None) -> FloatArray:
    """(N,) or a single one for all steps."""
    return np.ones(1) if given is None else given


def _place(commitment: Commitment, split: _Split, levels: list[Quantity]) -> None:
    """Price the quantity that a commitment is about; what cannot be changed costs what it costs."""
    up, down = commitment.prices()
    price = Price(commitment.quantity, up, down)
    if isinstance(commitment.over, Flow):
        free, fixed_mw = split.of(commitment.over.devices)
        price = Price(commitment.quantity - fixed_mw, up, down)
        if not free:
            return
        quantity = split.powers[free[0]] if len(free) == 1 else split.sum_of(free).quantity
    else:
        quantity = levels[commitment.over.stock]
    if commitment.kind is Kind.EACH:
        quantity.prices.append(price)
    else:
        quantity.largest.append(Largest(price, commitment.groups()))


def _refuse(name: str, where: BoolArray) -> None:
    if where.any():
        raise Infeasible(name, int(np.argmax(where)))
