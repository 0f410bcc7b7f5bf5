"""The API as the dispatcher takes it: its routes bound to a service."""

from __future__ import annotations

from services.gateway.auth.gate import Gate
from services.gateway.dialects.administration.errors import reply_to_error
from services.gateway.dialects.administration.replies import ROOT
from services.gateway.dialects.administration.routes import ROUTES
from services.gateway.dialects.administration.service import Administration
from services.gateway.http.routes import READ, Dialect


def administration_dialect(app: Administration, gate: Gate) -> Dialect:
    """The routes, bound to what their handlers work with. Its gate asks for all scopes, so that any one may stand for them."""
    return Dialect(
        "administration",
        app,
        ROUTES,
        reply_to_error,
        gate,
        scope=READ,
        roots=(ROOT,),
        common_headers={"Cache-Control": "no-store"},
    )
