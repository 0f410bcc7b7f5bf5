"""Reads the series that a job needs, once everything is stored that was accepted before the job was asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.optimizer import metrics
from services.optimizer.flexibility import site_store
from services.optimizer.flexibility.site_store import OwnedSensor
from services.optimizer.tasks.flexibility_values import Events, WantedEvents
from shared.beliefs import BeliefFilter
from shared.beliefs.reading_store import Reading, SensorOf, read_many
from shared.beliefs.waiting_store import is_data_waiting
from shared.db.unit_of_work import EVERY_ACCOUNT, Database, Reach
from shared.ids import AccountId, SensorId, SourceId

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25


@dataclass(frozen=True, slots=True)
class SensorSeries:
    """Which events of which sensor; ``prior``: what was believed until then."""

    sensor: OwnedSensor
    wanted: WantedEvents
    prior: datetime


@dataclass(frozen=True, slots=True)
class ReadSeries:
    """The events of each series, in the order asked for, and what is to be told of how they were read."""

    events: tuple[Events, ...]
    warnings: tuple[str, ...] = ()


class SeriesReader:
    """Reads series from one snapshot in which nothing accepted before is missing, unless that takes longer than ``wait_s``."""

    def __init__(self, database: Database, *, wait_s: float) -> None:
        self._database = database
        self._wait_s = wait_s

    async def read(
        self, account_id: AccountId, series: Sequence[SensorSeries], *, accepted_before: datetime
    ) -> ReadSeries:
        """The events of all series.

        Data posted before a job was asked for may still wait to be stored: the job waits for them, and goes on without after a
        while, which it then says.
        """
        begun, pause_s = time.monotonic(), _FIRST_PAUSE_S
        reach = _reach(account_id, series)
        sensor_ids = {SensorId(one.wanted.sensor_id) for one in series}
        while True:
            waited_s = time.monotonic() - begun
            async with self._database.reading(reach) as connection:
                is_waiting = await is_data_waiting(connection, reach, sensor_ids, accepted_before)
                if not is_waiting or waited_s >= self._wait_s:
                    found = await read_many(connection, [await _reading(connection, one) for one in series])
                    events = tuple(Events(one.starts_us, one.values) for one in found)
                    return ReadSeries(events, _told(waited_s, pause_s, is_waiting=is_waiting))
            with metrics.JOBS_WAITING_FOR_DATA.track_inprogress():
                await asyncio.sleep(min(pause_s, max(0.0, self._wait_s - waited_s)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _reach(account_id: AccountId, series: Sequence[SensorSeries]) -> Reach:
    """The account's own rows, or everybody's where a sensor or the sources of its values may be another's.

    What is then read is still no more than what was named, by somebody who might read it.
    """
    is_own = all(
        one.sensor.account_id == account_id and not one.wanted.source_ids and not one.wanted.source_account_ids
        for one in series
    )
    return account_id if is_own else EVERY_ACCOUNT


def _told(waited_s: float, pause_s: float, *, is_waiting: bool) -> tuple[str, ...]:
    if is_waiting:
        return (f"Data that were posted before are still not stored after {waited_s:.0f} s; it is made without them.",)
    if pause_s > _FIRST_PAUSE_S:
        return (f"Waited {waited_s:.1f} s for data that were posted before to be stored.",)
    return ()


async def named_sensors(
    database: Database, connection: AsyncConnection, account_id: AccountId, numbers: Collection[int]
) -> dict[int, OwnedSensor]:
    """The sensors that a job names; those that are not there are left out.

    ``connection`` reaches the account. Sensors of other accounts are looked for as well: whoever named one might read it, which the
    gateway has made sure of when it was named.
    """
    found = await site_store.sensors_by_id(connection, account_id, numbers)
    missing = set(numbers) - found.keys()
    if missing:
        async with database.reading(EVERY_ACCOUNT) as everywhere:
            found |= await site_store.sensors_by_id(everywhere, EVERY_ACCOUNT, missing)
    return found


async def _reading(connection: AsyncConnection, one: SensorSeries) -> Reading:
    wanted, facts = one.wanted, one.sensor.facts
    numbers = wanted.source_account_ids
    counted = BeliefFilter(
        prior=one.prior,
        source_ids=[SourceId(each) for each in wanted.source_ids] or None,
        types=wanted.source_types or None,
        excluded_types=wanted.exclude_source_types or None,
        accounts=await site_store.accounts_by_number(connection, numbers) if numbers else None,
        first_listed_wins=bool(wanted.source_ids),
    )
    sensor = SensorOf(one.sensor.account_id, SensorId(facts.sensor_id), facts.resolution_s)
    return Reading(sensor, wanted.start, wanted.end, counted)
