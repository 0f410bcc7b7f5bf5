"""Measures how late the event loop comes back: whatever blocks it shows here, and nowhere else so early."""

from __future__ import annotations

import asyncio

from shared.observability import metrics

INTERVAL_S = 0.02


class LoopLag:
    """Samples the loop's lag into a histogram from ``start`` until ``stop``; costs a few microseconds a sample."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to sample the running loop."""
        loop = asyncio.get_running_loop()
        self._sleep(loop)

    async def stop(self) -> None:
        """Sample no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + INTERVAL_S
        self._timer = loop.call_at(due, self._wake, loop, due)

    def _wake(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        metrics.LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due))
        self._sleep(loop)
