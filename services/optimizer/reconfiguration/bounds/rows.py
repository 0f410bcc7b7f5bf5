"""Rows of a linear program, gathered in stretches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from services.optimizer.reconfiguration.network import BoolArray, FloatArray

Positions = NDArray[np.int64]
# Columns with their coefficients, one each or the same for all.
Terms = Sequence[tuple[Positions, FloatArray | float]]


class Rows:
    """Rows with their limits. Terms are by arc: (A,) columns and coefficients."""

    def __init__(self) -> None:
        self._row: list[Positions] = []
        self._column: list[Positions] = []
        self._value: list[FloatArray] = []
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        self._count = 0

    @property
    def lower(self) -> FloatArray:
        """(M,) what each row is at least."""
        return np.concatenate(self._lower)

    @property
    def upper(self) -> FloatArray:
        """(M,) what each row is at most."""
        return np.concatenate(self._upper)

    def matrix(self, columns: int) -> csr_array:
        """(M, columns) coefficients."""
        place = (np.concatenate(self._row), np.concatenate(self._column))
        return csr_array((np.concatenate(self._value), place), shape=(self._count, columns))

    def of_each(
        self,
        arcs: Positions,
        terms: Terms,
        lower: float,
        upper: float,
        less: tuple[Positions, Positions] | None = None,
    ) -> None:
        """One row for each of these arcs; ``less``: columns to subtract, each with the place of its row among these."""
        rows = self._begin(arcs.size, lower, upper)
        for column, value in terms:
            self._add(rows, column[arcs], np.broadcast_to(value, column.shape)[arcs])
        if less is not None:
            self._add(rows[less[0]], less[1], -np.ones(less[1].size))

    def sum_by(
        self,
        key: NDArray[np.int32],
        has_row: BoolArray,
        terms: Terms,
        lower: FloatArray | float,
        upper: FloatArray | float,
    ) -> None:
        """For each bus, or line, that has a row the sum over the arcs whose ``key`` it is; limits are by bus or line."""
        chosen = np.flatnonzero(has_row)
        limits = [np.broadcast_to(limit, has_row.shape)[chosen] for limit in (lower, upper)]
        self._sum(self._begin(chosen.size, *limits), has_row, key, terms, 1.0)

    def balance(
        self,
        has_row: BoolArray,
        *,
        arriving: tuple[NDArray[np.int32], Terms],
        leaving: tuple[NDArray[np.int32], Terms],
        rest: FloatArray | float,
    ) -> None:
        """For each bus that has a row: what arrives less what leaves is ``rest``."""
        rows = self._begin(int(has_row.sum()), rest, rest)
        self._sum(rows, has_row, *arriving, 1.0)
        self._sum(rows, has_row, *leaving, -1.0)

    def _sum(self, rows: Positions, has_row: BoolArray, key: NDArray[np.int32], terms: Terms, sign: float) -> None:
        row_of = np.full(has_row.size, -1, dtype=np.int64)
        row_of[has_row] = rows
        row = row_of[key]
        kept = row >= 0
        for column, value in terms:
            self._add(row[kept], column[kept], sign * np.broadcast_to(value, column.shape)[kept])

    def _begin(self, count: int, lower: FloatArray | float, upper: FloatArray | float) -> Positions:
        self._lower.append(np.array(np.broadcast_to(lower, count), dtype=np.float64))
        self._upper.append(np.array(np.broadcast_to(upper, count), dtype=np.float64))
        self._count += count
        return np.arange(self._count - count, self._count)

    def _add(self, row: Positions, column: Positions, value: FloatArray) -> None:
        kept = value != 0.0
        self._row.append(row[kept])
        self._column.append(column[kept])
        self._value.append(np.asarray(value, dtype=np.float64)[kept])
