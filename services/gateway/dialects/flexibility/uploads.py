"""Uploading files of measured values to a sensor."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime

from services.gateway.dialects.flexibility import job_store
from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.errors import UnknownSensor
from services.gateway.dialects.flexibility.ingestion import Posting, accepted_reply, new_job_id, reply_of
from services.gateway.dialects.flexibility.reading import number_in_path
from services.gateway.dialects.flexibility.sensor_reach import writing_sensor
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.upload_form import FILES, UNIT, UPLOAD, Upload
from services.gateway.dialects.flexibility.validation import invalid_field
from services.gateway.http.call import Call, Reply
from shared.contracts.flexibility import IngestRequested
from shared.db.models.flexibility import UPLOADED_FILE
from shared.units import are_convertible
from shared.units.errors import UnknownUnit

# With more the sender does not wait.
MOST_WAITED_FOR_BYTES = 1 << 20


async def upload_data(app: Flexibility, call: Call[None, Upload]) -> Reply:
    """Store the values in one file or more; each file is a job, and all are accepted or none."""
    async with call.body as upload:
        sensor_id = number_in_path(call, UnknownSensor)
        job_ids = [new_job_id() for _ in upload.files]
        with ExitStack() as waiting:
            waiters = [waiting.enter_context(app.watch.waiting_for(job_id)) for job_id in job_ids]
            async with writing_sensor(app.database, call.identity, sensor_id) as at:
                _check_unit(upload.unit, at.sensor)
                posting, now = Posting(call.identity, at.sensor), app.clock.now()
                for job_id, file in zip(job_ids, upload.files, strict=True):
                    arguments = _arguments(upload, file.name, now)
                    await job_store.add_job(at.connection, posting.job(job_id, arguments, await file.read()))
                    await at.outbox.add(posting.account_id, IngestRequested(job_id=job_id))
            if upload.size > MOST_WAITED_FOR_BYTES or not at.sensor.is_telemetry_there:
                return accepted_reply(job_ids[-1])
            states = await asyncio.gather(*(waiter.wait(app.waits.data_s) for waiter in waiters))
    pending = [job_id for job_id, state in zip(job_ids, states, strict=True) if state is None]
    if pending:
        return accepted_reply(pending[-1])
    return reply_of([state for state in states if state is not None], UPLOAD, FILES)


def _check_unit(unit: str | None, sensor: Target) -> None:
    try:
        if unit is None or are_convertible(unit, sensor.unit, across_steps=sensor.event_resolution_s > 0):
            return
    except UnknownUnit:
        pass
    text = f"Required unit for this sensor is {sensor.unit}, got incompatible unit: {unit}"
    raise invalid_field(UPLOAD, UNIT, text)


def _arguments(upload: Upload, filename: str, now: datetime) -> dict[str, object]:
    return {
        "kind": UPLOADED_FILE,
        "filename": filename,
        "unit": upload.unit,
        "is_measured_instantly": upload.is_measured_instantly,
        "belief_time": now.astimezone(UTC).isoformat(),
    }
