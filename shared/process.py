"""What a running process is made of, and how it starts, serves and ends: the part of composition that all processes share."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from shared.bus.asks import Asks
from shared.bus.inprocess import InProcessBus
from shared.bus.port import Bus
from shared.bus.rabbitmq import RabbitMqBus
from shared.bus.relay import Relay
from shared.clock import Clock, SystemClock
from shared.db.engine import PostgresDatabase
from shared.db.presence import Presence
from shared.errors import BusbarError
from shared.ids import uuid7
from shared.observability.health import Health
from shared.observability.loop_lag import LoopLag
from shared.observability.ops_server import OpsServer
from shared.observability.queue_gauges import QueueGauges
from shared.settings import Settings

log = structlog.get_logger()

# Of the 10 s within which a process ends, services get most; closing the bus and the database takes the rest.
SERVICES_STOP_WITHIN_S = 6.0
STEP_STOPS_WITHIN_S = 1.0


@dataclass(frozen=True)
class Process:
    """The adapters that the services of one process share."""

    settings: Settings
    instance: str
    database: PostgresDatabase
    bus: Bus
    relay: Relay
    asks: Asks
    health: Health
    clock: Clock


class Service(Protocol):
    """Something that serves from ``start`` until ``stop``."""

    async def start(self) -> None:
        """Begin to serve; returns when it does."""
        ...

    async def stop(self, *, within_s: float) -> None:
        """End: finish what is in hand or hand it back."""
        ...


@dataclass(frozen=True)
class ServiceKind:
    """A service by name, and how it is built into a process."""

    name: str
    build: Callable[[Process], Service]


class UncleanStop(BusbarError):
    """A service could not end in order. What it held is taken over by others; why, is in the log."""

    code = "unclean_stop"


@asynccontextmanager
async def open_process(
    settings: Settings, *, database_url: str, services: Sequence[str], ops_port: int
) -> AsyncIterator[Process]:
    """Start what every process needs, in order, and end it in reverse. Neither database nor broker need be there yet."""
    instance = f"{'+'.join(services)}-{socket.gethostname()}-{os.getpid()}-{uuid7().hex[-6:]}"
    structlog.contextvars.bind_contextvars(instance=instance)
    database = PostgresDatabase(database_url, application_name=instance[:60])
    bus = _bus(settings, database, instance)
    relay = Relay(database, bus)
    asks = Asks(database, bus, relay, instance=instance)
    health = Health()
    async with AsyncExitStack() as stack:
        await database.start()
        stack.push_async_callback(database.close)
        await bus.start()
        stack.push_async_callback(bus.close, within_s=STEP_STOPS_WITHIN_S)
        await relay.start()
        stack.push_async_callback(relay.stop, within_s=STEP_STOPS_WITHIN_S)
        await asks.start()
        stack.push_async_callback(asks.stop)
        for service in services:
            presence = Presence(database, instance=f"{service}:{instance}", service=service)
            await presence.start()
            stack.push_async_callback(presence.stop)
        lag = LoopLag()
        await lag.start()
        stack.push_async_callback(lag.stop)
        gauges = QueueGauges(bus)
        await gauges.start()
        stack.push_async_callback(gauges.stop)
        health.add("database", lambda: _database_is_well(database))
        health.add("broker", lambda: _broker_is_well(bus))
        if ops_port:
            ops = OpsServer(settings.host, ops_port, health)
            await ops.start()
            stack.push_async_callback(ops.stop)
        yield Process(settings, instance, database, bus, relay, asks, health, SystemClock())


async def serve(
    settings: Settings,
    kinds: Sequence[ServiceKind],
    *,
    database_url: str,
    ops_port: int,
    on_ready: Callable[[Sequence[Service]], None],
) -> None:
    """Run services in this process until SIGTERM or Ctrl-C, which end a start that is still under way as well.

    Raises:
        UncleanStop: a service failed to end; everything else has ended in order.
    """
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    names = [kind.name for kind in kinds]
    async with open_process(settings, database_url=database_url, services=names, ops_port=ops_port) as process:
        begun: list[Service] = []
        ended_well = True
        try:
            if await _is_done_before(asked_to_stop, _start(kinds, process, begun)):
                log.info("process_started", services=names)
                on_ready(begun)
                await asked_to_stop.wait()
            process.health.retire()
        finally:
            log.info("process_stopping", services=names)
            ended_well = await _stop(begun)
    log.info("process_stopped", services=names)
    if not ended_well:
        raise UncleanStop("a service could not end in order; the log says why")


async def _start(kinds: Sequence[ServiceKind], process: Process, begun: list[Service]) -> None:
    for kind in kinds:
        service = kind.build(process)
        begun.append(service)  # before it starts: what half a start has begun has to end too
        await service.start()


async def _stop(begun: Sequence[Service]) -> bool:
    """End services, each whatever becomes of the others; whether all went well."""
    # All at once: the gateway's last requests may still need the optimizer's answers.
    stopping = (service.stop(within_s=SERVICES_STOP_WITHIN_S) for service in begun)
    outcomes = await asyncio.gather(*stopping, return_exceptions=True)
    for service, outcome in zip(begun, outcomes, strict=True):
        if outcome is not None:
            log.error("service_stop_failed", service=type(service).__name__, exc_info=outcome)
    return all(outcome is None for outcome in outcomes)


async def _is_done_before(asked_to_stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do the work unless asked to stop before it is done; a cold start compiles for a minute, and nobody waits for that."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(asked_to_stop.wait())
    try:
        await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        return working.done()
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.wait([working, waiting], timeout=STEP_STOPS_WITHIN_S)


def _bus(settings: Settings, database: PostgresDatabase, instance: str) -> Bus:
    if settings.broker_url is None:
        return InProcessBus(database, instance=instance)
    return RabbitMqBus(settings.broker_url.get_secret_value(), prefix=settings.broker_prefix, instance=instance)


async def _database_is_well(database: PostgresDatabase) -> str | None:
    await database.ping()
    return None


async def _broker_is_well(bus: Bus) -> str | None:
    return None if bus.is_connected else "not connected"
