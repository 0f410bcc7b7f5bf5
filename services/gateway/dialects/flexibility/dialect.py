"""The API as the dispatcher takes it: its routes bound to a service, as two tables, because only one of them names its version."""

from __future__ import annotations

from services.gateway.auth.auth import Auth
from services.gateway.dialects.flexibility.errors import reply_to_error
from services.gateway.dialects.flexibility.routes import ENTRANCE_ROUTES, V3_ROUTES
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.sunset import SUNSET_ROUTES
from services.gateway.dialects.flexibility.wire import HEADERS, V3_HEADERS, V3_ROOT
from services.gateway.http.call import Reply
from services.gateway.http.routes import Dialect
from shared.db.unit_of_work import Database
from shared.observability.health import Health

NAME = SCOPE = "flexibility"


def flexibility_dialects(
    database: Database, health: Health, auth: Auth, openapi_json: bytes, docs_page: Reply
) -> tuple[Dialect, Dialect]:
    """Version 3.0, and what lies before and beside it. Paths below ``/api`` that no other API claims are this one's."""
    app = Flexibility(
        database=database,
        sign_in=auth.sign_in,
        health=health,
        forget_credentials=auth.verifier.forget,
        openapi_json=openapi_json,
        docs_page=docs_page,
    )
    v3 = Dialect(
        NAME,
        app,
        V3_ROUTES,
        reply_to_error,
        auth.flexibility,
        scope=SCOPE,
        roots=(V3_ROOT,),
        common_headers=V3_HEADERS,
    )
    entrance = Dialect(
        NAME,
        app,
        (*ENTRANCE_ROUTES, *SUNSET_ROUTES),
        reply_to_error,
        auth.flexibility,
        scope=SCOPE,
        roots=("/api",),
        common_headers=HEADERS,
    )
    return v3, entrance
