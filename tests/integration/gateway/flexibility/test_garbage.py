"""Bodies that are nearly right, about a sensor that there is: whatever is wrong with them, it is told, and nothing breaks."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.gateway.flexibility.conftest import invite, serving_flexibility
from tests.integration.gateway.flexibility.working import Site, new_asset
from tests.support.databases import TestDatabases
from tests.support.seeds import new_seed

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMES = 150
MOMENTS = [
    "2024-01-01T00:00:00Z",
    "2024-06-21",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "2024-01-01T00:00:00 01:00",
]
DURATIONS = ["PT1H", "P1D", "P1M", "PT0S", "-PT1H", "P9999Y", "PT0.000001S", "PT7M", "P100000D"]
UNITS = ["kW", "kWh", "EUR/MWh", "%", "", "°C", "m/s**9", "(", "\u0000"]
TEXTS = ["\u0000", "a\u0000b", "\ud7ff", "x" * 5000, "1e400", "NaN", "null", "{}"]
NUMBERS = [0, -1, 1.5, 1e308, 2**63, 2**70, -(2**63), 1e-320]
QUANTITIES = ["10 kW", "0.5 MWh", "90%", "0.23 EUR/kWh", "10", "1/0 kW", "((((1))))", "1e999 kW", "-5 kWh"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(databases: TestDatabases) -> AsyncIterator[Site]:
    url = databases.create()
    async with serving_flexibility(url, rate_limits="off", flexibility_job_wait_s=0.0) as api:
        people = await invite(api)
        yield Site(api, people, await new_asset(api, people.chief, people.depot.number, kind=5))
    databases.drop(url)


def anything(rng: random.Random, depth: int = 0) -> Any:
    kinds: list[list[Any]] = [MOMENTS, DURATIONS, UNITS, TEXTS, NUMBERS, QUANTITIES, [None, True, False]]
    if depth < 3 and rng.random() < 0.25:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    if depth < 3 and rng.random() < 0.25:
        return {rng.choice(["sensor", "value", "start", "datetime", "x\u0000"]): anything(rng, depth + 1)}
    return rng.choice(rng.choice(kinds))


def nearly(rng: random.Random, right: dict[str, Any]) -> dict[str, Any]:
    """A right body with one field or two that are wrong."""
    body = dict(right)
    for name in rng.sample(sorted(right), k=min(len(right), rng.randrange(1, 3))):
        body[name] = rng.choice([anything(rng), rng.choice(MOMENTS), rng.choice(DURATIONS)])
    if rng.random() < 0.1:
        body[rng.choice(TEXTS[:2])] = 1
    return body


def device(rng: random.Random, sensor: int) -> dict[str, Any]:
    names = [
        "soc-at-start",
        "soc-min",
        "soc-max",
        "power-capacity",
        "soc-minima",
        "commodity",
        "group",
        "operation-modes",
    ]
    names += [
        "charging-efficiency",
        "storage-efficiency",
        "state-of-charge",
        "coupling",
        "soc-gain",
        "duration",
        "process-type",
    ]
    return {"sensor": sensor, "power-capacity": "1 kW"} | {name: anything(rng) for name in rng.sample(names, k=2)}


def context(rng: random.Random) -> Any:
    names = [
        "consumption-price",
        "site-power-capacity",
        "commitments",
        "inflexible-consumption",
        "commodities",
        "aggregate-power",
    ]
    return {name: anything(rng) for name in rng.sample(names, k=2)}


async def test_nearly_right_bodies_are_answered_well_or_refused(site: Site) -> None:
    rng = random.Random(new_seed("garbage"))
    sensors = [await site.sensor(), await site.sensor("kWh", "PT0M"), await site.sensor("EUR/MWh", "P1D")]
    for _ in range(TIMES):
        sensor = rng.choice(sensors)
        posted = {
            "start": MOMENTS[0],
            "duration": "PT1H",
            "values": [1, None, 2.5, 3],
            "unit": "kW",
            "prior": MOMENTS[0],
        }
        trigger = {
            "start": MOMENTS[0],
            "duration": "PT4H",
            "resolution": "PT1H",
            "flex-model": device(rng, sensor),
            "flex-context": context(rng),
        }
        config = {
            "train-period": "P3D",
            "lower": 1,
            "upper": "2 kW",
            "snap": {"0": [0, 1]},
            "regressors": [sensor],
            "model-params": {},
        }
        forecast = {
            "start": MOMENTS[0],
            "duration": "PT4H",
            "max-forecast-horizon": "PT4H",
            "config": nearly(rng, config),
        }
        asset = trigger | {"flex-model": [device(rng, sensor), device(rng, sensor)]}
        wanted = {
            "start": MOMENTS[0],
            "duration": "PT1H",
            "unit": "kW",
            "resolution": "PT5M",
            "source": 1,
            "horizon": "PT1H",
        }
        deleted = {"start": MOMENTS[0], "until": MOMENTS[0], "source": 1}
        for method, path, body in (
            ("POST", f"sensors/{sensor}/data", posted),
            ("POST", f"sensors/{sensor}/schedules/trigger", trigger),
            ("POST", f"assets/{site.asset_id}/schedules/trigger", asset),
            ("POST", f"sensors/{sensor}/forecasts/trigger", forecast),
            ("GET", f"sensors/{sensor}/data", wanted),
            ("DELETE", f"sensors/{sensor}/data", deleted),
        ):
            given = nearly(rng, body)
            got = await site.api.call(method, path, by=site.chief, data=json.dumps(given).encode())
            assert got.status < 500, (method, path, given, got.text)
            assert got.headers["Content-Type"] == "application/json"
