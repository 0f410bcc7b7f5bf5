"""The routes of schedules, forecasts and jobs."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.flexibility import forecasts, jobs, schedules, triggers
from services.gateway.dialects.flexibility.data_reading import JsonObject
from services.gateway.dialects.flexibility.forecast_request_schemas import TriggerForecast
from services.gateway.dialects.flexibility.job_schemas import (
    Forecast,
    ForecastAccepted,
    Forecasts,
    JobAnswer,
    NoSchedule,
    Pending,
    Schedule,
    ScheduleAccepted,
    SensorScheduleAccepted,
)
from services.gateway.dialects.flexibility.route_building import (
    BAD_REQUEST,
    INVALID,
    INVALID_UNPLACED,
    TOO_LARGE,
    USUAL,
    answer,
    parameters_route,
)
from services.gateway.dialects.flexibility.schedule_request_schemas import GetSchedule, TriggerAsset, TriggerSensor
from services.gateway.dialects.flexibility.schemas import StatedAnswer
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import V3_ROOT
from services.gateway.http.routes import NoQuery, Route, plain_route

SCHEDULES, FORECASTS, JOBS = "Schedules", "Forecasts", "Jobs"
TAGS = (
    (SCHEDULES, "When devices run, planned for the least cost."),
    (FORECASTS, "What a sensor will measure."),
    (JOBS, "How what was asked for stands."),
)
_BODY = (BAD_REQUEST, TOO_LARGE, INVALID, *USUAL)
_PENDING = answer(202, "It is not ready yet.", Pending)

# Any: routes differ in their queries and bodies.
JOB_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    Route(
        "POST",
        f"{V3_ROOT}/assets/{{asset_id}}/schedules/trigger",
        triggers.trigger_asset,
        NoQuery(),
        JsonObject(TriggerAsset),
        "Have an asset and everything below it scheduled",
        SCHEDULES,
        (answer(202, "A schedule will be made.", ScheduleAccepted), INVALID_UNPLACED, *_BODY),
    ),
    Route(
        "POST",
        f"{V3_ROOT}/sensors/{{sensor_id}}/schedules/trigger",
        triggers.trigger_sensor,
        NoQuery(),
        JsonObject(TriggerSensor),
        "Have one sensor scheduled",
        SCHEDULES,
        (answer(202, "A schedule will be made.", SensorScheduleAccepted), *_BODY),
    ),
    parameters_route(
        f"{V3_ROOT}/sensors/{{sensor_id}}/schedules/{{job_id}}",
        schedules.get_schedule,
        GetSchedule,
        "Read the schedule of a sensor",
        SCHEDULES,
        (
            answer(200, "The schedule.", Schedule),
            _PENDING,
            answer(400, "There is none: it failed, or is not of this sensor, or was never asked for.", NoSchedule),
        ),
    ),
    Route(
        "POST",
        f"{V3_ROOT}/sensors/{{sensor_id}}/forecasts/trigger",
        forecasts.trigger_forecast,
        NoQuery(),
        JsonObject(TriggerForecast),
        "Have a sensor forecast",
        FORECASTS,
        (answer(202, "A forecast will be made.", ForecastAccepted), *_BODY),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/sensors/{{sensor_id}}/forecasts/{{job_id}}",
        forecasts.get_forecast,
        "Read the forecast of a sensor",
        FORECASTS,
        (
            answer(200, "The forecast.", Forecast),
            answer(200, "Of several cycles: their forecasts.", Forecasts),
            _PENDING,
            answer(400, "Nothing was stored.", NoSchedule),
            INVALID,
            *USUAL,
        ),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/jobs/{{job_id}}",
        jobs.get_job,
        "How a job stands",
        JOBS,
        (
            answer(200, "It has ended well.", JobAnswer),
            answer(202, "It has not ended.", JobAnswer),
            answer(404, "There is no such job.", StatedAnswer),
            answer(422, "It has failed.", JobAnswer),
            *USUAL,
        ),
    ),
)
