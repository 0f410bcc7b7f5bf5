"""Triggering schedules: everything that can be known to be wrong is refused at once, and identical triggers share a job.

Checked here are the request's form, who may read what it names, and the flex configuration together with what is stored; the
optimizer collects it anew when it begins.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility import job_store, trigger_store
from services.gateway.dialects.flexibility.access import (
    asset_for_scheduling,
    no_asset_to_trigger,
    no_sensor_in_path,
    sensor_for_posting,
)
from services.gateway.dialects.flexibility.data_reading import as_json
from services.gateway.dialects.flexibility.ingestion import job_url, new_job_id
from services.gateway.dialects.flexibility.job_schemas import ScheduleAccepted, SensorScheduleAccepted
from services.gateway.dialects.flexibility.job_store import NewJob
from services.gateway.dialects.flexibility.output_signs import ATTRIBUTE, IS_POSITIVE, tell
from services.gateway.dialects.flexibility.permissions import Owner, caller_of
from services.gateway.dialects.flexibility.reading import Given, by_present_name, number_in_path
from services.gateway.dialects.flexibility.reference_access import check_outputs, check_references
from services.gateway.dialects.flexibility.schedule_request_schemas import TriggerAsset, TriggerSensor
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import JSON_BODY, Invalid, invalid_field, read_as
from services.gateway.dialects.flexibility.wire import V3_ROOT, object_reply
from services.gateway.http.call import Call, Reply
from shared.contracts.flexibility import ScheduleRequested
from shared.db.models.flexibility import SCHEDULING
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.durations import Duration, MomentOutOfRange
from shared.flexibility.collection import Collected, Trigger, collect, sensors_to_look_up, written_sensors
from shared.flexibility.errors import FlexConfigInvalid
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.planning_defaults import PLANNING_HORIZON, PROCESS_SCHEDULER, STORAGE_SCHEDULER
from shared.flexibility.references import referenced_sensors
from shared.ids import AccountId, JobId

# What the attribute may name: FlexMeasures' names of what is used anyway.
CUSTOM_SCHEDULER = "custom-scheduler"
KNOWN_SCHEDULERS = frozenset({STORAGE_SCHEDULER, PROCESS_SCHEDULER})


@dataclass(frozen=True, slots=True)
class _Asked:
    """A trigger whose form and whose references are in order, and the tree of assets that it is about.

    ``signs`` says of the output sensors of devices and groups whether consumption is positive there.
    """

    owner: Owner | None
    asset_id: int
    sensor_id: int | None
    given: TriggerSensor
    body: Given
    assets: Mapping[int, AssetFacts]
    sensors: Mapping[int, SensorFacts]
    signs: Mapping[int, bool]


async def trigger_asset(app: Flexibility, call: Call[None, Given]) -> Reply:
    """A schedule of an asset and what is below it."""
    asset_id = number_in_path(call, no_asset_to_trigger)
    caller = caller_of(call.identity)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        asset = await asset_for_scheduling(connection, caller, asset_id)
        body = by_present_name(call.body)
        given = _unlocated(TriggerAsset, body)
        _check_times(given, None)
        asked = await _asked(connection, call.identity, asset.owner, asset_id, None, given, body)
    job_id = await _job_for(app, call.identity, asked)
    return object_reply(ScheduleAccepted.model_validate(_names(job_id)), status=202)


async def trigger_sensor(app: Flexibility, call: Call[None, Given]) -> Reply:
    """A schedule of one sensor."""
    sensor_id = number_in_path(call, no_sensor_in_path)
    caller = caller_of(call.identity)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        sensor = await sensor_for_posting(connection, caller, sensor_id)
        body = by_present_name(call.body)
        given = read_as(TriggerSensor, body, JSON_BODY)
        _check_times(given, JSON_BODY)
        asked = await _asked(connection, call.identity, sensor.owner, sensor.asset_id, sensor_id, given, body)
    job_id = await _job_for(app, call.identity, asked)
    results_url = f"{V3_ROOT}/sensors/{sensor_id}/schedules/{job_id}"
    answer = SensorScheduleAccepted.model_validate({**_names(job_id), "results-url": results_url})
    return object_reply(answer, status=202)


def _unlocated(model: type[TriggerAsset], body: Given) -> TriggerAsset:
    """The body, whose faults this route tells without a location."""
    try:
        return read_as(model, body, JSON_BODY)
    except Invalid as invalid:
        (invalid.messages,) = invalid.messages.values()
        raise


def _check_times(given: TriggerSensor, location: str | None) -> None:
    for field, duration in (("duration", given.duration), ("resolution", given.resolution)):
        if duration is None:
            continue
        text = None
        if field == "resolution" and duration.seconds is None:
            text = "A duration in months or years has no fixed length here."
        elif not _is_positive(duration):
            text = f"The {field} must be above zero."
        elif field == "resolution" and (duration.seconds or 0) % 60:
            text = "The resolution must be a multiple of 1 minute."
        elif not _is_of_the_calendar(given.start, duration):
            text = f"The {field} leads out of the calendar."
        if text is not None:
            raise Invalid(field, [text]) if location is None else invalid_field(location, field, text)


def _is_of_the_calendar(start: datetime, duration: Duration) -> bool:
    """Whether the end is a moment on every clock."""
    try:
        return duration.added_to(start).year < MAXYEAR
    except MomentOutOfRange:
        return False


def _is_positive(duration: Duration) -> bool:
    return duration.months > 0 if duration.seconds is None else duration.seconds > 0


async def _asked(
    connection: AsyncConnection,
    identity: Identity,
    owner: Owner | None,
    asset_id: int,
    sensor_id: int | None,
    given: TriggerSensor,
    body: Given,
) -> _Asked:
    assets = await trigger_store.find_tree(connection, asset_id)
    trigger = Trigger(asset_id, given.start.astimezone(UTC), given.flex_model, given.flex_context, sensor_id)
    sensors = await trigger_store.find_named(connection, sensors_to_look_up(trigger, assets))
    in_payload = referenced_sensors(given.flex_model, given.flex_context)
    check_references(caller_of(identity), in_payload, sensors)
    facts = {number: trigger_store.facts_of(row) for number, row in sensors.items()}
    _check_scheduler([*([facts[sensor_id].attributes] if sensor_id is not None else []), assets[asset_id].attributes])
    try:
        # Many devices with many values would hold the event loop for too long.
        collected = await asyncio.to_thread(collect, trigger, assets, facts)
    except FlexConfigInvalid as error:
        raise Invalid(JSON_BODY, dict(error.errors)) from None
    # What is stored may have been written by somebody who may read more.
    check_references(caller_of(identity), collected.references, sensors)
    check_outputs(caller_of(identity), written_sensors(collected), sensors)
    return _Asked(owner, asset_id, sensor_id, given, body, assets, facts, _signs_of_outputs(collected))


def _signs_of_outputs(collected: Collected) -> dict[int, bool]:
    entries = [one.entry for one in collected.entries]
    signs = {one.production_sensor_id: IS_POSITIVE["production"] for one in entries}
    # A sensor that is both is written as the first, consumption.
    signs |= {one.consumption_sensor_id: IS_POSITIVE["consumption"] for one in entries}
    return {number: sign for number, sign in signs.items() if number is not None}


def _check_scheduler(attributes: list[Mapping[str, Any]]) -> None:
    named = next((given[CUSTOM_SCHEDULER] for given in attributes if given.get(CUSTOM_SCHEDULER)), None)
    name = named.get("class") if isinstance(named, Mapping) else named
    if named is not None and name not in KNOWN_SCHEDULERS:
        text = f"There is no scheduler {str(name)[:100]!r}; there are {' and '.join(sorted(KNOWN_SCHEDULERS))}."
        raise invalid_field(JSON_BODY, CUSTOM_SCHEDULER, text)


async def _job_for(app: Flexibility, identity: Identity, asked: _Asked) -> JobId:
    """The job of an identical trigger, or a new one."""
    account_id = identity.account_id if asked.owner is None else asked.owner.account_id
    key = _cache_key(asked)
    about = f"asset:{asked.asset_id}" if asked.sensor_id is None else f"sensor:{asked.sensor_id}"
    async with (
        app.trigger_limits.counting(identity, about),
        app.database.unit_of_work(account_id) as work,
    ):
        if not asked.given.force_new_job_creation:
            # Two identical triggers that arrive together: the second finds what the first has made.
            await job_store.lock_key(work.connection, int.from_bytes(bytes.fromhex(key)[:8], signed=True))
            same = await job_store.find_same(work.connection, account_id, key)
            if same is not None:
                return same
        job = _new_job(asked, identity, account_id, key, app.clock.now())
        await job_store.add_job(work.connection, job)
        await tell(work.connection, caller_of(identity), asked.signs)
        await work.outbox.add(account_id, ScheduleRequested(job_id=job.job_id))
    return job.job_id


def _cache_key(asked: _Asked) -> str:
    """The same for triggers that ask for the same, of the same stored configuration. Without ``prior`` the present is no part of it."""
    given = asked.given
    stored = [
        [asset.asset_id, asset.flex_model, asset.flex_context, asset.attributes]
        for asset in asked.assets.values()
        if asset.flex_model or asset.flex_context or asset.attributes
    ]
    # A trigger itself may change how the sign of a sensor is told.
    sensors = [
        [sensor.sensor_id, {name: value for name, value in sensor.attributes.items() if name != ATTRIBUTE}]
        for _, sensor in sorted(asked.sensors.items())
    ]
    told = {
        "asset": asked.asset_id,
        "sensor": asked.sensor_id,
        "start": given.start.astimezone(UTC).isoformat(),
        "length": _length(given.duration),
        "step": None if given.resolution is None else given.resolution.seconds,
        "prior": None if given.prior is None else given.prior.astimezone(UTC).isoformat(),
        "flex-model": given.flex_model,
        "flex-context": given.flex_context,
        "sequential": _is_sequential(given),
        "stored": stored,
        "sensors": sensors,
    }
    return hashlib.sha256(as_json(told)).hexdigest()


def _length(duration: Duration | None) -> list[float]:
    """The same for durations that are as long, however they are written: clients write four hours as PT4H and as P0DT4H0M0S."""
    if duration is None:
        return [PLANNING_HORIZON.total_seconds()]
    return [duration.months, duration.days, duration.microseconds] if duration.seconds is None else [duration.seconds]


def _new_job(asked: _Asked, identity: Identity, account_id: AccountId, key: str, now: datetime) -> NewJob:
    given = asked.given
    arguments = {
        "trigger": "asset" if asked.sensor_id is None else "sensor",
        "asset_id": asked.asset_id,
        "sensor_id": asked.sensor_id,
        "start": given.start.isoformat(),
        "duration": asked.body.get("duration"),
        "resolution": asked.body.get("resolution"),
        "prior": None if given.prior is None else given.prior.astimezone(UTC).isoformat(),
        "flex_model": given.flex_model,
        "flex_context": given.flex_context,
        "sequential": _is_sequential(given),
        "belief_time": (given.prior or now).astimezone(UTC).isoformat(),
    }
    return NewJob(
        job_id=new_job_id(),
        account_id=account_id,
        kind=SCHEDULING,
        arguments=arguments,
        requested_by=identity.user_number,
        asset_id=asked.asset_id,
        sensor_id=asked.sensor_id,
        cache_key=key,
    )


def _is_sequential(given: TriggerSensor) -> bool:
    return isinstance(given, TriggerAsset) and given.sequential


def _names(job_id: JobId) -> dict[str, str]:
    return {"job": str(job_id), "job-url": job_url(job_id), "schedule": str(job_id)}
