"""What a forecast is made from and what comes of it. All series of a task share one grid of equally long events."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.optimizer.forecasting.bounds import Bounds
from services.optimizer.forecasting.learner import LearnerParameters
from shared.errors import BusbarError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MEDIAN = 0.5


class ForecastImpossible(BusbarError):
    """Nothing can be forecast from what is known; the message says what would help."""

    code = "forecast_impossible"


@dataclass(frozen=True, slots=True)
class Regressor:
    """A series that may explain the one to be forecast.

    ``values`` (N,) on the task's grid, NaN where nothing is known; ``sensor_id`` is what messages call it. Used as it was until
    the viewpoint (``is_past``), as it is expected at the event itself (``is_future``), or both.
    """

    sensor_id: int
    values: FloatArray
    is_past: bool
    is_future: bool


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """A moment from which ``count`` events are forecast, beginning with event ``first``; values before that event may be known."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class ForecastTask:
    """A forecast to be made.

    Event ``i`` lasts from ``start_s + i·step_s`` for ``step_s`` [s since 1970, UTC]. ``values`` (N,) are those of the sensor, NaN
    where none is known; the events before the first viewpoint are learnt from. ``timezone`` is where its days begin.
    """

    start_s: int
    step_s: int
    timezone: str
    values: FloatArray
    viewpoints: tuple[Viewpoint, ...]
    regressors: tuple[Regressor, ...] = ()
    quantiles: tuple[float, ...] = (MEDIAN,)
    missing_threshold: float = 1.0
    bounds: Bounds = field(default_factory=Bounds)
    parameters: LearnerParameters = field(default_factory=LearnerParameters)

    @property
    def event_count(self) -> int:
        """Events from the first one learnt from to the last one forecast."""
        return max(view.first + view.count for view in self.viewpoints)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Mean absolute errors on the last days before the forecast, which were kept from learning, in the sensor's unit.

    ``naive_error`` is that of the same hour on the last known day; both are over the same ``event_count`` forecasts.
    """

    error: float
    naive_error: float
    event_count: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """``values`` has for each viewpoint an array (Q, count), a row for each quantile in the task's order.

    ``accuracy`` is None where there is too little history to keep any of it from learning.
    """

    values: tuple[FloatArray, ...]
    accuracy: Accuracy | None
    warnings: tuple[str, ...]
