"""Whether a process can accept work now: each dependency is asked at the moment of the question, never remembered for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypedDict

from shared.errors import BusbarError
from shared.observability import metrics

Check = Callable[[], Awaitable[str | None]]

# Many probes in the same moment share one answer, so that nobody can wear the database out by asking for its health.
REUSE_S = 0.2


class DependencyReport(TypedDict, total=False):
    """One dependency's state."""

    state: str  # well | away
    reason: str


class HealthReport(TypedDict):
    """What ``/health/ready`` answers."""

    ready: bool
    retiring: bool
    dependencies: dict[str, DependencyReport]


class Health:
    """The checks of a process."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._is_retiring = False
        self._asking: asyncio.Task[dict[str, DependencyReport]] | None = None
        self._asked_at = float("-inf")

    def add(self, name: str, check: Check) -> None:
        """Register a dependency. A check returns None when all is well, else the reason; an error of ours is a reason too."""
        self._checks[name] = check

    def retire(self) -> None:
        """Be not ready from now on: the process is about to end, and what is in hand is being finished."""
        self._is_retiring = True

    async def report(self, timeout_s: float = 1.0) -> tuple[bool, HealthReport]:
        """Ask all dependencies at once; one that does not answer in time is away."""
        dependencies = await asyncio.shield(self._current_asking(timeout_s))
        is_ready = not self._is_retiring and all(found["state"] == "well" for found in dependencies.values())
        metrics.READY.set(is_ready)
        return is_ready, {"ready": is_ready, "retiring": self._is_retiring, "dependencies": dependencies}

    def _current_asking(self, timeout_s: float) -> asyncio.Task[dict[str, DependencyReport]]:
        is_old = time.monotonic() - self._asked_at > REUSE_S
        if self._asking is None or (self._asking.done() and is_old):
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._ask_all(timeout_s))
        return self._asking

    async def _ask_all(self, timeout_s: float) -> dict[str, DependencyReport]:
        names = list(self._checks)
        reasons = await asyncio.gather(*(_ask(self._checks[name], timeout_s) for name in names))
        for name, reason in zip(names, reasons, strict=True):
            metrics.DEPENDENCY_WELL.labels(name).set(reason is None)
        return {name: _state(reason) for name, reason in zip(names, reasons, strict=True)}


async def _ask(check: Check, timeout_s: float) -> str | None:
    try:
        async with asyncio.timeout(timeout_s):
            return await check()
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (BusbarError, OSError) as error:
        return str(error)


def _state(reason: str | None) -> DependencyReport:
    return {"state": "well"} if reason is None else {"state": "away", "reason": reason}
