"""Hands events to a listener one by one, in the order they came; a listener that is too slow loses the oldest."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from shared.bus.port import OnEvent
from shared.contracts.message import Envelope

log = structlog.get_logger()

WAITING_AT_MOST = 1000


class Listener:
    """Calls ``on_event`` for each event offered, until stopped. What it raises is logged and does not end it."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._waiting: deque[Envelope] = deque(maxlen=WAITING_AT_MOST)
        self._offered = asyncio.Event()
        self._is_stopping = False
        self._task = asyncio.create_task(self._run())

    def offer(self, event: Envelope) -> None:
        """Put an event behind those that wait."""
        if self._is_stopping:
            return
        if len(self._waiting) == WAITING_AT_MOST:
            log.warning("event_dropped", name=self._waiting[0].name)
        self._waiting.append(event)
        self._offered.set()

    async def stop(self, *, within_s: float) -> None:
        """Take no more; what waits is heard, up to the deadline."""
        self._is_stopping = True
        self._offered.set()
        _, late = await asyncio.wait([self._task], timeout=within_s)
        if late:
            self._task.cancel()
            await asyncio.wait(late, timeout=1.0)

    async def _run(self) -> None:
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                try:
                    await self._on_event(event)
                except Exception:
                    log.exception("event_failed", name=event.name)
            if self._is_stopping:
                return
            self._offered.clear()
            await self._offered.wait()
