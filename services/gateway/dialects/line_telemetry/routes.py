"""The routes of the API's own modules: so far the administration of clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.gateway.dialects.line_telemetry import clients
from services.gateway.dialects.line_telemetry.client_schemas import (
    ClientData,
    ClientPatch,
    ClientsData,
    NewClientBody,
    NewClientData,
    NewSecretBody,
    NewSecretData,
)
from services.gateway.dialects.line_telemetry.clients import ROOT, ClientAdministration
from services.gateway.dialects.line_telemetry.errors import Problem
from services.gateway.dialects.line_telemetry.optional_json import OptionalJsonBody
from services.gateway.http.bodies import Body, JsonBody, NoBody
from services.gateway.http.routes import RETRY_AFTER, Answer, NoQuery, Route, plain_route

CLIENTS, DOCUMENTS = "Clients", "Documents"
TAGS = (
    (CLIENTS, "Programs that use this API, what they may do, and their secrets."),
    (DOCUMENTS, "What this API looks like."),
)

PLATFORM_ADMIN = frozenset({"platform_admin"})

_JSON, _PROBLEM = "application/json", "application/problem+json"


def _problem(status: int, description: str, **headers: str) -> Answer:
    return Answer(status, description, _PROBLEM, Problem, headers=headers)


_REFUSED = (
    Answer(
        401,
        "No valid credential.",
        _PROBLEM,
        Problem,
        headers={"WWW-Authenticate": "Bearer, and whether one was sent."},
    ),
    _problem(403, "The caller is no platform_admin."),
    Answer(503, "Try again.", _PROBLEM, Problem, headers=RETRY_AFTER),
)
_WRONG = (
    _problem(400, "The request does not have the form described here."),
    _problem(413, "The body is too large."),
    _problem(415, "The body is no JSON."),
)
_NO_CLIENT = _problem(404, "There is no such client.")
_WHERE = {"Location": "Where it is."}


def _route(
    method: str,
    path: str,
    handler: Any,
    body: Body[Any],
    summary: str,
    answers: Sequence[Answer],
    description: str = "",
) -> Route[ClientAdministration, None, Any]:
    # Any: handlers and bodies differ from route to route and fit each other.
    return Route(
        method,
        f"{ROOT}{path}",
        handler,
        NoQuery(),
        body,
        summary,
        CLIENTS,
        (*answers, *_REFUSED),
        description=description,
        any_role=PLATFORM_ADMIN,
    )


_ONE, _SECRETS = "/{client_id}", "/{client_id}/secrets"
_DONE = Answer(204, "Done.")

ROUTES: tuple[Route[ClientAdministration, Any, Any], ...] = (
    _route(
        "POST",
        "",
        clients.create_client,
        JsonBody(NewClientBody),
        "Make a client",
        (Answer(201, "The client and its secret.", _JSON, NewClientData, headers=_WHERE), *_WRONG),
    ),
    _route(
        "GET", "", clients.list_clients, NoBody(), "Clients of the account", (Answer(200, "All.", _JSON, ClientsData),)
    ),
    _route(
        "GET",
        _ONE,
        clients.get_client,
        NoBody(),
        "One client",
        (Answer(200, "The client and its secrets' ids.", _JSON, ClientData), _NO_CLIENT),
    ),
    _route(
        "PATCH",
        _ONE,
        clients.update_client,
        JsonBody(ClientPatch),
        "Change a client",
        (Answer(200, "The client.", _JSON, ClientData), _NO_CLIENT, *_WRONG),
        description="What is left out stays. A client that is not active, or lost a role, is refused within five seconds.",
    ),
    _route("DELETE", _ONE, clients.delete_client, NoBody(), "Delete a client", (_DONE, _NO_CLIENT)),
    _route(
        "POST",
        _SECRETS,
        clients.create_secret,
        OptionalJsonBody(NewSecretBody),
        "Give a client another secret",
        (
            Answer(201, "The secret.", _JSON, NewSecretData, headers=_WHERE),
            _NO_CLIENT,
            _problem(409, "It has two active secrets already."),
            *_WRONG,
        ),
    ),
    _route(
        "DELETE",
        f"{_SECRETS}/{{secret_id}}",
        clients.delete_secret,
        NoBody(),
        "Delete a secret",
        (_DONE, _problem(404, "There is no such client or secret."), _WRONG[0]),
        description="Tokens that were obtained with it are refused within five seconds.",
    ),
)

DOCUMENT_ROUTES: tuple[Route[ClientAdministration, Any, Any], ...] = tuple(
    plain_route(
        "GET",
        f"/openapi/access/v1/openapi.{kind}",
        handler,
        "This document",
        DOCUMENTS,
        (Answer(200, "It.", media),),
        is_public=True,
    )
    for kind, media, handler in (
        ("json", _JSON, clients.get_document),
        ("yaml", "application/yaml", clients.get_document_as_yaml),
    )
)
