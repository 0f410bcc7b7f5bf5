"""Every failure as this API's clients expect it: a JSON object with ``errors``, a list of texts, under a telling status.

The bash client feeds each reply to ``jq``, and the clients look no further than "not 200" and the first text.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.gateway.dialects.compute_jobs.schemas import Failure
from services.gateway.http.binding import BindingFailed
from services.gateway.http.call import Reply, json_reply
from services.gateway.http.faults import MethodNotAllowed, UnknownPath, retry_headers
from services.gateway.http.routes import status_of
from shared.errors import BusbarError, Conflict, DependencyUnavailable, InvalidInput, NotFound
from shared.observability.tracing import current_correlation_id

# The client for chat assistants recognises this text and the next one. The same for every reason: whoever guesses keys learns nothing.
UNAUTHORIZED = "Unauthorized."
TECHNICAL_PROBLEM = "A technical problem has occurred, try again later."

STATUSES: Mapping[str, int] = {
    "unauthenticated": 403,
    "forbidden": 403,
    MethodNotAllowed.code: 405,
    "too_many_requests": 429,
    InvalidInput.code: 400,
    NotFound.code: 404,
    Conflict.code: 409,
    "length_required": 411,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    DependencyUnavailable.code: 503,
    "no_room": 507,
}
# What is said in the same words whatever led to it.
FIXED_TEXTS: Mapping[str, str] = {
    "unauthenticated": UNAUTHORIZED,
    UnknownPath.code: "Not found.",
    MethodNotAllowed.code: "Method not allowed.",
}


def reply_to_error(error: BusbarError, statuses: Mapping[str, int]) -> Reply:
    """The reply for an error; ``statuses`` overrules the usual ones."""
    status = status_of(error, {**STATUSES, **statuses})
    return json_reply(Failure(errors=_texts(error, status)), status=status).with_headers(retry_headers(error))


def _texts(error: BusbarError, status: int) -> list[str]:
    if status == 500:
        return [TECHNICAL_PROBLEM, f"ref {current_correlation_id()}"]
    if isinstance(error, BindingFailed):
        found = [(path.removeprefix("$").lstrip("."), text) for path, texts in error.errors.items() for text in texts]
        return [_printable(f"{path}: {text}" if path else text) for path, text in found]
    return [_printable(FIXED_TEXTS.get(error.code, error.message))]


def _printable(text: str) -> str:
    """Without control characters, which would reach the terminal of whoever runs the client."""
    return "".join(character for character in text if character.isprintable())
