"""The routes of notes."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.flexibility import annotating
from services.gateway.dialects.flexibility.annotation_schemas import AnnotationInfo, NewAnnotation
from services.gateway.dialects.flexibility.route_building import NO_ACCOUNT, NO_ASSET, answer, body_route
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import V3_ROOT
from services.gateway.http.routes import Route

ANNOTATIONS = "Annotations"
TAGS = ((ANNOTATIONS, "Notes about periods of sensors, assets and accounts."),)

_MADE = (answer(201, "Noted.", AnnotationInfo), answer(200, "It was noted already.", AnnotationInfo))

# Any: routes differ in their queries and bodies.
ANNOTATION_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    body_route(
        "POST",
        f"{V3_ROOT}/sensors/{{sensor_id}}/annotations",
        annotating.annotate_sensor,
        NewAnnotation,
        "Note something about a sensor",
        ANNOTATIONS,
        _MADE,
    ),
    body_route(
        "POST",
        f"{V3_ROOT}/assets/{{asset_id}}/annotations",
        annotating.annotate_asset,
        NewAnnotation,
        "Note something about an asset",
        ANNOTATIONS,
        (*_MADE, NO_ASSET),
    ),
    body_route(
        "POST",
        f"{V3_ROOT}/accounts/{{account_id}}/annotations",
        annotating.annotate_account,
        NewAnnotation,
        "Note something about an account",
        ANNOTATIONS,
        (*_MADE, NO_ACCOUNT),
    ),
)
