"""The versions before v3_0: every route they had answers that it is gone (410), and when it went."""

from __future__ import annotations

from services.gateway.dialects.flexibility.schemas import ErrorAnswer
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import object_reply
from services.gateway.http.call import Call, Reply
from services.gateway.http.routes import Answer, Route, plain_route

TAG = "Sunset versions"

# What FlexMeasures says of all of them; clients that watch for these headers compare them.
SUNSET_HEADERS = {
    "Deprecation": "Tue, 13 Dec 2022 23:59:59 GMT",
    "Sunset": "Sun, 30 Apr 2023 23:59:59 GMT",
    "Link": '</api/v3_0/docs>; rel="deprecation", </api/v3_0/docs>; rel="sunset"',
}

_FIRST = {"getMeterData": ("GET", "POST"), "postMeterData": ("POST",), "getService": ("GET",)}
_SECOND = _FIRST | {
    "getConnection": ("GET",),
    "postPriceData": ("POST",),
    "postWeatherData": ("POST",),
    "getPrognosis": ("GET",),
    "postPrognosis": ("POST",),
}
_THIRD = _SECOND | {"getDeviceMessage": ("GET",), "postUdiEvent": ("POST",)}
_FOURTH = _THIRD | {
    "assets": ("GET", "POST"),
    "asset/{asset_id}": ("GET", "PATCH", "DELETE"),
    "users": ("GET",),
    "user/{user_id}": ("GET", "PATCH"),
    "user/{user_id}/password-reset": ("PATCH",),
}
METHODS_OF = {"v1": _FIRST, "v1_1": _SECOND, "v1_2": _THIRD, "v1_3": _THIRD, "v2_0": _FOURTH}


async def say_that_it_is_gone(_: Flexibility, call: Call[None, None]) -> Reply:
    """The version ended, and what took its place."""
    version = call.head.path.split("/")[2]
    ended = version.removeprefix("v").replace("_", ".")
    message = f"Version {ended} of this API has ended. Use version 3.0, whose documentation is at /api/v3_0/docs."
    return object_reply(ErrorAnswer(message=message, status=410), status=410).with_headers(SUNSET_HEADERS)


SUNSET_ROUTES: tuple[Route[Flexibility, None, None], ...] = tuple(
    plain_route(
        method,
        f"/api/{version}/{path}",
        say_that_it_is_gone,
        "Gone",
        TAG,
        (Answer(410, "Gone.", "application/json", ErrorAnswer),),
        is_public=True,
    )
    for version, routes in METHODS_OF.items()
    for path, methods in routes.items()
    for method in methods
)
