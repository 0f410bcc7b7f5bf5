"""Deliveries that a consumer has been given and not yet ended: at most so many at work at a time, none forgotten at the stop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from shared.bus.port import Delivery, OnDelivery
from shared.errors import DependencyUnavailable
from shared.observability import metrics

log = structlog.get_logger()

HAND_BACK_WITHIN_S = 1.0


class InHand:
    """Runs ``on_delivery`` for each delivery in a task of its own, at most ``limit`` at a time; the rest wait in order.

    Tasks of our own, and not the client library's, since those are cancelled with the connection: work in progress goes on
    to its end, and the inbox makes a second delivery of it harmless.
    """

    def __init__(self, on_delivery: OnDelivery, limit: int, *, on_room: Callable[[], None] = lambda: None) -> None:
        self._on_delivery = on_delivery
        self._limit = limit
        self._tasks: dict[asyncio.Task[None], Delivery] = {}
        self._waiting: deque[Delivery] = deque()
        self.on_room = on_room

    @property
    def room(self) -> int:
        """How many more can be worked on at once."""
        return max(0, self._limit - len(self._tasks))

    @property
    def at_work(self) -> list[Delivery]:
        """Those that are being worked on."""
        return list(self._tasks.values())

    def take(self, delivery: Delivery) -> None:
        """Begin to work on a delivery, or put it behind those that wait."""
        if not self.room:
            self._waiting.append(delivery)
            return
        task = asyncio.create_task(self._work_on(delivery))
        self._tasks[task] = delivery
        task.add_done_callback(self._done)
        metrics.IN_HAND.inc()

    def drop_waiting(self) -> None:
        """Forget deliveries that nobody has begun with, as the broker has taken them back."""
        self._waiting.clear()

    async def stop(self, *, within_s: float) -> None:
        """Wait for those at work up to the deadline, cancel the rest, and hand back all that have not ended."""
        waiting, self._waiting = list(self._waiting), deque()
        for delivery in waiting:
            await _hand_back(delivery)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=within_s)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=2 * HAND_BACK_WITHIN_S)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        metrics.IN_HAND.dec()
        if self._waiting:
            self.take(self._waiting.popleft())
        else:
            self.on_room()

    async def _work_on(self, delivery: Delivery) -> None:
        try:
            await self._on_delivery(delivery)
        except asyncio.CancelledError:
            await _hand_back(delivery)
            raise
        except Exception:
            # The runner settles every failure of a handler itself; what comes here is a bug in it.
            log.exception("delivery_failed")
            await _hand_back(delivery)


async def _hand_back(delivery: Delivery) -> None:
    try:
        async with asyncio.timeout(HAND_BACK_WITHIN_S):
            await delivery.requeue()
    except (DependencyUnavailable, TimeoutError):
        log.info("delivery_not_handed_back")  # the broker does it, when the connection ends or the claim runs out
