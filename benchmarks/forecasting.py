"""Forecasts against their floors, without anything around them: one fit of the same learner on as many rows, and yesterday's values.

What messages, reading and writing add is measured with the rest of the API, in ``flexibility``.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.cases import is_quick
from benchmarks.report import Row
from services.optimizer.forecasting import ForecastTask, LearnerParameters, Viewpoint, forecast
from services.optimizer.forecasting.learner import fit_quantile
from services.optimizer.forecasting.task import FloatArray

QUARTER_S = 900
PHOTOVOLTAICS = Path(__file__).parents[1] / "tests" / "data" / "forecasting" / "pv_production_kw.json"


def run() -> Sequence[Row]:
    """Times of two sizes, and how good forecasts of photovoltaics are."""
    return [*_forecasts(), _skill()]


def _forecasts() -> list[Row]:
    rows = []
    for name, days, hours, target in (
        ("a day ahead at 15 min from 45 days", 45, 24, "≤ 1.5 s"),
        ("two days ahead at 15 min from 30 days", 30, 48, "≤ 5 s"),
    ):
        values, count = cloudy_output(days), hours * 4
        task = ForecastTask(0, QUARTER_S, "UTC", values, (Viewpoint(len(values), count),))
        features = np.random.default_rng(1).normal(size=(len(values), 15))
        ours = _fastest(partial(forecast, task))
        floor = _fastest(partial(fit_quantile, features, values, 0.5, LearnerParameters()))
        meaning = "time to forecast / time of one fit on as many rows as there are values"
        rows.append(Row(name, f"{ours:.2f} s", f"{floor:.2f} s", ours / floor, meaning, target))
    return rows


def _fastest(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(2 if is_quick() else 5):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def cloudy_output(days: int) -> FloatArray:
    """(96 days,) an output [kW] that follows the sun, less on some days than on others."""
    step = np.arange(days * 96)
    clear = np.maximum(0.0, 5 * np.sin((step % 96 / 96 - 0.25) * 2 * np.pi))
    return np.asarray(clear * np.random.default_rng(7).uniform(0.3, 1.0, days).repeat(96))


def _skill() -> Row:
    """On each of the last eight days of two weeks of photovoltaics, from the days before it."""
    document = json.loads(PHOTOVOLTAICS.read_text("utf-8"))
    values = np.array(document["values"])
    start_s = int(datetime.fromisoformat(document["start"]).astimezone(UTC).timestamp())
    errors, naive = [], []
    for day in range(6, 14):
        known, truth = values[: 24 * day], values[24 * day : 24 * (day + 1)]
        task = ForecastTask(start_s, 3600, "Europe/Amsterdam", known, (Viewpoint(len(known), 24),))
        errors.append(float(np.abs(forecast(task).values[0][0] - truth).mean()))
        naive.append(float(np.abs(known[-24:] - truth).mean()))
    ours, peer = statistics.mean(errors), statistics.mean(naive)
    meaning = "mean absolute error / that of the same hour yesterday"
    return Row("photovoltaics a day ahead", f"{ours:.3f} kW", f"{peer:.3f} kW", ours / peer, meaning, "≤ 1.1")
