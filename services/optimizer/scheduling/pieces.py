"""A quantity cut into pieces, so that what it costs is linear in each of them: the columns of the program.

A quantity (the power of a device, the sum of some powers, the level of a stock) moves in every step between a lower and an
upper edge. It is its reference, a point of that range, plus the sum of its pieces. Where prices rise from left to right, the cheapest way to fill the pieces is the right one. Where they fall, or the pieces differ in what they do to a
stock, or a stretch is forbidden, is a *break*: the quantity must be at or left of its ``left`` or at or right of its
``right``, which is a choice that a linear program does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.optimizer.scheduling.problem import FloatArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_FALL = 1e-12  # a slope that falls by less, relative to the largest, does so by rounding


@dataclass(frozen=True)
class Price:
    """What being above (``up``) and below (``down``) a quantity costs per unit; the quantity is NaN where nothing is bound."""

    quantity: FloatArray  # (N,)
    up: FloatArray  # (N,)
    down: FloatArray  # (N,)


@dataclass(frozen=True)
class Break:
    """``left <= right``: the quantity must not be strictly between them, nor its pieces filled out of order there."""

    is_open: BoolArray  # (N,) the steps that have it
    left: FloatArray  # (N,)
    right: FloatArray  # (N,)
    is_costly: bool  # whether the linear program surely ignores it: prices fall


@dataclass(frozen=True)
class Pieces:
    """S pieces in each of N steps, some of them absent. ``low`` and ``high`` are edges of the quantity itself."""

    reference: FloatArray  # (N,)
    low: FloatArray  # (S, N)
    high: FloatArray  # (S, N)
    is_present: BoolArray  # (S, N)
    slope: FloatArray  # (S, N) cost per unit
    breaks: tuple[Break, ...]

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """(S, N) each: what the columns move between, 0 where the reference is."""
        zero = np.clip(self.reference, self.low, self.high)
        with np.errstate(invalid="ignore"):  # absent pieces may be at infinity
            return self.low - zero, self.high - zero


def cut(
    lower: FloatArray,
    upper: FloatArray,
    prices: Sequence[Price],
    forced: Sequence[Break] = (),
    *,
    keeps_fixed: bool = True,
    is_level: bool = False,
) -> Pieces:
    """The pieces of a quantity with ``lower <= quantity <= upper`` (N,).

    With ``forced`` breaks there are edges at both their ends. Without ``keeps_fixed`` a step whose quantity cannot move has no
    piece. The reference is the point nearest to 0; that of a level is where it costs least, so that the dear wishes that it
    meets add nothing to the objective, in which the cheap ones would drown.
    """
    cuts = [np.where(price.up != price.down, price.quantity, np.nan) for price in prices]
    cuts += [np.where(each.is_open, end, np.nan) for each in forced for end in _ends(each)]
    edges = np.stack([lower, *cuts, upper])
    edges[1:-1] = np.clip(np.sort(np.where(np.isnan(edges[1:-1]), np.inf, edges[1:-1]), axis=0), lower, upper)
    low, high = edges[:-1], edges[1:]
    is_present = high > low
    if keeps_fixed:
        is_present[0] |= lower == upper
    slope = np.zeros_like(low)
    for price in prices:
        slope += np.where(np.isnan(price.quantity), 0.0, np.where(low >= price.quantity, price.up, price.down))
    reference = np.clip(0.0, lower, upper)
    if is_level:
        reference = _cheapest(low, high, is_present, slope, reference)
    return Pieces(reference, low, high, is_present, slope, (*forced, *_falls(low, is_present, slope)))


def _cheapest(
    low: FloatArray, high: FloatArray, is_present: BoolArray, slope: FloatArray, reference: FloatArray
) -> FloatArray:
    """(N,) where what rising prices make of a quantity is least; the reference where nothing is priced."""
    for k in range(len(low)):
        falls = is_present[k] & (slope[k] < 0.0)
        reference = np.where(falls, np.where(np.isfinite(high[k]), high[k], np.maximum(low[k], reference)), reference)
        rises = is_present[k] & (slope[k] > 0.0)
        reference = np.where(rises, np.where(np.isfinite(low[k]), np.minimum(low[k], reference), reference), reference)
    return reference


def _ends(each: Break) -> tuple[FloatArray, ...]:
    return (each.left,) if each.left is each.right else (each.left, each.right)


def _falls(low: FloatArray, is_present: BoolArray, slope: FloatArray) -> list[Break]:
    """Where a piece costs less than that to its left."""
    found = []
    least = _FALL * np.abs(slope).max(initial=0.0)
    before = np.full(low.shape[1], -np.inf)
    for k in range(len(low)):
        falls = is_present[k] & (slope[k] < before - least)
        if falls.any():
            found.append(Break(falls, low[k], low[k], is_costly=True))
        before = np.where(is_present[k], slope[k], before)
    return found
