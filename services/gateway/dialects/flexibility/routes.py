"""The routes of the flexibility API: the tables from which requests are dispatched and the OpenAPI document is made.

Those of version 3.0 are made by topic; this is where they come together.
"""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.flexibility import (
    annotation_routes,
    asset_routes,
    data_routes,
    entrance,
    job_routes,
    people_routes,
    sensor_routes,
)
from services.gateway.dialects.flexibility.annotation_routes import ANNOTATION_ROUTES
from services.gateway.dialects.flexibility.asset_routes import ASSET_ROUTES
from services.gateway.dialects.flexibility.data_routes import DATA_ROUTES
from services.gateway.dialects.flexibility.job_routes import JOB_ROUTES
from services.gateway.dialects.flexibility.people_routes import PEOPLE_ROUTES
from services.gateway.dialects.flexibility.reading import ModelBody
from services.gateway.dialects.flexibility.request_schemas import Credentials
from services.gateway.dialects.flexibility.route_building import (
    BAD_REQUEST,
    INVALID,
    LATER,
    TOO_LARGE,
    TOO_OFTEN,
    answer,
)
from services.gateway.dialects.flexibility.schemas import (
    AuthToken,
    Done,
    OpenApiDocument,
    Ready,
    Services,
    SignInErrors,
    Versions,
)
from services.gateway.dialects.flexibility.sensor_routes import SENSOR_ROUTES
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import V3_ROOT, object_reply
from services.gateway.http.call import Call, Reply
from services.gateway.http.routes import Answer, NoQuery, Route, plain_route

ENTRANCE = "Entrance"
TAGS = (
    (ENTRANCE, "Versions, health, and the token with which everything else begins."),
    *asset_routes.TAGS,
    *sensor_routes.TAGS,
    *data_routes.TAGS,
    *job_routes.TAGS,
    *annotation_routes.TAGS,
    *people_routes.TAGS,
)


async def list_services(_: Flexibility, __: Call[None, None]) -> Reply:
    """All endpoints of version 3.0."""
    return object_reply(entrance.services_of(V3_ROUTES))


# Any: routes differ in their queries and bodies.
ENTRANCE_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    plain_route(
        "GET",
        "/api",
        entrance.list_versions,
        "The versions of this API",
        ENTRANCE,
        (answer(200, "Those that are alive.", Versions),),
        is_public=True,
    ),
    Route(
        "POST",
        "/api/requestAuthToken",
        entrance.request_auth_token,
        NoQuery(),
        ModelBody(Credentials),
        "Exchange a password for a token",
        ENTRANCE,
        (
            answer(200, "A token for the Authorization header; it is valid for six hours.", AuthToken),
            answer(401, "Wrong password, or inactive user.", SignInErrors),
            answer(404, "There is no such user.", SignInErrors),
            BAD_REQUEST,
            TOO_LARGE,
            INVALID,
            TOO_OFTEN,
            LATER,
        ),
        is_public=True,
    ),
    plain_route(
        "GET",
        "/api/ops/ping",
        entrance.ping,
        "Whether the process answers",
        ENTRANCE,
        (answer(200, "It does.", Done),),
        is_public=True,
    ),
)

V3_ENTRANCE_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    plain_route(
        "GET",
        V3_ROOT,
        list_services,
        "The endpoints of this version",
        ENTRANCE,
        (answer(200, "Those there are.", Services), TOO_OFTEN),
        is_public=True,
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/health/ready",
        entrance.report_readiness,
        "Whether requests can be worked on",
        ENTRANCE,
        (answer(200, "They can.", Ready), answer(503, "They cannot.", Ready)),
        is_public=True,
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/docs",
        entrance.show_docs,
        "This document as a page",
        ENTRANCE,
        (Answer(200, "The page.", "text/html"), TOO_OFTEN),
        is_public=True,
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/openapi.json",
        entrance.show_openapi,
        "This document",
        ENTRANCE,
        (answer(200, "An OpenAPI document.", OpenApiDocument), TOO_OFTEN),
        is_public=True,
    ),
)

V3_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    *V3_ENTRANCE_ROUTES,
    *ASSET_ROUTES,
    *SENSOR_ROUTES,
    *DATA_ROUTES,
    *JOB_ROUTES,
    *ANNOTATION_ROUTES,
    *PEOPLE_ROUTES,
)
