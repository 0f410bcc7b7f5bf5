"""Forecasts: from events as they are stored to values as they are to be stored."""

from __future__ import annotations

from array import array
from datetime import datetime

import numpy as np

from services.optimizer.forecasting import (
    Bounds,
    ForecastTask,
    LearnerParameters,
    Regressor,
    Snap,
    TrainingWindow,
    Viewpoint,
    forecast,
    training_window,
)
from services.optimizer.forecasting.task import MEDIAN, FloatArray
from services.optimizer.tasks.flexibility_values import Events, ForecastInput, Found, FoundForecast, FoundView
from shared.flexibility.forecast_request import ForecastRequest, ForecastView

QUANTILES = (0.1, MEDIAN, 0.9)
_US = 1_000_000


def make(given: ForecastInput) -> FoundForecast:
    """Train once and look ahead from each viewpoint.

    Raises:
        ForecastImpossible: too little is known.
        InvalidInput: a parameter of the model is wrong.
    """
    request, step_s = given.request, given.step_s
    start_s = _seconds(request.start)
    window = training_window(
        start_s,
        step_s,
        train_start_s=None if request.train_start is None else _seconds(request.train_start),
        period_s=request.train_period_s,
        longest_s=request.max_training_period_s,
    )
    views = request.views(given.requested_at)
    quantiles = QUANTILES if request.is_probabilistic else (MEDIAN,)
    task = ForecastTask(
        start_s=window.start_s,
        step_s=step_s,
        timezone=given.timezone,
        values=on_grid(given.events, window.start_s, step_s, (_seconds(views[-1].start) - window.start_s) // step_s),
        viewpoints=tuple(_viewpoint(view, window, step_s) for view in views),
        regressors=tuple(_regressors(given, window)),
        quantiles=quantiles,
        missing_threshold=request.missing_threshold,
        bounds=_bounds(request),
        parameters=LearnerParameters.from_mapping(request.model_params),
    )
    made = forecast(task)
    found = tuple(
        FoundView(
            view.start,
            view.belief_time,
            tuple((quantile, array("d", row.tolist())) for quantile, row in zip(quantiles, values, strict=True)),
        )
        for view, values in zip(views, made.values, strict=True)
    )
    return FoundForecast(
        views=found,
        latest=_latest(given, found),
        error=None if made.accuracy is None else made.accuracy.error,
        naive_error=None if made.accuracy is None else made.accuracy.naive_error,
        warnings=made.warnings,
    )


def on_grid(events: Events, start_s: int, step_s: int, count: int) -> FloatArray:
    """(``count``,) the values of events on a grid from ``start_s`` on, NaN where there is none.

    An event counts at the nearest step, as days begin an hour earlier or later when the clock is changed; several of one step
    count as their mean.
    """
    starts_us = (
        np.frombuffer(events.starts_us, dtype=np.int64) if len(events.starts_us) else np.empty(0, dtype=np.int64)
    )
    values = np.frombuffer(events.values, dtype=np.float64) if len(events.values) else np.empty(0)
    index = (starts_us - start_s * _US + step_s * _US // 2) // (step_s * _US)
    inside = (index >= 0) & (index < count)
    totals = np.bincount(index[inside], weights=values[inside], minlength=count)
    numbers = np.bincount(index[inside], minlength=count)
    grid: FloatArray = np.where(numbers > 0, totals / np.maximum(numbers, 1), np.nan)
    return grid


def _viewpoint(view: ForecastView, window: TrainingWindow, step_s: int) -> Viewpoint:
    first = (_seconds(view.start) - window.start_s) // step_s
    return Viewpoint(first, max(1, -((_seconds(view.start) - _seconds(view.end)) // step_s)))


def _regressors(given: ForecastInput, window: TrainingWindow) -> list[Regressor]:
    count = -((window.start_s - _seconds(given.request.window_end)) // given.step_s)
    return [
        Regressor(
            reference.sensor_id,
            on_grid(events, window.start_s, given.step_s, count),
            is_past=reference.is_past,
            is_future=reference.is_future,
        )
        for reference, events in zip(given.request.regressors, given.regressors, strict=True)
    ]


def _bounds(request: ForecastRequest) -> Bounds:
    snaps = tuple(Snap(snap.target, snap.low, snap.high) for snap in request.snaps)
    return Bounds(request.ensure_positive, request.lower, request.upper, snaps)


def _latest(given: ForecastInput, views: tuple[FoundView, ...]) -> Found:
    """Of each event what the last look ahead says of it."""
    starts = [round((view.start - views[0].start).total_seconds()) // given.step_s for view in views]
    medians = [next(values for quantile, values in view.quantiles if quantile == MEDIAN) for view in views]
    count = max(first + len(values) for first, values in zip(starts, medians, strict=True))
    latest = np.full(count, np.nan)
    for first, values in zip(starts, medians, strict=True):
        latest[first : first + len(values)] = values
    return Found(given.request.sensor_id, views[0].start, given.step_s, given.unit, array("d", latest.tolist()))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
