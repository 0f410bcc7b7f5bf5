"""Promises 4 and 5 for jobs: duplicates change nothing, and death between any two steps is made good by the next delivery."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.contracts.flexibility import FORECASTS, SCHEDULES, ForecastRequested, ScheduleRequested
from shared.contracts.message import Envelope
from shared.contracts.registry import CONTRACTS
from shared.db.engine import PostgresDatabase
from shared.db.unit_of_work import Database
from shared.ids import MessageId, uuid7
from tests.integration.optimizer.deliveries import Died, Handed, HereAndNow, MortalDatabase, dump, runner_of
from tests.integration.optimizer.flexibility.test_forecasts import DAY, FIRST, request, sunny_sensor
from tests.integration.optimizer.flexibility.test_schedules import BATTERY, CONTEXT, battery
from tests.integration.optimizer.flexibility.world import Site, job_handlers
from tests.integration.optimizer.world import envelope_of

Asked = ScheduleRequested | ForecastRequested


async def _schedule(site: Site) -> Asked:
    building, power = await battery(site)
    return await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], CONTEXT)


async def _impossible(site: Site) -> Asked:
    building, power = await battery(site)
    return await site.ask_for_schedule(building, [{"sensor": power, **BATTERY}], {})


async def _sequential(site: Site) -> Asked:
    building, power = await battery(site)
    other = await site.sensor(await site.asset("other", "battery", building), "power")
    model = [{"sensor": power, **BATTERY}, {"sensor": other, **BATTERY}]
    return await site.ask_for_schedule(building, model, CONTEXT, sequential=True)


async def _forecast(site: Site) -> Asked:
    sensor = await sunny_sensor(site, days=3)
    return await site.ask_for_forecast(request(sensor, start=FIRST + 3 * DAY, train_period_s=2 * 86_400))


SCENARIOS: dict[str, Callable[[Site], Awaitable[Asked]]] = {
    "schedule": _schedule,
    "impossible schedule": _impossible,
    "steps": _sequential,
    "forecast": _forecast,
}


async def deliver(database: Database, *envelopes: Envelope) -> None:
    handed = [Handed(envelope) for envelope in envelopes]
    runners = [runner_of(database, job_handlers(database, HereAndNow())) for _ in envelopes]
    await asyncio.gather(*(runner.handle(one) for runner, one in zip(runners, handed, strict=True)))
    assert all(one.endings == ["ack"] for one in handed)


async def test_every_kind_of_job_has_a_scenario(site: Site) -> None:
    commands = {each for each in CONTRACTS if each.queue in (SCHEDULES, FORECASTS)}
    assert {handler.contract for handler in job_handlers(site.database, HereAndNow())} == commands
    assert {type(await prepare(site)) for prepare in SCENARIOS.values()} == commands


@pytest.mark.parametrize("name", SCENARIOS)
async def test_duplicate_and_concurrent_deliveries_take_effect_once(
    name: str, site: Site, database: PostgresDatabase
) -> None:
    envelope = envelope_of(await SCENARIOS[name](site), message_id=MessageId(uuid7()))
    before = await dump(database)
    await deliver(database, envelope, envelope)
    once = await dump(database)
    assert once != before
    await deliver(database, envelope, envelope, envelope)
    assert await dump(database) == once


@pytest.mark.parametrize("name", SCENARIOS)
async def test_death_between_any_two_steps_is_made_good_by_the_next_delivery(
    name: str, site: Site, database: PostgresDatabase
) -> None:
    # The first of all makes the source that the others find.
    await deliver(database, envelope_of(await SCENARIOS[name](site), message_id=MessageId(uuid7())))
    envelope = envelope_of(await SCENARIOS[name](site), message_id=MessageId(uuid7()))
    whole = MortalDatabase(database)
    before = await _comparable(database)
    await deliver(whole, envelope)
    undisturbed = _difference(await _comparable(database), before)
    assert whole.steps >= 8
    for at in range(1, whole.steps + 1):
        envelope = envelope_of(await SCENARIOS[name](site), message_id=MessageId(uuid7()))
        before = await _comparable(database)
        with pytest.raises(Died):
            await deliver(MortalDatabase(database, at=at), envelope)
        await deliver(database, envelope)
        after = _difference(await _comparable(database), before)
        assert after == undisturbed, f"after death at step {at} of {whole.steps}"


def _difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {line: count - before.get(line, 0) for line, count in after.items() if count != before.get(line, 0)}


async def _comparable(database: PostgresDatabase) -> dict[str, Any]:  # Any: counts
    """How often each row is there, without what differs from one life to the next."""
    counts: dict[str, int] = {}
    for table, rows in (await dump(database)).items():
        for row in rows:
            line = f"{table} {_without_ids(row)}"
            counts[line] = counts.get(line, 0) + 1
    return counts


def _without_ids(row: str) -> str:
    row = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "id", row)
    row = re.sub(r'"(sensor_id|asset_id|source_id|parent_asset_id|asset|sensor)":\d+', r'"\1":0', row)
    return re.sub(r'"(ended_at|belief_time)":"[^"]*"', r'"\1":""', row)
