"""Series with known shapes for the tests of forecasting."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from services.optimizer.forecasting.task import FloatArray, ForecastTask, Viewpoint

DATA = Path(__file__).parents[3] / "data" / "forecasting"
HOUR_S = 3600
QUARTER_S = 900


@dataclass(frozen=True)
class Recorded:
    start_s: int
    values: FloatArray


def recorded(name: str) -> Recorded:
    document = json.loads((DATA / f"{name}.json").read_text())
    return Recorded(int(datetime.fromisoformat(document["start"]).timestamp()), np.array(document["values"]))


def daylight(hours: int) -> FloatArray:
    """A sun without clouds: 10·sin of the hours after six, never below nothing."""
    hour = np.arange(hours) % 24
    curve: FloatArray = np.maximum(0.0, 10 * np.sin((hour - 6) * np.pi / 12))
    return curve


def cloudy(days: int, per_day: int, seed: int = 7) -> FloatArray:
    """A sun behind clouds that differ from day to day."""
    step = np.arange(days * per_day)
    clear: FloatArray = np.maximum(0.0, 5 * np.sin((step % per_day / per_day - 0.25) * 2 * np.pi))
    return clear * np.random.default_rng(seed).uniform(0.3, 1.0, days).repeat(per_day)


def next_events(values: FloatArray, count: int, step_s: int = HOUR_S, **more: object) -> ForecastTask:
    """The task to forecast the ``count`` events after the values."""
    given = {"start_s": 0, "timezone": "UTC"} | more
    return ForecastTask(step_s=step_s, values=values, viewpoints=(Viewpoint(len(values), count),), **given)  # type: ignore[arg-type]


def mean_error(forecast: FloatArray, truth: FloatArray) -> float:
    return float(np.abs(forecast - truth).mean())
