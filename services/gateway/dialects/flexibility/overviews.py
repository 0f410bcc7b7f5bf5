"""Data on the whole: who states them, figures of them, and whether they are up to date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from services.gateway.dialects.flexibility import data_store
from services.gateway.dialects.flexibility.access import no_sensor_in_path
from services.gateway.dialects.flexibility.overview_schemas import (
    Figures,
    GetStats,
    ListSources,
    SensorStatus,
    SensorStatuses,
    SourceAnswer,
    Sources,
)
from services.gateway.dialects.flexibility.permissions import caller_of
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.sensor_reach import reading_sensor
from services.gateway.dialects.flexibility.sensor_store import SensorRow, find_sensor
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import mapping_reply, object_reply
from services.gateway.http.call import Call, Reply
from shared.beliefs.reading_store import FAR_AHEAD, SourceStatistics, last_event, statistics
from shared.beliefs.source_store import FORECASTER, REPORTER, SCHEDULER, USER, sources_of
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.durations import format_duration
from shared.ids import SensorId

# Those that clients know by name; there may be others.
SOURCE_TYPES = (USER, SCHEDULER, FORECASTER, REPORTER, "demo script", "gateway", "market", "script")
# Measured values are out of date when the last event ended longer ago than this many steps, or than this.
STALE_AFTER_STEPS, STALE_AFTER = 3, timedelta(hours=1)

StatusOf = Literal["measured", "forecaster", "scheduler"]


async def list_sources(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """Who states values, as far as the caller may know."""
    wanted = parameters_of(ListSources, call)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        numbers = await data_store.readable_accounts(connection, caller_of(call.identity))
        found = await sources_of(connection, numbers.keys(), only_latest=wanted.only_latest)
    listed = [
        SourceAnswer(
            id=source.source_id,
            name=source.name,
            type=source.type,
            description=described(source.name, source.model, source.version),
            model=source.model,
            version=source.version,
            account_id=None if source.account_id is None else numbers[source.account_id],
            user_id=source.user_number,
        )
        for source in found
    ]
    types = dict.fromkeys([*SOURCE_TYPES, *(source.type for source in found)])
    answer = Sources(sources=listed, types=list(types)).model_dump()
    answer["sources"] = [
        {name: value for name, value in source.items() if value is not None} for source in answer["sources"]
    ]
    return mapping_reply(answer, status=200)


async def get_stats(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """Figures of what each source has stated about a sensor."""
    sensor_id = number_in_path(call, no_sensor_in_path)
    wanted = parameters_of(GetStats, call)
    async with reading_sensor(app.database, call.identity, sensor_id, unknown=no_sensor_in_path) as at:
        account_id = None if at.sensor.owner is None else at.sensor.owner.account_id
        start, end = wanted.event_start_time, wanted.event_end_time
        found = await statistics(at.connection, account_id, SensorId(sensor_id), start, end)
        resolution = timedelta(seconds=at.sensor.event_resolution_s)
    figures: Figures = {_key_of(source): _figures_of(source, resolution) for source in found}
    if wanted.sort:
        figures = dict(sorted(figures.items()))
    return mapping_reply(figures | {"status": 200}, status=200)


async def get_status(app: Flexibility, call: Call[None, None]) -> Reply:
    """Whether the data of a sensor are up to date."""
    sensor_id = number_in_path(call, no_sensor_in_path)
    now = app.clock.now()
    async with reading_sensor(app.database, call.identity, sensor_id, unknown=no_sensor_in_path) as at:
        sensor = await find_sensor(at.connection, sensor_id)
        if sensor is None:
            raise no_sensor_in_path(sensor_id)
        of = SensorId(sensor_id)
        others = await last_event(at.connection, sensor.account_id, of, now, _MEASURED_BY)
        statuses = [_measured(sensor, None if others is None else others[0], now)]
        kinds: tuple[StatusOf, ...] = ("forecaster", "scheduler")
        for kind in kinds:
            last = await last_event(at.connection, sensor.account_id, of, FAR_AHEAD, [kind])
            if last is not None:
                statuses.append(_planned(sensor, last[0], now, kind))
    return object_reply(SensorStatuses(sensors_data=statuses))


def described(name: str | None, model: str | None, version: str | None) -> str:
    """A source in words."""
    kind = " ".join(part for part in (model, None if version is None else f"v{version.lstrip('v')}") if part)
    return f"{name or 'unknown'}: {kind}" if kind else name or "unknown"


_MEASURED_BY = [kind for kind in SOURCE_TYPES if kind not in {FORECASTER, SCHEDULER}]


def _key_of(source: SourceStatistics) -> str:
    return f"{described(source.name, source.model, source.version)} (ID: {source.source_id})"


def _figures_of(source: SourceStatistics, resolution: timedelta) -> dict[str, object]:
    return {
        "First event start": source.first_start.astimezone(UTC).isoformat(),
        "Last event end": (source.last_start + resolution).astimezone(UTC).isoformat(),
        "Last recorded": source.last_recorded.astimezone(UTC).isoformat(),
        "Min value": source.least,
        "Max value": source.greatest,
        "Mean value": source.mean,
        "Sum over values": source.total,
        "Number of values": source.number,
    }


def _measured(sensor: SensorRow, last_start: datetime | None, now: datetime) -> SensorStatus:
    if last_start is None:
        return _status(sensor, "measured", None, now, is_stale=True, reason="no data recorded")
    limit = max(STALE_AFTER, STALE_AFTER_STEPS * timedelta(seconds=sensor.event_resolution_s))
    end = last_start + timedelta(seconds=sensor.event_resolution_s)
    is_stale = now - end > limit
    bound = format_duration(limit.total_seconds())
    reason = f"most recent data is {'more' if is_stale else 'less'} than {bound} old"
    return _status(sensor, "measured", end, now, is_stale=is_stale, reason=reason)


def _planned(sensor: SensorRow, last_start: datetime, now: datetime, kind: StatusOf) -> SensorStatus:
    end = last_start + timedelta(seconds=sensor.event_resolution_s)
    is_stale = end < now
    reason = f"{kind} data {'ended in the past' if is_stale else 'reach into the future'}"
    return _status(sensor, kind, end, now, is_stale=is_stale, reason=reason)


def _status(
    sensor: SensorRow, kind: StatusOf, end: datetime | None, now: datetime, *, is_stale: bool, reason: str
) -> SensorStatus:
    return SensorStatus(
        id=sensor.sensor_id,
        name=sensor.name,
        resolution=format_duration(sensor.event_resolution_s),
        asset_name=sensor.asset_name,
        relation="sensor belongs to this asset",
        staleness=None if end is None else format_duration(round((now - end).total_seconds()), zero="PT0S"),
        stale=is_stale,
        staleness_since=end if is_stale else None,
        reason=reason,
        source_type=kind,
    )
