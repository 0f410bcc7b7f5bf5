"""Forecast jobs on a real database: what is asked for, what is stored of it, and what is said when it cannot be done."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.beliefs import microseconds
from shared.contracts.flexibility import ForecastRequested
from shared.flexibility.forecast_request import ForecastRequest, RegressorReference
from tests.integration.optimizer.deliveries import Handed, HereAndNow, runner_of
from tests.integration.optimizer.flexibility.world import Outcome, Site, job_handlers
from tests.integration.optimizer.world import envelope_of

FIRST = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CURVE = [max(0.0, 10 * math.sin((hour - 6) * math.pi / 12)) for hour in range(24)]


def request(sensor_id: int, *, start: datetime = FIRST + 20 * DAY, hours: int = 24, **more: object) -> ForecastRequest:
    end = start + timedelta(hours=hours)
    given = {"horizon_s": hours * 3600, "frequency_s": hours * 3600, "retrain_s": 48 * 3600} | more
    return ForecastRequest(sensor_id=sensor_id, start=start, end=end, window_end=end, **given)  # type: ignore[arg-type]


async def sunny_sensor(site: Site, days: int = 20) -> int:
    asset = await site.asset("roof", "solar")
    sensor = await site.sensor(asset, "power")
    if days:
        await site.post(sensor, CURVE * days, start=FIRST, believed_at=FIRST + days * DAY)
    return sensor


async def deliver(site: Site, message: ForecastRequested, *, times: int = 1) -> Outcome:
    handed = [Handed(envelope_of(message)) for _ in range(times)]
    for one in handed:
        runner = runner_of(site.database, job_handlers(site.database, HereAndNow()))
        await runner.handle(one)
        assert one.endings == ["ack"]
    outcome = await site.outcome(message.job_id)
    assert outcome is not None
    return outcome


async def test_a_forecast_is_stored_told_and_rated(site: Site) -> None:
    sensor = await sunny_sensor(site)
    message = await site.ask_for_forecast(request(sensor))
    outcome = await deliver(site, message)
    assert (outcome.state, outcome.failure) == ("FINISHED", None)
    assert outcome.result["num-beliefs"] == 24
    assert outcome.result["accuracy"]["unit"] == "kW"
    assert outcome.result["accuracy"]["mean-absolute-error"] <= 0.5
    said = await site.output(message.job_id, sensor)
    assert said == pytest.approx(CURVE, abs=0.5)
    stored = await site.stored(sensor, start=FIRST + 20 * DAY, hours=24)
    assert list(stored.values) == said
    assert stored.starts_us[0] == microseconds(FIRST + 20 * DAY)
    assert await site.told_of() == [message.job_id]


async def test_the_same_message_again_changes_nothing(site: Site) -> None:
    sensor = await sunny_sensor(site)
    message = await site.ask_for_forecast(request(sensor))
    envelope = envelope_of(message)
    runner = runner_of(site.database, job_handlers(site.database, HereAndNow()))
    await runner.handle(Handed(envelope))
    first = await site.outcome(message.job_id)
    await runner.handle(Handed(envelope))
    # And as another message, as a dead letter that is replayed would be.
    assert await deliver(site, message) == first
    assert await site.told_of() == [message.job_id]


async def test_earlier_forecasts_are_not_learnt_from(site: Site) -> None:
    sensor = await sunny_sensor(site)
    await deliver(site, await site.ask_for_forecast(request(sensor, hours=48, upper=2.0)))
    # Nothing was measured on the first day after: the next forecast bridges it from what was.
    message = await site.ask_for_forecast(request(sensor, start=FIRST + 21 * DAY))
    outcome = await deliver(site, message)
    assert await site.output(message.job_id, sensor) == pytest.approx(CURVE, abs=0.5)
    assert any("missing" in warning for warning in outcome.result["warnings"])


async def test_what_was_not_known_at_the_prior_does_not_count(site: Site) -> None:
    sensor = await sunny_sensor(site)
    message = await site.ask_for_forecast(request(sensor, prior=FIRST + 19 * DAY))
    outcome = await deliver(site, message)
    assert outcome.state == "FAILED"
    assert outcome.failure is not None
    assert outcome.failure.startswith("ForecastImpossible: There is nothing to learn from")
    assert "Post at least 2 days of history" in outcome.failure
    assert await site.told_of() == [message.job_id]


async def test_quantiles_are_stored_beside_the_median(site: Site) -> None:
    sensor = await sunny_sensor(site)
    message = await site.ask_for_forecast(request(sensor, is_probabilistic=True))
    outcome = await deliver(site, message)
    assert outcome.result["num-beliefs"] == 72
    assert await site.output(message.job_id, sensor) == pytest.approx(CURVE, abs=0.5)


async def test_two_looks_ahead_of_one_moment_give_each_event_one_value(site: Site) -> None:
    sensor = await sunny_sensor(site)
    asked = request(sensor, frequency_s=12 * 3600, prior=FIRST + 20 * DAY)
    message = await site.ask_for_forecast(asked)
    assert (await deliver(site, message)).result["num-beliefs"] == 24
    again = await site.ask_for_forecast(replace(asked, upper=3.0))
    assert (await deliver(site, again)).state == "FINISHED"


async def test_a_forecast_made_again_as_of_the_same_moment_takes_the_place_of_the_first(site: Site) -> None:
    sensor = await sunny_sensor(site)
    asked = request(sensor)
    await deliver(site, await site.ask_for_forecast(asked))
    await site.post(sensor, [1.0] * 24, start=FIRST + 19 * DAY, believed_at=FIRST + 20 * DAY + timedelta(hours=1))
    message = await site.ask_for_forecast(asked)
    assert (await deliver(site, message)).state == "FINISHED"
    stored = await site.stored(sensor, start=FIRST + 20 * DAY, hours=24)
    assert list(stored.values) == await site.output(message.job_id, sensor)


async def test_a_regressor_that_is_not_there_is_named(site: Site) -> None:
    sensor = await sunny_sensor(site)
    regressors = (RegressorReference(999_999, is_past=False, is_future=True),)
    outcome = await deliver(site, await site.ask_for_forecast(request(sensor, regressors=regressors)))
    assert outcome.failure == "NotFound: No sensor found with ID 999999."


async def test_an_unknown_parameter_is_named(site: Site) -> None:
    sensor = await sunny_sensor(site)
    outcome = await deliver(site, await site.ask_for_forecast(request(sensor, model_params={"magic": 1})))
    assert outcome.failure is not None
    assert outcome.failure.startswith("InvalidInput: Unknown model parameter 'magic'.")


async def test_a_deleted_sensor_leaves_a_message_that_does_nothing(site: Site) -> None:
    sensor = await sunny_sensor(site, days=0)
    message = await site.ask_for_forecast(request(sensor))
    from sqlalchemy import delete

    from shared.db.models import flexibility as tables

    async with site.database.unit_of_work(site.reach) as uow:
        await uow.connection.execute(delete(tables.sensors).where(tables.sensors.c.sensor_id == sensor))
    handed = Handed(envelope_of(message))
    await runner_of(site.database, job_handlers(site.database, HereAndNow())).handle(handed)
    assert handed.endings == ["ack"]
    assert await site.outcome(message.job_id) is None
