from __future__ import annotations

import orjson
import pytest

from services.gateway.auth.gate import Forbidden, TooManyRequests, Unauthenticated
from services.gateway.dialects.compute_jobs.errors import reply_to_error
from services.gateway.http.binding import BindingFailed, BodyTooLarge, UnsupportedMediaType
from services.gateway.http.faults import InternalError, MethodNotAllowed, UnknownPath
from services.gateway.http.paths import MalformedPath
from shared.errors import BusbarError, Conflict, DatabaseUnavailable, InvalidInput, NotFound
from shared.observability.tracing import working_on


class NoSuchPath(NotFound):
    """As of a file."""

    code = "item_not_found"


ERRORS: list[tuple[BusbarError, int, list[str]]] = [
    (InvalidInput("cpu: 7 is not offered; there are 1, 2, 4."), 400, ["cpu: 7 is not offered; there are 1, 2, 4."]),
    (MalformedPath("The path is no text."), 400, ["The path is no text."]),
    (
        BindingFailed({"$.cpu": ["Field required"], "$": ["Not an object"]}),
        400,
        ["cpu: Field required", "Not an object"],
    ),
    (Unauthenticated("The key has expired.", is_missing=False), 403, ["Unauthorized."]),
    (Unauthenticated("There is no key.", is_missing=True), 403, ["Unauthorized."]),
    (Forbidden("This needs the scope jobs."), 403, ["This needs the scope jobs."]),
    (UnknownPath(), 404, ["Not found."]),
    (NoSuchPath("'a/b' not found."), 404, ["'a/b' not found."]),
    (MethodNotAllowed("PUT", ("GET",)), 405, ["Method not allowed."]),
    (
        Conflict("Simulation is not active: COMPLETED"),
        409,
        ["Simulation is not active: COMPLETED"],
    ),
    (BodyTooLarge("The body is larger than 1048576 bytes."), 413, ["The body is larger than 1048576 bytes."]),
    (UnsupportedMediaType("The body must be JSON."), 415, ["The body must be JSON."]),
    (TooManyRequests("Hourly rate limit reached (500).", retry_after_s=7), 429, ["Hourly rate limit reached (500)."]),
    (DatabaseUnavailable("The database is away.", retry_after_s=3), 503, ["The database is away."]),
]


@pytest.mark.parametrize(("error", "status", "texts"), ERRORS, ids=lambda value: type(value).__name__)
def test_a_failure_is_an_object_with_texts_under_its_status(error: BusbarError, status: int, texts: list[str]) -> None:
    reply = reply_to_error(error, {})
    assert (reply.status, reply.content_type) == (status, "application/json; charset=utf-8")
    assert isinstance(reply.body, bytes)
    assert orjson.loads(reply.body) == {"errors": texts}


@pytest.mark.parametrize("error", [InternalError(), BusbarError("SELECT secret FROM /var/lib")])
def test_a_fault_of_ours_says_the_exact_text_and_where_to_look(error: BusbarError) -> None:
    with working_on(correlation_id="id-17"):
        reply = reply_to_error(error, {})
    assert isinstance(reply.body, bytes)
    texts = orjson.loads(reply.body)["errors"]
    assert reply.status == 500
    assert texts == ["A technical problem has occurred, try again later.", "ref id-17"]


def test_every_404_says_not_found() -> None:
    # The client for chat assistants shows its hint where the text has these words, in any case.
    texts = [text for _, status, texts in ERRORS if status == 404 for text in texts]
    assert texts
    assert all("not found" in text.lower() for text in texts)


def test_a_503_says_when_to_come_back() -> None:
    assert reply_to_error(DatabaseUnavailable("Away.", retry_after_s=3), {}).headers["Retry-After"] == "3"


def test_control_characters_never_reach_a_terminal() -> None:
    reply = reply_to_error(InvalidInput("bad \x1b[31mname\r\n"), {})
    assert reply.body == b'{"errors":["bad [31mname"]}'
