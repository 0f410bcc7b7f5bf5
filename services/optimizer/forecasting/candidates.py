"""Forecasts of several kinds, and how much weight each gets: by how well it did on the last days that it had not learnt from."""

from __future__ import annotations

import numpy as np

from services.optimizer.forecasting.features import SameTime, median_known
from services.optimizer.forecasting.task import FloatArray

# A candidate twice as far off has an eighth of the weight. Powers from 1 to 4 differ little on the public fixtures.
_SHARPNESS = 3.0
# Weather stays as it is more often than a few held-back days tell: yesterday gets up to this share beforehand, and less of it the more often
# it was wrong. Three days of the public photovoltaics are then more than a tenth worse than by yesterday alone in one choice of ten and
# not in one of six (benchmark `forecasting` has the mean over all days).
_NAIVE_SHARE = 0.5
# Errors below this share of the values' size are no error: such a candidate is as good as any other that is as good.
_EXACT = 1e-6


def simple_candidates(known_days: SameTime) -> FloatArray:
    """(3, R) what needs no learning: the last known day's value (the naive forecast), the last days' median, the last week's value."""
    naive = known_days.of_days[0]
    # Where the series is too short for a day or a week, what is known of shorter ones stands in.
    median = median_known(known_days.of_days)
    naive = np.where(np.isnan(naive), median, naive)
    of_week = np.where(np.isnan(known_days.of_week), naive, known_days.of_week)
    return np.stack([naive, median, of_week])


def weights_by_error(errors: FloatArray, scale: float) -> FloatArray:
    """(C,) weights that add up to 1, from mean absolute errors (C,) of values of size ``scale``; the first candidate is the naive one."""
    floor = max(scale, 1.0) * 1e-12 + scale * _EXACT
    errors = np.maximum(errors, floor)
    worth = errors**-_SHARPNESS
    weights: FloatArray = worth / worth.sum()
    share = _NAIVE_SHARE * errors.min() / errors[0]
    weights *= 1 - share
    weights[0] += share
    return weights
