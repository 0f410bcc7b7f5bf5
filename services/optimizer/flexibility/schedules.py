"""Schedule jobs: reads the site and the series that its devices need, has a child find the schedule, and says what is planned.

Of a sequential job the devices are planned one after the other, each by a job of its own that sees those before it as fixed. The
job itself waits for these steps: each, when it is done, starts the next, and the last one ends the job.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.optimizer.flexibility import job_store, site_store, step_store
from services.optimizer.flexibility.job_store import Job, JobEnd, Output
from services.optimizer.flexibility.jobs import Done, Limits, check_owned
from services.optimizer.flexibility.series import ReadSeries, SensorSeries, SeriesReader, named_sensors
from services.optimizer.flexibility.site_store import OwnedSensor
from services.optimizer.flexibility.step_store import Step
from services.optimizer.questions import Workers
from services.optimizer.tasks import entry
from services.optimizer.tasks.flexibility_values import (
    Found,
    FoundSchedule,
    NoSchedule,
    PreparedSchedule,
    ScheduleInput,
    SolverLimits,
)
from shared.beliefs import NewSeries, knowledge_horizon, microseconds
from shared.beliefs.source_store import SCHEDULER, NewSource
from shared.clock import Clock
from shared.contracts.flexibility import ScheduleRequested
from shared.db.models.flexibility import CANCELED, DEFERRED, FAILED, FINISHED
from shared.db.unit_of_work import Database, UnitOfWork
from shared.durations import parse_duration
from shared.errors import BusbarError, NotFound
from shared.flexibility.collection import Trigger, sensors_to_look_up
from shared.flexibility.facts import AssetFacts
from shared.flexibility.planning_defaults import PLANNING_HORIZON
from shared.ids import JobId, SensorId, SourceId, uuid7

VERSION = "1"


class NoPlan(BusbarError):
    """There is no schedule. ``error_type`` is what the API calls the reason."""

    code = "no_plan"

    def __init__(self, found: NoSchedule) -> None:
        super().__init__(found.message)
        self.error_type = found.error_type
        self.info = found.info


@dataclass(frozen=True, slots=True)
class _Site:
    """The asset of a job with all above and below it, and all sensors that its configuration names."""

    assets: Mapping[int, AssetFacts]
    sensors: Mapping[int, OwnedSensor]


class Schedules:
    """Does schedule jobs."""

    name = "schedule"

    def __init__(self, database: Database, pool: Workers, clock: Clock, limits: Limits) -> None:
        self._database = database
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._reader = SeriesReader(database, wait_s=limits.data_wait_s)

    async def work(self, job: Job) -> Done:
        """Find the schedule, or begin with the steps of one.

        Raises:
            BusbarError: there is none, and why.
        """
        started_at = self._clock.now()
        deadline = time.monotonic() + self._limits.child_s
        site = await self._site(job)
        given = _input(job, site)
        prepared = await self._pool.run(entry.prepare_schedule, given, deadline_s=_left(deadline))
        if job.arguments.get("sequential") and job.parent_job_id is None and prepared.step_count > 1:
            return _in_steps(job, prepared.step_count, started_at)
        read = await self._read(job, site, prepared)
        limits = SolverLimits(self._limits.solver_s, self._limits.mip_gap)
        found = await self._pool.run(entry.plan_schedule, prepared, read.events, limits, deadline_s=_left(deadline))
        if isinstance(found, NoSchedule):
            raise NoPlan(found)
        check_owned(job, [site.sensors[one.sensor_id] for one in found.found])
        return _done(job, site, found, read, started_at)

    def failed(self, job: Job, end: JobEnd) -> Done:
        """A step that failed takes its job with it."""
        return Done(job, end, follow=None if job.parent_job_id is None else _after(job))

    async def _site(self, job: Job) -> _Site:
        arguments = job.arguments
        async with self._database.reading(job.account_id) as connection:
            assets = await site_store.asset_tree(connection, job.account_id, arguments["asset_id"])
            if arguments["asset_id"] not in assets:
                raise NotFound(f"No asset found with ID {arguments['asset_id']}.")
            named = sensors_to_look_up(trigger_of(arguments), assets)
            sensors = await named_sensors(self._database, connection, job.account_id, named)
        return _Site(assets, sensors)

    async def _read(self, job: Job, site: _Site, prepared: PreparedSchedule) -> ReadSeries:
        prior = _believed_at(job)
        series = [SensorSeries(site.sensors[wanted.sensor_id], wanted, prior) for wanted in prepared.wanted]
        return await self._reader.read(job.account_id, series, accepted_before=job.created_at)


def trigger_of(arguments: Mapping[str, Any]) -> Trigger:  # Any: JSON
    """What was asked for, from the arguments of a job."""
    start = datetime.fromisoformat(arguments["start"]).astimezone(UTC)
    sensor_id = arguments.get("sensor_id") if arguments["trigger"] == "sensor" else None
    return Trigger(arguments["asset_id"], start, arguments.get("flex_model"), arguments.get("flex_context"), sensor_id)


def _input(job: Job, site: _Site) -> ScheduleInput:
    arguments = job.arguments
    trigger, resolution = trigger_of(arguments), arguments.get("resolution")
    return ScheduleInput(
        trigger=trigger,
        end=_end(trigger.start, arguments.get("duration"), site),
        resolution_s=None if resolution is None else round(parse_duration(resolution).seconds or 0) or None,
        assets=site.assets,
        sensors={number: sensor.facts for number, sensor in site.sensors.items()},
        step=None if job.parent_job_id is None else job.position,
    )


def _end(start: datetime, duration: str | None, site: _Site) -> datetime:
    """Months of the duration are those of the place's clock: that of the first sensor on the asset, or below it.

    A day is 24 hours, also where the clock changes: clients write 24 hours as a day, and read as much of the schedule.
    """
    if duration is None:
        return start + PLANNING_HORIZON
    length = parse_duration(duration)
    if length.seconds is not None:
        return start + timedelta(seconds=length.seconds)
    zones = [
        sensor.facts.timezone for _, sensor in sorted(site.sensors.items()) if sensor.facts.asset_id in site.assets
    ]
    return length.added_to(start, ZoneInfo(zones[0]) if zones else UTC)


def _believed_at(job: Job) -> datetime:
    """The moment as of which a job knows, and believes what it finds."""
    given = job.arguments.get("belief_time") or job.arguments.get("prior")
    return job.created_at if given is None else datetime.fromisoformat(given)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


# ------------------------------------------------------------------ what comes of it


def _done(job: Job, site: _Site, found: FoundSchedule, read: ReadSeries, started_at: datetime) -> Done:
    warnings = [*read.warnings, *found.result["warnings"]]
    end = JobEnd(
        FINISHED,
        started_at,
        result={**found.result, "warnings": warnings},
        info={**found.info, "warnings": warnings},
    )
    believed_at = _believed_at(job)
    return Done(
        job,
        end,
        tuple(_output(one, site.sensors[one.sensor_id]) for one in found.found),
        tuple(_beliefs(one, site.sensors[one.sensor_id], believed_at) for one in found.found),
        NewSource("Busbar", SCHEDULER, found.scheduler, VERSION),
        None if job.parent_job_id is None else _after(job),
    )


def _output(found: Found, sensor: OwnedSensor) -> Output:
    # Of moments, clients hear how far apart they are.
    resolution_s = sensor.facts.resolution_s or found.step_s
    return Output(SensorId(found.sensor_id), found.start, resolution_s, found.unit, found.values, found.stored_sign)


def _beliefs(found: Found, sensor: OwnedSensor, believed_at: datetime) -> NewSeries:
    facts = sensor.facts
    first_us, step_us = microseconds(found.start), found.step_s * 1_000_000
    return NewSeries(
        account_id=sensor.account_id,
        sensor_id=SensorId(found.sensor_id),
        source_id=SourceId(0),  # as soon as it is known
        starts_us=range(first_us, first_us + len(found.values) * step_us, step_us),
        values=[found.stored_sign * value + 0.0 for value in found.values],
        knowledge=knowledge_horizon(facts.attributes, resolution_s=facts.resolution_s, timezone=facts.timezone),
        belief_time=believed_at,
    )


# ------------------------------------------------------------------ in steps


def _in_steps(job: Job, count: int, started_at: datetime) -> Done:
    ids = [JobId(uuid7()) for _ in range(count)]

    async def begin(uow: UnitOfWork) -> list[JobId]:
        await step_store.add_steps(uow.connection, job, ids)
        await uow.outbox.add(job.account_id, ScheduleRequested(job_id=ids[0]))
        return []

    return Done(job, JobEnd(DEFERRED, started_at), follow=begin)


def _after(job: Job) -> Any:  # Any: a function of a unit of work
    """What follows a step: the next one, or the end of its job."""

    async def follow(uow: UnitOfWork) -> list[JobId]:
        assert job.parent_job_id is not None
        steps = await step_store.steps_of(uow.connection, job.account_id, job.parent_job_id)
        ended = [step.end for step in steps if step.end is not None]
        failed = next((end for end in ended if end.state == FAILED), None)
        waiting = next((step for step in steps if step.end is None), None)
        if failed is None and waiting is not None:
            await uow.outbox.add(job.account_id, ScheduleRequested(job_id=waiting.job_id))
            return []
        whole = replace(job, job_id=job.parent_job_id)
        await step_store.gather_outputs(uow.connection, job.account_id, job.parent_job_id)
        end = _all_together(ended) if failed is None else replace(failed, result=None)
        written = await job_store.end_job(uow.connection, whole.account_id, whole.job_id, end)
        return [*([whole.job_id] if written else []), *await _cancelled(uow, job, steps)]

    return follow


async def _cancelled(uow: UnitOfWork, job: Job, steps: Sequence[Step]) -> list[JobId]:
    """Ends the steps that will not be done any more, since an earlier one has failed."""
    waiting = [step.job_id for step in steps if step.end is None]
    for step_id in waiting:
        end = JobEnd(CANCELED, job.created_at, failure="An earlier step has failed.")
        await job_store.end_job(uow.connection, job.account_id, step_id, end)
    return waiting


def _all_together(ended: list[JobEnd]) -> JobEnd:
    """The end of a job whose steps have all been done: their sums and lists."""
    results = [end.result or {} for end in ended]
    infos = [end.info or {} for end in ended]
    costs: dict[str, float] = {}
    for position, info in enumerate(infos):
        for name, cost in info.get("commitment_costs", {}).items():
            # What the whole site pays, the last step knows; the rest is of a step's own device.
            costs[name if position == len(infos) - 1 else f"step {position}: {name}"] = cost
    warnings = [warning for result in results for warning in result.get("warnings", ())]
    gaps = [result["gap"] for result in results if result.get("gap") is not None]
    return JobEnd(
        FINISHED,
        min(end.started_at for end in ended),
        result={
            "num-beliefs": sum(result.get("num-beliefs", 0) for result in results),
            "resolved": [item for result in results for item in result.get("resolved", ())],
            "unresolved": [item for result in results for item in result.get("unresolved", ())],
            "gap": max(gaps) if len(gaps) == len(results) else None,
            "warnings": warnings,
        },
        info={**infos[-1], "commitment_costs": costs, "warnings": warnings},
    )
