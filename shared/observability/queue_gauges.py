"""Measures how much waits in each queue and in its dead letters: the first thing that an operator wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.background import BackgroundLoop
from shared.contracts.message import Queue
from shared.contracts.registry import CONTRACTS
from shared.observability import metrics

MEASURE_EVERY_S = 5.0
STOP_WITHIN_S = 1.0

COMMAND_QUEUES: tuple[Queue, ...] = tuple(dict.fromkeys(c.queue for c in CONTRACTS if c.queue is not None))


class CountsMessages(Protocol):
    """What of the bus is needed here."""

    async def queue_depth(self, queue: Queue) -> int:
        """How many commands wait in a queue."""
        ...

    async def dead_letter_count(self, queue: Queue) -> int:
        """How many messages wait in a queue's dead-letter queue."""
        ...


class QueueGauges:
    """Keeps the gauges of the queues from ``start`` until ``stop``. Every process may: they all measure the same."""

    def __init__(self, bus: CountsMessages, queues: Sequence[Queue] = COMMAND_QUEUES) -> None:
        self._bus = bus
        self._queues = queues
        self._loop = BackgroundLoop("queue gauges", self._measure, every_s=MEASURE_EVERY_S)

    async def start(self) -> None:
        """Begin to measure."""
        self._loop.start()

    async def stop(self) -> None:
        """Measure no more."""
        await self._loop.stop(within_s=STOP_WITHIN_S)

    async def _measure(self) -> None:
        for queue in self._queues:
            metrics.QUEUE_DEPTH.labels(queue.name).set(await self._bus.queue_depth(queue))
            metrics.DEAD_LETTERS.labels(queue.name).set(await self._bus.dead_letter_count(queue))
