"""How jobs stand: asked for by their ids, with a moment's patience for those that are about to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility import job_store
from services.gateway.dialects.flexibility.errors import NotPermitted
from services.gateway.dialects.flexibility.job_store import ENDED_BADLY, JobRow, JobState
from services.gateway.dialects.flexibility.permissions import caller_of, may_read_thing
from services.gateway.dialects.flexibility.schemas import StatedAnswer
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import mapping_reply, object_reply
from services.gateway.http.call import Call, Reply
from shared.db.models.flexibility import (
    CANCELED,
    DEFERRED,
    FAILED,
    FINISHED,
    FORECASTING,
    INGESTION,
    SCHEDULING,
    STARTED,
)
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.errors import DependencyUnavailable
from shared.ids import JobId

# Of a job without a state.
QUEUED = "QUEUED"
FUNCTIONS = {SCHEDULING: "make_schedule", FORECASTING: "make_forecast", INGESTION: "store_sensor_data"}
NAMES = {SCHEDULING: "Scheduling", FORECASTING: "Forecasting", INGESTION: "Ingestion"}
_WORDS = {
    QUEUED: "waiting to be processed",
    DEFERRED: "waiting to be processed, after others",
    STARTED: "in progress",
    FINISHED: "has finished",
    FAILED: "has failed",
    CANCELED: "was canceled",
}


async def get_job(app: Flexibility, call: Call[None, None]) -> Reply:
    """How a job stands."""
    text = call.ids["job_id"]
    try:
        job = await settled_job(app, text)
        if job is None:
            return object_reply(StatedAnswer(message=f"Job {text[:100]} not found.", status="ERROR"), status=404)
        check_readable(call.identity, job)
        children = await children_of(app, job)
    except DependencyUnavailable as error:
        text = "Job queues are currently unavailable."
        raise DependencyUnavailable(text, retry_after_s=error.retry_after_s) from error
    return _answer(job, children)


async def settled_job(app: Flexibility, text: str) -> JobRow | None:
    """A job by its id, with its end if that comes in a moment; None where there is none. Whose it is, is not yet looked at."""
    job_id = _id_of(text)
    if job_id is None:
        return None
    # Before the job is looked at, so that an end in between is not missed.
    with app.watch.waiting_for(job_id) as waiter:
        job = await _find(app, job_id)
        if job is None or is_over(job) or not app.watch.patience.is_first(job_id):
            return job
        ended = await waiter.wait(app.waits.job_s)
    return job if ended is None else replace(job, state=ended)


async def children_of(app: Flexibility, job: JobRow) -> Sequence[JobRow]:
    """The jobs that make up a job; none for one that does its work itself."""
    if not is_composed(job):
        return ()
    async with app.database.reading(job.account_id) as connection:
        return await job_store.children_of(connection, job.account_id, job.job_id)


def check_readable(identity: Identity, job: JobRow) -> None:
    """Make sure that whoever asks may read what the job is about.

    Raises:
        NotPermitted: they may not.
    """
    if not may_read_thing(caller_of(identity), job.owner):
        raise NotPermitted


def is_composed(job: JobRow) -> bool:
    """Whether it is there to wait for others."""
    return bool(job.arguments.get("is_wrap_up"))


def is_over(job: JobRow) -> bool:
    """Whether nothing more will come of it."""
    return job.state is not None and job.state.has_ended


def status_of(job: JobRow, children: Sequence[JobRow] = ()) -> str:
    """The status of a job; of one that waits for others, as they stand."""
    if not is_composed(job):
        return QUEUED if job.state is None else job.state.state
    statuses = [status_of(child) for child in children]
    bad = next((status for status in statuses if status in ENDED_BADLY), None)
    if bad is not None:
        return bad
    return FINISHED if all(status == FINISHED for status in statuses) else DEFERRED


def message_of(kind: str, status: str) -> str:
    """What a job's status is in words; clients look for some of them."""
    words = _WORDS.get(status, f"has an unknown status ({status})")
    return f"{NAMES[kind]} job {words}."


def http_status_of(status: str) -> int:
    """The status of an answer about a job."""
    if status == FINISHED:
        return 200
    return 422 if status in ENDED_BADLY else 202


def _answer(job: JobRow, children: Sequence[JobRow]) -> Reply:
    status = status_of(job, children)
    state = job.state or _together(children)
    times = {
        "enqueued": job.created_at,
        "started": None if state is None else state.started_at,
        "ended": None if state is None else state.ended_at,
    }
    answer: dict[str, Any] = {  # Any: results are as JSON holds them
        "status": status,
        "message": message_of(job.kind, status),
        "result": None if state is None else state.result,
        "origin": job.kind,
        "func-name": FUNCTIONS[job.kind],
        **{f"{name}-at": _text(moment) for name, moment in times.items()},
        "exc-info": None if state is None else _failure_of(state),
    }
    # Clients of different ages look for one or the other spelling.
    answer |= {name.replace("-", "_"): value for name, value in answer.items() if "-" in name}
    return mapping_reply(answer, status=http_status_of(status))


def _failure_of(state: JobState) -> str | None:
    """Why it failed, and below that what more is known of it."""
    detail = (state.info or {}).get("detail")
    return state.failure if state.failure is None or not detail else f"{state.failure}\n{detail}"


def _together(children: Sequence[JobRow]) -> JobState | None:
    states = [child.state for child in children if child.state is not None]
    if not states:
        return None
    is_over = len(states) == len(children) and all(state.has_ended for state in states)
    numbers = [state.result["num-beliefs"] for state in states if state.result and "num-beliefs" in state.result]
    failures = [state.failure for state in states if state.failure]
    return JobState(
        state=FINISHED,
        started_at=min((state.started_at for state in states if state.started_at), default=None),
        ended_at=max((state.ended_at for state in states if state.ended_at), default=None) if is_over else None,
        result={"num-beliefs": sum(numbers)} if is_over else None,
        failure="; ".join(failures) or None,
        info=None,
    )


async def _find(app: Flexibility, job_id: JobId) -> JobRow | None:
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        return await job_store.find_job(connection, job_id)


def _id_of(text: str) -> JobId | None:
    try:
        return JobId(UUID(text))
    except ValueError:
        return None


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
