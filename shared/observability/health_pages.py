"""What a process answers when monitoring asks how it is: live, ready and metrics, the same on whichever port it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import REGISTRY

from shared.observability.health import Health

# What a client that gets 503 is told to wait.
RETRY_AFTER_S = 2
JSON_TYPE = "application/json; charset=utf-8"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Page:
    """One answer, for whichever HTTP server sends it."""

    body: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_STORE)


class HealthPages:
    """The pages of one process."""

    def __init__(self, health: Health, *, registry: CollectorRegistry = REGISTRY) -> None:
        self._health = health
        self._registry = registry
        # Rendering many series takes long enough to be felt by every request in the loop; one thread also bounds it.
        self._renderer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")

    def close(self) -> None:
        """Let the thread go."""
        self._renderer.shutdown(wait=False)

    async def live(self) -> Page:
        """The loop turns, or nobody would answer."""
        return Page(b'{"live":true}', JSON_TYPE)

    async def ready(self) -> Page:
        """200 when work can be accepted, else 503; and how each dependency is."""
        is_ready, report = await self._health.report()
        if is_ready:
            return Page(orjson.dumps(report), JSON_TYPE)
        return Page(orjson.dumps(report), JSON_TYPE, 503, {**_NO_STORE, "Retry-After": str(RETRY_AFTER_S)})

    async def metrics(self) -> Page:
        """All metrics of the process, in Prometheus' text format."""
        await self._health.report()  # so that the gauges of health are as true as the page
        text = await asyncio.get_running_loop().run_in_executor(self._renderer, generate_latest, self._registry)
        return Page(text, METRICS_TYPE)
