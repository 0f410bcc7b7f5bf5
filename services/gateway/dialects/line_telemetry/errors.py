"""What this API says when something is wrong: problem documents (RFC 9457), always a JSON object, which its clients rely on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field

from services.gateway.http.binding import VALIDATION_TITLE, BindingFailed
from services.gateway.http.call import PROBLEM, Reply
from services.gateway.http.current_path import current_path
from services.gateway.http.faults import retry_headers
from services.gateway.http.routes import status_of
from shared.errors import BusbarError, Conflict, DependencyUnavailable, InvalidInput, NotFound
from shared.observability.tracing import current_correlation_id

# What a client may choose as the id of its request.
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

PLAIN = "about:blank"
TYPE = "urn:linemon:problem:"

# pydantic's paths: $ is the whole, then .name and [index].
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(description="A URI that names the kind of problem.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was asked for.")
    traceId: str = Field(description="What the log knows the request by; also in the header X-Request-Id.")  # noqa: N815
    errors: dict[str, list[str]] | None = Field(
        default=None, description="What is wrong, by parameter or JSON pointer; for validation only."
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    type: str
    title: str


_KINDS: Mapping[int, _Kind] = {
    400: _Kind(f"{TYPE}validation", VALIDATION_TITLE),
    401: _Kind(f"{TYPE}unauthenticated", "Sign in first."),
    403: _Kind(f"{TYPE}forbidden", "Not allowed."),
    404: _Kind(f"{TYPE}not-found", "Not found."),
    405: _Kind(PLAIN, "Method Not Allowed"),
    406: _Kind(PLAIN, "Not Acceptable"),
    409: _Kind(f"{TYPE}conflict", "Conflict with what is there."),
    412: _Kind(f"{TYPE}precondition", "It has been changed in the meantime."),
    413: _Kind(PLAIN, "Content Too Large"),
    415: _Kind(PLAIN, "Unsupported Media Type"),
    428: _Kind(f"{TYPE}precondition", "It has to be said which version is meant."),
    429: _Kind(f"{TYPE}rate-limited", "Too many requests."),
    500: _Kind(f"{TYPE}internal", "Something went wrong inside the server."),
    503: _Kind(f"{TYPE}unavailable", "Try again."),
    504: _Kind(PLAIN, "Gateway Timeout"),
}

STATUSES: Mapping[str, int] = {
    "unauthenticated": 401,
    "forbidden": 403,
    "method_not_allowed": 405,
    "too_many_requests": 429,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    InvalidInput.code: 400,
    NotFound.code: 404,
    Conflict.code: 409,
    DependencyUnavailable.code: 503,
}


def reply_to_error(error: BusbarError, statuses: Mapping[str, int]) -> Reply:
    """The problem document for an error; ``statuses`` overrules the usual ones."""
    status = status_of(error, {**STATUSES, **statuses})
    kind = _KINDS[status]
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=status,
        detail="The fault has been logged." if status == 500 else error.message,
        instance=current_path(),
        traceId=current_correlation_id(),
        errors=_errors(error) if status == 400 else None,
    )
    body = problem.model_dump_json(exclude_none=True).encode("utf-8", "replace")
    return Reply(status, body, PROBLEM, retry_headers(error))


def _errors(error: BusbarError) -> dict[str, list[str]]:
    """What is wrong, by parameter or JSON pointer."""
    if isinstance(error, BindingFailed):
        return {_pointer(path): texts for path, texts in error.errors.items()}
    field = error.field if isinstance(error, InvalidInput) else None
    return {f"/{field}" if field else "": [error.message]}


def _pointer(path: str) -> str:
    """A JSON pointer (RFC 6901) for a path into the body; the name of a parameter stays as it is."""
    if not path.startswith("$"):
        return path
    steps = (name or index for name, index in _STEP.findall(path))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
