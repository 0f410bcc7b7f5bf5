"""Learning: which pairs of viewpoint and event are learnt from, what is kept back to weigh the forecasts, and the trained model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.optimizer.forecasting.candidates import simple_candidates, weights_by_error
from services.optimizer.forecasting.days import Days
from services.optimizer.forecasting.features import KnownSeries, Pairs, feature_rows, same_time
from services.optimizer.forecasting.learner import LearnerParameters, fit_quantile, predict_quantile
from services.optimizer.forecasting.task import MEDIAN, Accuracy, BoolArray, FloatArray, IntArray

# More rows than this teach nothing new and take seconds.
_MOST_ROWS = 20_000
# Trees on fewer rows than a few days of hours say no more than the days themselves.
_FEWEST_ROWS = 72
# The last share of the viewpoints is kept back, but no more days than tell what the weather of the season is like.
_KEPT_BACK = 0.25
_MOST_DAYS_KEPT_BACK = 10


@dataclass(frozen=True, slots=True)
class Material:
    """What is learnt from: the sensor's filled series and where it was really known, both (N,), and regressors."""

    days: Days
    values: FloatArray
    is_real: BoolArray
    regressors: tuple[KnownSeries, ...]

    def rows(self, pairs: Pairs) -> tuple[FloatArray, FloatArray]:
        """(R, F) features of the pairs, and (C, R) what the simple candidates say."""
        known_days = same_time(self.days, self.values, pairs)
        return feature_rows(self.days, self.values, self.regressors, pairs, known_days), simple_candidates(known_days)


@dataclass(frozen=True, slots=True)
class Trees:
    """Trained trees for one quantile, and which features they know."""

    trees: Any  # Any: scikit-learn has no types
    columns: IntArray

    def predict(self, features: FloatArray) -> FloatArray:
        """(R,) estimates."""
        return predict_quantile(self.trees, features[:, self.columns])


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that is ready: trees for each quantile (none where history is short) and the weights of the candidates."""

    material: Material
    trees: dict[float, Trees]
    weights: FloatArray  # (3,) of the simple candidates, or (4,) with the trees
    accuracy: Accuracy | None

    def seeing(self, values: FloatArray) -> Trained:
        """The same model with a filled series (K,) that goes further than what was learnt from."""
        return replace(self, material=replace(self.material, values=values))

    def predict(self, pairs: Pairs, quantiles: tuple[float, ...]) -> FloatArray:
        """(Q, R) forecasts; quantiles below the median are never above it, nor those above it below."""
        features, simple = self.material.rows(pairs)
        median: FloatArray = self.weights @ _all_candidates(simple, self.trees.get(MEDIAN), features)
        return np.stack([self._quantile(quantile, median, features, simple) for quantile in quantiles])

    def _quantile(self, quantile: float, median: FloatArray, features: FloatArray, simple: FloatArray) -> FloatArray:
        if quantile == MEDIAN:
            return median
        if quantile in self.trees:
            estimate = self.trees[quantile].predict(features)
        else:
            # Too little history for trees: the last days themselves are the distribution.
            estimate = np.asarray(np.quantile(np.concatenate([simple, median[None]]), quantile, axis=0))
        bound = np.minimum if quantile < MEDIAN else np.maximum
        within: FloatArray = bound(estimate, median)
        return within


def train(
    material: Material, known: int, ahead: tuple[int, int], quantiles: tuple[float, ...], parameters: LearnerParameters
) -> Trained:
    """Learn to look from ``ahead[0]`` to ``ahead[1]`` − 1 events ahead, from the events before ``known``."""
    pairs = _training_pairs(material, known, ahead)
    if not len(pairs):
        return Trained(material, {}, _equal_weights(3), None)
    features, simple = material.rows(pairs)
    truth = material.values[pairs.events]
    weights, accuracy = _weighed(pairs, features, simple, truth, parameters, steps_of_day=material.days.steps_of_day)
    trees = {}
    if len(weights) > len(simple):
        for quantile in {MEDIAN, *quantiles}:
            trees[quantile] = _grown(features, truth, quantile, parameters)
    return Trained(material, trees, weights, accuracy)


def _training_pairs(material: Material, known: int, ahead: tuple[int, int]) -> Pairs:
    """Pairs as they will be asked for: viewpoints at the same distances from ``known``, events as far ahead of them."""
    nearest, farthest = ahead
    steps_of_day = material.days.steps_of_day
    real = np.flatnonzero(material.is_real[:known])
    if not len(real):
        return Pairs(real, real)
    stride = min(steps_of_day, farthest - nearest)
    # From one day of history on there is something to say.
    latest = known - stride * (nearest // stride + 1)
    viewpoints = np.arange(latest, int(real[0]) + steps_of_day - 1, -stride, dtype=np.int64)[::-1]
    distances = np.arange(nearest, farthest, dtype=np.int64)
    if len(viewpoints) * len(distances) > 8 * _MOST_ROWS:
        distances = distances[:: -(-len(viewpoints) * len(distances) // (8 * _MOST_ROWS))]
    views, events = np.repeat(viewpoints, len(distances)), (viewpoints[:, None] + distances[None, :]).ravel()
    is_usable = events < known
    is_usable[is_usable] = material.is_real[events[is_usable]]
    rows = np.flatnonzero(is_usable)
    if len(rows) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(len(rows)).choice(rows, _MOST_ROWS, replace=False))
    return Pairs(views, events)[rows]


def _weighed(
    pairs: Pairs,
    features: FloatArray,
    simple: FloatArray,
    truth: FloatArray,
    parameters: LearnerParameters,
    *,
    steps_of_day: int,
) -> tuple[FloatArray, Accuracy | None]:
    """Weights of the candidates by their errors on the last days, and how the weighted mean did there."""
    last = pairs.events.max()
    span = last - pairs.known.min() + 1
    kept_back = min(int(span * _KEPT_BACK), _MOST_DAYS_KEPT_BACK * steps_of_day)
    # Whole days where there are some, or mornings would be judged more than evenings.
    kept_back = max(kept_back // steps_of_day, 1) * steps_of_day
    begin = last + 1 - kept_back
    test = np.flatnonzero(pairs.known >= begin)
    learnt = np.flatnonzero(pairs.events < begin)
    if not len(test):
        test = np.flatnonzero(pairs.events >= begin)
    has_trees = len(learnt) >= _FEWEST_ROWS
    if not len(learnt):
        return _equal_weights(len(simple)), None
    trees = _grown(features[learnt], truth[learnt], MEDIAN, parameters) if has_trees else None
    said = _all_candidates(simple[:, test], trees, features[test])
    scale = float(np.abs(truth).mean())
    misses = np.abs(said - truth[test])  # (C, T)
    weights = weights_by_error(misses.mean(axis=1), scale)
    return weights, _cross_checked(said, truth[test], pairs.events[test] // steps_of_day, scale)


def _cross_checked(said: FloatArray, truth: FloatArray, day: IntArray, scale: float) -> Accuracy:
    """How well the weighted mean does on days whose errors have not set its weights: odd days by even ones, and the reverse."""
    misses = np.abs(said - truth)
    is_odd = day % 2 == 1
    error = np.empty(len(truth))
    for half in (is_odd, ~is_odd):
        others = ~half if (~half).any() else half
        weights = weights_by_error(misses[:, others].mean(axis=1), scale)
        error[half] = np.abs(weights @ said[:, half] - truth[half])
    return Accuracy(float(error.mean()), float(misses[0].mean()), len(truth))


def _grown(features: FloatArray, targets: FloatArray, quantile: float, parameters: LearnerParameters) -> Trees:
    columns = np.flatnonzero(~np.isnan(features).all(axis=0))
    return Trees(fit_quantile(features[:, columns], targets, quantile, parameters), columns)


def _all_candidates(simple: FloatArray, trees: Trees | None, features: FloatArray) -> FloatArray:
    return simple if trees is None else np.concatenate([simple, trees.predict(features)[None]])


def _equal_weights(count: int) -> FloatArray:
    return np.full(count, 1.0 / count)
