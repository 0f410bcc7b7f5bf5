"""Schedule and forecast jobs against their floors: what do messages, reading and writing add to planning, and all around it to one fit?

The floor of a schedule is planning by itself, in this process, from the same series; that of a forecast is a single fit of the same
learner on as many rows. Both are measured in the same run. A forecast's error stands against yesterday's values.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import statistics
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import structlog
import uvloop
from pydantic import SecretStr

from benchmarks.cases import is_quick
from benchmarks.report import Row
from services.optimizer.flexibility.schedules import trigger_of
from services.optimizer.forecasting import ForecastTask, LearnerParameters, Viewpoint, forecast
from services.optimizer.forecasting.learner import fit_quantile
from services.optimizer.forecasting.task import FloatArray
from services.optimizer.main import Optimizer
from services.optimizer.tasks import schedules
from services.optimizer.tasks.flexibility_values import Events, ScheduleInput, SolverLimits
from shared.beliefs import microseconds
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.ids import OPEN_ACCOUNT_ID
from shared.process import Process, open_process
from shared.settings import Settings
from tests.integration.optimizer.flexibility.world import START, Site
from tests.support import servers
from tests.support.databases import TestDatabases
from tests.support.rabbitmq_queues import delete_objects_of

QUARTER_S, DAY_S = 900, 86_400
PRICES = [40 + 30 * (hour % 7) - 12 * (hour % 5) for hour in range(48)]
PHOTOVOLTAICS = Path(__file__).parents[1] / "tests" / "data" / "forecasting" / "pv_production_kw.json"


def run() -> Sequence[Row]:
    """Measure on the servers that the tests use."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with servers.available() as endpoints:
        databases = TestDatabases(endpoints.database_url)
        prefix = f"bench-{secrets.token_hex(3)}"
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                planned = runner.run(_schedules(databases.create(), endpoints.broker_url, prefix))
        finally:
            databases.drop_all()
            delete_objects_of(endpoints.broker_url, prefix, [])
    return [*planned, *_forecasts(), _skill()]


# ------------------------------------------------------------------ schedules


@dataclass(frozen=True)
class _Fleet:
    """A site with batteries, as rows and as values."""

    site: Site
    building: int
    price: int
    sensors: list[int]

    @property
    def model(self) -> list[dict[str, object]]:
        common = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "power-capacity": "100 kW"}
        return [{"sensor": one, "soc-max": f"{100 + place} kWh", **common} for place, one in enumerate(self.sensors)]

    @property
    def context(self) -> dict[str, object]:
        return {"consumption-price": {"sensor": self.price}}


async def _schedules(database_url: str, broker_url: str, prefix: str) -> list[Row]:
    settings = Settings(data_dir=Path("/nonexistent"), broker_url=SecretStr(broker_url), broker_prefix=prefix)
    async with open_process(settings, database_url=database_url, services=["optimizer"], ops_port=0) as process:
        optimizer = Optimizer(process)
        await optimizer.start()
        try:
            return [
                await _row(process, "day of one battery at 15 min", devices=1, target="≤ 100 ms"),
                await _row(process, "day of 50 batteries at 15 min", devices=50, target="≤ 600 ms"),
            ]
        finally:
            await optimizer.stop(within_s=6)


async def _row(process: Process, name: str, *, devices: int, target: str) -> Row:
    fleet = await _fleet(Site(process.database), devices)
    rounds = 3 if is_quick() else 15
    taken_s = [await _planned(process, fleet) for _ in range(rounds + 1)][1:]
    floor_s = [await asyncio.to_thread(_planned_here, fleet) for _ in range(rounds + 1)][1:]
    ours, floor = statistics.median(taken_s), statistics.median(floor_s)
    meaning = "time from the trigger's commit to the schedule's / time to plan alone"
    return Row(name, f"{1000 * ours:.0f} ms", f"{1000 * floor:.0f} ms", ours / floor, meaning, target)


async def _fleet(site: Site, devices: int) -> _Fleet:
    building = await site.asset("site", "building")
    price = await site.sensor(building, "price", "EUR/MWh")
    await site.post(price, PRICES)
    sensors = []
    for _ in range(devices):
        asset = await site.asset("battery", "battery", building)
        sensors.append(await site.sensor(asset, "power", resolution_s=QUARTER_S, consumption_is_positive=True))
    return _Fleet(site, building, price, sensors)


async def _planned(process: Process, fleet: _Fleet) -> float:
    """Seconds from a trigger to its schedule; the window is planned again each time."""
    message = await fleet.site.ask_for_schedule(fleet.building, fleet.model, fleet.context, hours=24)
    begun = time.perf_counter()
    async with process.database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
        await uow.outbox.add(OPEN_ACCOUNT_ID, message)
    while True:
        outcome = await fleet.site.outcome(message.job_id)
        if outcome is not None and outcome.ended_at is not None:
            if outcome.failure is not None:
                raise RuntimeError(outcome.failure)
            return time.perf_counter() - begun
        await asyncio.sleep(0.001)


def _planned_here(fleet: _Fleet) -> float:
    assets = {fleet.building: AssetFacts(fleet.building, None, "site", "building")}
    facts = {fleet.price: SensorFacts(fleet.price, fleet.building, "price", "EUR/MWh", 3600)}
    for place, sensor in enumerate(fleet.sensors):
        number = 1_000_000 + place
        assets[number] = AssetFacts(number, fleet.building, f"battery {place}", "battery")
        facts[sensor] = SensorFacts(
            sensor, number, "power", "kW", QUARTER_S, attributes={"consumption_is_positive": True}
        )
    arguments = {
        "trigger": "asset",
        "asset_id": fleet.building,
        "start": START.isoformat(),
        "flex_model": fleet.model,
        "flex_context": fleet.context,
    }
    given = ScheduleInput(trigger_of(arguments), START + timedelta(days=1), None, assets, facts)
    first_us = microseconds(START)
    prices = Events(
        array("q", range(first_us, first_us + len(PRICES) * 3_600_000_000, 3_600_000_000)), array("d", PRICES)
    )
    begun = time.perf_counter()
    prepared = schedules.prepare(given)
    schedules.plan(prepared, (prices,), SolverLimits(60.0, 0.0))
    return time.perf_counter() - begun


# ------------------------------------------------------------------ forecasts


def _forecasts() -> list[Row]:
    rows = []
    for name, days, hours, target in (
        ("a day ahead at 15 min from 45 days", 45, 24, "≤ 1.5 s"),
        ("two days ahead at 15 min from 30 days", 30, 48, "≤ 5 s"),
    ):
        values, count = _cloudy(days), hours * 4
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


def _cloudy(days: int) -> FloatArray:
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
