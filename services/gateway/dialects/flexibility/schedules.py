"""Schedules as jobs have made them, for one sensor at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.gateway.dialects.flexibility import job_store
from services.gateway.dialects.flexibility.access import no_sensor_in_path
from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.job_schemas import NoSchedule, Pending, Schedule
from services.gateway.dialects.flexibility.job_store import ENDED_BADLY, JobRow, OutputRow
from services.gateway.dialects.flexibility.jobs import (
    QUEUED,
    check_readable,
    message_of,
    settled_job,
    status_of,
)
from services.gateway.dialects.flexibility.moments import read_moment
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.schedule_request_schemas import GetSchedule, SignConvention
from services.gateway.dialects.flexibility.sensor_reach import reading_sensor
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import Invalid
from services.gateway.dialects.flexibility.wire import object_reply
from services.gateway.http.call import Call, Reply
from shared.db.models.flexibility import DEFERRED, FAILED, FINISHED, SCHEDULING, STARTED
from shared.durations import Duration, format_duration
from shared.flexibility.planning_defaults import PLANNING_HORIZON, STORAGE_SCHEDULER
from shared.ids import SensorId
from shared.units import Conversion, UnitsIncompatible, UnknownUnit, conversion

# Told without a wish; at most it is ``PLANNING_HORIZON``, however long a schedule is.
DEFAULT_DURATION = timedelta(hours=6)
NO_SCHEDULE = "No known schedule for this time period."
# Clients poll on where they see these in a refusal, which of a failure must not be.
POLLED_ON = ("Scheduling job waiting", "Scheduling job in progress", "Scheduling job has an unknown status")

_PENDING = frozenset({QUEUED, STARTED, DEFERRED})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a schedule is to be told."""

    duration: timedelta
    unit: str
    conversion: Conversion
    sign_convention: SignConvention


async def get_schedule(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The schedule of a sensor that a job has made."""
    sensor_id = number_in_path(call, no_sensor_in_path, name="sensor_id")
    given = _parameters(call)
    async with reading_sensor(app.database, call.identity, sensor_id, unknown=no_sensor_in_path) as at:
        sensor = at.sensor
    wanted = _wanted(given, sensor)
    text = call.ids["job_id"]
    job = await settled_job(app, text)
    if job is None or job.kind != SCHEDULING:
        message = f"The requested UDI event (id = {text[:100]}, type = job) is not known."
        return object_reply(NoSchedule(status="UNRECOGNIZED_UDI_EVENT", message=message), status=400)
    check_readable(call.identity, job)
    status = status_of(job)
    if status != FINISHED:
        return _not_there(job, status, is_400=app.waits.pending_is_400)
    async with app.database.reading(job.account_id) as connection:
        output = await job_store.find_output(connection, job, SensorId(sensor_id))
    if output is None:
        return _no_schedule(f"{NO_SCHEDULE} The schedule of sensor {sensor_id} was not found in the database.")
    return _told(job, output, sensor, wanted)


def _parameters(call: Call[Given, Given]) -> GetSchedule:
    try:
        return parameters_of(GetSchedule, call)
    except Invalid as invalid:
        # This route tells fields without a location.
        (invalid.messages,) = invalid.messages.values()
        raise


def _wanted(given: GetSchedule, sensor: Target) -> _Wanted:
    unit = given.unit or sensor.unit
    try:
        factor = conversion(sensor.unit, unit)
    except UnitsIncompatible as error:
        raise Invalid("unit", [error.message]) from None
    except UnknownUnit as error:
        raise Invalid("unit", [error.message]) from None
    return _Wanted(_duration(given.duration), unit, factor, given.sign_convention)


def _duration(given: Duration | None) -> timedelta:
    if given is None:
        return DEFAULT_DURATION
    if given.seconds is None:
        return PLANNING_HORIZON  # a month is longer
    if given.seconds < 0:
        raise Invalid("duration", ["The duration must not be negative."])
    return min(timedelta(seconds=given.seconds), PLANNING_HORIZON)


def _not_there(job: JobRow, status: str, *, is_400: bool) -> Reply:
    if status in ENDED_BADLY:
        why = "" if job.state is None or job.state.failure is None else f" with {job.state.failure}"
        words = "failed" if status == FAILED else f"was {status.lower()}"
        text = f"Scheduling job {words}{why}".rstrip(".")
        for polled_on in POLLED_ON:
            text = text.replace(polled_on, polled_on.replace(" job", ""))
        return _no_schedule(f"{NO_SCHEDULE} {text}. {_scheduler_of(job)} was used.")
    message = message_of(SCHEDULING, status)
    if is_400 or status not in _PENDING:
        return _no_schedule(f"{NO_SCHEDULE} {message}")
    return object_reply(Pending.model_validate({"status": status, "message": message}), status=202)


def _no_schedule(message: str) -> Reply:
    return object_reply(NoSchedule(status="UNKNOWN_SCHEDULE", message=message), status=400)


def _told(job: JobRow, output: OutputRow, sensor: Target, wanted: _Wanted) -> Reply:
    count = int(wanted.duration.total_seconds() // output.resolution_s) if output.resolution_s else len(output.values)
    values = _signed(output, sensor, wanted.sign_convention)[:count]
    start = output.start.astimezone(read_moment(job.arguments["start"]).tzinfo)
    factor, offset = wanted.conversion.factor, wanted.conversion.offset
    answer = Schedule(
        values=[value * factor + offset for value in values],
        start=start.isoformat(),
        duration=format_duration(len(values) * output.resolution_s, zero="PT0H"),
        unit=wanted.unit,
        scheduler_info=_scheduler_info(job),
        message=f"Request has been processed. {_scheduler_of(job)} was used.",
    )
    return object_reply(answer)


def _signed(output: OutputRow, sensor: Target, convention: SignConvention) -> Sequence[float]:
    """Values as asked for: a state of charge has no direction."""
    if convention == "wysiwyg":
        is_negated = output.stored_sign < 0
    else:
        is_negated = convention == "production-positive" and sensor.event_resolution_s > 0
    return [0.0 - value for value in output.values] if is_negated else output.values


def _scheduler_info(job: JobRow) -> dict[str, Any]:  # Any: as JSON holds it
    info = {} if job.state is None or job.state.info is None else dict(job.state.info)
    return {"scheduler": STORAGE_SCHEDULER, **info}


def _scheduler_of(job: JobRow) -> str:
    return str(_scheduler_info(job)["scheduler"])
