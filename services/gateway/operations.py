"""What monitoring asks of the gateway on its main port: health, and on a machine of its own the metrics too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.gateway.auth.gate import OpenGate
from services.gateway.http.call import Call, Reply, text_reply
from services.gateway.http.routes import Answer, Dialect, Route, plain_route
from shared.errors import BusbarError
from shared.observability.health_pages import HealthPages, Page


async def live(pages: HealthPages, _: Call[None, None]) -> Reply:
    """The loop turns, or nobody would answer."""
    return _reply(await pages.live())


async def ready(pages: HealthPages, _: Call[None, None]) -> Reply:
    """Whether work can be accepted, and how each dependency is."""
    return _reply(await pages.ready())


async def show_metrics(pages: HealthPages, _: Call[None, None]) -> Reply:
    """All metrics of the process."""
    return _reply(await pages.metrics())


def operations_dialect(pages: HealthPages, *, has_metrics: bool) -> Dialect:
    """The routes; metrics only where nobody but this machine can ask for them."""
    shown = (Answer(200, "Well.", "application/json"), Answer(503, "Not ready.", "application/json"))
    # Any: routes differ in their queries and bodies.
    routes: list[Route[HealthPages, Any, Any]] = [
        plain_route("GET", "/health/live", live, "Whether the process turns", "Health", shown[:1]),
        plain_route("GET", "/health/ready", ready, "Whether work is accepted", "Health", shown),
    ]
    if has_metrics:
        answer = Answer(200, "In Prometheus' format.", "text/plain")
        routes.append(plain_route("GET", "/metrics", show_metrics, "Metrics", "Health", (answer,)))
    return Dialect("operations", pages, routes, _reply_to_error, OpenGate(), is_anonymous=True)


def _reply(page: Page) -> Reply:
    return Reply(page.status, page.body, page.content_type, page.headers)


def _reply_to_error(_: BusbarError, __: Mapping[str, int]) -> Reply:
    return text_reply("Something went wrong inside the server.", status=500)
