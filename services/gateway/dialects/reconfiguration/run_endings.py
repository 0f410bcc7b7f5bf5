"""Waiting for the end of runs: whoever has stopped one is woken when it has ended, and need not ask again and again.

The event only says where to look. One that is lost costs whoever waits a quarter of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from shared.bus.codec import parse
from shared.bus.port import Bus, Consumer
from shared.contracts.message import Envelope
from shared.contracts.reconfiguration import RunFinished
from shared.errors import PoisonMessage
from shared.ids import SessionKey

log = structlog.get_logger()

LOOK_EVERY_S = 0.25
STOPS_WITHIN_S = 0.5


class Ending:
    """The next end of a session's run, as far as that is told."""

    def __init__(self) -> None:
        self.is_told = asyncio.Event()

    async def wait(self) -> None:
        """Wait until it is told, or it is time to look whether it has come about."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self.is_told.wait()
        self.is_told.clear()


class RunEndings:
    """Everybody in this process who waits for a run to end."""

    def __init__(self) -> None:
        self._waiting: dict[SessionKey, set[Ending]] = {}
        self._listener: Consumer | None = None

    async def start(self, bus: Bus) -> None:
        """Listen; without, whoever waits looks now and then."""
        self._listener = await bus.subscribe([RunFinished.name], self._hear)

    async def stop(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            await self._listener.stop(within_s=STOPS_WITHIN_S)

    @contextmanager
    def of(self, session: SessionKey) -> Iterator[Ending]:
        """What there is to wait for; to be entered before the run is stopped, so that no end of it is missed."""
        ending = Ending()
        self._waiting.setdefault(session, set()).add(ending)
        try:
            yield ending
        finally:
            self._waiting[session].discard(ending)
            if not self._waiting[session]:
                del self._waiting[session]

    async def _hear(self, event: Envelope) -> None:
        if not self._waiting:
            return
        try:
            told = parse(RunFinished, event)
        except PoisonMessage as poison:
            log.warning("event_not_understood", name=event.name, reason=poison.message)
            return
        for ending in self._waiting.get(told.session_key, ()):
            ending.is_told.set()
