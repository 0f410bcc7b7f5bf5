"""What clients get about jobs: that one was accepted, how it stands, and what it made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.gateway.dialects.flexibility.schemas import AnswerModel, RejectedAnswer

JobStatus = Literal["QUEUED", "STARTED", "DEFERRED", "SCHEDULED", "FINISHED", "FAILED", "STOPPED", "CANCELED"]
ACCEPTED_TEXT = "Request has been accepted for processing."


class JobAccepted(AnswerModel):
    """A job was made, or there is one already for the same request."""

    job: str
    job_url: str = Field(alias="job-url")
    message: str = ACCEPTED_TEXT
    status: str = "ACCEPTED"


class ScheduleAccepted(JobAccepted):
    """A schedule will be made."""

    schedule: str


class SensorScheduleAccepted(ScheduleAccepted):
    """A schedule of one sensor will be made."""

    results_url: str = Field(alias="results-url")


class ForecastAccepted(JobAccepted):
    """A forecast will be made."""

    forecast: str
    results_url: str = Field(alias="results-url")


class JobAnswer(AnswerModel):
    """How a job stands."""

    status: JobStatus
    message: str
    result: Any = None  # as JSON holds it
    """What came of it; null before its end."""
    origin: str
    """Which kind of job it is."""
    func_name: str = Field(alias="func-name")
    enqueued_at: str = Field(alias="enqueued-at")
    started_at: str | None = Field(alias="started-at")
    ended_at: str | None = Field(alias="ended-at")
    exc_info: str | None = Field(alias="exc-info")
    """Why it failed."""


class Pending(AnswerModel):
    """It is not ready."""

    status: JobStatus
    message: str


class Schedule(AnswerModel):
    """A schedule of a sensor."""

    values: list[float]
    start: str
    duration: str
    unit: str
    scheduler_info: dict[str, Any]  # as JSON holds it
    message: str
    status: str = "PROCESSED"


class Forecast(AnswerModel):
    """A forecast of a sensor."""

    start: str
    duration: str
    unit: str
    values: list[float | None]


class Forecasts(AnswerModel):
    """The forecasts of several cycles."""

    message: str
    forecasts: list[str]
    """Each is to be asked for."""


class NoSchedule(RejectedAnswer):
    """There is no such schedule, or none yet."""
