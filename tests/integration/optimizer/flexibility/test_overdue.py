"""Jobs that were begun and that nobody will end have failed after a while; the others are left alone."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, update

from services.optimizer.flexibility import job_store
from services.optimizer.flexibility.forecasts import Forecasts
from services.optimizer.flexibility.jobs import Limits
from services.optimizer.flexibility.overdue import GRACE_S, OverdueJobs
from services.optimizer.flexibility.schedules import Schedules
from shared.clock import SystemClock
from shared.db.models.flexibility import FORECASTING, SCHEDULING, job_states
from shared.ids import OPEN_ACCOUNT_ID, JobId
from tests.integration.optimizer.deliveries import HereAndNow
from tests.integration.optimizer.flexibility.test_forecasts import request, sunny_sensor
from tests.integration.optimizer.flexibility.test_schedules import BATTERY, CONTEXT, battery, deliver
from tests.integration.optimizer.flexibility.world import Site

LIMITS = Limits(job_s=180.0)


def sweeper(site: Site) -> OverdueJobs:
    parts = (site.database, HereAndNow(), SystemClock(), LIMITS)
    return OverdueJobs(site.database, {SCHEDULING: Schedules(*parts), FORECASTING: Forecasts(*parts)}, LIMITS)


async def begun(site: Site, job_id: JobId, seconds_ago: float) -> None:
    async with site.database.unit_of_work(site.reach) as uow:
        await job_store.mark_started(uow.connection, OPEN_ACCOUNT_ID, job_id, SystemClock().now())
        ago = func.now() - timedelta(seconds=seconds_ago)
        await uow.connection.execute(update(job_states).where(job_states.c.job_id == job_id).values(started_at=ago))


async def test_a_job_that_was_begun_long_ago_has_failed_and_is_told_of(site: Site) -> None:
    building, power = await battery(site)
    plan = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    forecast = await site.ask_for_forecast(request(await sunny_sensor(site, days=0)))
    for message in (plan, forecast):
        await begun(site, message.job_id, 3 * 190 + GRACE_S + 5)
    await sweeper(site).sweep()
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
