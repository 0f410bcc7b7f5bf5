"""A supervised background loop: does its turn again and again, survives every failure of it, and stops within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import structlog

from shared.errors import DependencyUnavailable

log = structlog.get_logger()

FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 2.0


def back_off_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubling from 0.1 s up to 2 s, the upper half of it by chance."""
    longest = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)


class BackgroundLoop:
    """Calls ``turn`` every ``every_s`` seconds, sooner when woken, and at once again after a turn that returned True.

    A turn that finds a dependency away is tried again after a pause; any other error is logged with its traceback besides.
    """

    def __init__(self, name: str, turn: Callable[[], Awaitable[bool | None]], *, every_s: float) -> None:
        self._name = name
        self._turn = turn
        self._every_s = every_s
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._is_stopping = False
        self._task = asyncio.create_task(self._run(), name=self._name)

    def wake(self) -> None:
        """Take the next turn now, unless the loop is waiting after a failure."""
        self._woken.set()

    async def stop(self, *, within_s: float) -> None:
        """Let a turn that is under way end, up to the deadline; then cancel it."""
        self._is_stopping = True
        self._woken.set()
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=within_s)
        if late:
            self._task.cancel()
            await asyncio.wait(late, timeout=1.0)
        self._task = None

    async def _run(self) -> None:
        while not self._is_stopping:
            has_more = await self._take_turn()
            if self._is_stopping or (has_more and not self._failures):
                continue
            if self._failures:
                # Not woken by ``wake``: those calls come with every request, and would turn the pause into a busy loop.
                await self._pause(back_off_s(self._failures))
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._every_s):
                        await self._woken.wait()
                self._woken.clear()

    async def _pause(self, seconds: float) -> None:
        give_up = asyncio.get_running_loop().time() + seconds
        while not self._is_stopping and (left := give_up - asyncio.get_running_loop().time()) > 0:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._woken.wait()

    async def _take_turn(self) -> bool:
        try:
            has_more = bool(await self._turn())
        except DependencyUnavailable as error:
            if self._failures == 0:
                log.warning("background_loop_waits", loop=self._name, code=error.code, reason=error.message)
            self._failures += 1
            return False
        except Exception:
            log.exception("background_loop_failed", loop=self._name)
            self._failures += 1
            return False
        if self._failures:
            log.info("background_loop_recovered", loop=self._name, failures=self._failures)
        self._failures = 0
        return has_more
