"""The API as the dispatcher takes it: its routes bound to services, and the paths that are its own."""

from __future__ import annotations

from services.gateway.auth.access_tokens import AccessTokens
from services.gateway.auth.auth import Auth
from services.gateway.auth.gate import Gate
from services.gateway.dialects.line_telemetry.clients import ClientAdministration
from services.gateway.dialects.line_telemetry.environments import environments_of
from services.gateway.dialects.line_telemetry.errors import REQUEST_ID, reply_to_error
from services.gateway.dialects.line_telemetry.routes import DOCUMENT_ROUTES, ROUTES
from services.gateway.dialects.line_telemetry.sign_in import SignInService, sign_in_dialect
from services.gateway.dialects.line_telemetry.token_endpoint import TokenEndpoint
from services.gateway.http.routes import BY_ROLE, Dialect
from shared.clock import Clock
from shared.db.unit_of_work import Database
from shared.settings import Settings

ROOTS = (
    "/access/v1",
    "/assets/v1",
    "/capacity_monitoring/v1",
    "/grid_insights/v1",
    "/ingest/v1",
    "/openapi/access",
    "/v1/stream",
)


def line_telemetry_dialects(
    database: Database, auth: Auth, access_tokens: AccessTokens, clock: Clock, settings: Settings, openapi_json: bytes
) -> tuple[Dialect, Dialect]:
    """The sign-in and the API itself, which tell errors in different ways. ``openapi_json`` describes the clients' module."""
    endpoint = TokenEndpoint(database, auth.passwords, auth.attempts, auth.limiter, access_tokens, clock)
    sign_in = SignInService(environments_of(settings), endpoint, settings.public_url, settings.path_base)
    clients = ClientAdministration(
        database, auth.passwords, settings.served_regions, auth.verifier.forget, openapi_json
    )
    return sign_in_dialect(sign_in), line_telemetry_dialect(clients, auth.line_telemetry)


def line_telemetry_dialect(app: ClientAdministration, gate: Gate) -> Dialect:
    """The routes, bound to what their handlers work with."""
    return Dialect(
        "line_telemetry",
        app,
        (*ROUTES, *DOCUMENT_ROUTES),
        reply_to_error,
        gate,
        scope=BY_ROLE,
        roots=ROOTS,
        common_headers={"Cache-Control": "private, no-store"},
        request_id=REQUEST_ID,
        is_closed=True,
    )
