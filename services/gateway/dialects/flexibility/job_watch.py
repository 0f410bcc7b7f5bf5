"""Waiting for jobs: whoever asks for something that may be done in a moment is woken when it is.

The event that jobs have ended only says where to look; what is told is what the database holds. So a lost event costs a quarter of a
second, and one that comes twice nothing. All who wait are looked after together, whatever their account: a request waits for the job
that it has found, or made, within its own account.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.gateway.dialects.flexibility import job_store
from services.gateway.dialects.flexibility.job_store import JobState
from shared.background import BackgroundLoop
from shared.bus.codec import parse
from shared.bus.port import Bus, Consumer
from shared.contracts.flexibility import JobsFinished
from shared.contracts.message import Envelope
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import PoisonMessage
from shared.ids import JobId

log = structlog.get_logger()

# Events may be lost; what they told of is seen so many seconds later at the latest.
LOOK_EVERY_S = 0.25
# Of those who wait at a time. More are answered as things stand.
MOST_WAITING = 256
# Of how many jobs is remembered that somebody has waited for them.
MOST_REMEMBERED = 10_000
STOPS_WITHIN_S = 0.5


class Patience:
    """Lets the first question about a job wait; whoever asks again is answered at once, or polling would hold connections."""

    def __init__(self) -> None:
        self._waited_for: OrderedDict[JobId, None] = OrderedDict()

    def is_first(self, job_id: JobId) -> bool:
        """Whether nobody has waited for the job; from now on somebody has."""
        if job_id in self._waited_for:
            return False
        self._waited_for[job_id] = None
        if len(self._waited_for) > MOST_REMEMBERED:
            self._waited_for.popitem(last=False)
        return True


class Waiter:
    """Somebody who waits for a job. Made before the job is, so that no end of it can be missed."""

    def __init__(self, ended: asyncio.Future[JobState] | None) -> None:
        self._ended = ended

    async def wait(self, within_s: float) -> JobState | None:
        """What came of the job; None if that is not known in time."""
        if self._ended is None:
            return None
        done, _ = await asyncio.wait([self._ended], timeout=within_s)
        return self._ended.result() if done and not self._ended.cancelled() else None


class JobWatch:
    """Everybody in this process who waits for a job."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._waiting: dict[JobId, list[asyncio.Future[JobState]]] = {}
        self._stirred: set[JobId] = set()
        self._listener: Consumer | None = None
        self._looked_at = 0.0
        self._count = 0
        self.patience = Patience()
        self._loop = BackgroundLoop("job watch", self.look, every_s=LOOK_EVERY_S)

    async def start(self) -> None:
        """Listen, and look."""
        self._listener = await self._bus.subscribe([JobsFinished.name], self._hear)
        self._loop.start()

    async def stop(self) -> None:
        """End; whoever still waits is told nothing."""
        if self._listener is not None:
            await self._listener.stop(within_s=STOPS_WITHIN_S)
        await self._loop.stop(within_s=STOPS_WITHIN_S)
        for futures in self._waiting.values():
            for future in futures:
                future.cancel()

    @contextmanager
    def waiting_for(self, job_id: JobId) -> Iterator[Waiter]:
        """Wait for a job within the block."""
        if self._count >= MOST_WAITING:
            yield Waiter(None)
            return
        future: asyncio.Future[JobState] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, []).append(future)
        self._count += 1
        try:
            yield Waiter(future)
        finally:
            self._count -= 1
            futures = self._waiting[job_id]
            futures.remove(future)
            if not futures:
                del self._waiting[job_id]

    async def look(self) -> None:
        """Look at the jobs of which something was heard, and from time to time at all that somebody waits for."""
        stirred, self._stirred = self._stirred, set()
        if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            wanted = set(self._waiting)
        else:
            wanted = stirred & self._waiting.keys()
        if not wanted:
            return
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            states = await job_store.states_of(connection, wanted)
        for job_id, state in states.items():
            if state.has_ended:
                self._tell(job_id, state)

    def _tell(self, job_id: JobId, state: JobState) -> None:
        for future in self._waiting.get(job_id, ()):
            if not future.done():
                future.set_result(state)

    async def _hear(self, event: Envelope) -> None:
        try:
            ended = parse(JobsFinished, event).job_ids
        except PoisonMessage as poison:
            log.warning("event_not_understood", name=event.name, reason=poison.message)
            return
        known = self._waiting.keys() & set(ended)
        if known:
            self._stirred |= known
            self._loop.wake()
