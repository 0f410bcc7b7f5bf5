"""Days of synthetic sites against the least costs that another solver proved for them."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.problem import FloatArray, ScheduleProblem
from services.optimizer.scheduling.solver import solve
from tests.support.schedules import DATA
from tests.unit.optimizer.scheduling.sites import Site
from tests.unit.optimizer.scheduling.test_worked_examples import costs_by_name

DAYS = ("battery_over_a_day", "battery_and_charger_over_a_day")
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


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("has_preferences", [True, False])
def test_the_least_cost_is_the_recorded_one(name: str, *, has_preferences: bool) -> None:
    document = json.loads((DATA / f"{name}.json").read_text())
    expected = document["expected"]["with-preferences"]
    problem = problem_of(document, has_preferences=has_preferences)
    solution = solve(problem)
    # Without the preferences all that is left is the energy, which costs as much as with them.
    assert solution.objective == pytest.approx(expected["objective" if has_preferences else "cost"], rel=COST)
    assert costs_by_name(problem, solution)["net energy"] == pytest.approx(expected["cost"], rel=COST)
