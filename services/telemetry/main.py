"""The telemetry service's composition: a child that reads files, ingestion, the consumer, and the order in which they start and end."""

from __future__ import annotations

import contextlib

from services.telemetry.handlers import handlers
from services.telemetry.ingestion import LARGE_AT_ONCE, Ingestion
from services.telemetry.tasks import PRELOAD
from shared.background import BackgroundLoop
from shared.bus.runner import Runner
from shared.errors import WorkerDied
from shared.process import Process
from shared.workers import Launcher, WorkerPool

# Of wake-ups, each of which costs a row in the inbox and no more.
PREFETCH = 64
LOOK_AFTER_CHILDREN_EVERY_S = 1.0
CHILDREN_END_WITHIN_S = 1.0


class Telemetry:
    """The service: stores what was accepted for sensors."""

    def __init__(self, process: Process) -> None:
        self._launcher = Launcher(preload=PRELOAD)
        self._pool = WorkerPool(
            self._launcher,
            processes=LARGE_AT_ONCE,
            memory_bytes=process.settings.worker_memory_bytes,
            max_waiting=LARGE_AT_ONCE,
        )
        self._ingestion = Ingestion(process.database, self._pool)
        consumed = handlers(self._ingestion.wake)
        self._runner = Runner(process.database, process.bus, consumed, prefetch=PREFETCH)
        self._children = BackgroundLoop("children", self._keep_children_ready, every_s=LOOK_AFTER_CHILDREN_EVERY_S)
        process.health.add("upload readers", self._children_are_well)

    async def start(self) -> None:
        """Begin to store; values need no child, so nothing waits for one to be ready."""
        self._children.start()
        self._ingestion.start()
        await self._runner.start()

    async def stop(self, *, within_s: float) -> None:
        """Take no more messages, finish what is in hand, end the children."""
        working_s = max(0.0, within_s - CHILDREN_END_WITHIN_S) / 2
        await self._runner.stop(within_s=working_s)
        await self._ingestion.stop(within_s=working_s)
        await self._children.stop(within_s=CHILDREN_END_WITHIN_S)
        self._pool.close()
        await self._launcher.close()

    @property
    def launcher_pid(self) -> int | None:
        """The process from which children are forked."""
        return self._launcher.pid

    async def _keep_children_ready(self) -> None:
        if not self._launcher.is_ready:
            with contextlib.suppress(WorkerDied):  # health tells
                await self._pool.warm_up()

    async def _children_are_well(self) -> str | None:
        return None if self._launcher.is_ready else "child processes are not ready"
