"""Short work in child processes: a fixed number of warm children, a bounded queue before them, a deadline on every call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple, Unpack

from shared.errors import DependencyUnavailable, WorkTimedOut
from shared.workers.calls import Call, Raised, Returned
from shared.workers.child import ChildProcess
from shared.workers.launcher import Launcher

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class PoolSaturated(DependencyUnavailable):
    """All children are busy and enough callers wait already."""

    code = "pool_saturated"


class WorkerPool:
    """Runs functions in at most ``processes`` children at a time; at most ``max_waiting`` callers wait for one.

    A child serves call after call; it is replaced when it died, overran its deadline, was abandoned by its caller, or has
    come to hold more than a quarter of the memory it may use.
    """

    def __init__(self, launcher: Launcher, *, processes: int, memory_bytes: int, max_waiting: int) -> None:
        self._launcher = launcher
        self._memory_bytes = memory_bytes
        self._max_waiting = max_waiting
        self._slots = asyncio.Semaphore(processes)
        self._idle: list[ChildProcess] = []
        self._busy: set[ChildProcess] = set()
        self._waiting = 0

    async def warm_up(self) -> None:
        """Fork one child ahead of the first call, unless there is one."""
        async with self._slots:
            child = await self._child()
            self._idle.append(child)

    async def run(self, function: Callable[[Unpack[Ts]], R], *args: *Ts, deadline_s: float) -> R:
        """The result of a picklable top-level function; what it raises is raised here, fields and all.

        Raises:
            PoolSaturated: too many callers wait already, or no child came free before the deadline.
            WorkTimedOut: the function outlived the deadline; its child was killed.
            WorkerDied: the child ended before its answer (crash, out of memory, killed).
        """
        deadline = asyncio.get_running_loop().time() + deadline_s
        async with self._slot(deadline):
            answer = await self._call(Call(function, args), deadline)
        if isinstance(answer, Raised):
            raise answer.rebuilt()
        value: R = answer.value
        return value

    def close(self) -> None:
        """End all children; calls under way fail with WorkerDied."""
        for child in [*self._idle, *self._busy]:
            child.kill()
        self._idle.clear()

    @property
    def waiting(self) -> int:
        """How many callers wait for a free child."""
        return self._waiting

    @property
    def busy(self) -> int:
        """How many children work at the moment."""
        return len(self._busy)

    @asynccontextmanager
    async def _slot(self, deadline: float) -> AsyncIterator[None]:
        if self._slots.locked() and self._waiting >= self._max_waiting:
            raise PoolSaturated("All workers are busy; try again in a moment.")
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise PoolSaturated("No worker came free in time; try again in a moment.") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def _call(self, call: Call, deadline: float) -> Returned | Raised:
        child: ChildProcess | None = None
        answer: Returned | Raised | None = None
        try:
            async with asyncio.timeout_at(deadline):
                child = await self._child()
                self._busy.add(child)
                await child.write(call)
                answer = await child.read()
        except TimeoutError:
            raise WorkTimedOut("The work took longer than it may.") from None
        finally:
            if child is not None:
                self._busy.discard(child)
                self._keep_or_kill(child, answer)
        return answer

    async def _child(self) -> ChildProcess:
        while self._idle:
            child = self._idle.pop()
            if not child.has_ended:
                return child
            child.close()
        return await self._launcher.fork(memory_bytes=self._memory_bytes)

    def _keep_or_kill(self, child: ChildProcess, answer: Returned | Raised | None) -> None:
        is_fit = isinstance(answer, Raised) or (
            isinstance(answer, Returned) and answer.peak_memory_bytes <= self._memory_bytes // 4
        )
        if is_fit:
            self._idle.append(child)
        else:
            child.kill()
