"""Triggering forecasts and reading them. One that is to be learnt anew on its way is several jobs, and one that stands for them all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility import job_store, trigger_store
from services.gateway.dialects.flexibility.access import no_sensor_text
from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.errors import NotPermitted
from services.gateway.dialects.flexibility.forecast_request_schemas import TriggerForecast
from services.gateway.dialects.flexibility.forecast_window import request_of
from services.gateway.dialects.flexibility.ingestion import job_url, new_job_id
from services.gateway.dialects.flexibility.job_schemas import (
    Forecast,
    ForecastAccepted,
    Forecasts,
    NoSchedule,
    Pending,
)
from services.gateway.dialects.flexibility.job_store import ENDED_BADLY, JobRow, NewJob, OutputRow
from services.gateway.dialects.flexibility.jobs import (
    check_readable,
    children_of,
    is_composed,
    message_of,
    settled_job,
    status_of,
)
from services.gateway.dialects.flexibility.permissions import caller_of, may_work_on
from services.gateway.dialects.flexibility.posted_values import DATA
from services.gateway.dialects.flexibility.reading import Given, by_present_name, number_in_path
from services.gateway.dialects.flexibility.reference_access import check_references
from services.gateway.dialects.flexibility.sensor_reach import reading_sensor, writing_sensor
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import JSON_BODY, Invalid, invalid_field, read_as
from services.gateway.dialects.flexibility.wire import V3_ROOT, object_reply
from services.gateway.http.call import Call, Reply
from shared.contracts.flexibility import ForecastRequested
from shared.db.models.flexibility import FINISHED, FORECASTING
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.durations import format_duration
from shared.flexibility.forecast_request import ForecastRequest
from shared.ids import AccountId, JobId, SensorId


async def trigger_forecast(app: Flexibility, call: Call[None, Given]) -> Reply:
    """A forecast of the sensor in the path."""
    sensor_id = number_in_path(call, _no_sensor)
    now = app.clock.now()
    async with reading_sensor(app.database, call.identity, sensor_id, unknown=_no_sensor) as readable:
        if not may_work_on(caller_of(call.identity), readable.sensor.owner):
            raise NotPermitted
        given = read_as(TriggerForecast, by_present_name(call.body), DATA)
        request = request_of(given, readable.sensor, now)
    await _check_regressors(app, call.identity, given)
    async with (
        app.trigger_limits.counting(call.identity, f"sensor:{sensor_id}"),
        writing_sensor(app.database, call.identity, sensor_id, unknown=_no_sensor) as at,
    ):
        account_id = call.identity.account_id if at.sensor.owner is None else at.sensor.owner.account_id
        made = _jobs_for(request, account_id, call.identity)
        for job in made:
            await job_store.add_job(at.connection, job)
            if not job.arguments.get("is_wrap_up"):
                await at.outbox.add(account_id, ForecastRequested(job_id=job.job_id))
    job_id = made[0].job_id
    answer = {
        "job": str(job_id),
        "job-url": job_url(job_id),
        "forecast": str(job_id),
        "results-url": f"{V3_ROOT}/sensors/{sensor_id}/forecasts/{job_id}",
    }
    return object_reply(ForecastAccepted.model_validate(answer), status=202)


async def get_forecast(app: Flexibility, call: Call[None, None]) -> Reply:
    """The forecast of a sensor that a job has made."""
    sensor_id = number_in_path(call, _no_sensor, name="sensor_id")
    async with reading_sensor(app.database, call.identity, sensor_id, unknown=_no_sensor) as at:
        sensor = at.sensor
    text = call.ids["job_id"]
    job = await settled_job(app, text)
    if job is None or job.kind != FORECASTING:
        raise _refused(f"Job {text[:100]} not found.")
    check_readable(call.identity, job)
    if job.sensor_id != sensor_id:
        raise _refused(f"Job {job.job_id} is about sensor {job.sensor_id}, not about sensor {sensor_id}.")
    if is_composed(job):
        return _several(await children_of(app, job))
    status = status_of(job)
    if status in ENDED_BADLY:
        why = "" if job.state is None or job.state.failure is None else f" {job.state.failure}"
        raise _refused(f"{message_of(FORECASTING, status)}{why}")
    if status != FINISHED:
        pending = {"status": status, "message": message_of(FORECASTING, status)}
        return object_reply(Pending.model_validate(pending), status=202)
    async with app.database.reading(job.account_id) as connection:
        output = await job_store.find_output(connection, job, SensorId(sensor_id))
    if output is None:
        text = f"No forecast of sensor {sensor_id} was found in the database."
        return object_reply(NoSchedule(status="UNKNOWN_FORECAST", message=text), status=400)
    return _told(output, sensor)


def _refused(text: str) -> Invalid:
    """What this route says of a job, as one text."""
    invalid = Invalid(JSON_BODY, {})
    invalid.messages[JSON_BODY] = text
    return invalid


def _no_sensor(number: object) -> Invalid:
    return invalid_field(DATA, "sensor", no_sensor_text(number))


async def _check_regressors(app: Flexibility, identity: Identity, given: TriggerForecast) -> None:
    config = given.config
    lists = (
        ("past-regressors", config.past_regressors),
        ("future-regressors", config.future_regressors),
        ("regressors", config.regressors),
    )
    references = [
        (f"config.{name}.{position}.sensor", one.sensor)
        for name, listed in lists
        for position, one in enumerate(listed)
    ]
    if not references:
        return
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        sensors = await trigger_store.find_named(connection, {number for _, number in references})
    for path, number in references:
        if number not in sensors:
            _, name, position, _ = path.split(".")
            raise Invalid(DATA, {"config": {name: {position: {"sensor": [no_sensor_text(number)]}}}})
    check_references(caller_of(identity), references, sensors)


def _jobs_for(request: ForecastRequest, account_id: AccountId, identity: Identity) -> Sequence[NewJob]:
    """The job; or the one that stands for several, and those."""
    cycles = request.cycles()
    if len(cycles) == 1:
        return [_job(request.as_arguments(), request.sensor_id, account_id, identity)]
    together = _job({**request.as_arguments(), "is_wrap_up": True}, request.sensor_id, account_id, identity)
    return [
        together,
        *(
            _job(cycle.as_arguments(), cycle.sensor_id, account_id, identity, position, together.job_id)
            for position, cycle in enumerate(cycles)
        ),
    ]


def _job(
    arguments: dict[str, Any],  # Any: JSON
    sensor_id: int,
    account_id: AccountId,
    identity: Identity,
    position: int | None = None,
    parent_job_id: JobId | None = None,
) -> NewJob:
    return NewJob(
        job_id=new_job_id(),
        account_id=account_id,
        kind=FORECASTING,
        arguments=arguments,
        requested_by=identity.user_number,
        sensor_id=sensor_id,
        position=position,
        parent_job_id=parent_job_id,
    )


def _several(children: Sequence[JobRow]) -> Reply:
    ids = [str(child.job_id) for child in children]
    return object_reply(Forecasts(message="The forecast has several cycles; ask for each of them.", forecasts=ids))


def _told(output: OutputRow, sensor: Target) -> Reply:
    answer = Forecast(
        start=output.start.astimezone(ZoneInfo(sensor.timezone)).isoformat(),
        duration=format_duration(len(output.values) * output.resolution_s, zero="PT0H"),
        unit=output.unit,
        values=[None if math.isnan(value) else value for value in output.values],
    )
    return object_reply(answer)
