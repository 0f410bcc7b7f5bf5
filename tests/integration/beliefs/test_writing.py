"""What is stored of what is stated: news only, each once, and nothing in place of something else."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select

from shared.beliefs import BeliefFilter, KnowledgeHorizon, NewSeries, Written
from shared.beliefs.reading_store import SensorOf
from shared.beliefs.writing_store import DeletedWindow, delete_beliefs, hold_sensors, write_beliefs
from shared.db.models.flexibility import assets, beliefs
from shared.db.models.flexibility import sensors as sensor_rows
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, AccountId, uuid7
from tests.support.sensors import NAN, QUARTER_HOUR, D, Sensors, stated

HOUR = timedelta(hours=1)
EARLIER = D - 6 * HOUR
REFUSED = Written(4, 0, is_refused=True)


async def test_the_first_statement_is_stored_and_the_same_again_is_not(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    first = stated(sensor, source, D, [1, 2, NAN, 4], EARLIER)
    assert await sensors.state(first) == [Written(3, 3)]
    assert await sensors.state(first) == [Written(3, 0)]
    assert await sensors.values(sensor, D, 4) == [1, 2, None, 4]
    assert await sensors.rows(sensor) == 3


async def test_another_value_with_the_same_belief_time_is_refused_with_all_that_came_with_it(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    await sensors.state(stated(sensor, source, D, [1, 2, 3, 4], EARLIER))
    other = stated(sensor, source, D + HOUR, [5, 6, 7, 8], EARLIER)
    wrong = stated(sensor, source, D - QUARTER_HOUR, [0, 1, 9, 3], EARLIER)
    assert await sensors.state(wrong, other) == [REFUSED, Written(4, 4)]
    assert await sensors.values(sensor, D - QUARTER_HOUR, 9) == [None, 1, 2, 3, 4, 5, 6, 7, 8]


async def test_another_source_may_state_another_value_at_the_same_time(sensors: Sensors) -> None:
    sensor = await sensors.make()
    one, two = await sensors.source("one"), await sensors.source("two")
    assert await sensors.state(stated(sensor, one, D, [1], EARLIER), stated(sensor, two, D, [2], EARLIER)) == [
        Written(1, 1),
        Written(1, 1),
    ]
    assert await sensors.values(sensor, D, 1) == [2], "of beliefs of one time the later source's"


async def test_what_the_source_has_said_last_is_no_news_later_on(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    await sensors.state(stated(sensor, source, D, [1, 2, 3, 4], EARLIER))
    assert await sensors.state(stated(sensor, source, D, [1, 2, 3, 4], EARLIER + HOUR)) == [Written(4, 0)]
    assert await sensors.state(stated(sensor, source, D, [9, 2, 3, 8], EARLIER + 2 * HOUR)) == [Written(4, 2)]
    assert await sensors.state(stated(sensor, source, D, [1, 2, 3, 8], EARLIER + 3 * HOUR)) == [Written(4, 1)]
    assert await sensors.values(sensor, D, 4) == [1, 2, 3, 8]
    known_then = BeliefFilter(prior=EARLIER + 2.5 * HOUR)
    assert await sensors.values(sensor, D, 4, known_then) == [9, 2, 3, 8]


async def test_what_was_believed_earlier_than_what_is_known_is_news(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    await sensors.state(stated(sensor, source, D, [5], EARLIER))
    assert await sensors.state(stated(sensor, source, D, [5], EARLIER - HOUR)) == [Written(1, 1)]


async def test_a_measurement_is_kept_even_if_it_equals_the_forecast(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    assert await sensors.state(stated(sensor, source, D, [5, 5], horizon=6 * HOUR)) == [Written(2, 2)]
    assert await sensors.state(stated(sensor, source, D, [5, 7], horizon=timedelta(0))) == [Written(2, 2)]
    assert await sensors.state(stated(sensor, source, D, [5, 7], horizon=-HOUR)) == [Written(2, 0)]
    assert await sensors.values(sensor, D, 2, BeliefFilter(horizon=HOUR)) == [5, 5]
    assert await sensors.values(sensor, D, 2, BeliefFilter(horizon=timedelta(0))) == [5, 7]


async def test_when_an_event_is_known_decides_what_is_a_forecast(sensors: Sensors) -> None:
    """Day-ahead prices are known on the day before at noon: 11:00 in UTC in winter, 10:00 in summer."""
    noon = KnowledgeHorizon(0, 1, 12 * 3_600_000_000, "Europe/Amsterdam")
    source = await sensors.source()
    for day, known_at in (
        (datetime.fromisoformat("2024-03-01T00:00+01:00"), 11),
        (datetime.fromisoformat("2024-07-01T00:00+02:00"), 10),
    ):
        sensor = await sensors.make(resolution=HOUR)
        eve = (day - timedelta(days=1)).replace(hour=0)
        utc_noon = datetime.fromisoformat(f"{eve.date()}T{known_at}:00+00:00")
        for belief_time, stored in (
            (utc_noon - timedelta(hours=2), 24),
            (utc_noon - timedelta(seconds=1), 0),  # still a forecast, and the same
            (utc_noon, 24),  # now a fact, and the first
            (utc_noon + timedelta(hours=2), 0),
        ):
            series = stated(sensor, source, day, [7.0] * 24, belief_time, knowledge=noon)
            assert await sensors.state(series) == [Written(24, stored)], belief_time


async def test_beliefs_about_one_event_within_one_message_are_judged_one_after_the_other(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    message = [
        stated(sensor, source, D, values, EARLIER + number * HOUR)
        for number, values in enumerate([[1, 1], [1, 2], [1, 2], [1, 1]])
    ]
    assert await sensors.state(*message) == [Written(2, 2), Written(2, 1), Written(2, 0), Written(2, 1)]
    again = stated(sensor, source, D, [1, 3], EARLIER + 3 * HOUR)
    assert await sensors.state(again, again) == [Written(2, 0, is_refused=True)] * 2


async def test_quantiles_are_beliefs_of_their_own(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    message = [
        stated(sensor, source, D, [value], EARLIER, probability=p) for p, value in ((0.1, 1), (0.5, 2), (0.9, 3))
    ]
    assert await sensors.state(*message) == [Written(1, 1)] * 3
    assert await sensors.state(*message) == [Written(1, 0)] * 3
    assert await sensors.values(sensor, D, 1) == [2]


async def test_nothing_is_stored_for_a_sensor_that_is_gone_or_another_accounts(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    gone = SensorOf(sensor.account_id, type(sensor.sensor_id)(999_999), sensor.resolution_s)
    others = SensorOf(AccountId(uuid7()), sensor.sensor_id, sensor.resolution_s)
    public = SensorOf(None, sensor.sensor_id, sensor.resolution_s)
    without = Written(0, 0, is_without_sensor=True)
    for wrong in (gone, others, public):
        assert await sensors.state(stated(wrong, source, D, [1] * 4, EARLIER)) == [without]
    assert await sensors.state(stated(gone, source, D, [1] * 20_000, EARLIER)) == [without]
    assert await sensors.rows(sensor) == 0


async def test_a_transaction_of_another_account_neither_holds_nor_writes_nor_deletes(sensors: Sensors) -> None:
    """The wall of the database, with the right account in the arguments."""
    sensor, source = await sensors.make(), await sensors.source()
    await sensors.state(stated(sensor, source, D, [1, 2], EARLIER))
    async with sensors.database.unit_of_work(AccountId(uuid7())) as uow:
        assert await hold_sensors(uow.connection, {sensor.sensor_id}) == set()
        (written,) = await write_beliefs(uow.connection, [stated(sensor, source, D + HOUR, [3], EARLIER)])
        assert written.is_without_sensor
        window = DeletedWindow(sensor.resolution_s)
        assert await delete_beliefs(uow.connection, sensor.account_id, sensor.sensor_id, window) == 0
    assert await sensors.values(sensor, D, 5) == [1, 2, None, None, None]


async def test_a_public_sensors_beliefs_belong_to_nobody_and_everybody_reads_them(sensors: Sensors) -> None:
    sensor = await sensors.make(account_id=None)
    assert await sensors.state(stated(sensor, await sensors.source(), D, [1, 2], EARLIER)) == [Written(2, 2)]
    assert await sensors.values(sensor, D, 2) == [1, 2]
    async with sensors.database.reading(AccountId(uuid7())) as connection:
        assert (await connection.execute(select(beliefs.c.value))).scalars().all() == [1, 2]


async def test_a_series_of_many_statements_is_refused_as_a_whole(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    last = D + 34_999 * QUARTER_HOUR
    await sensors.state(stated(sensor, source, last, [7], EARLIER))
    year = stated(sensor, source, D, [1.0] * 35_000, EARLIER)
    (written,) = await sensors.state(year)
    assert written.is_refused and written.stored == 0
    assert await sensors.rows(sensor) == 1
    assert await sensors.state(stated(sensor, source, D, [1.0] * 34_999, EARLIER)) == [Written(34_999, 34_999)]


async def test_a_million_beliefs_on_one_sensor_take_bounded_memory_and_are_right(sensors: Sensors) -> None:
    sensor, source = await sensors.make(resolution=timedelta(minutes=1)), await sensors.source()
    series = stated(sensor, source, D, [float(number % 977) for number in range(1_000_000)], D)
    tracemalloc.start()
    assert await sensors.state(series) == [Written(1_000_000, 1_000_000)]
    assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    tracemalloc.stop()
    start = D + timedelta(minutes=999_000)
    assert await sensors.values(sensor, start, 1001) == [
        *(float(number % 977) for number in range(999_000, 1_000_000)),
        None,
    ]
    assert await sensors.rows(sensor) == 1_000_000


async def test_two_who_write_about_one_sensor_take_turns_and_nothing_is_doubled(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    series = stated(sensor, source, D, [1, 2, 3, 4], EARLIER)
    written = await asyncio.gather(*(sensors.state(series) for _ in range(8)))
    assert sorted(each.stored for (each,) in written) == [0] * 7 + [4]


async def test_a_held_sensor_is_left_to_who_holds_it(sensors: Sensors) -> None:
    one, two = await sensors.make(), await sensors.make()
    both = {one.sensor_id, two.sensor_id}
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await hold_sensors(uow.connection, {one.sensor_id}) == {one.sensor_id}
        async with sensors.database.unit_of_work(EVERY_ACCOUNT) as other:
            assert await hold_sensors(other.connection, both, only_free=True) == {two.sensor_id}
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await hold_sensors(uow.connection, both | {type(one.sensor_id)(999_999)}) == both


async def test_beliefs_go_with_their_sensor_and_with_its_asset(sensors: Sensors) -> None:
    source = await sensors.source()
    kept, one, two = await sensors.make(), await sensors.make(), await sensors.make()
    await sensors.state(*(stated(each, source, D, [1, 2], EARLIER) for each in (kept, one, two)))
    async with sensors.database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
        await uow.connection.execute(delete(sensor_rows).where(sensor_rows.c.sensor_id == one.sensor_id))
        of_two = select(sensor_rows.c.asset_id).where(sensor_rows.c.sensor_id == two.sensor_id)
        await uow.connection.execute(delete(assets).where(assets.c.asset_id == of_two.scalar_subquery()))
    assert [await sensors.rows(each) for each in (kept, one, two)] == [2, 0, 0]


async def test_a_window_of_one_source_is_deleted_and_nothing_else(sensors: Sensors) -> None:
    sensor, one, two = await sensors.make(), await sensors.source("one"), await sensors.source("two")
    other = await sensors.make()
    await sensors.state(
        stated(sensor, one, D, [1, 2, 3, 4], EARLIER),
        stated(sensor, two, D, [5, 6, 7, 8], EARLIER + HOUR),
        stated(other, one, D, [9], EARLIER),
    )

    async def deleted(account_id: AccountId | None = OPEN_ACCOUNT_ID, **window: object) -> int:
        async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
            within = DeletedWindow(sensor.resolution_s, **window)  # type: ignore[arg-type]  # by the names of its fields
            return await delete_beliefs(uow.connection, account_id, sensor.sensor_id, within)

    assert await deleted(AccountId(uuid7())) == 0
    assert await deleted(start=D + QUARTER_HOUR, until=D + 3 * QUARTER_HOUR, source_id=two) == 2
    assert await sensors.values(sensor, D, 4) == [5, 2, 3, 8]
    assert await deleted(until=D + QUARTER_HOUR - timedelta(seconds=1)) == 0, "an event that ends later is not within"
    assert await deleted(until=D + QUARTER_HOUR) == 2
    assert await deleted() == 4
    assert await sensors.rows(other) == 1


# ------------------------------------------------------------------ against a slow implementation of the same rules


@dataclass(frozen=True)
class Known:
    """A belief as the slow implementation keeps it: minutes after D."""

    event: int
    source: int
    believed: int
    value: float


def slowly(store: list[Known], message: Sequence[Known]) -> Written:
    """The rules as they are written down, belief by belief."""
    news: list[Known] = []
    for belief in message:
        is_forecast = belief.believed < belief.event + 15
        said = [
            known
            for known in store
            if (known.event, known.source) == (belief.event, belief.source)
            and known.believed <= belief.believed
            and (known.believed < known.event + 15) == is_forecast
        ]
        last = max(said, key=lambda known: known.believed, default=None)
        if last is not None and last.believed == belief.believed and last.value != belief.value:
            return Written(len(message), 0, is_refused=True)
        if last is None or last.value != belief.value:
            news.append(belief)
    store += news
    return Written(len(message), len(news))


def winner(store: list[Known], event: int, prior: int) -> float | None:
    said = [known for known in store if known.event == event and known.believed <= prior]
    best = max(said, key=lambda known: (known.believed, known.source), default=None)
    return None if best is None else best.value


@pytest.mark.parametrize("seed", range(5))
async def test_random_messages_end_as_the_plain_rules_say(sensors: Sensors, seed: int) -> None:
    chance = random.Random(seed)
    sensor = await sensors.make()
    ids = [await sensors.source(name) for name in ("one", "two")]
    store: list[Known] = []
    for _ in range(12):
        batch: list[NewSeries] = []
        expected: list[Written] = []
        for _ in range(chance.randint(1, 6)):
            source, first, believed = (
                chance.randint(0, 1),
                chance.randint(0, 6),
                chance.choice([-30, 0, 15, 45, 60, 90, 120]),
            )
            values = [float(chance.randint(1, 2)) for _ in range(chance.randint(1, 5))]
            message = [Known((first + at) * 15, source, believed, value) for at, value in enumerate(values)]
            expected.append(slowly(store, message))
            belief_time = D + timedelta(minutes=believed)
            batch.append(stated(sensor, ids[source], D + first * QUARTER_HOUR, values, belief_time))
        assert await sensors.state(*batch) == expected
    assert await sensors.rows(sensor) == len(store)
    for prior in (-60, 0, 45, 200):
        found = await sensors.values(sensor, D, 12, BeliefFilter(prior=D + timedelta(minutes=prior)))
        assert found == [winner(store, at * 15, prior) for at in range(12)]


async def test_nothing_to_write_is_no_work(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    assert await sensors.state() == []
    assert await sensors.state(stated(sensor, source, D, [NAN, NAN], EARLIER)) == [Written(0, 0)]
    assert await sensors.state(stated(sensor, source, D, [], EARLIER)) == [Written(0, 0)]
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        assert await write_beliefs(uow.connection, []) == []
