"""Each error in the form that clients expect, and nothing of ours inside a 500."""

from __future__ import annotations

import orjson
import pytest

from services.gateway.auth.gate import Forbidden, TooManyRequests, Unauthenticated
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownAccount, UnknownUser, reply_to_error
from services.gateway.dialects.flexibility.reading import NotJson
from services.gateway.http.binding import BodyTooLarge
from services.gateway.http.faults import InternalError, MethodNotAllowed, UnknownPath
from shared.errors import BrokerUnavailable, BusbarError, DatabaseUnavailable, WorkerDied

UNAUTHORIZED = "You could not be properly authenticated for this content or functionality."
NOT_ALLOWED = "You cannot be authorized for this content or functionality."


def rejected(status: str, message: str) -> dict[str, object]:
    return {"result": "Rejected", "status": status, "message": message}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (NotJson("not JSON"), 400, {"message": "not JSON", "status": 400}),
        (Unauthenticated("x", is_missing=True), 401, {"message": UNAUTHORIZED, "status": "UNAUTHORIZED"}),
        (Unauthenticated("x", is_missing=False), 401, {"message": UNAUTHORIZED, "status": "UNAUTHORIZED"}),
        (Forbidden("needs a scope"), 403, rejected("INVALID_SENDER", NOT_ALLOWED)),
        (NotPermitted(), 403, rejected("INVALID_SENDER", NOT_ALLOWED)),
        (UnknownAccount(99), 404, {"message": "Account 99 not found", "status": 404}),
        (UnknownUser(99), 404, {"message": "User 99 not found", "status": 404}),
        (UnknownPath(), 404, {"message": UnknownPath().message, "status": 404}),
        (MethodNotAllowed("PUT", ["GET"]), 405, {"message": "This path does not know the method PUT.", "status": 405}),
        (BodyTooLarge("too large"), 413, rejected("PAYLOAD_TOO_LARGE", "too large")),
        (TooManyRequests("slow down", retry_after_s=7), 429, rejected("TOO_MANY_REQUESTS", "slow down")),
        (InternalError(), 500, {"message": InternalError().message, "status": 500}),
        (WorkerDied("pid 4711 of /secret"), 500, {"message": InternalError().message, "status": 500}),
        (DatabaseUnavailable("away", retry_after_s=3), 503, {"message": "away", "status": "ERROR"}),
        (BrokerUnavailable("away"), 503, {"message": "away", "status": "ERROR"}),
    ],
)
def test_each_error_has_its_status_and_body(error: BusbarError, status: int, body: dict[str, object]) -> None:
    reply = reply_to_error(error, {})
    assert isinstance(reply.body, bytes)
    assert (reply.status, orjson.loads(reply.body), reply.content_type) == (status, body, "application/json")
    assert ("Retry-After" in reply.headers) == (status == 503)
