"""Which belief wins, by time, source and version, and what else is read of a sensor's beliefs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from shared.beliefs import BeliefFilter, microseconds
from shared.beliefs.reading_store import (
    Reading,
    has_source_of_type,
    last_event,
    read_beliefs,
    read_many,
    read_overlapping,
    statistics,
)
from shared.beliefs.source_store import FORECASTER, SCHEDULER, NewSource, source_id_of, sources_of
from shared.db.models.identity import accounts
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.ids import OPEN_ACCOUNT_ID, AccountId, uuid7
from tests.support.sensors import QUARTER_HOUR, D, Sensors, stated

HOUR = timedelta(hours=1)
EARLIER = D - 6 * HOUR


async def test_only_the_latest_version_of_a_family_counts_for_an_event(sensors: Sensors) -> None:
    sensor = await sensors.make()
    two, ten = [await sensors.source("prophet", version=version, kind=FORECASTER) for version in ("2.1", "10.0")]
    user = await sensors.source("user")
    await sensors.state(
        stated(sensor, ten, D, [10, 10], EARLIER),
        stated(sensor, two, D, [2, 2, 2], EARLIER + HOUR),
        stated(sensor, user, D + QUARTER_HOUR, [7], EARLIER + 2 * HOUR),
    )
    assert await sensors.values(sensor, D, 4) == [10, 7, 2, None]
    assert await sensors.values(sensor, D, 3, BeliefFilter(types=[FORECASTER])) == [10, 10, 2]
    assert await sensors.values(sensor, D, 3, BeliefFilter(source_ids=[two])) == [2, 2, 2]
    assert await sensors.values(sensor, D, 3, BeliefFilter(excluded_types=[FORECASTER])) == [None, 7, None]
    assert await sensors.values(sensor, D, 3, BeliefFilter(prior=EARLIER + HOUR)) == [10, 10, 2]


async def test_sources_are_chosen_by_type_account_and_order(sensors: Sensors) -> None:
    sensor = await sensors.make()
    user, planner = await sensors.source("user"), await sensors.source("planner", kind=SCHEDULER)
    await sensors.state(stated(sensor, user, D, [1, 1], EARLIER), stated(sensor, planner, D, [2], EARLIER))
    assert await sensors.values(sensor, D, 2) == [2, 1]
    assert await sensors.values(sensor, D, 2, BeliefFilter(types=["user"])) == [1, 1]
    assert await sensors.values(sensor, D, 2, BeliefFilter(types=["nobody"])) == [None, None]
    assert await sensors.values(sensor, D, 2, BeliefFilter(excluded_types=["scheduler"])) == [1, 1]
    assert await sensors.values(sensor, D, 2, BeliefFilter(accounts=[OPEN_ACCOUNT_ID])) == [2, 1]
    assert await sensors.values(sensor, D, 2, BeliefFilter(accounts=[AccountId(uuid7())])) == [None, None]
    listed = BeliefFilter(source_ids=[user, planner], first_listed_wins=True)
    assert await sensors.values(sensor, D, 2, listed) == [1, 1]
    assert await sensors.values(sensor, D, 2, BeliefFilter(source_ids=[user, planner])) == [2, 1]


async def test_excluding_types_keeps_what_another_account_has_stated(sensors: Sensors) -> None:
    """A consultant's source is not within reach of the client, whose data it states."""
    sensor, planner = await sensors.make(), await sensors.source("planner", kind=SCHEDULER)
    other = AccountId(uuid7())
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(accounts.insert().values(account_id=other, name="consultant"))
        consultant = await source_id_of(uow.connection, other, NewSource("consultant", "user"))
    await sensors.state(stated(sensor, consultant, D, [1, 1], EARLIER), stated(sensor, planner, D, [2], EARLIER + HOUR))
    async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
        for wanted, expected in (
            (BeliefFilter(), [2, 1]),
            (BeliefFilter(excluded_types=[SCHEDULER]), [1, 1]),
            (BeliefFilter(types=["user"]), []),
        ):
            assert list((await read_beliefs(connection, sensor, D, D + HOUR, wanted)).values) == expected


async def test_of_quantiles_the_median_is_read(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    for later, values in enumerate(((1, 5, 9), (2, 6, 8))):
        quantiles = zip((0.1, 0.5, 0.9), values, strict=True)
        belief_time = EARLIER + later * HOUR
        await sensors.state(*(stated(sensor, source, D, [value], belief_time, probability=p) for p, value in quantiles))
    assert await sensors.values(sensor, D, 1) == [6]
    assert await sensors.values(sensor, D, 1, BeliefFilter(prior=EARLIER)) == [5]


async def test_prior_and_horizon_together(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    for hours, value in ((6, 1.0), (2, 2.0), (0, 3.0)):
        await sensors.state(stated(sensor, source, D, [value] * 2, horizon=hours * HOUR))
    assert await sensors.values(sensor, D, 2) == [3, 3]
    assert await sensors.values(sensor, D, 2, BeliefFilter(horizon=2 * HOUR)) == [2, 2]
    assert await sensors.values(sensor, D, 2, BeliefFilter(horizon=HOUR, prior=D - 2 * HOUR + QUARTER_HOUR)) == [2, 1]


async def test_a_year_of_quarter_hours_comes_back_exactly(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    year = [round(50 + 40 * math.sin(at / 15.28), 3) for at in range(35_040)]
    await sensors.state(stated(sensor, source, D, year, EARLIER))
    assert await sensors.values(sensor, D, 35_040) == year
    by_day = await sensors.values(sensor, D, 365, step=timedelta(days=1))
    assert by_day == pytest.approx([sum(year[96 * day : 96 * day + 96]) / 96 for day in range(365)])


async def test_moments_are_exact_to_the_microsecond_and_before_1970_too(sensors: Sensors) -> None:
    sensor, source = await sensors.make(resolution=timedelta(0)), await sensors.source()
    moments = [
        datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=UTC),
        datetime(2031, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    for number, at in enumerate(moments):
        await sensors.state(stated(sensor, source, at, [float(number)], D))
    async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
        found = await read_beliefs(connection, sensor, moments[0], moments[1] + timedelta(microseconds=1))
    assert list(found.starts_us) == [microseconds(at) for at in moments]
    assert list(found.values) == [0, 1]


async def test_events_that_reach_into_the_window_are_read_where_that_is_asked(sensors: Sensors) -> None:
    sensor, source = await sensors.make(resolution=HOUR), await sensors.source()
    await sensors.state(stated(sensor, source, D, [1, 2, 3], EARLIER))
    async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
        half = D + HOUR / 2
        assert list((await read_beliefs(connection, sensor, half, D + 2 * HOUR)).values) == [2]
        assert list((await read_overlapping(connection, sensor, half, D + 2 * HOUR)).values) == [1, 2]
        assert list((await read_overlapping(connection, sensor, D + HOUR, D + 2 * HOUR)).values) == [2]


async def test_nobody_reads_another_accounts_beliefs_by_a_wrong_account(sensors: Sensors) -> None:
    sensor, source = await sensors.make(), await sensors.source()
    await sensors.state(stated(sensor, source, D, [1], EARLIER))
    stranger = AccountId(uuid7())
    async with sensors.database.reading(stranger) as connection:
        assert not len(await read_beliefs(connection, sensor, D, D + HOUR))
        assert await statistics(connection, OPEN_ACCOUNT_ID, sensor.sensor_id) == []
        assert await sources_of(connection, [OPEN_ACCOUNT_ID], only_latest=False) == []
    async with sensors.database.reading(EVERY_ACCOUNT) as connection:
        assert await statistics(connection, stranger, sensor.sensor_id) == []
        assert await last_event(connection, stranger, sensor.sensor_id, D + HOUR) is None
        assert not await has_source_of_type(connection, stranger, sensor.sensor_id, "user")


async def test_statistics_are_of_what_each_source_said_last_about_each_event(sensors: Sensors) -> None:
    sensor, one, two = await sensors.make(), await sensors.source("one"), await sensors.source("two", kind=SCHEDULER)
    await sensors.state(stated(sensor, one, D, [1, 2, 3], EARLIER), stated(sensor, two, D, [9], EARLIER))
    await sensors.state(stated(sensor, one, D, [5], EARLIER + HOUR))
    async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
        first, second = await statistics(connection, OPEN_ACCOUNT_ID, sensor.sensor_id)
        (windowed,) = await statistics(connection, OPEN_ACCOUNT_ID, sensor.sensor_id, D + QUARTER_HOUR, D + HOUR)
    assert (first.source_id, first.name, first.type) == (one, "one", "user")
    assert (first.first_start, first.last_start, first.last_recorded) == (D, D + 2 * QUARTER_HOUR, EARLIER + HOUR)
    assert (first.least, first.greatest, first.total, first.number) == (2, 5, 10, 3)
    assert first.mean == pytest.approx(10 / 3)
    assert (second.name, second.type, second.number, second.total) == ("two", "scheduler", 1, 9)
    assert (windowed.number, windowed.total) == (2, 5)


async def test_the_last_event_and_the_types_of_sources_of_a_sensor(sensors: Sensors) -> None:
    sensor, user, planner = await sensors.make(), await sensors.source(), await sensors.source("plan", kind=SCHEDULER)
    await sensors.source("idle", kind="market")
    await sensors.state(stated(sensor, user, D, [1, 2], EARLIER), stated(sensor, planner, D, [1, 1, 1], EARLIER + HOUR))
    async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
        of = (connection, OPEN_ACCOUNT_ID, sensor.sensor_id)
        found = [kind for kind in ("user", "scheduler", "market", "reporter") if await has_source_of_type(*of, kind)]
        assert found == ["user", "scheduler"]
        assert await last_event(*of, D + 24 * HOUR) == (D + 2 * QUARTER_HOUR, EARLIER + HOUR)
        assert await last_event(*of, D + 24 * HOUR, ["user"]) == (D + QUARTER_HOUR, EARLIER)
        assert await last_event(*of, D) is None


async def test_a_source_is_one_row_however_often_it_is_asked_for(sensors: Sensors) -> None:
    ids = {await sensors.source("one") for _ in range(3)} | {await sensors.source("two")}
    assert len(ids) == 2
    async with sensors.database.unit_of_work(OPEN_ACCOUNT_ID) as uow:
        told_apart = [
            await source_id_of(
                uow.connection, OPEN_ACCOUNT_ID, NewSource("f", FORECASTER, "m", "1", attributes=attributes)
            )
            for attributes in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1})
        ]
    assert told_apart[0] == told_apart[1] != told_apart[2]


async def test_sources_are_listed_with_those_of_the_installation_and_only_the_latest_of_a_family(
    sensors: Sensors,
) -> None:
    other = AccountId(uuid7())
    async with sensors.database.unit_of_work(EVERY_ACCOUNT) as uow:
        await uow.connection.execute(accounts.insert().values(account_id=other, name="other"))
        market = await source_id_of(uow.connection, None, NewSource("market", "market"))
        await source_id_of(uow.connection, other, NewSource("theirs", "user"))
    old, new = [await sensors.source("f", version=version, kind=FORECASTER) for version in ("9", "10")]
    async with sensors.database.reading(OPEN_ACCOUNT_ID) as connection:
        everything = await sources_of(connection, [OPEN_ACCOUNT_ID], only_latest=False)
        latest = await sources_of(connection, [OPEN_ACCOUNT_ID], only_latest=True)
    assert [source.source_id for source in everything] == [market, old, new]
    assert [source.source_id for source in latest] == [market, new]


async def test_many_sensors_are_read_at_once_as_each_by_itself(sensors: Sensors) -> None:
    made = [await sensors.make(), await sensors.make(resolution=timedelta(0)), await sensors.make(account_id=None)]
    user, planner = await sensors.source("user"), await sensors.source("planner", kind=SCHEDULER)
    for sensor in made:
        await sensors.state(
            stated(sensor, user, D, [1, 2, 3], EARLIER), stated(sensor, planner, D, [4], EARLIER + HOUR)
        )
    end = D + timedelta(minutes=30)
    wishes = [
        Reading(made[0], D, end),
        Reading(made[1], D, end, BeliefFilter(types=["user"])),
        Reading(made[2], D, end, BeliefFilter(prior=EARLIER)),
        Reading(made[1], end + HOUR, end + 2 * HOUR),
        Reading(made[1], D, end),
    ]
    async with sensors.database.reading(EVERY_ACCOUNT) as connection:
        together = await read_many(connection, wishes)
        alone = [await read_beliefs(connection, one.sensor, one.start, one.end, one.wanted) for one in wishes]
    assert together == alone
    assert [list(series.values) for series in together] == [[4, 2], [1, 2, 3], [1, 2], [], [4, 2, 3]]


async def test_versions_count_among_many_sensors_too(sensors: Sensors) -> None:
    one, other = await sensors.make(), await sensors.make()
    old, new = await sensors.source(version="1.2"), await sensors.source(version="1.10")
    for sensor in (one, other):
        await sensors.state(stated(sensor, new, D, [10], EARLIER), stated(sensor, old, D, [7], EARLIER + HOUR))
    async with sensors.database.reading(EVERY_ACCOUNT) as connection:
        found = await read_many(connection, [Reading(sensor, D, D + HOUR) for sensor in (one, other)])
    assert [list(series.values) for series in found] == [[10], [10]]
