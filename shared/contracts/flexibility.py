"""Messages of flexibility scheduling. What they speak of is in Postgres under the ids of jobs."""

from __future__ import annotations

from typing import ClassVar

from shared.contracts.message import Message, Queue
from shared.ids import JobId

# Data, schedules and forecasts do not queue behind each other.
INGEST = Queue("busbar.telemetry.ingest")
SCHEDULES = Queue("busbar.optimizer.schedules")
FORECASTS = Queue("busbar.optimizer.forecasts")


class IngestRequested(Message):
    """Values or a file were accepted for a sensor. Whoever hears of it takes everything that waits, not this job alone.

    ``most_bytes`` is the size of the largest job that it is about; None where that is for the receiver to find out.
    """

    name = "flexibility.ingest.requested"
    queue: ClassVar[Queue | None] = INGEST
    job_id: JobId
    most_bytes: int | None = None


class ScheduleRequested(Message):
    """A schedule was asked for."""

    name = "flexibility.schedule.requested"
    queue: ClassVar[Queue | None] = SCHEDULES
    job_id: JobId


class ForecastRequested(Message):
    """A forecast was asked for."""

    name = "flexibility.forecast.requested"
    queue: ClassVar[Queue | None] = FORECASTS
    job_id: JobId


class JobsFinished(Message):
    """Jobs have ended, well or not: their states are committed."""

    name = "flexibility.jobs.finished"
    job_ids: tuple[JobId, ...]
