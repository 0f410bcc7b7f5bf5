"""Jobs in the whole optimizer with real children, over both buses: they are done at once, seen while they last, and outlive a child."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from services.optimizer.main import Optimizer
from shared.contracts.flexibility import ForecastRequested, ScheduleRequested
from shared.ids import OPEN_ACCOUNT_ID, JobId
from shared.process import Process
from shared.settings import Settings
from tests.integration.optimizer.flexibility.test_forecasts import CURVE, DAY, FIRST, request, sunny_sensor
from tests.integration.optimizer.flexibility.test_schedules import BATTERY, BEST, CONTEXT, battery
from tests.integration.optimizer.flexibility.world import Outcome, Site
from tests.integration.optimizer.test_service import running, settings  # noqa: F401  # a fixture
from tests.support.eventually import eventually

both_buses = pytest.mark.parametrize("settings", ["in-process", "rabbitmq"], indirect=True)


async def send(process: Process, site: Site, message: ScheduleRequested | ForecastRequested) -> JobId:
    async with process.database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
        await uow.outbox.add(OPEN_ACCOUNT_ID, message)
    return message.job_id


async def ended(site: Site, job_id: JobId) -> Outcome:
    async def is_over() -> Outcome | None:
        outcome = await site.outcome(job_id)
        return None if outcome is None or outcome.ended_at is None else outcome

    return await eventually(is_over, within=20)


@both_buses
async def test_jobs_are_done_and_their_steps_follow_one_another(
    settings: Settings,  # noqa: F811
    database_url: str,
    site: Site,
) -> None:
    building, power = await battery(site)
    model = [{"sensor": power, **BATTERY}]
    sensor = await sunny_sensor(site)
    async with running(settings, database_url) as (process, _):
        planned = await send(process, site, await site.ask_for_schedule(building, model, CONTEXT))
        forecast = await send(process, site, await site.ask_for_forecast(request(sensor)))
        assert (await ended(site, planned)).failure is None
        assert await site.output(planned, power) == pytest.approx(BEST, abs=1e-4)
        assert (await ended(site, forecast)).failure is None
        assert await site.output(forecast, sensor) == pytest.approx(CURVE, abs=0.5)
        begun = time.monotonic()
        again = await send(process, site, await site.ask_for_schedule(building, model, CONTEXT))
        assert (await ended(site, again)).failure is None
        assert time.monotonic() - begun < 2.0  # some 50 ms on an idle machine
        other = await site.sensor(await site.asset("other", "battery", building), "power")
        both = [*model, {"sensor": other, **BATTERY}]
        steps = await send(process, site, await site.ask_for_schedule(building, both, CONTEXT, sequential=True))
        assert (await ended(site, steps)).failure is None
        assert await site.output(steps, other) == pytest.approx(BEST, abs=1e-4)


async def test_a_job_whose_child_is_killed_is_done_by_another_one_once(
    settings: Settings,  # noqa: F811
    database_url: str,
    site: Site,
) -> None:
    sensor = await sunny_sensor(site, days=300)
    # Some seconds of work, in which it can be hit.
    heavy = request(
        sensor, start=FIRST + 300 * DAY, train_period_s=300 * 86_400, model_params={"trees": 1000, "max_depth": 8}
    )
    message = await site.ask_for_forecast(heavy)
    async with running(settings, database_url) as (process, optimizer):
        await send(process, site, message)
        killed = await eventually(lambda: _busy(optimizer), within=10, every=0.005)
        os.kill(killed, signal.SIGKILL)
        outcome = await ended(site, message.job_id)
        assert outcome.failure is None
        assert outcome.result["num-beliefs"] == 24


def _children(optimizer: Optimizer) -> list[psutil.Process]:
    assert optimizer.launcher_pid is not None
    return psutil.Process(optimizer.launcher_pid).children()


def _busy(optimizer: Optimizer) -> int | None:
    """A child that computes."""
    for child in _children(optimizer):
        try:
            if child.cpu_times().user > 0.1:
                return child.pid
        except psutil.NoSuchProcess:
            continue
    return None
