"""Days of synthetic sites with their recorded least costs; read where they lie beside the checkout."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.problem import FloatArray, ScheduleProblem
from services.optimizer.scheduling.solver import solve
from tests.support.shared_data import shared_data
from tests.unit.optimizer.scheduling.sites import Site
from tests.unit.optimizer.scheduling.test_worked_examples import costs_by_name

CASES = ("battery-1d-15min", "site-02-1d-15min")
COST = 1e-6


def number(text: str) -> float:
    """Of a quantity in kW, kWh or percent."""
    value, unit = (text[:-1], "%") if text.endswith("%") else text.split()
    return float(value) * {"kW": 1.0, "kWh": 1.0, "%": 0.01}[unit]


def step_of(document: dict[str, Any], moment: str) -> int:
    start = datetime.fromisoformat(document["window"]["start"])
    return round((datetime.fromisoformat(moment) - start).total_seconds() / 900)


def problem_of(document: dict[str, Any], *, has_preferences: bool) -> ScheduleProblem:
    series = {name: each["values"] for name, each in document["series"].items()}
    site = Site(series["consumption-price"], series["production-price"], step_h=0.25)
    for device in document["devices"]:
        model = device["flex-model"]
        capacity = number(model["power-capacity"])
        consumption: FloatArray = np.full(site.count, capacity)
        for segment in model.get("consumption-capacity", ()):
            consumption[step_of(document, segment["start"]) : step_of(document, segment["end"])] = number(
                segment["value"]
            )
        production = number(model.get("production-capacity", f"{capacity} kW"))
        both_ways = math.sqrt(number(model.get("roundtrip-efficiency", "100%")))
        charging, discharging = (
            number(model[f"{way}-efficiency"]) if f"{way}-efficiency" in model else both_ways
            for way in ("charging", "discharging")
        )
        low, high = number(model["soc-min"]), number(model["soc-max"])
        lower = np.full(site.count, low)
        for wish in model.get("soc-minima", ()):
            lower[step_of(document, wish["datetime"]) - 1] = number(wish["value"])
        full = high if has_preferences else None
        site.stock(
            site.device(-production, list(consumption), charging, discharging),
            start=number(model["soc-at-start"]),
            low=list(lower),
            high=high,
            full=full,
        )
    if "site-load" in series:
        site.load(series["site-load"])
    limit = number(document["flex-context"]["site-power-capacity"])
    site.limit(range(len(site.devices)), -limit, limit)
    return site.problem()


@pytest.mark.parametrize("name", CASES)
def test_the_least_cost_is_the_recorded_one(name: str) -> None:
    document = json.loads(shared_data(f"flexmeasures/schedules/{name}.json").read_text())
    solution = solve(problem_of(document, has_preferences=False))
    assert solution.objective == pytest.approx(document["expected"]["cost"], rel=COST)


@pytest.mark.parametrize("name", CASES)
def test_preferences_cost_what_is_recorded(name: str) -> None:
    document = json.loads(shared_data(f"flexmeasures/schedules/{name}.json").read_text())
    expected = document["expected"]["with-preferences"]
    problem = problem_of(document, has_preferences=True)
    solution = solve(problem)
    assert solution.objective == pytest.approx(expected["objective"], rel=COST)
    preferences = sum(cost for name, cost in costs_by_name(problem, solution).items() if name.startswith("prefer"))
    recorded = sum(cost for name, cost in expected["commitment-costs"].items() if name.startswith("prefer"))
    assert preferences == pytest.approx(recorded, abs=2e-8)
