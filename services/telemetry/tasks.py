"""What the service has children do. Imports its work when called: in a child that is already there."""

from __future__ import annotations

from dataclasses import dataclass

from services.telemetry.uploads import Events, SensorGrid

# What the launcher of children imports before the first of them.
PRELOAD = ("services.telemetry.uploads",)


@dataclass(frozen=True, slots=True)
class UploadTask:
    """A file and the sensor that it is about. ``unit`` None is the sensor's."""

    filename: str
    content: bytes
    unit: str | None
    sensor: SensorGrid


def read_upload(task: UploadTask) -> Events:
    """The events that a file states.

    Raises:
        UploadInvalid: it cannot be taken.
    """
    from services.telemetry.uploads import events_of, rows_of

    return events_of(task.filename, rows_of(task.filename, task.content), task.unit or task.sensor.unit, task.sensor)
