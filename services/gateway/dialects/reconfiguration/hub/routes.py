"""The hub as the dispatcher takes it. Its routes are in no OpenAPI document: what goes over them is SignalR's."""

from __future__ import annotations

from typing import Any

from services.gateway.auth.gate import Gate
from services.gateway.dialects.reconfiguration.errors import reply_to_error
from services.gateway.dialects.reconfiguration.hub import handlers
from services.gateway.dialects.reconfiguration.hub.connections import (
    LISTENERS,
    AlreadyAttached,
    Connections,
    NotReceiving,
)
from services.gateway.dialects.reconfiguration.hub.schemas import ConnectionQuery, NegotiateQuery
from services.gateway.http.bodies import NoBody, TextBody
from services.gateway.http.routes import Dialect, QueryModel, Route

PATH = "/solutionStatusHub"
SCOPE = "reconfiguration"
STATUSES = {AlreadyAttached.code: 409, NotReceiving.code: 405}

# Any: routes differ in their queries and bodies.
ROUTES: tuple[Route[Connections, Any, Any], ...] = (
    Route(
        "POST",
        f"{PATH}/negotiate",
        handlers.negotiate,
        QueryModel(NegotiateQuery),
        NoBody(),
        "Make a connection",
        "Hub",
        (),
        any_scope=LISTENERS,
    ),
    Route(
        "GET",
        PATH,
        handlers.connect,
        QueryModel(ConnectionQuery),
        NoBody(),
        "Receive",
        "Hub",
        (),
        statuses=STATUSES,
        any_scope=LISTENERS,
    ),
    Route(
        "POST",
        PATH,
        handlers.send,
        QueryModel(ConnectionQuery),
        TextBody(),
        "Send",
        "Hub",
        (),
        statuses=STATUSES,
        any_scope=LISTENERS,
    ),
    Route(
        "DELETE",
        PATH,
        handlers.disconnect,
        QueryModel(ConnectionQuery),
        NoBody(),
        "Disconnect",
        "Hub",
        (),
        any_scope=LISTENERS,
    ),
)


def hub_dialect(connections: Connections, gate: Gate) -> Dialect:
    """The routes, bound to the connections of this process."""
    return Dialect(
        "reconfiguration_hub",
        connections,
        ROUTES,
        reply_to_error,
        gate,
        scope=SCOPE,
        roots=(PATH,),
        common_headers={"Cache-Control": "no-store"},
        cors_roots=frozenset({PATH[1:].lower()}),
    )
