"""Tiny prices that settle what costs the same: fill a stock sooner, curtail later."""

from __future__ import annotations

import numpy as np

from services.optimizer.scheduling.problem import Commitment, FloatArray, Kind, Level

_SHARE_OF_SPREAD = 1e-4


def price_spread(prices: FloatArray | None) -> float:
    """Largest less smallest price (N,) of the window [currency/MWh]; 0 without prices."""
    return 0.0 if prices is None else float(prices.max() - prices.min())


def tiny_prices(step_count: int, spread: float, *, falls: bool) -> FloatArray:
    """(N,) price of each MW·step that a stock is below full at the end of a step: from m = 1e-4·spread/N down to 0, or m throughout.

    A spread of 0 counts as 1. ``falls`` makes late shortage cheaper, so that production is curtailed late.
    """
    most = _SHARE_OF_SPREAD * (spread or 1.0) / step_count
    if not falls or step_count == 1:
        return np.full(step_count, most)
    return most * np.arange(step_count - 1, -1, -1) / (step_count - 1)


def preference_for_full(number: int, stock: int, soc_max_mwh: float, tiny: FloatArray, step_h: float) -> Commitment:
    """The commitment of a stock to be full, at these tiny prices (N,) of MW·step; ``number`` is that of its first device."""
    full = np.full(len(tiny), soc_max_mwh)
    return Commitment(f"prefer a full storage {number} sooner", Kind.EACH, Level(stock), full, None, -tiny / step_h)
