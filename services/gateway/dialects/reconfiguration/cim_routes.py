"""The routes of the CIM API: those of the JSON API under another root, save where documents differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from services.gateway.dialects.reconfiguration import cim_handlers
from services.gateway.dialects.reconfiguration.cim_documents import (
    CimJsonLdNetworkData,
    CimJsonLdSessionParameters,
    CimJsonLdSolution,
)
from services.gateway.dialects.reconfiguration.documents import Solution
from services.gateway.dialects.reconfiguration.routes import ROUTES, SOLUTION_BODY
from services.gateway.dialects.reconfiguration.scope import CIM_ROOT
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.http.bodies import DocumentBody
from services.gateway.http.routes import Answer, Route

_OWN_HANDLERS = {
    "POST /api/networks/{network_id}": (cim_handlers.create_network, DocumentBody(CimJsonLdNetworkData)),
    "POST /api/sessions/{session_id}": (cim_handlers.create_session, DocumentBody(CimJsonLdSessionParameters)),
}
_JSON_ONLY = {"GET /api/networks/{network_id}", "GET /api/sessions/{session_id}/demands"}
_NO_JSON = Answer(415, "The body is not labelled as JSON.", "text/plain")
_SOLUTION = DocumentBody(CimJsonLdSolution)


# Any: routes differ in their queries and bodies.
def _cim_routes() -> Iterator[Route[Reconfiguration, Any, Any]]:
    for route in ROUTES:
        if route.name in _JSON_ONLY:
            continue
        handler, body = _OWN_HANDLERS.get(route.name, (route.handler, route.body))
        yield replace(
            route,
            path=CIM_ROOT + route.path.removeprefix("/api"),
            handler=handler,
            body=_SOLUTION if body is SOLUTION_BODY else body,
            answers=[
                _NO_JSON if answer.status == _NO_JSON.status else _with_cim_solution(answer) for answer in route.answers
            ],
        )


def _with_cim_solution(answer: Answer) -> Answer:
    return replace(answer, model=CimJsonLdSolution) if answer.model is Solution else answer


CIM_ROUTES: tuple[Route[Reconfiguration, Any, Any], ...] = tuple(_cim_routes())
