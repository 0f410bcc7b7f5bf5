"""The API as the dispatcher takes it: its routes bound to a service, as two tables, because only one of them names its version."""

from __future__ import annotations

from services.gateway.auth.auth import Auth
from services.gateway.dialects.flexibility.errors import reply_to_error
from services.gateway.dialects.flexibility.job_watch import JobWatch
from services.gateway.dialects.flexibility.posting_desk import PostingDesk
from services.gateway.dialects.flexibility.routes import ENTRANCE_ROUTES, V3_ROUTES
from services.gateway.dialects.flexibility.service import Flexibility, Waits
from services.gateway.dialects.flexibility.sunset import SUNSET_ROUTES
from services.gateway.dialects.flexibility.trigger_limits import TriggerLimits
from services.gateway.dialects.flexibility.wire import HEADERS, V3_HEADERS, V3_ROOT
from services.gateway.http.call import Reply
from services.gateway.http.routes import Dialect
from shared.process import Process

NAME = SCOPE = "flexibility"


def flexibility_dialects(
    process: Process, auth: Auth, watch: JobWatch, openapi_json: bytes, docs_page: Reply
) -> tuple[Dialect, Dialect]:
    """Version 3.0, and what lies before and beside it. Paths below ``/api`` that no other API claims are this one's."""
    settings = process.settings
    app = Flexibility(
        database=process.database,
        sign_in=auth.sign_in,
        health=process.health,
        clock=process.clock,
        watch=watch,
        desk=PostingDesk(process.database),
        trigger_limits=TriggerLimits(
            auth.limiter,
            settings.flexibility_triggers_per_5_minutes,
            settings.flexibility_triggers_counted_by,
            {plan: triggers for plan, (_, triggers) in settings.flexibility_plans.items()},
        ),
        waits=Waits.of(settings),
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
