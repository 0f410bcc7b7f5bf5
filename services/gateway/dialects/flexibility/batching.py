"""Requests that need the same kind of statement, answered together: those that arrive while one is under way share the next.

One that is alone waits for nobody. For what is asked many times a second, of whose cost most is the way to the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")

MOST_TOGETHER = 200


@dataclass
class _Batch(Generic[A, R]):
    asked: list[A] = field(default_factory=list)
    task: asyncio.Task[Sequence[R]] | None = None


class Batching(Generic[A, R]):
    """Calls ``answer_all`` with everything that has been asked; it returns as many answers, in order, or fails for all of them.

    At most ``at_once`` calls are under way.
    """

    def __init__(
        self, name: str, answer_all: Callable[[Sequence[A]], Awaitable[Sequence[R]]], *, at_once: int = 1
    ) -> None:
        self._name = name
        self._answer_all = answer_all
        self._turns = asyncio.Semaphore(at_once)
        self._next: _Batch[A, R] | None = None

    async def answer(self, asked: A) -> R:
        """The answer to one request.

        Raises:
            Whatever ``answer_all`` raises.
        """
        batch = self._next
        if batch is None or len(batch.asked) >= MOST_TOGETHER:
            batch = self._next = _Batch()
            batch.task = asyncio.create_task(self._take_turn(batch), name=self._name)
            batch.task.add_done_callback(_mark_as_seen)
        place = len(batch.asked)
        batch.asked.append(asked)
        assert batch.task is not None
        # Shielded: whoever gives up must not take the answer from the others.
        return (await asyncio.shield(batch.task))[place]

    async def _take_turn(self, batch: _Batch[A, R]) -> Sequence[R]:
        async with self._turns:
            if self._next is batch:
                self._next = None  # whoever comes now is in the next one
            return await self._answer_all(batch.asked)


def _mark_as_seen(task: asyncio.Task[Sequence[R]]) -> None:
    if not task.cancelled():
        task.exception()
