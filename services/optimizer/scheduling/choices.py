"""Breaks as choices: which a solution ignores, how to hold it to one side, and as binary columns of a mixed-integer program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.scheduling.pieces import BoolArray, Break
from services.optimizer.scheduling.problem import FloatArray, IntArray
from services.optimizer.scheduling.program import Placed

TOLERANCE = 1e-8  # MW out of order that do not count


@dataclass(frozen=True)
class Choice:
    """A break in some steps: at or left of it, or at or right of it."""

    placed: Placed
    at: Break
    steps: IntArray  # (n,)

    def rows(self) -> tuple[BoolArray, BoolArray, BoolArray, FloatArray, FloatArray, IntArray]:
        """(S, n) each: is the piece there, is it left, is it right of the break (else within); its lower bound, width and column."""
        pieces, steps = self.placed.pieces, self.steps
        lower, upper = (edge[:, steps] for edge in pieces.bounds)
        is_left = pieces.high[:, steps] <= self.at.left[steps]
        is_right = pieces.low[:, steps] >= self.at.right[steps]
        return pieces.is_present[:, steps], is_left, is_right, lower, upper - lower, self.placed.column[:, steps]

    def is_ignored(self, x: FloatArray) -> BoolArray:
        """(n,) whether both sides are in use: something is right of the break while something left of it is still empty."""
        is_present, is_left, is_right, lower, width, column = self.rows()
        filled = np.where(is_present, x[column] - lower, 0.0)
        beyond = np.where(is_left, 0.0, filled).sum(axis=0)
        missing = np.where(is_right | ~is_present, 0.0, width - filled).sum(axis=0)
        ignored: BoolArray = np.minimum(beyond, missing) > TOLERANCE
        return ignored

    def nearer_side(self, x: FloatArray) -> BoolArray:
        """(n,) whether the right side is nearer to where the quantity is."""
        value, left, right = (each[self.steps] for each in (self.placed.value(x), self.at.left, self.at.right))
        is_right: BoolArray = value - left > right - value
        return is_right

    def bounds_of(self, is_right_side: BoolArray) -> tuple[IntArray, FloatArray]:
        """Columns that cannot move once the sides (n,) are chosen, and where they stay: full left of the break, or empty right of it."""
        is_present, is_left, is_right, lower, width, column = self.rows()
        stays = is_present & np.where(is_right_side, ~is_right, ~is_left)
        return column[stays], np.where(is_right_side, lower + width, lower)[stays]

    def only(self, chosen: BoolArray) -> Choice:
        """The same break in those of its steps that are chosen (n,)."""
        return Choice(self.placed, self.at, self.steps[chosen])


@dataclass(frozen=True)
class ChoiceRows:
    """Rows that bind pieces to a binary column for each step of some choices; 1 is the right side. Entries by row, column, value."""

    binary_count: int
    row: IntArray
    column: IntArray  # of a piece; binaries are in ``binary``
    binary: IntArray  # counted from 0, one per row
    width: FloatArray  # one per row: piece - width·binary lies between
    lower: FloatArray
    upper: FloatArray


def rows_of(choices: list[Choice]) -> ChoiceRows:
    """A piece left of a break is full if the right side is chosen, one right of it empty if not, one within it either of both."""
    columns, binaries, widths, lowers, uppers = [], [], [], [], []
    count = 0
    for choice in choices:
        is_present, is_left, is_right, lower, width, column = choice.rows()
        binary = np.broadcast_to(count + np.arange(len(choice.steps)), is_present.shape)
        columns.append(column[is_present])
        binaries.append(binary[is_present])
        widths.append(width[is_present])
        lowers.append(np.where(is_right, -np.inf, lower)[is_present])
        uppers.append(np.where(is_left, np.inf, lower)[is_present])
        count += len(choice.steps)
    column = np.concatenate(columns)
    return ChoiceRows(
        count,
        np.arange(len(column)),
        column,
        np.concatenate(binaries),
        np.concatenate(widths),
        np.concatenate(lowers),
        np.concatenate(uppers),
    )
