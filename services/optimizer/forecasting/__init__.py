"""Forecasting of a sensor's values from its own past and from regressors (pure): numbers in, numbers out.

``forecast`` learns once and looks ahead from one or more viewpoints. How it learns is in ``training``, what it learns from in
``features``, which simple forecasts it is weighed against in ``candidates``, and what is done to its figures in ``bounds``.
"""

from services.optimizer.forecasting.bounds import Bounds, Snap
from services.optimizer.forecasting.forecast import forecast
from services.optimizer.forecasting.learner import LearnerParameters
from services.optimizer.forecasting.task import (
    Accuracy,
    Forecast,
    ForecastImpossible,
    ForecastTask,
    Regressor,
    Viewpoint,
)
from services.optimizer.forecasting.window import TrainingWindow, training_window

__all__ = [
    "Accuracy",
    "Bounds",
    "Forecast",
    "ForecastImpossible",
    "ForecastTask",
    "LearnerParameters",
    "Regressor",
    "Snap",
    "TrainingWindow",
    "Viewpoint",
    "forecast",
    "training_window",
]
