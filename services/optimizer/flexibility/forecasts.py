"""Forecast jobs: reads what a sensor and its regressors were, has a child learn from it, and says what is believed from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.optimizer.flexibility.job_store import Job, JobEnd, Output
from services.optimizer.flexibility.jobs import Done, Limits, check_owned
from services.optimizer.flexibility.series import ReadSeries, SensorSeries, SeriesReader, named_sensors
from services.optimizer.flexibility.site_store import OwnedSensor
from services.optimizer.questions import Workers
from services.optimizer.tasks import entry
from services.optimizer.tasks.flexibility_values import ForecastInput, FoundForecast, FoundView, WantedEvents
from shared.beliefs import NewSeries, knowledge_horizon, microseconds
from shared.beliefs.source_store import FORECASTER, NewSource
from shared.clock import Clock
from shared.db.models.flexibility import FINISHED
from shared.db.unit_of_work import Database
from shared.errors import NotFound
from shared.flexibility.forecast_request import ForecastRequest
from shared.ids import SensorId, SourceId

MODEL, VERSION = "TrainPredictPipeline", "1"
# Sensors of moments have no resolution; they are forecast so far apart.
STEP_OF_MOMENTS_S = 900
# What tells one forecast from another of the same configuration.
_NOT_CONFIGURATION = ("sensor_id", "start", "end", "window_end", "prior", "is_start_given")


@dataclass(frozen=True, slots=True)
class _Site:
    sensor: OwnedSensor
    regressors: tuple[OwnedSensor, ...]


class Forecasts:
    """Does forecast jobs."""

    name = "forecast"

    def __init__(self, database: Database, pool: Workers, clock: Clock, limits: Limits) -> None:
        self._database = database
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._reader = SeriesReader(database, wait_s=limits.data_wait_s)

    async def work(self, job: Job) -> Done:
        """Make the forecast.

        Raises:
            BusbarError: there is none, and why.
        """
        started_at = self._clock.now()
        request = ForecastRequest.from_arguments(job.arguments)
        site = await self._site(job, request)
        wanted = _wanted(job, request, site)
        read = await self._reader.read(job.account_id, wanted, accepted_before=job.created_at)
        given = _input(job, request, site, read)
        made = await self._pool.run(entry.make_forecast, given, deadline_s=self._limits.child_s)
        return _done(job, site.sensor, made, read, started_at)

    def failed(self, job: Job, end: JobEnd) -> Done:
        """Nothing comes after a forecast that failed."""
        return Done(job, end)

    async def _site(self, job: Job, request: ForecastRequest) -> _Site:
        numbers = [request.sensor_id, *(regressor.sensor_id for regressor in request.regressors)]
        async with self._database.reading(job.account_id) as connection:
            found = await named_sensors(self._database, connection, job.account_id, numbers)
        for number in numbers:
            if number not in found:
                raise NotFound(f"No sensor found with ID {number}.")
        check_owned(job, [found[request.sensor_id]])
        return _Site(found[numbers[0]], tuple(found[number] for number in numbers[1:]))


def _wanted(job: Job, request: ForecastRequest, site: _Site) -> list[SensorSeries]:
    """The past of the sensor until the last look ahead; regressors until the end of the window."""
    prior = request.prior or job.created_at
    longest = request.start - timedelta(seconds=request.max_training_period_s)
    begin = max(longest, request.train_start or request.start - timedelta(seconds=request.train_period_s))
    step = timedelta(seconds=_step_s(site.sensor))
    until = request.views(job.created_at)[-1].start
    # What was forecast before is no measurement to learn from.
    past = WantedEvents(request.sensor_id, begin - step, until, exclude_source_types=(FORECASTER,))
    wanted = [SensorSeries(site.sensor, past, prior)]
    for reference, sensor in zip(request.regressors, site.regressors, strict=True):
        events = WantedEvents(
            reference.sensor_id,
            begin - step,
            request.window_end,
            reference.source_types,
            reference.exclude_source_types,
            reference.source_ids,
            reference.source_account_ids,
        )
        wanted.append(SensorSeries(sensor, events, prior))
    return wanted


def _input(job: Job, request: ForecastRequest, site: _Site, read: ReadSeries) -> ForecastInput:
    facts = site.sensor.facts
    return ForecastInput(
        request=request,
        requested_at=job.created_at,
        step_s=_step_s(site.sensor),
        unit=facts.unit,
        timezone=facts.timezone,
        events=read.events[0],
        regressors=read.events[1:],
    )


def _done(job: Job, sensor: OwnedSensor, made: FoundForecast, read: ReadSeries, started_at: datetime) -> Done:
    latest = made.latest
    output = Output(
        SensorId(latest.sensor_id), latest.start, latest.step_s, latest.unit, latest.values, latest.stored_sign
    )
    beliefs = tuple(_beliefs(sensor, latest.step_s, made.views))
    result = {
        "num-beliefs": sum(len(series.values) for series in beliefs),
        "accuracy": _accuracy(made, sensor.facts.unit),
        "warnings": [*read.warnings, *made.warnings],
    }
    end = JobEnd(FINISHED, started_at, result=result, info={"forecaster": MODEL})
    return Done(job, end, (output,), beliefs, _source(job))


def _accuracy(made: FoundForecast, unit: str) -> dict[str, object] | None:
    """How far off it was on the last days, which it had not learnt from, beside the same hours of the day before."""
    if made.error is None or made.naive_error is None:
        return None
    return {
        "mean-absolute-error": round(made.error, 9),
        "mean-absolute-error-of-day-before": round(made.naive_error, 9),
        "unit": unit,
    }


def _beliefs(sensor: OwnedSensor, step_s: int, views: Sequence[FoundView]) -> list[NewSeries]:
    facts = sensor.facts
    knowledge = knowledge_horizon(facts.attributes, resolution_s=facts.resolution_s, timezone=facts.timezone)
    beliefs = []
    for view in views:
        first_us = microseconds(view.start)
        for quantile, values in view.quantiles:
            starts_us = range(first_us, first_us + len(values) * step_s * 1_000_000, step_s * 1_000_000)
            beliefs.append(
                NewSeries(
                    account_id=sensor.account_id,
                    sensor_id=SensorId(facts.sensor_id),
                    source_id=SourceId(0),  # as soon as it is known
                    starts_us=starts_us,
                    values=values,
                    knowledge=knowledge,
                    belief_time=view.belief_time,
                    probability=quantile,
                )
            )
    return beliefs


def _source(job: Job) -> NewSource:
    configuration = {name: value for name, value in job.arguments.items() if name not in _NOT_CONFIGURATION}
    return NewSource("Busbar", FORECASTER, MODEL, VERSION, attributes=configuration)


def _step_s(sensor: OwnedSensor) -> int:
    return sensor.facts.resolution_s or STEP_OF_MOMENTS_S
