"""Running services: everything in one process (``busbar up``), or one service in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import sys
from collections.abc import Callable, Sequence

import uvloop

from services.cli.data_folder import own_database
from services.cli.usage import WrongUsage
from shared.db.migrate import current, head, is_behind, upgrade
from shared.errors import DatabaseUnavailable
from shared.identity.bootstrap import first_administrator
from shared.identity.secret_key import with_secret_key
from shared.observability.logging import configure
from shared.process import Process, Service, ServiceKind, serve
from shared.settings import Settings

DEFAULT_OPS_PORT = 9100


def _gateway(process: Process) -> Service:
    from services.gateway.main import Gateway

    return Gateway(process)


def _optimizer(process: Process) -> Service:
    from services.optimizer.main import Optimizer

    return Optimizer(process)


def _telemetry(process: Process) -> Service:
    from services.telemetry.main import Telemetry

    return Telemetry(process)


SERVICES: dict[str, Callable[[Process], Service]] = {
    "optimizer": _optimizer,
    "telemetry": _telemetry,
    "gateway": _gateway,
}


def run_up(settings: Settings) -> None:
    """Run every service in this process until it is told to stop."""
    configure(settings.log_format, settings.log_level, service="up")
    kinds = [ServiceKind(name, build) for name, build in SERVICES.items()]
    _run(_up(_fit_for_gateway(settings), kinds))


def run_one(settings: Settings, name: str) -> None:
    """Run one service against real servers."""
    if settings.database_url is None or settings.broker_url is None:
        raise WrongUsage(f"busbar {name} needs BUSBAR_DATABASE_URL and BUSBAR_BROKER_URL; `busbar up` needs neither")
    configure(settings.log_format, settings.log_level, service=name)
    fit = _fit_for_gateway(settings) if name == "gateway" else settings
    _run(_one(fit, ServiceKind(name, SERVICES[name]), settings.database_url.get_secret_value()))


def _fit_for_gateway(settings: Settings) -> Settings:
    """Settings with what a gateway needs, so that what is missing or wrong is said before anything is started.

    Raises:
        SettingsError: the secret key is missing, or something is wrong with it or with the first administrator.
    """
    first_administrator(settings)
    return with_secret_key(settings)


def _run(coroutine: object) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(coroutine)  # type: ignore[arg-type]  # both callers pass coroutines


async def _up(settings: Settings, kinds: list[ServiceKind]) -> None:
    async with own_database(settings, others_may_join=True) as url:
        await upgrade(url)
        await serve(
            settings,
            kinds,
            database_url=url,
            ops_port=settings.ops_port or 0,
            on_ready=lambda services: _announce(settings, services),
        )


async def _one(settings: Settings, kind: ServiceKind, url: str) -> None:
    with contextlib.suppress(DatabaseUnavailable):  # a database that is away is waited for, not an error
        found = await current(url)
        if is_behind(found):
            raise WrongUsage(f"the database is at revision {found or 'none'}, not {head()}: run `busbar migrate` first")
    ops_port = DEFAULT_OPS_PORT if settings.ops_port is None else settings.ops_port
    await serve(settings, [kind], database_url=url, ops_port=ops_port, on_ready=lambda _: None)


def _announce(settings: Settings, services: Sequence[Service]) -> None:
    from services.gateway.main import Gateway

    host = settings.host

    port = next(service.port for service in services if isinstance(service, Gateway))
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            host = f"[{host}]"
    sys.stdout.write(f"Busbar is ready at {'https' if settings.tls_cert else 'http'}://{host}:{port}\n")
    sys.stdout.flush()
