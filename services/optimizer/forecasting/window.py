"""Which stretch of the past a forecast learns from."""

from __future__ import annotations

from dataclasses import dataclass

from services.optimizer.forecasting.task import ForecastImpossible

DAY_S = 86_400
SHORTEST_S = 2 * DAY_S
DEFAULT_PERIOD_S = 30 * DAY_S
DEFAULT_LONGEST_S = 365 * DAY_S


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """From ``start_s`` until ``end_s``, seconds since 1970 (UTC)."""

    start_s: int
    end_s: int


def training_window(
    forecast_start_s: int,
    step_s: int,
    *,
    train_start_s: int | None = None,
    period_s: int = DEFAULT_PERIOD_S,
    longest_s: int = DEFAULT_LONGEST_S,
) -> TrainingWindow:
    """The window that ends where the forecast begins: from ``train_start_s`` if given, else as long as ``period_s``.

    It is never longer than ``longest_s`` and holds whole steps.

    Raises:
        ForecastImpossible: it would be shorter than two days.
    """
    begin_s = forecast_start_s - period_s if train_start_s is None else train_start_s
    begin_s = max(begin_s, forecast_start_s - longest_s)
    steps = (forecast_start_s - begin_s) // step_s
    if forecast_start_s - begin_s < SHORTEST_S or steps < 1:
        raise ForecastImpossible(
            "There is too little time to learn from: the training window must be at least 2 days (48 hours) long and ends where "
            "the forecast starts. Use an earlier train-start, a longer train-period, or a later start."
        )
    return TrainingWindow(forecast_start_s - steps * step_s, forecast_start_s)
