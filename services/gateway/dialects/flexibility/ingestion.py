"""Values and files on their way to where they are stored: the job that says so, and what its poster hears.

A job's row and the message are written in one transaction; whoever stores the values does so in another. A poster of few values waits
for that, and so can read at once what was posted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility.data_schemas import (
    AlreadyReceived,
    DataAccepted,
    InvalidReplacement,
    Processed,
)
from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.job_store import JobState, NewJob
from services.gateway.dialects.flexibility.validation import Invalid
from services.gateway.dialects.flexibility.wire import V3_ROOT, object_reply
from services.gateway.http.call import Reply
from shared.db.models.flexibility import ALREADY_RECEIVED, FAILED, INGESTION, INVALID_REPLACEMENT
from shared.ids import AccountId, JobId, uuid7

# With more the poster does not wait.
MOST_WAITED_FOR = 1000


@dataclass(frozen=True, slots=True)
class Posting:
    """Whoever posts, and to which sensor."""

    identity: Identity
    sensor: Target

    @property
    def account_id(self) -> AccountId:
        """The account that the job belongs to."""
        return self.identity.account_id if self.sensor.owner is None else self.sensor.owner.account_id

    def source(self) -> dict[str, object]:
        """Who states what is posted: a source of their own, within reach of whoever may read the sensor.

        So the users of an account can select what those who look after it have posted, and everybody what is on public sensors.
        """
        owner = self.sensor.owner
        return {
            "user_number": self.identity.user_number,
            "name": self.sensor.username or self.identity.subject,
            "account": None if owner is None else str(owner.account_id),
        }

    def job(self, job_id: JobId, arguments: Mapping[str, Any], data: bytes) -> NewJob:
        """The job that stores it."""
        return NewJob(
            job_id=job_id,
            account_id=self.account_id,
            kind=INGESTION,
            arguments={"sensor_id": self.sensor.sensor_id, "source": self.source(), **arguments},
            requested_by=self.identity.user_number,
            sensor_id=self.sensor.sensor_id,
            data=data,
        )


def new_job_id() -> JobId:
    """The id of a job to be made."""
    return JobId(uuid7())


def job_url(job_id: JobId) -> str:
    """Where a job is asked after."""
    return f"{V3_ROOT}/jobs/{job_id}"


def accepted_reply(job_id: JobId) -> Reply:
    """It is safe, and will be stored."""
    answer = DataAccepted.model_validate({"job": str(job_id), "job-url": job_url(job_id)})
    return object_reply(answer, status=202)


def reply_of(states: Sequence[JobState], location: str, field: str) -> Reply:
    """What came of jobs that were posted together.

    Raises:
        Invalid: one could not be done; it says why, of this field.
    """
    for state in states:
        if state.state == FAILED:
            raise Invalid(location, {field: [state.failure or "It could not be stored."]})
    results = [state.result or {} for state in states]
    for result in results:
        if result.get("outcome") == INVALID_REPLACEMENT:
            return object_reply(InvalidReplacement(message=result["message"]), status=403)
    if all(result.get("outcome") == ALREADY_RECEIVED for result in results):
        return object_reply(AlreadyReceived())
    return object_reply(Processed())
