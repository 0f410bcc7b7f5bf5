"""The linear program of a problem: columns, rows and choices as plain arrays, assembled without a loop over steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from services.optimizer.scheduling.errors import Infeasible
from services.optimizer.scheduling.pieces import Break, Pieces, cut
from services.optimizer.scheduling.problem import Coupling, Device, FloatArray, IntArray, ScheduleProblem, Stock
from services.optimizer.scheduling.reduction import SLACK, Largest, Quantity, Reduction, Sum, efficiency

Values = FloatArray | float
_NONE: FloatArray = np.zeros(0)


@dataclass(frozen=True)
class Placed:
    """The pieces of a quantity and the columns that they are."""

    pieces: Pieces
    column: IntArray  # (S, N), anything where a piece is absent

    def value(self, x: FloatArray) -> FloatArray:
        """(N,) the quantity, of the values of all columns."""
        if not len(x):  # all is fixed: there is nothing to choose
            return self.pieces.reference
        value: FloatArray = self.pieces.reference + np.where(self.pieces.is_present, x[self.column], 0.0).sum(axis=0)
        return value


@dataclass(frozen=True)
class Matrix:
    """Rows of a sparse matrix, one after the other."""

    start: NDArray[np.int32]  # (R + 1,)
    index: NDArray[np.int32]  # (nonzeros,) columns
    value: FloatArray  # (nonzeros,)


@dataclass(frozen=True)
class Program:
    """Minimise ``cost @ x`` for ``lower <= x <= upper`` and ``row_lower <= matrix x <= row_upper``; and all breaks are kept.

    The costs are those of the problem but for a constant. Columns are in MW and MWh.
    """

    cost: FloatArray  # (C,)
    lower: FloatArray  # (C,)
    upper: FloatArray  # (C,)
    matrix: Matrix
    row_lower: FloatArray  # (R,)
    row_upper: FloatArray  # (R,)
    powers: tuple[Placed, ...]  # of devices
    levels: tuple[Placed, ...]  # of stocks
    breaks: tuple[tuple[Placed, Break], ...]
    flow_columns: int  # so many columns come first that are of powers and their sums

    @property
    def order_of_devices(self) -> FloatArray | None:
        """(C,) what is highest where devices take power one after the other; None where at most one can move."""
        moving = [placed for placed in self.powers if placed.pieces.is_present.any()]
        if len(moving) < 2:
            return None
        wish = np.zeros(len(self.cost))
        for rank, placed in enumerate(reversed(moving), start=1):
            step_count = placed.column.shape[1]
            earlier = np.broadcast_to(1.0 - np.arange(step_count) / step_count, placed.column.shape)
            wish[placed.column[placed.pieces.is_present]] = rank / len(moving) * earlier[placed.pieces.is_present]
        return wish

    @property
    def largest_power_mw(self) -> float:
        """The largest edge of a power, for scaling."""
        return max(
            (float(np.abs(edge).max()) for p in self.powers for edge in (p.pieces.low, p.pieces.high)), default=0.0
        )


def assemble(problem: ScheduleProblem, reduction: Reduction) -> Program:
    """The program of a problem.

    Raises:
        Infeasible: devices that cannot move contradict their coupling.
    """
    columns, rows = _Columns(), _Rows()
    flat_sums = [each for each in reduction.sums if not each.needs_columns]
    extra = _slopes_of(flat_sums, len(problem.devices))
    powers = [columns.place(quantity, extra=extra[d], keeps_fixed=False) for d, quantity in enumerate(reduction.powers)]
    placed = list(zip(powers, reduction.powers, strict=True))
    for each in reduction.sums:
        if each.needs_columns:
            placed.append((columns.place(each.quantity), each.quantity))
            _define(each, placed[-1][0], powers, rows)
        else:
            _limit(each, powers, rows)
    flow_columns = columns.count
    levels = [columns.place(quantity, is_level=True) for quantity in reduction.levels]
    for stock, level in zip(problem.stocks, levels, strict=True):
        _balance(stock, problem, level, powers, rows)
    for pieces, quantity in (*placed, *zip(levels, reduction.levels, strict=True)):
        for largest in quantity.largest:
            _pay_for_largest(largest, pieces, quantity, columns, rows)
    for coupling in problem.couplings:
        _couple(coupling, powers, rows)
    breaks = tuple((pieces, each) for pieces, _ in placed for each in pieces.pieces.breaks)
    return Program(*columns.arrays(), *rows.arrays(columns.count), tuple(powers), tuple(levels), breaks, flow_columns)


@dataclass
class _Columns:
    count: int = 0
    cost: list[FloatArray] = field(default_factory=lambda: [_NONE])
    lower: list[FloatArray] = field(default_factory=lambda: [_NONE])
    upper: list[FloatArray] = field(default_factory=lambda: [_NONE])

    def place(
        self, quantity: Quantity, *, extra: Values = 0.0, keeps_fixed: bool = True, is_level: bool = False
    ) -> Placed:
        """Columns for a quantity that costs ``extra`` (N,) per unit besides its own prices."""
        pieces = cut(
            quantity.lower, quantity.upper, quantity.prices, quantity.breaks, keeps_fixed=keeps_fixed, is_level=is_level
        )
        chosen = pieces.is_present
        lower, upper = pieces.bounds
        first = self.add((pieces.slope + extra)[chosen], lower[chosen], upper[chosen])
        return Placed(pieces, np.where(chosen, first - 1 + np.cumsum(chosen).reshape(chosen.shape), 0))

    def add(self, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> int:
        first = self.count
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.count += len(cost)
        return first

    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return np.concatenate(self.cost), np.concatenate(self.lower), np.concatenate(self.upper)


@dataclass
class _Rows:
    count: int = 0
    lower: list[FloatArray] = field(default_factory=lambda: [_NONE])
    upper: list[FloatArray] = field(default_factory=lambda: [_NONE])
    row: list[IntArray] = field(default_factory=lambda: [np.zeros(0, np.int64)])  # of each entry
    column: list[IntArray] = field(default_factory=lambda: [np.zeros(0, np.int64)])
    value: list[FloatArray] = field(default_factory=lambda: [_NONE])

    def add(self, lower: FloatArray, upper: FloatArray) -> IntArray:
        rows = np.arange(self.count, self.count + len(lower))
        self.lower.append(lower)
        self.upper.append(upper)
        self.count += len(lower)
        return rows

    def put(self, rows: IntArray, placed: Placed, factor: Values = 1.0, steps: IntArray | slice = slice(None)) -> None:
        """``factor`` ((N,), (S, N) or one) times the pieces of some steps, into a row for each step."""
        chosen = placed.pieces.is_present[:, steps]
        values = np.broadcast_to(factor, placed.pieces.is_present.shape)[:, steps]
        self._enter(np.broadcast_to(rows, chosen.shape)[chosen], placed.column[:, steps][chosen], values[chosen])

    def put_column(self, rows: IntArray, columns: IntArray, value: float) -> None:
        """One column into each row."""
        self._enter(rows, columns, np.full(len(rows), value))

    def _enter(self, row: IntArray, column: IntArray, value: FloatArray) -> None:
        self.row.append(row)
        self.column.append(column)
        self.value.append(value)

    def arrays(self, column_count: int) -> tuple[Matrix, FloatArray, FloatArray]:
        entries = np.concatenate(self.value), (np.concatenate(self.row), np.concatenate(self.column))
        matrix = scipy.sparse.csr_array(entries, (self.count, column_count))
        start, index = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32)
        return Matrix(start, index, matrix.data), np.concatenate(self.lower), np.concatenate(self.upper)


def _slopes_of(sums: list[Sum], device_count: int) -> list[Values]:
    """What every device pays for sums with one price for all powers."""
    extra: list[Values] = [0.0] * device_count
    for each in sums:
        if each.quantity.prices:
            pieces = cut(each.quantity.lower, each.quantity.upper, each.quantity.prices)
            slope = np.where(pieces.is_present, pieces.slope, 0.0).sum(axis=0)
            for d in each.devices:
                extra[d] = extra[d] + slope
    return extra


def _define(each: Sum, placed: Placed, powers: list[Placed], rows: _Rows) -> None:
    """The pieces of a sum together are the pieces of its devices together."""
    rest = placed.pieces.reference - _reference(each, powers)
    row = rows.add(rest, rest)
    for d in each.devices:
        rows.put(row, powers[d])
    rows.put(row, placed, -1.0)


def _limit(each: Sum, powers: list[Placed], rows: _Rows) -> None:
    """A sum without columns keeps its edges by a row, where its devices would not anyway."""
    steps = np.flatnonzero(each.is_limited)
    rest = _reference(each, powers)[steps]
    row = rows.add(each.quantity.lower[steps] - rest, each.quantity.upper[steps] - rest)
    for d in each.devices:
        rows.put(row, powers[d], 1.0, steps)


def _reference(each: Sum, powers: list[Placed]) -> FloatArray:
    reference: FloatArray = np.sum([powers[d].pieces.reference for d in each.devices], axis=0)
    return reference


def _balance(stock: Stock, problem: ScheduleProblem, level: Placed, powers: list[Placed], rows: _Rows) -> None:
    """s[j] - a·s[j-1] - b·h·Σ coefficient·power = b·h·gain[j], with the start on the right."""
    a, b = kept_and_taken(np.ones(problem.step_count) if stock.kept is None else stock.kept)
    weight = b * problem.step_h
    at_rest = np.zeros(problem.step_count) if stock.gain_mw is None else stock.gain_mw
    for d in stock.members:
        reference = powers[d].pieces.reference
        at_rest = at_rest + reference * coefficient(problem.devices[d], reference)
    before = np.concatenate([[stock.start_mwh], level.pieces.reference[:-1]])
    rest = weight * at_rest - level.pieces.reference + a * before
    row = rows.add(rest, rest)
    rows.put(row, level)
    earlier = np.arange(problem.step_count - 1)
    rows.put(row[1:], level, -np.append(a[1:], 0.0), earlier)
    for d in stock.members:
        rows.put(row, powers[d], -weight * coefficient(problem.devices[d], powers[d].pieces.low))


def kept_and_taken(kept: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(N,) each: what is left of a level after a step, and of what flows in evenly during it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        taken = (kept - 1.0) / np.log(kept)
    return kept, np.where(kept == 1.0, 1.0, taken)


def coefficient(device: Device, power: FloatArray) -> FloatArray:
    """Energy that enters the stock per energy at the connection, for powers (…, N) [MW] on one side of 0; of their shape."""
    charging, discharging = efficiency(device.charging_efficiency), efficiency(device.discharging_efficiency)
    return np.where(power >= 0.0, charging, 1.0 / discharging)


def _pay_for_largest(largest: Largest, placed: Placed, quantity: Quantity, columns: _Columns, rows: _Rows) -> None:
    """A column for the excess of each group that can have one, likewise for the shortfall."""
    for sign, cost, steps in largest.sides(quantity.lower, quantity.upper):
        group, first, member = np.unique(largest.group[steps], return_index=True, return_inverse=True)
        column = columns.add(cost[steps[first]], np.zeros(len(group)), np.full(len(group), np.inf))
        rest = sign * (largest.price.quantity - placed.pieces.reference)[steps]
        row = rows.add(np.full(len(steps), -np.inf), rest)
        rows.put(row, placed, sign, steps)
        rows.put_column(row, column + member, -1.0)


def _couple(coupling: Coupling, powers: list[Placed], rows: _Rows) -> None:
    """Every device moves with the first one."""
    first, first_coefficient = powers[coupling.devices[0]], coupling.coefficients[0]
    for d, coefficient in zip(coupling.devices[1:], coupling.coefficients[1:], strict=True):
        ratio = coefficient / first_coefficient
        rest = ratio * first.pieces.reference - powers[d].pieces.reference
        moves = first.pieces.is_present.any(axis=0) | powers[d].pieces.is_present.any(axis=0)
        torn = ~moves & (np.abs(rest) > SLACK)
        if torn.any():
            raise Infeasible(coupling.name, int(np.argmax(torn)))
        steps = np.flatnonzero(moves)
        row = rows.add(rest[steps], rest[steps])
        rows.put(row, powers[d], 1.0, steps)
        rows.put(row, first, -ratio, steps)
