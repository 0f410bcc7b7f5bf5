"""Calls from pages of other origins: the caller's origin is echoed, and any method and header allowed, with credentials.

That is what PGO answers. It is safe here because PGO's cookie is ``SameSite=Strict`` and is no secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.gateway.http.call import Reply


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks what it may do, rather than doing it."""
    return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def preflight_reply(headers: Mapping[str, str]) -> Reply:
    """Everything that was asked for is allowed."""
    allowed = {"Access-Control-Allow-Methods": headers["Access-Control-Request-Method"]}
    if wanted := headers.get("Access-Control-Request-Headers"):
        allowed["Access-Control-Allow-Headers"] = wanted
    return Reply(204, headers=allowed)


def cors_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What lets the calling page read the response; nothing for a call without origin."""
    origin = headers.get("Origin")
    if not origin:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }
