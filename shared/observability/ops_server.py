"""A port of its own for what monitoring asks of a process: health and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.registry import REGISTRY

from shared.errors import BusbarError
from shared.observability.health import Health
from shared.observability.health_pages import HealthPages, Page

SHUTDOWN_TIMEOUT_S = 0.5


class OpsPortTaken(BusbarError):
    """The operations port is in use, most likely by another service on this machine."""

    code = "ops_port_taken"
    exit_status = 2


class OpsServer:
    """Serves ``/health/live``, ``/health/ready`` and ``/metrics`` from ``start`` until ``stop``."""

    def __init__(self, host: str, port: int, health: Health, *, registry: CollectorRegistry = REGISTRY) -> None:
        self._host = host
        self._pages = HealthPages(health, registry=registry)
        self._runner: web.AppRunner | None = None
        self.port = port

    async def start(self) -> None:
        """Listen; afterwards ``port`` is the port in use, also where 0 was asked for.

        Raises:
            OpsPortTaken: it cannot listen there.
        """
        app = web.Application()
        app.router.add_get("/health/live", _serving(self._pages.live))
        app.router.add_get("/health/ready", _serving(self._pages.ready))
        app.router.add_get("/metrics", _serving(self._pages.metrics))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except OSError as error:
            await self.stop()
            raise OpsPortTaken(
                f"health and metrics cannot be served on {self._host}:{self.port}: {error.strerror or error}; "
                "set BUSBAR_OPS_PORT to a free port, or to 0 for none"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._pages.close()


def _serving(make_page: Callable[[], Awaitable[Page]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(_: web.Request) -> web.Response:
        page = await make_page()
        headers = {"Content-Type": page.content_type, **page.headers}
        return web.Response(body=page.body, status=page.status, headers=headers)

    return serve
