"""The OpenAPI documents, one for each dialect, made from the route tables without a running process."""

from __future__ import annotations

from collections.abc import Callable

from services.gateway.dialects.administration import routes as administration
from services.gateway.dialects.compute_jobs import routes as compute_jobs
from services.gateway.dialects.flexibility import routes as flexibility
from services.gateway.dialects.line_telemetry import routes as line_telemetry
from services.gateway.dialects.line_telemetry import sign_in as line_telemetry_sign_in
from services.gateway.dialects.reconfiguration import cim_routes
from services.gateway.dialects.reconfiguration import routes as reconfiguration
from services.gateway.dialects.reconfiguration.cim_objects import cim_schemas
from services.gateway.http.openapi import Json, openapi_document, to_bytes


def _reconfiguration() -> Json:
    return openapi_document(
        reconfiguration.ROUTES,
        title="Busbar: network reconfiguration",
        version="v1",
        description=(
            "Load a grid, give it demands, and let the switch settings with the least losses be found and proven. "
            "Speaks the JSON API of the Power Grid Optimizer."
        ),
        tags=reconfiguration.TAGS,
    )


def _reconfiguration_cim() -> Json:
    document = openapi_document(
        cim_routes.CIM_ROUTES,
        title="Busbar: network reconfiguration with CIM",
        version="v1",
        description=(
            "The same as the JSON API of network reconfiguration with networks, demands and solutions as CIM in JSON-LD. "
            "Speaks the CIM API of the Power Grid Optimizer."
        ),
        tags=reconfiguration.TAGS,
    )
    schemas = document["components"]["schemas"] | cim_schemas()
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _administration() -> Json:
    return openapi_document(
        administration.ROUTES,
        title="Busbar: administration",
        version="v1",
        description=(
            "Accounts, users, API keys, OAuth2 clients and the audit record, as the command line has them. Whoever has the role "
            "admin reaches every account, account-admin the own one; admin-reader reads all. An API key needs all scopes."
        ),
        tags=administration.TAGS,
        security_schemes={
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
    )


def _compute_jobs() -> Json:
    return openapi_document(
        compute_jobs.ROUTES,
        title="Busbar: files and compute jobs",
        version="v2",
        description=(
            "Speaks the API of cloudHPC, version 2. Every answer is a JSON object: `response` on success, `errors` on failure."
        ),
        tags=compute_jobs.TAGS,
        openapi="3.0.3",
        security_schemes={
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        },
    )


def _flexibility() -> Json:
    return openapi_document(
        (*flexibility.ENTRANCE_ROUTES, *flexibility.V3_ROUTES),
        title="Busbar: flexibility",
        version="v3_0",
        description=(
            "Plan when batteries, charging points and heat pumps run. Speaks the API of FlexMeasures, version 3.0: begin with a "
            "token, which goes into the header Authorization without any word before it."
        ),
        tags=flexibility.TAGS,
        security_schemes={
            "token": {"type": "apiKey", "in": "header", "name": "Authorization"},
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "query": {"type": "apiKey", "in": "query", "name": "auth_token"},
        },
    )


def _line_telemetry() -> Json:
    return openapi_document(
        (*line_telemetry_sign_in.ROUTES, *line_telemetry.ROUTES, *line_telemetry.DOCUMENT_ROUTES),
        title="Busbar: line telemetry",
        version="v1",
        description=(
            "Sign-in and clients of the line telemetry and line rating API, which speaks the API of Heimdall's clients. They get "
            "an access token for an hour with their id and secret."
        ),
        tags=(*line_telemetry_sign_in.TAGS, *line_telemetry.TAGS),
        security_schemes=_LINE_TELEMETRY_SCHEMES,
    )


def _line_telemetry_access() -> Json:
    return openapi_document(
        line_telemetry.ROUTES,
        title="Busbar: clients of line telemetry",
        version="v1",
        description="Programs that use the line telemetry API, what they may do, and their secrets.",
        tags=line_telemetry.TAGS[:1],
        security_schemes=_LINE_TELEMETRY_SCHEMES,
    )


_LINE_TELEMETRY_SCHEMES: dict[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

OPENAPI_DOCUMENTS: dict[str, Callable[[], Json]] = {
    "administration": _administration,
    "compute_jobs": _compute_jobs,
    "flexibility": _flexibility,
    "line_telemetry": _line_telemetry,
    "line_telemetry_access": _line_telemetry_access,
    "reconfiguration": _reconfiguration,
    "reconfiguration_cim": _reconfiguration_cim,
}


def openapi_json(dialect: str) -> str:
    """A dialect's document as text, as it is committed under ``docs/openapi``."""
    return to_bytes(OPENAPI_DOCUMENTS[dialect]()).decode()
