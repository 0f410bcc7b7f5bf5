from __future__ import annotations

import orjson
import pytest

from services.gateway.dialects.reconfiguration.errors import (
    IdTaken,
    InputRefused,
    UnknownNetwork,
    UnknownSession,
    WorkFailed,
    reply_to_error,
)
from services.gateway.http.binding import BindingFailed, BodyTooLarge, UnsupportedMediaType
from services.gateway.http.call import Reply
from services.gateway.http.spool import NoRoom
from shared.errors import BusbarError, DatabaseUnavailable, InvalidInput, LeaseLost, NoWorkerAnswered


def body_of(reply: Reply) -> bytes:
    assert isinstance(reply.body, bytes)
    return reply.body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (IdTaken("A network with id 'a' is already loaded."), 400),
        (UnknownNetwork("a"), 400),
        (UnknownSession("a"), 404),
        (InputRefused("Node 'a' …"), 400),
        (WorkFailed("…"), 400),
        (InvalidInput("…"), 400),
        (BodyTooLarge("…"), 413),
        (UnsupportedMediaType("…"), 415),
    ],
)
def test_a_client_error_is_told_in_its_own_words(error: BusbarError, status: int) -> None:
    reply = reply_to_error(error, {})
    assert (reply.status, reply.content_type) == (status, "text/plain; charset=utf-8")
    assert body_of(reply).decode() == error.message


def test_a_route_overrules_the_usual_status() -> None:
    assert reply_to_error(UnknownNetwork("a"), {"network_not_found": 404}).status == 404


@pytest.mark.parametrize("error", [DatabaseUnavailable("x"), NoWorkerAnswered("x", retry_after_s=2)])
def test_a_dependency_that_is_away_is_told_with_when_to_come_back(error: BusbarError) -> None:
    reply = reply_to_error(error, {})
    assert (reply.status, reply.headers) == (503, {"Retry-After": "2"})


def test_a_full_disk_is_told_as_such() -> None:
    assert reply_to_error(NoRoom("no room", retry_after_s=30), {}).status == 507


def test_what_a_client_cannot_help_shows_nothing_of_the_inside() -> None:
    reply = reply_to_error(LeaseLost("the lease of run:7 is no longer held by optimizer-host-17"), {})
    assert reply.status == 500
    assert b"lease" not in body_of(reply)


def test_a_binding_error_is_a_problem_document() -> None:
    reply = reply_to_error(BindingFailed({"networkId": ["The networkId field is required."], "$": ["x"]}), {})
    assert (reply.status, reply.content_type) == (400, "application/problem+json; charset=utf-8")
    problem = orjson.loads(body_of(reply))
    assert list(problem) == ["type", "title", "status", "traceId", "errors"]
    assert problem["title"] == "One or more validation errors occurred."
    assert problem["status"] == 400
    assert problem["errors"] == {"networkId": ["The networkId field is required."], "$": ["x"]}
    assert len(problem["traceId"].split("-")) == 4
