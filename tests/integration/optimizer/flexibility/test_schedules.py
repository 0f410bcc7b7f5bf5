"""Schedule jobs on a real database: published examples end to end, what is told of failures, and what jobs wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select

from services.optimizer.flexibility.jobs import Limits
from shared.beliefs import microseconds
from shared.contracts.flexibility import ScheduleRequested
from shared.contracts.message import Envelope
from shared.db.models import flexibility as tables
from shared.db.models.infrastructure import outbox
from shared.db.outbox import envelope_of as outbox_envelope
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import WorkerDied
from shared.ids import JobId
from tests.integration.optimizer.deliveries import Handed, HereAndNow, runner_of
from tests.integration.optimizer.flexibility.world import LONG_AGO, START, Outcome, Site, job_handlers
from tests.integration.optimizer.world import envelope_of
from tests.support.eventually import eventually

BATTERY = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "100 kW"}


def prices(*per_mwh: float) -> list[dict[str, str]]:
    return [
        {"value": f"{price} EUR/MWh", "start": (START + timedelta(hours=hour)).isoformat(), "duration": "PT1H"}
        for hour, price in enumerate(per_mwh)
    ]


CONTEXT = {"consumption-price": prices(10, 50, 20, 60)}
# The cheapest plan of that battery at those prices: charge, sell, charge, sell.
BEST = [100.0, -100.0, 100.0, -100.0]


async def battery(site: Site, *, consumption_is_positive: bool = True) -> tuple[int, int]:
    """A building with a battery: the building's asset and the battery's power sensor."""
    building = await site.asset("site", "building")
    asset = await site.asset("battery", "battery", building)
    return building, await site.sensor(asset, "power", consumption_is_positive=consumption_is_positive)


async def deliver(
    site: Site, message: ScheduleRequested, *, pool: HereAndNow | None = None, limits: Limits | None = None
) -> Outcome:
    runner = runner_of(site.database, job_handlers(site.database, pool or HereAndNow(), limits))
    handed = Handed(envelope_of(message))
    await runner.handle(handed)
    assert handed.endings == ["ack"]
    outcome = await site.outcome(message.job_id)
    assert outcome is not None
    return outcome


async def test_a_battery_buys_cheap_and_sells_dear(site: Site) -> None:
    building, power = await battery(site)
    message = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    outcome = await deliver(site, message)
    assert (outcome.state, outcome.failure) == ("FINISHED", None)
    assert outcome.result["num-beliefs"] == 4
    assert (outcome.result["resolved"], outcome.result["unresolved"]) == ([], [])
    assert outcome.info["scheduler"] == "StorageScheduler"
    assert outcome.info["commitment_costs"]["electricity net energy"] == pytest.approx(-8.0)
    assert await site.output(message.job_id, power) == pytest.approx(BEST, abs=1e-4)
    stored = await site.stored(power)
    assert list(stored.values) == pytest.approx(BEST, abs=1e-4)
    assert stored.starts_us[0] == microseconds(START)
    assert await site.told_of() == [message.job_id]


async def test_a_sensor_that_stores_production_as_positive_gets_it_so(site: Site) -> None:
    building, power = await battery(site, consumption_is_positive=False)
    message = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    await deliver(site, message)
    assert await site.output(message.job_id, power) == pytest.approx(BEST, abs=1e-4)
    assert list((await site.stored(power)).values) == pytest.approx([-each for each in BEST], abs=1e-4)


async def test_prices_and_states_of_charge_are_read_from_sensors(site: Site) -> None:
    building, power = await battery(site)
    price = await site.sensor(building, "price", "EUR/MWh")
    soc = await site.sensor(building, "soc", "kWh", 0)
    await site.post(price, [10, 50, 20, 60])
    await site.post(soc, [40.0], step_s=1)
    model = {"sensor": power, "soc-min": "0 kWh", "soc-max": "100 kWh", "power-capacity": "50 kW"}
    message = await site.ask_for_schedule(
        building, [model | {"state-of-charge": {"sensor": soc}}], {"consumption-price": {"sensor": price}}
    )
    outcome = await deliver(site, message)
    assert outcome.failure is None
    assert await site.output(message.job_id, power) == pytest.approx([50, -50, 10, -50], abs=1e-4)
    assert list((await site.stored(soc, hours=5, resolution_s=0)).values) == pytest.approx(
        [40, 90, 40, 50, 0], abs=1e-4
    )


async def test_prices_from_the_future_do_not_exist_yet(site: Site) -> None:
    building, power = await battery(site)
    price = await site.sensor(building, "price", "EUR/MWh")
    await site.post(price, [10, 50, 20, 60], believed_at=START)
    message = await site.ask_for_schedule(
        building, [{"sensor": power, **BATTERY}], {"consumption-price": {"sensor": price}}, prior=LONG_AGO
    )
    outcome = await deliver(site, message)
    assert outcome.state == "FAILED"
    assert outcome.failure is not None
    assert outcome.failure.endswith(f"Prices unknown for planning window. (sensor {price})")
    assert await site.output(message.job_id, power) is None
    assert await site.told_of() == [message.job_id]


@pytest.mark.parametrize(
    ("model", "context", "said"),
    [
        (BATTERY, {}, "Missing consumption price for commodity 'electricity'."),
        (
            {name: value for name, value in BATTERY.items() if name != "power-capacity"},
            CONTEXT,
            "is not defined in the flex-model.",
        ),
        (
            BATTERY
            | {
                "power-capacity": "10 kW",
                "soc-targets": [{"value": "90 kWh", "datetime": (START + timedelta(hours=4)).isoformat()}],
            },
            CONTEXT | {"relax-constraints": False},
            "infeasible",
        ),
    ],
)
async def test_what_is_wrong_is_said(
    site: Site, model: dict[str, object], context: dict[str, object], said: str
) -> None:
    building, power = await battery(site)
    outcome = await deliver(site, await site.ask_for_schedule(building, [{"sensor": power, **model}], context))
    assert outcome.state == "FAILED"
    assert outcome.ended_at is not None
    assert outcome.failure is not None
    assert said in outcome.failure


async def test_planning_again_as_of_the_same_moment_takes_the_place_of_the_first_plan(site: Site) -> None:
    building, power = await battery(site)
    model = [{"sensor": power, **BATTERY}]
    await deliver(site, await site.ask_for_schedule(building, model, CONTEXT, prior=LONG_AGO))
    context = {"consumption-price": prices(50, 10, 60, 20)}
    message = await site.ask_for_schedule(building, model, context, prior=LONG_AGO)
    await deliver(site, message)
    told = await site.output(message.job_id, power)
    assert told is not None
    assert told[1] == pytest.approx(100)
    assert list((await site.stored(power)).values) == pytest.approx(told)


async def test_the_same_message_again_changes_nothing(site: Site) -> None:
    building, power = await battery(site)
    message = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    first = await deliver(site, message)
    assert await deliver(site, message) == first
    assert await site.told_of() == [message.job_id]
    async with site.database.reading(site.reach) as connection:
        assert len((await connection.execute(select(tables.beliefs))).all()) == 4


async def test_a_job_waits_for_data_that_were_posted_before(site: Site) -> None:
    building, power = await battery(site)
    price = await site.sensor(building, "price", "EUR/MWh")
    waiting = await site.data_waits(price)
    message = await site.ask_for_schedule(
        building, [{"sensor": power, **BATTERY}], {"consumption-price": {"sensor": price}}
    )
    # Posted afterwards: nothing to wait for.
    await site.data_waits(price)
    planning = asyncio.create_task(deliver(site, message))
    await eventually(lambda: _is_started(site, message.job_id))
    await site.post(price, [10, 50, 20, 60])
    await site.data_are_stored(waiting)
    outcome = await planning
    assert outcome.failure is None
    assert await site.output(message.job_id, power) == pytest.approx(BEST, abs=1e-4)
    assert any("for data that were posted before" in warning for warning in outcome.result["warnings"])


async def test_a_job_that_has_waited_long_enough_goes_on_and_says_so(site: Site) -> None:
    building, power = await battery(site)
    price = await site.sensor(building, "price", "EUR/MWh")
    await site.post(price, [10, 50, 20, 60])
    await site.data_waits(price)
    message = await site.ask_for_schedule(
        building, [{"sensor": power, **BATTERY}], {"consumption-price": {"sensor": price}}
    )
    outcome = await deliver(site, message, limits=Limits(data_wait_s=0.2))
    assert outcome.state == "FINISHED"
    assert any("still not stored" in warning for warning in outcome.result["warnings"])


async def test_a_job_that_takes_too_long_has_failed(site: Site) -> None:
    building, power = await battery(site)
    pool = HereAndNow()
    pool.after_s = 5.0
    message = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    outcome = await deliver(site, message, pool=pool, limits=Limits(job_s=0.3))
    assert outcome.failure == "JobTimedOut: the job took longer than 0.3 s"


async def test_a_child_that_dies_is_tried_again_and_then_the_job_has_failed(site: Site) -> None:
    building, power = await battery(site)
    pool = HereAndNow()

    def die() -> None:
        raise WorkerDied("Child process 7 was ended by SIGKILL.")

    pool.before = die
    message = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)
    runner = runner_of(site.database, job_handlers(site.database, pool))
    envelope = envelope_of(message)
    for attempt in range(3):
        handed = Handed(envelope)
        await runner.handle(handed)
        if attempt < 2:
            assert await _ended(site, message.job_id) is None
            envelope = await _again(site)
    outcome = await site.outcome(message.job_id)
    assert outcome is not None
    assert outcome.failure == "WorkerDied: Child process 7 was ended by SIGKILL."
    assert await site.told_of() == [message.job_id]


async def test_prices_may_be_public_or_of_a_consultant(site: Site) -> None:
    building, power = await battery(site)
    consultant, nobody = Site(site.database, await site.other_account()), Site(site.database, None)
    for lender in (consultant, nobody):
        price = await lender.sensor(await lender.asset("market", "process"), "price", "EUR/MWh")
        await lender.post(price, [10, 50, 20, 60])
        model = [{"sensor": power, **BATTERY}]
        message = await site.ask_for_schedule(building, model, {"consumption-price": {"sensor": price}})
        assert (await deliver(site, message)).failure is None
        assert await site.output(message.job_id, power) == pytest.approx(BEST, abs=1e-4)


async def test_what_a_consultant_has_stated_about_ones_own_sensor_counts(site: Site) -> None:
    building, power = await battery(site)
    price = await site.sensor(building, "price", "EUR/MWh")
    await site.post(price, [10, 50, 20, 60], stated_by=await site.other_account())
    context = {"consumption-price": {"sensor": price, "exclude-source-types": ["forecaster"]}}
    message = await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], context)
    assert (await deliver(site, message)).failure is None
    assert await site.output(message.job_id, power) == pytest.approx(BEST, abs=1e-4)


async def test_nothing_is_stored_on_sensors_that_are_not_the_accounts(site: Site) -> None:
    building, power = await battery(site)
    nobody = Site(site.database, None)
    total = await nobody.sensor(await nobody.asset("grid", "building"), "total")
    context = CONTEXT | {"aggregate-power": {"sensor": total}}
    outcome = await deliver(site, await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], context))
    assert outcome.failure is not None
    assert outcome.failure.startswith(f"NotTheJobsSensor: Sensor {total} (total) is public")
    assert len(await site.stored(power)) == 0


async def test_devices_one_after_the_other_leave_the_cheap_hour_to_the_first(site: Site) -> None:
    building = await site.asset("depot", "building")
    chargers = []
    for name in ("first", "second"):
        asset = await site.asset(name, "one-way_evse", building)
        chargers.append(await site.sensor(asset, "power", consumption_is_positive=True))
    model = BATTERY | {
        "soc-max": "50 kWh",
        "production-capacity": "0 kW",
        "power-capacity": "50 kW",
        "soc-targets": [{"value": "50 kWh", "datetime": (START + timedelta(hours=4)).isoformat()}],
    }
    context = {
        "consumption-price": prices(10, 20, 30, 40),
        "site-power-capacity": "50 kW",
        "relax-site-capacity-constraints": False,
    }
    message = await site.ask_for_schedule(
        building, [{"sensor": sensor, **model} for sensor in chargers], context, sequential=True
    )
    outcome = await deliver(site, message)
    assert outcome.state == "DEFERRED"
    assert outcome.ended_at is None
    while (step := await _next_step(site)) is not None:
        assert (await deliver(site, step)).failure is None
    done = await site.outcome(message.job_id)
    assert done is not None
    assert (done.state, done.failure) == ("FINISHED", None)
    assert done.result["num-beliefs"] == 8
    assert await site.output(message.job_id, chargers[0]) == pytest.approx([50, 0, 0, 0], abs=1e-4)
    assert await site.output(message.job_id, chargers[1]) == pytest.approx([0, 50, 0, 0], abs=1e-4)
    assert done.info["commitment_costs"]["electricity net energy"] == pytest.approx(1.5)
    assert message.job_id in await site.told_of()


async def test_a_step_that_fails_ends_the_whole(site: Site) -> None:
    building, power = await battery(site)
    other = await site.sensor(await site.asset("other", "battery", building), "power")
    without_capacity = {"soc-at-start": "0 kWh", "soc-max": "10 kWh"}
    message = await site.ask_for_schedule(
        building, [{"sensor": power, **without_capacity}, {"sensor": other, **BATTERY}], CONTEXT, sequential=True
    )
    await deliver(site, message)
    step = await _next_step(site)
    assert step is not None
    assert (await deliver(site, step)).state == "FAILED"
    whole = await site.outcome(message.job_id)
    assert whole is not None
    assert whole.state == "FAILED"
    assert whole.failure is not None
    assert "is not defined in the flex-model" in whole.failure
    assert whole.info["scheduler"] == "StorageScheduler"
    assert await _next_step(site) is None
    # The step that was to come next is over, too.
    assert sorted(await _states_of_steps(site, message.job_id)) == ["CANCELED", "FAILED"]


@pytest.mark.parametrize(
    ("zone", "start", "duration", "half_hours"),
    [
        ("Europe/Amsterdam", "2026-03-29T00:00:00+01:00", "P1DT0H0M0S", 48),
        ("Europe/Amsterdam", "2026-10-25T00:00:00+02:00", "P1D", 48),
        ("Europe/Amsterdam", "2026-03-01T00:00:00+01:00", "P1M", 31 * 48 - 2),
        ("Europe/Oslo", "2026-10-01T00:00:00+02:00", "P1M", 31 * 48 + 2),
        # Its clock changes by half an hour.
        ("Australia/Lord_Howe", "2026-04-01T00:00:00+11:00", "P1M", 30 * 48 + 1),
        ("Australia/Lord_Howe", "2026-10-01T00:00:00+10:30", "P1M", 31 * 48 - 1),
    ],
)
async def test_a_day_is_24_hours_and_a_month_one_of_the_places_clock(
    site: Site, zone: str, start: str, duration: str, half_hours: int
) -> None:
    asset = await site.asset("battery")
    power = await site.sensor(asset, "power", resolution_s=1800, timezone=zone)
    model, context = [{"sensor": power, **BATTERY}], {"consumption-price": "10 EUR/MWh"}
    outcome = await deliver(site, await site.ask_for_schedule(asset, model, context, start=start, duration=duration))
    assert outcome.result["num-beliefs"] == half_hours


async def test_what_cannot_be_kept_and_when_is_told_beside_the_reason(site: Site) -> None:
    building, power = await battery(site)
    target = [{"value": "90 kWh", "datetime": (START + timedelta(hours=4)).isoformat()}]
    model = [{"sensor": power, **BATTERY, "power-capacity": "10 kW", "soc-targets": target}]
    message = await site.ask_for_schedule(building, model, {**CONTEXT, "relax-constraints": False})
    outcome = await deliver(site, message)
    assert (outcome.state, outcome.failure) == ("FAILED", "str: infeasible")
    assert "state of charge of asset" in outcome.info["detail"]
    assert "to 2024-01-01T04:00:00+00:00" in outcome.info["detail"]


async def _states_of_steps(site: Site, job_id: JobId) -> list[str]:
    async with site.database.reading(EVERY_ACCOUNT) as connection:
        wanted = select(tables.job_states.c.state).join(tables.jobs, tables.jobs.c.job_id == tables.job_states.c.job_id)
        return list((await connection.execute(wanted.where(tables.jobs.c.parent_job_id == job_id))).scalars())


async def _is_started(site: Site, job_id: JobId) -> bool:
    outcome = await site.outcome(job_id)
    return outcome is not None and outcome.state == "STARTED"


async def _ended(site: Site, job_id: JobId) -> object:
    outcome = await site.outcome(job_id)
    return None if outcome is None else outcome.ended_at


async def _commands(site: Site) -> Sequence[Row[Any]]:
    async with site.database.reading(EVERY_ACCOUNT) as connection:
        wanted = select(outbox).where(outbox.c.name == ScheduleRequested.name).order_by(outbox.c.message_id.desc())
        return (await connection.execute(wanted)).all()


async def _next_step(site: Site) -> ScheduleRequested | None:
    """The newest command in the outbox whose job has not ended."""
    for row in await _commands(site):
        message = ScheduleRequested.model_validate_json(row.body)
        if await _ended(site, message.job_id) is None:
            return message
    return None


async def _again(site: Site) -> Envelope:
    """The newest command in the outbox: the next attempt."""
    return outbox_envelope((await _commands(site))[0])
