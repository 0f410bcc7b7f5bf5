"""Every failure as a problem document (RFC 9457) that says which field is wrong, what it was, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field

from services.gateway.http.binding import BindingFailed
from services.gateway.http.call import PROBLEM, Reply
from services.gateway.http.faults import MethodNotAllowed, retry_headers
from services.gateway.http.routes import status_of
from shared.errors import BusbarError, Conflict, DependencyUnavailable, InvalidInput, NotFound
from shared.observability.tracing import current_correlation_id

STATUSES: Mapping[str, int] = {
    "unauthenticated": 401,
    "forbidden": 403,
    NotFound.code: 404,
    MethodNotAllowed.code: 405,
    Conflict.code: 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "too_many_requests": 429,
    InvalidInput.code: 400,
    DependencyUnavailable.code: 503,
}
TITLES: Mapping[int, str] = {
    400: "The request is wrong",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported content type",
    429: "Too many requests",
    500: "A fault of the server",
    503: "Try again later",
}
SECRET_FIELDS = frozenset({"password"})


class Fault(BaseModel):
    """One value that is wrong."""

    field: str = Field(description="Name of the field or parameter; empty for the whole body.")
    value: str | None = Field(description="What was given, as JSON, shortened; null where that is not repeated.")
    expected: str = Field(description="What would be right.")


class Problem(BaseModel):
    """What is wrong with a request."""

    type: str = Field(description="Always about:blank: the status says the kind.")
    title: str
    status: int
    detail: str = Field(description="A sentence for whoever sent the request.")
    correlation_id: str = Field(description="What the request is called in the logs.")
    errors: list[Fault] = []


def reply_to_error(error: BusbarError, statuses: Mapping[str, int]) -> Reply:
    """The reply for an error; ``statuses`` overrules the usual ones."""
    status = status_of(error, {**STATUSES, **statuses})
    problem = Problem(
        type="about:blank",
        title=TITLES[status],
        status=status,
        detail="Something went wrong inside the server; it has been logged." if status == 500 else error.message,
        correlation_id=current_correlation_id(),
        errors=_faults(error),
    )
    return Reply(status, problem.model_dump_json().encode(), PROBLEM, retry_headers(error))


def _faults(error: BusbarError) -> list[Fault]:
    if isinstance(error, BindingFailed):
        return [
            Fault(field=field, value=None if field in SECRET_FIELDS else error.values.get(path), expected=text)
            for path, texts in error.errors.items()
            for field in [path.removeprefix("$").lstrip(".")]
            for text in texts
        ]
    if isinstance(error, InvalidInput | Conflict) and error.field:
        # The rules of names, roles and the like say value and expectation in one sentence.
        return [Fault(field=error.field, value=None, expected=error.message)]
    return []
