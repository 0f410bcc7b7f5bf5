"""The learner: boosted trees for one quantile, as scikit-learn has them. The same data and seed give the same trees.

One thread: the histograms of so little data are not worth a second one, and sums in a fixed order are the same on each machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from shared.errors import InvalidInput

FloatArray = NDArray[np.float64]

SEED = 42


@dataclass(frozen=True, slots=True)
class LearnerParameters:
    """How trees are grown. The defaults did best on the public fixtures among the few tried (benchmarks/flexibility)."""

    trees: int = 100
    learning_rate: float = 0.05
    max_depth: int = 3
    max_leaves: int = 31
    leaf_samples: int = 20
    l2: float = 0.0
    bins: int = 255
    feature_share: float = 1.0
    seed: int = SEED

    @classmethod
    def from_mapping(cls, given: Mapping[str, object]) -> LearnerParameters:
        """Parameters by our names, by those of scikit-learn or by those of LightGBM.

        Raises:
            InvalidInput: a name is unknown, or a value is not a number within its range; ``field`` is the name.
        """
        read: dict[str, float] = {}
        for name, value in given.items():
            known = _KNOWN.get(name)
            if known is None:
                raise InvalidInput(
                    f"Unknown model parameter '{name}'. Known are {', '.join(sorted(_KNOWN))}.", field=name
                )
            read[known.field] = known.read(name, value)
        # Any: fields of two types, each value made one of its field's type by ``read``
        fields: dict[str, Any] = read
        return replace(cls(), **fields)


def fit_quantile(
    features: FloatArray, targets: FloatArray, quantile: float, parameters: LearnerParameters
) -> Any:  # Any: scikit-learn has no types
    """Trees that estimate a quantile of the target from features (R, F); NaN in a feature is unknown.

    No column may be NaN altogether.
    """
    trees = HistGradientBoostingRegressor(
        loss="quantile",
        quantile=quantile,
        max_iter=parameters.trees,
        learning_rate=parameters.learning_rate,
        max_depth=parameters.max_depth,
        max_leaf_nodes=parameters.max_leaves,
        min_samples_leaf=parameters.leaf_samples,
        l2_regularization=parameters.l2,
        max_bins=parameters.bins,
        max_features=parameters.feature_share,
        early_stopping=False,
        random_state=parameters.seed,
    )
    with threadpool_limits(1, user_api="openmp"):
        return trees.fit(features, targets)


def predict_quantile(trees: Any, features: FloatArray) -> FloatArray:  # Any: scikit-learn has no types
    """The estimates (R,) for features (R, F)."""
    with threadpool_limits(1, user_api="openmp"):
        return np.asarray(trees.predict(features), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Parameter:
    field: str
    low: float
    high: float
    is_whole: bool

    def read(self, name: str, value: object) -> float:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not self.low <= number <= self.high or (self.is_whole and not number.is_integer()):
            kind = "a whole number" if self.is_whole else "a number"
            raise InvalidInput(
                f"Model parameter '{name}' must be {kind} from {self.low:g} to {self.high:g}, got {value!r}.",
                field=name,
            )
        return int(number) if self.is_whole else number


_TREES = _Parameter("trees", 1, 1000, is_whole=True)
_RATE = _Parameter("learning_rate", 1e-4, 1, is_whole=False)
_DEPTH = _Parameter("max_depth", 1, 16, is_whole=True)
_LEAVES = _Parameter("max_leaves", 2, 255, is_whole=True)
_SAMPLES = _Parameter("leaf_samples", 1, 10_000, is_whole=True)
_L2 = _Parameter("l2", 0, 1e6, is_whole=False)
_BINS = _Parameter("bins", 2, 255, is_whole=True)
_SHARE = _Parameter("feature_share", 0.01, 1, is_whole=False)
_SEED = _Parameter("seed", 0, 2**31 - 1, is_whole=True)

_KNOWN: Mapping[str, _Parameter] = {
    "trees": _TREES,
    "max_iter": _TREES,
    "n_estimators": _TREES,
    "num_iterations": _TREES,
    "num_boost_round": _TREES,
    "learning_rate": _RATE,
    "max_depth": _DEPTH,
    "max_leaves": _LEAVES,
    "max_leaf_nodes": _LEAVES,
    "num_leaves": _LEAVES,
    "leaf_samples": _SAMPLES,
    "min_samples_leaf": _SAMPLES,
    "min_child_samples": _SAMPLES,
    "min_data_in_leaf": _SAMPLES,
    "l2": _L2,
    "l2_regularization": _L2,
    "reg_lambda": _L2,
    "lambda_l2": _L2,
    "bins": _BINS,
    "max_bins": _BINS,
    "max_bin": _BINS,
    "feature_share": _SHARE,
    "max_features": _SHARE,
    "feature_fraction": _SHARE,
    "colsample_bytree": _SHARE,
    "seed": _SEED,
    "random_state": _SEED,
}
