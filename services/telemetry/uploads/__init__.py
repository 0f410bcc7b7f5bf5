"""Uploaded files: from the bytes of a table to events of a sensor. Pure."""

from services.telemetry.uploads.events import Events, SensorGrid, events_of
from services.telemetry.uploads.table import UploadInvalid, rows_of

__all__ = ["Events", "SensorGrid", "UploadInvalid", "events_of", "rows_of"]
