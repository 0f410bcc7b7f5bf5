"""From jobs to series and back: what each job has to write, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from services.telemetry.postings import (
    PostingInvalid,
    PostingSource,
    Stated,
    UploadArguments,
    ValuesArguments,
    belief_of_upload,
    read_arguments,
    series_of,
)
from services.telemetry.store import Ended, IngestionJob, SensorRow
from services.telemetry.uploads import Events, SensorGrid
from shared.beliefs import NewSeries, Written, frequency_s, is_floored, knowledge_horizon, moment
from shared.beliefs.source_store import USER, NewSource, source_id_of
from shared.db.models.flexibility import ALREADY_RECEIVED, INVALID_REPLACEMENT, NOT_STORED, PROCESSED
from shared.errors import BusbarError, InvalidInput
from shared.ids import AccountId, SourceId

_SAID = {
    PROCESSED: "Request has been processed.",
    ALREADY_RECEIVED: "Some of the data has already been received and successfully processed.",
    INVALID_REPLACEMENT: "The same source has stated another value for the same event at the same belief time; nothing was replaced.",
}


@dataclass
class SourceIds:
    """Ids of sources within one transaction."""

    connection: AsyncConnection
    _known: dict[tuple[AccountId | None, str], SourceId] = field(default_factory=dict)

    async def of(self, source: PostingSource) -> SourceId:
        """The id of the source that a user is."""
        account_id = None if source.account is None else AccountId(source.account)
        key = (account_id, f"{source.user_number}:{source.name}")
        if key not in self._known:
            user = NewSource(source.name, USER, user_number=source.user_number)
            self._known[key] = await source_id_of(self.connection, account_id, user)
        return self._known[key]


def values_of(job: IngestionJob) -> ValuesArguments:
    """What a job with posted values says.

    Raises:
        InvalidInput: nothing that can be understood.
    """
    return read_arguments(ValuesArguments, job.arguments)


def upload_of(job: IngestionJob) -> UploadArguments:
    """What a job with a file says.

    Raises:
        InvalidInput: nothing that can be understood.
    """
    return read_arguments(UploadArguments, job.arguments)


def posted_series(job: IngestionJob, arguments: ValuesArguments, sensor: SensorRow, source_id: SourceId) -> NewSeries:
    """What a job with posted values has to write.

    Raises:
        InvalidInput: it can never be done.
    """
    series = series_of(arguments, job.data, _about(sensor, source_id))
    _check_calendar(series)
    return series


def uploaded_series(arguments: UploadArguments, events: Events, sensor: SensorRow, source_id: SourceId) -> NewSeries:
    """What a job with a file has to write, once the file is read.

    Raises:
        InvalidInput: it can never be done.
    """
    belief_time, after_us = belief_of_upload(arguments, sensor.resolution_s)
    about = _about(sensor, source_id)
    series = NewSeries(
        account_id=about.account_id,
        sensor_id=about.sensor_id,
        source_id=about.source_id,
        starts_us=events.starts_us,
        values=events.values,
        knowledge=about.knowledge,
        belief_time=belief_time,
        believed_after_us=after_us,
    )
    _check_calendar(series)
    return series


def grid_of(sensor: SensorRow) -> SensorGrid:
    """What a file's events have to fit."""
    about = sensor.attributes
    return SensorGrid(sensor.unit, sensor.resolution_s, sensor.timezone, is_floored(about), frequency_s(about))


def told(job: IngestionJob, written: Written) -> Ended:
    """What a job is told of what was written."""
    if written.is_without_sensor:
        return Ended(job, failure="The sensor is no longer there.")
    outcome = PROCESSED if written.stored else ALREADY_RECEIVED
    if written.is_refused:
        outcome = INVALID_REPLACEMENT
    return Ended(job, {"outcome": outcome, "num-beliefs": written.stored, "message": _SAID[outcome]})


def failed(job: IngestionJob, failure: BusbarError) -> Ended:
    """What a job is told that can never be done."""
    where = failure.field if isinstance(failure, InvalidInput) else None
    result = {"outcome": NOT_STORED, "code": failure.code, "field": where, "message": failure.message}
    return Ended(job, result, failure.message)


def _about(sensor: SensorRow, source_id: SourceId) -> Stated:
    knowledge = knowledge_horizon(sensor.attributes, resolution_s=sensor.resolution_s, timezone=sensor.timezone)
    rounded_to_s = None if sensor.resolution_s else frequency_s(sensor.attributes)
    return Stated(sensor.account_id, sensor.sensor_id, source_id, sensor.resolution_s, knowledge, rounded_to_s)


def _check_calendar(series: NewSeries) -> None:
    """The database would refuse such a moment, and with it all that is written together."""
    ends = [series.starts_us[0], series.starts_us[-1]] if len(series.starts_us) else []
    try:
        for start_us in ends:
            moment(start_us)
            moment(start_us + series.believed_after_us)
    except OverflowError:
        raise PostingInvalid(
            "The values, or when they were believed, lead out of the calendar (years 1 to 9999)."
        ) from None
