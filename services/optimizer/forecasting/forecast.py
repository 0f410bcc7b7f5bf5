"""A forecast from beginning to end: is there enough to learn from, learn, look ahead, keep to the bounds."""

from __future__ import annotations

import numpy as np

from services.optimizer.forecasting.days import DAY_S, Days
from services.optimizer.forecasting.features import KnownSeries, Pairs
from services.optimizer.forecasting.filling import filled
from services.optimizer.forecasting.task import (
    FloatArray,
    Forecast,
    ForecastImpossible,
    ForecastTask,
    IntArray,
    Regressor,
    Viewpoint,
)
from services.optimizer.forecasting.training import Material, train


def forecast(task: ForecastTask) -> Forecast:
    """Learn from the events before the first viewpoint and forecast from each viewpoint.

    Raises:
        ForecastImpossible: too little is known of the sensor or of a regressor, or more is missing than may be.
    """
    trained_until = task.viewpoints[0].first
    history = task.values[:trained_until]
    _check_history(task, history)
    days = Days(task.start_s, task.step_s, task.event_count, task.timezone)
    warnings: list[str] = []
    regressors = tuple(_known_regressor(task, regressor, days, warnings) for regressor in task.regressors)
    known = [_known_until(task.values, view) for view in task.viewpoints]
    ahead = (
        min(view.first - until for view, until in zip(task.viewpoints, known, strict=True)),
        max(view.first + view.count - until for view, until in zip(task.viewpoints, known, strict=True)),
    )
    if (gap := trained_until - known[0]) > 0:
        warnings.append(f"the last {gap} values before the forecast are missing; it looks from the last known one")
    material = Material(days, filled(history, days.steps_of_day), ~np.isnan(history), regressors)
    trained = train(material, known[0], ahead, task.quantiles, task.parameters)
    values = []
    for view, until in zip(task.viewpoints, known, strict=True):
        events = np.arange(view.first, view.first + view.count, dtype=np.int64)
        seen = trained.seeing(filled(task.values[:until], days.steps_of_day))
        values.append(task.bounds.applied_to(seen.predict(Pairs(np.full_like(events, until), events), task.quantiles)))
    return Forecast(tuple(values), trained.accuracy, tuple(warnings))


def _check_history(task: ForecastTask, history: FloatArray) -> None:
    known = np.flatnonzero(~np.isnan(history))
    days = len(history) * task.step_s / DAY_S
    if not len(known):
        raise ForecastImpossible(
            f"There is nothing to learn from: no value is known in the {days:g} days before the forecast. Post at least 2 days of "
            "history, or use a longer train-period or an earlier train-start."
        )
    spanned_s = (int(known[-1]) - int(known[0]) + 1) * task.step_s
    if spanned_s < 2 * DAY_S:
        raise ForecastImpossible(
            f"There is too little to learn from: known values span {spanned_s / 3600:g} hours of the {days:g} days before the "
            "forecast, and at least 48 are needed. Post more history, or forecast a shorter window."
        )
    share = 1 - len(known) / len(history)
    if share > task.missing_threshold:
        raise ForecastImpossible(
            f"Too much is missing: {share:.1%} of the {len(history)} values in the training window are not known, and "
            f"missing-threshold allows {task.missing_threshold:.1%}. Post more history or shorten train-period."
        )


def _known_regressor(task: ForecastTask, regressor: Regressor, days: Days, warnings: list[str]) -> KnownSeries:
    """The regressor without gaps, as far as what is known of it goes.

    Raises:
        ForecastImpossible: nothing is known of it where it is needed.
    """
    trained_until = task.viewpoints[0].first
    values = np.full(task.event_count, np.nan)
    count = min(len(values), len(regressor.values))
    values[:count] = regressor.values[:count]
    if np.isnan(values[:trained_until]).all():
        raise ForecastImpossible(f"No value of regressor sensor {regressor.sensor_id} is known in the training window.")
    if regressor.is_future:
        missing = int(np.isnan(values[trained_until:]).sum())
        if missing == len(values) - trained_until:
            raise ForecastImpossible(
                f"No value of future regressor sensor {regressor.sensor_id} is known in the forecast window."
            )
        if missing:
            warnings.append(
                f"{missing} values of future regressor sensor {regressor.sensor_id} are missing and filled in"
            )
    full = filled(values, days.steps_of_day)
    last = int(np.flatnonzero(~np.isnan(full))[-1])
    if regressor.is_future:
        full[last + 1 :] = full[last]
    return KnownSeries(full, regressor.is_past, regressor.is_future)


def _known_until(values: FloatArray, view: Viewpoint) -> int:
    """The event after the last one that is known at the viewpoint."""
    known: IntArray = np.flatnonzero(~np.isnan(values[: view.first]))
    return int(known[-1]) + 1
