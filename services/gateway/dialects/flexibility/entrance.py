"""Handlers of what needs no credential: versions, health, and the token with which everything else begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.gateway.auth.sign_in import InactiveUser, UnknownEmail, WrongPassword
from services.gateway.dialects.flexibility.request_schemas import Credentials
from services.gateway.dialects.flexibility.schemas import (
    AuthToken,
    Done,
    Ready,
    Service,
    Services,
    SignInErrors,
    Versions,
)
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import (
    API_VERSION,
    CONTENT_TYPE,
    SERVED_VERSION,
    V3_ROOT,
    object_reply,
)
from services.gateway.http.call import Call, Reply
from services.gateway.http.openapi import served_under
from services.gateway.http.routes import Route
from shared.observability.health_pages import RETRY_AFTER_S


async def list_versions(_: Flexibility, __: Call[None, None]) -> Reply:
    """The versions that are alive."""
    message = f"For these API versions endpoints are available. Their list is at {V3_ROOT}."
    return object_reply(Versions(flexmeasures_version=SERVED_VERSION, message=message, versions=[API_VERSION]))


async def request_auth_token(app: Flexibility, call: Call[None, Credentials]) -> Reply:
    """Exchange a password for a token."""
    email = call.body.email
    try:
        user = await app.sign_in.sign_in(email, call.body.password, call.head.address)
        token = await app.sign_in.issue_token(user, address=call.head.address)
    except UnknownEmail:
        return _refused(f"User with email '{email}' does not exist", 404)
    except WrongPassword:
        return _refused("User password does not match.", 401)
    except InactiveUser:
        return _refused("User is not active.", 401)
    return object_reply(AuthToken(auth_token=token, user_id=user.number))


def _refused(text: str, status: int) -> Reply:
    """FlexMeasures' client raises the texts of this list."""
    return object_reply(SignInErrors(errors=[text], status=status), status=status)


async def ping(_: Flexibility, __: Call[None, None]) -> Reply:
    """The process answers."""
    return object_reply(Done(message="ok"))


async def report_readiness(app: Flexibility, _: Call[None, None]) -> Reply:
    """Whether database and broker are there."""
    is_ready, report = await app.health.report()
    dependencies = report["dependencies"]
    is_well = {name: found["state"] == "well" for name, found in dependencies.items()}
    status = 200 if is_ready else 503
    answer = Ready(database_sql=is_well["database"], message_broker=is_well["broker"], status=status)
    reply = object_reply(answer, status=status)
    return reply if is_ready else reply.with_headers({"Retry-After": str(RETRY_AFTER_S)})


async def show_openapi(app: Flexibility, call: Call[None, None]) -> Reply:
    """The OpenAPI document."""
    return Reply(200, served_under(app.openapi_json, call.head.prefix), CONTENT_TYPE)


async def show_docs(app: Flexibility, _: Call[None, None]) -> Reply:
    """The page on which every call can be tried."""
    return app.docs_page


def services_of(routes: Sequence[Route[Flexibility, Any, Any]]) -> Services:  # Any: routes of all kinds
    """The list of a version's endpoints, from their table."""
    return Services(
        message="For these endpoints of version 3.0 there is documentation at /api/v3_0/docs.",
        services=[
            Service(
                name=f"{route.method} {route.path.removeprefix(V3_ROOT) or '/'}",
                description=route.summary,
                url=route.path,
            )
            for route in routes
        ],
    )
