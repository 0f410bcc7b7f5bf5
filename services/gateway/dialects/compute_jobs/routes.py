"""The routes of the compute jobs API: the table from which requests are dispatched and the OpenAPI document is made."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.compute_jobs import handlers
from services.gateway.dialects.compute_jobs.schemas import Done, Failure, ProfileResponse
from services.gateway.dialects.compute_jobs.service import ComputeJobs
from services.gateway.http.routes import RETRY_AFTER, Answer, Route, plain_route

USER, DOCUMENTATION = "User", "Documentation"
TAGS = (
    (USER, "Who asks."),
    (DOCUMENTATION, "This document; no key is needed."),
)

# A key may be made for any of them; what concerns the user alone is for all of them.
ANY_SCOPE = frozenset({"read", "storage", "jobs"})

_JSON = "application/json"
_RATE = {
    "X-RateLimit-Hourly-Limit": "Requests per account in any 3600 s; 0 is no limit.",
    "X-RateLimit-Hourly-Used": "How many there were, this one included.",
    "X-RateLimit-Daily-Limit": "Requests per account in any 86400 s; 0 is no limit.",
    "X-RateLimit-Daily-Used": "How many there were, this one included.",
}
_REFUSED = (
    Answer(403, "No valid key, or one without the scope: the text names it.", _JSON, Failure),
    Answer(429, "Too many requests.", _JSON, Failure, headers=RETRY_AFTER),
    Answer(500, "A fault of the server.", _JSON, Failure),
    Answer(503, "Something is away.", _JSON, Failure, headers=RETRY_AFTER),
)

# Any: routes differ in their queries and bodies.
ROUTES: tuple[Route[ComputeJobs, Any, Any], ...] = (
    plain_route(
        "GET",
        "/api/v2/user/view-profile",
        handlers.view_profile,
        "Who asks, and within which limits",
        USER,
        (Answer(200, "The user of the key.", _JSON, ProfileResponse, headers=_RATE), *_REFUSED),
        any_scope=ANY_SCOPE,
    ),
    plain_route(
        "DELETE",
        "/api/v2/user/delete-cache",
        handlers.delete_cache,
        "Nothing: there is no cache",
        USER,
        (Answer(200, "Always true.", _JSON, Done, headers=_RATE), *_REFUSED),
        any_scope=ANY_SCOPE,
    ),
    plain_route(
        "GET",
        "/api/v2/openapi.json",
        handlers.show_openapi,
        "This document",
        DOCUMENTATION,
        (Answer(200, "An OpenAPI document.", _JSON),),
        is_public=True,
    ),
    plain_route(
        "GET",
        handlers.DOCS_PATH,
        handlers.show_docs,
        "This document as a page",
        DOCUMENTATION,
        (Answer(200, "The page.", "text/html"),),
        is_public=True,
    ),
    plain_route(
        "GET",
        "/{lang}/catuser/view-api",
        handlers.to_docs,
        "To the page, from where cloudHPC has it",
        DOCUMENTATION,
        (
            Answer(302, "There.", headers={"Location": "The page."}),
            Answer(404, "The language is not two letters.", _JSON, Failure),
        ),
        is_public=True,
    ),
)
