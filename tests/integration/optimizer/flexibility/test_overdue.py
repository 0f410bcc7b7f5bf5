"""Jobs that were begun and that nobody will end have failed after a while; the others are left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, update

from services.optimizer.flexibility import job_store
from services.optimizer.flexibility.forecasts import Forecasts
from services.optimizer.flexibility.jobs import Limits
from services.optimizer.flexibility.overdue import GRACE_S, OverdueJobs
from services.optimizer.flexibility.schedules import Schedules
from shared.clock import SystemClock
from shared.db.models.flexibility import FORECASTING, SCHEDULING, job_states
from shared.ids import OPEN_ACCOUNT_ID, JobId
from tests.integration.optimizer.deliveries import Handed, HereAndNow, runner_of
from tests.integration.optimizer.flexibility.test_forecasts import request, sunny_sensor
from tests.integration.optimizer.flexibility.test_schedules import BATTERY, CONTEXT, battery, deliver
from tests.integration.optimizer.flexibility.world import Site, job_handlers
from tests.integration.optimizer.world import envelope_of
from tests.support.eventually import eventually
from tests.support.principals import MovedClock

LIMITS = Limits(job_s=180.0)


def sweeper(site: Site) -> OverdueJobs:
    parts = (site.database, HereAndNow(), SystemClock(), LIMITS)
    return OverdueJobs(site.database, {SCHEDULING: Schedules(*parts), FORECASTING: Forecasts(*parts)}, LIMITS)


async def begun(site: Site, job_id: JobId, seconds_ago: float) -> None:
    async with site.database.unit_of_work(site.reach) as uow:
        await job_store.mark_started(uow.connection, OPEN_ACCOUNT_ID, job_id)
        ago = func.now() - timedelta(seconds=seconds_ago)
        await uow.connection.execute(update(job_states).where(job_states.c.job_id == job_id).values(started_at=ago))


def lost() -> float:
    values = [
        REGISTRY.get_sample_value("busbar_optimizer_ended_jobs_total", {"kind": kind, "outcome": "lost"})
        for kind in ("schedule", "forecast")
    ]
    return sum(value or 0.0 for value in values)


async def test_a_job_that_was_begun_long_ago_has_failed_and_is_told_of(site: Site) -> None:
    building, power = await battery(site)
    plan = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    forecast = await site.ask_for_forecast(request(await sunny_sensor(site, days=0)))
    for message in (plan, forecast):
        await begun(site, message.job_id, 3 * 190 + GRACE_S + 5)
    before = lost()
    await sweeper(site).sweep()
    assert lost() == before + 2, "an alert tells of them"
    for message in (plan, forecast):
        outcome = await site.outcome(message.job_id)
        assert outcome is not None
        assert (outcome.state, outcome.ended_at is None) == ("FAILED", False)
        assert outcome.failure == "JobLost: nobody has finished the job within 1170 s"
    assert set(await site.told_of()) == {plan.job_id, forecast.job_id}
    # Its message, replayed, finds it ended.
    assert (await deliver(site, plan)).state == "FAILED"


async def test_jobs_that_may_still_end_are_left_alone(site: Site) -> None:
    building, power = await battery(site)
    model = [{"sensor": power, **BATTERY}]
    waiting = await site.ask_for_schedule(building, model, CONTEXT)
    young = await site.ask_for_schedule(building, model, CONTEXT)
    await begun(site, young.job_id, 3 * 190 + GRACE_S - 60)
    done = await site.ask_for_schedule(building, model, CONTEXT)
    await deliver(site, done)
    await begun(site, done.job_id, 10_000)
    await sweeper(site).sweep()
    assert await site.outcome(waiting.job_id) is None
    states = [await site.outcome(message.job_id) for message in (young, done)]
    assert [outcome.state for outcome in states if outcome is not None] == ["STARTED", "FINISHED"]


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
async def test_a_worker_whose_clock_is_wrong_by_an_hour_has_its_time_and_ends_its_job(site: Site, ahead_s: int) -> None:
    building, power = await battery(site)
    message = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    clock, pool = MovedClock(), HereAndNow()
    clock.move(ahead_s)
    pool.after_s = 0.5
    runner = runner_of(site.database, job_handlers(site.database, pool, clock=clock))
    working = asyncio.create_task(runner.handle(Handed(envelope_of(message))))

    async def is_shown() -> bool:
        outcome = await site.outcome(message.job_id)
        return outcome is not None and outcome.state == "STARTED"

    await eventually(is_shown, within=5, every=0.02)
    await sweeper(site).sweep()
    assert await is_shown(), "nobody takes it for lost"
    await working
    outcome = await site.outcome(message.job_id)
    assert outcome is not None
    assert (outcome.state, outcome.result["num-beliefs"]) == ("FINISHED", 4)
    assert await site.told_of() == [message.job_id]
