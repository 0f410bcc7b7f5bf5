"""What clients get about the data of sensors."""

from __future__ import annotations

from pydantic import Field

from services.gateway.dialects.flexibility.schemas import AnswerModel

PROCESSED_TEXT = "Request has been processed."


class Processed(AnswerModel):
    """The values are stored, for everybody to read."""

    message: str = PROCESSED_TEXT
    status: str = "PROCESSED"


class DataAccepted(AnswerModel):
    """The values are safe, and will be stored."""

    status: str = "ACCEPTED"
    message: str = "Sensor data has been accepted for processing."
    job: str
    job_url: str = Field(alias="job-url")


class AlreadyReceived(AnswerModel):
    """Nothing of it was new."""

    results: str = "PROCESSED"
    status: str = "ALREADY_RECEIVED_AND_SUCCESSFULLY_PROCESSED"
    message: str = "Some of the data has already been received and successfully processed."


class InvalidReplacement(AnswerModel):
    """Something else is known from the same source, about the same event and as of the same moment."""

    results: str = "Rejected"
    status: str = "INVALID_REPLACEMENT"
    message: str


class SensorData(AnswerModel):
    """Equidistant values of a sensor, null where nothing is known."""

    start: str
    duration: str
    resolution: str
    unit: str
    values: list[float | None]
    message: str = PROCESSED_TEXT
    status: str = "PROCESSED"
