"""Posting values to sensors, and deleting them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility import data_store
from services.gateway.dialects.flexibility.data_measures import data_conversion, end_of, fixed_seconds
from services.gateway.dialects.flexibility.data_reading import parameters_with_body, sensor_of_address
from services.gateway.dialects.flexibility.data_request_schemas import DeleteData, PostData, PostDataByAddress
from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.errors import UnknownSensor
from services.gateway.dialects.flexibility.ingestion import (
    MOST_WAITED_FOR,
    Posting,
    accepted_reply,
    new_job_id,
    reply_of,
)
from services.gateway.dialects.flexibility.permissions import may_manage
from services.gateway.dialects.flexibility.posted_values import DATA, Posted, fit, grid_of
from services.gateway.dialects.flexibility.reading import Given, number_in_path
from services.gateway.dialects.flexibility.sensor_reach import WrittenSensor, writing_sensor
from services.gateway.dialects.flexibility.sensor_store import find_sensor
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import JSON_BODY, WHOLE, invalid_field, read_as
from services.gateway.dialects.flexibility.wire import gone_reply
from services.gateway.http.call import Call, Reply
from shared.beliefs.writing_store import DeletedWindow, delete_beliefs, hold_sensors
from shared.db.models.flexibility import POSTED_VALUES
from shared.durations import format_duration
from shared.identity import audit
from shared.ids import SensorId, SourceId

# With more, packing would hold the event loop for too long, and goes to a thread.
PACKED_AT_ONCE = 5000
# Deleting years of values takes longer than anything else here.
DELETED_WITHIN_S = 60.0


async def post_data(app: Flexibility, call: Call[None, Given]) -> Reply:
    """Post values to the sensor in the path."""
    return await _post(app, call.identity, number_in_path(call, UnknownSensor), PostData, call.body)


async def post_data_by_address(app: Flexibility, call: Call[None, Given]) -> Reply:
    """The same, with the sensor named in the body."""
    address = read_as(PostDataByAddress, call.body, DATA).sensor
    return await _post(app, call.identity, sensor_of_address(address), PostDataByAddress, call.body)


async def delete_data(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """Delete values of the sensor in the path.

    Which ones may also stand in the query: were that overlooked, all would be deleted.
    """
    sensor_id = number_in_path(call, UnknownSensor)
    wanted = parameters_with_body(DeleteData, call, JSON_BODY)
    async with writing_sensor(
        app.database,
        call.identity,
        sensor_id,
        may=may_manage,
        changes_beliefs=True,
        command_timeout_s=DELETED_WITHIN_S,
    ) as at:
        _check_window(wanted, at.sensor)
        of = SensorId(sensor_id)
        await hold_sensors(at.connection, [of])
        if wanted.source is not None and not await data_store.has_source(at.connection, wanted.source):
            raise invalid_field(JSON_BODY, "source", f"No data source found with id {wanted.source}.")
        source = None if wanted.source is None else SourceId(wanted.source)
        window = DeletedWindow(at.sensor.event_resolution_s, wanted.start, wanted.until, source)
        account_id = None if at.sensor.owner is None else at.sensor.owner.account_id
        number = await delete_beliefs(at.connection, account_id, of, window)
        await _record_deletion(call, at, wanted, number)
    return gone_reply()


async def _record_deletion(call: Call[Given, Given], at: WrittenSensor, wanted: DeleteData, number: int) -> None:
    """Deletion of public data is recorded under the account of who did it."""
    row, owner = await find_sensor(at.connection, at.sensor.sensor_id), at.sensor.owner
    if row is None:  # it is held
        raise UnknownSensor(at.sensor.sensor_id)
    await audit.record(
        at.connection,
        call.identity.account_id if owner is None else owner.account_id,
        "sensor:data:deleted",
        actor=call.actor,
        object_kind="sensor",
        object_id=str(row.sensor_id),
        details={
            "name": row.name,
            "asset_id": row.asset_id,
            "beliefs": number,
            **wanted.model_dump(mode="json", exclude_none=True),
        },
    )


# ------------------------------------------------------------------ posting


async def _post(app: Flexibility, identity: Identity, sensor_id: int, model: type[PostData], body: Given) -> Reply:
    now, job_id = app.clock.now(), new_job_id()
    with app.watch.waiting_for(job_id) as waiter:
        sensor = await app.desk.sensor(identity, sensor_id)
        wanted = read_as(model, body, DATA)
        posted = await _fitted(wanted, sensor)
        arguments = _arguments(wanted, posted, sensor, now)
        await app.desk.accept(Posting(identity, sensor).job(job_id, arguments, posted.packed))
        if posted.count > MOST_WAITED_FOR or not sensor.is_telemetry_there:
            return accepted_reply(job_id)
        state = await waiter.wait(app.waits.data_s)
    return accepted_reply(job_id) if state is None else reply_of([state], DATA, WHOLE)


async def _fitted(wanted: PostData, sensor: Target) -> Posted:
    duration = end_of(wanted.start, wanted.duration) - wanted.start
    grid = grid_of(sensor.event_resolution_s, sensor.grid_attributes, sensor.timezone)
    if not isinstance(wanted.values, list) or len(wanted.values) <= PACKED_AT_ONCE:
        return fit(wanted.values, wanted.start, duration, grid)
    return await asyncio.to_thread(fit, wanted.values, wanted.start, duration, grid)


def _arguments(wanted: PostData, posted: Posted, sensor: Target, now: datetime) -> dict[str, Any]:
    if wanted.prior is not None and wanted.horizon is not None:
        raise invalid_field(DATA, WHOLE, "Provide `prior` or `horizon`, but not both.")
    factor = data_conversion(wanted.unit, sensor.unit, sensor.unit, wanted.unit, float(posted.step_s))
    known: dict[str, object] = {"belief_time": (wanted.prior or now).astimezone(UTC).isoformat()}
    if wanted.horizon is not None:
        known = {"horizon_s": fixed_seconds(wanted.horizon, "horizon")}
    step_s = posted.step_s
    return {
        "kind": POSTED_VALUES,
        "start": posted.start.isoformat(),
        "step_s": int(step_s) if step_s.denominator == 1 else float(step_s),
        "factor": factor.factor,
        "offset": factor.offset,
        **known,
    }


def _check_window(wanted: DeleteData, sensor: Target) -> None:
    if wanted.start is None or wanted.until is None:
        return
    if wanted.until < wanted.start:
        raise invalid_field(JSON_BODY, "until", "until must not be before start.")
    if wanted.until - wanted.start < timedelta(seconds=sensor.event_resolution_s):
        step = format_duration(sensor.event_resolution_s)
        raise invalid_field(JSON_BODY, "until", f"The window is shorter than one step of the sensor ({step}).")
