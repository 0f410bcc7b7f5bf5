"""Reads the series that a job needs, once everything is stored that was accepted before the job was asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.optimizer.flexibility import site_store
from services.optimizer.flexibility.site_store import OwnedSensor
from services.optimizer.tasks.flexibility_values import Events, WantedEvents
from shared.beliefs import BeliefFilter
from shared.beliefs.reading_store import SensorOf, read_beliefs
from shared.beliefs.waiting_store import is_data_waiting
from shared.db.unit_of_work import Database
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
        sensor_ids = {SensorId(one.wanted.sensor_id) for one in series}
        while True:
            waited_s = time.monotonic() - begun
            async with self._database.reading(account_id) as connection:
                is_waiting = await is_data_waiting(connection, account_id, sensor_ids, accepted_before)
                if not is_waiting or waited_s >= self._wait_s:
                    events = tuple([await _events(connection, one) for one in series])
                    return ReadSeries(events, _told(waited_s, pause_s, is_waiting=is_waiting))
            await asyncio.sleep(min(pause_s, max(0.0, self._wait_s - waited_s)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _told(waited_s: float, pause_s: float, *, is_waiting: bool) -> tuple[str, ...]:
    if is_waiting:
        return (f"Data that were posted before are still not stored after {waited_s:.0f} s; it is made without them.",)
    if pause_s > _FIRST_PAUSE_S:
        return (f"Waited {waited_s:.1f} s for data that were posted before to be stored.",)
    return ()


async def _events(connection: AsyncConnection, one: SensorSeries) -> Events:
    wanted, facts = one.wanted, one.sensor.facts
    accounts = (
        await site_store.accounts_by_number(connection, wanted.source_account_ids)
        if wanted.source_account_ids
        else None
    )
    counted = BeliefFilter(
        prior=one.prior,
        source_ids=[SourceId(each) for each in wanted.source_ids] or None,
        types=wanted.source_types or None,
        excluded_types=wanted.exclude_source_types or None,
        accounts=accounts,
        first_listed_wins=bool(wanted.source_ids),
    )
    sensor = SensorOf(one.sensor.account_id, SensorId(facts.sensor_id), facts.resolution_s)
    read = await read_beliefs(connection, sensor, wanted.start, wanted.end, counted)
    return Events(read.starts_us, read.values)
