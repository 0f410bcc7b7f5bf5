"""The API as the dispatcher takes it: its routes bound to a service."""

from __future__ import annotations

from services.gateway.auth.gate import Gate
from services.gateway.dialects.reconfiguration.cim_routes import CIM_ROUTES
from services.gateway.dialects.reconfiguration.errors import reply_to_error
from services.gateway.dialects.reconfiguration.routes import ROUTES
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.http.routes import Dialect

# Other paths below /api are those of other APIs.
ROOTS = ("/api/cim", "/api/identity/quotas", "/api/networks", "/api/server", "/api/sessions")


def reconfiguration_dialect(app: Reconfiguration, gate: Gate) -> Dialect:
    """The routes, bound to what their handlers work with."""
    return Dialect(
        "reconfiguration",
        app,
        (*ROUTES, *CIM_ROUTES),
        reply_to_error,
        gate,
        scope="reconfiguration",
        roots=ROOTS,
        # Users differ by their cookie alone, and what one request has changed the next one sees.
        common_headers={"Cache-Control": "no-store"},
        cors_roots=frozenset({"api"}),
    )
