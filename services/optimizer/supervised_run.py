"""One optimisation run in this process, from its lease to its end: a child that searches, and what becomes of its findings.

What the child sends is kept in one place, later over earlier, and written from there: a slow database never holds the child up,
and of several improvements in a short time only the last is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

import structlog

from services.optimizer import metrics
from services.optimizer.run_records import Findings, RunDeleted, RunRecords
from services.optimizer.run_store import RunRow, WantedRun
from services.optimizer.tasks.values import Bounded, Discarded, Improved, RunJob, RunMessage, Started, Weights
from shared.background import back_off_s
from shared.db.leases import Lease
from shared.errors import DatabaseUnavailable, LeaseLost, WorkerDied

log = structlog.get_logger()
R = TypeVar("R")

# A stop has to be effective within about a second, whatever the child is at.
CHILD_STOPS_WITHIN_S = 1.5
SHORTEST_BETWEEN_CHECKPOINTS_S = 0.1
DEATHS_UNTIL_FAILED = 3
# A child that has worked for so long did not die of what it began with; deaths before that no longer count.
GOOD_WHILE_S = 600.0


class Ending(Enum):
    """Why this process ends its work on a run; the values are labels of a metric."""

    STOPPED = "stopped"  # a client asked for it, or its time is over
    FAILED = "failed"  # its children die again and again
    HANDED_ON = "handed_on"  # this process ends, or cannot start children: another one continues
    LOST = "lost"  # another process has the lease
    DELETED = "deleted"  # the run is gone, with its session


# Endings after which nothing is to be written any more.
_ABRUPT = frozenset({Ending.LOST, Ending.DELETED})


class RunChild(Protocol):
    """A child process that optimises."""

    def messages(self) -> AsyncIterator[RunMessage]:
        """What it finds, until it returns."""
        ...

    async def stop(self, *, within_s: float) -> bool:
        """Have it finish, or kill it at the deadline."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What the runs of one process share. ``writing`` bounds how many connections checkpoints take at a time."""

    start_child: Callable[[RunJob], Awaitable[RunChild]]
    writing: asyncio.Semaphore
    enumeration_limit: int
    threads_per_run: int


@dataclass(eq=False)
class SupervisedRun:
    """A run of which this process holds the lease."""

    records: RunRecords
    around: Surroundings
    on_end: Callable[[SupervisedRun], None]
    _ending: Ending | None = None
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _told_at: float = 0.0
    _findings: Findings = field(default_factory=Findings)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _retaking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _task: asyncio.Task[None] | None = None
    is_concluding: bool = False  # its last write is under way, which lets the lease go

    @property
    def ending(self) -> Ending | None:
        """Why the work ends, once that is known."""
        return self._ending

    @property
    def wanted(self) -> WantedRun:
        """Which run it is."""
        return self.records.wanted

    @property
    def lease(self) -> Lease:
        """The right to work on it."""
        return self.records.lease

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._live(), name=f"run {self.wanted.run_id}")

    def end(self, why: Ending) -> None:
        """End the work: in order as long as the run is ours, at once when it is not. The first reason counts otherwise."""
        if self._ending is None:
            self._told_at = time.monotonic()
        if self._ending is None or (why in _ABRUPT and self._ending not in _ABRUPT):
            self._ending = why
            self._told.set()
            self._stirred.set()

    async def wait(self, within_s: float) -> None:
        """Wait until the work has ended; at the deadline it ends without another write, and the lease runs out by itself."""
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=within_s)
        if late:
            self._task.cancel()
            await asyncio.wait(late, timeout=1.0)

    async def keep_lease(self, lost: Lease) -> bool:
        """Get the lease back after ``lost`` was found expired; whether the run is still ours."""
        async with self._retaking:
            if self.lease is not lost:  # somebody has got it back meanwhile
                return True
            is_ours = await self.records.retake()
        if is_ours:
            log.warning("run_lease_retaken", run_id=str(self.wanted.run_id), fence=self.lease.fence)
        return is_ours

    # ------------------------------------------------------------------ from begin to end

    async def _live(self) -> None:
        ids = {"account_id": str(self.wanted.account_id), "run_id": str(self.wanted.run_id)}
        with structlog.contextvars.bound_contextvars(**ids):
            try:
                await self._work()
            except LeaseLost as lost:
                self.end(Ending.LOST)
                log.warning("run_lost", reason=lost.message)
            except RunDeleted:
                self.end(Ending.DELETED)
            except Exception:
                # Nobody renews the lease now; when it has run out, whoever sweeps takes the run up again.
                log.exception("run_supervision_failed")
            finally:
                outcome = self._ending or Ending.LOST
                metrics.RUNS_ENDED.labels(outcome.value).inc()
                log.info("run_left", outcome=outcome.value)
                self.on_end(self)

    async def _work(self) -> None:
        failure: str | None = None
        weights: Weights = ()
        while not self._told.is_set():
            row, child = await self._begin()
            weights = row.weights
            if child is None:
                await self._told.wait()
            else:
                failure = await self._work_with(child, row)
        await self._conclude(weights, failure)

    async def _begin(self) -> tuple[RunRow, RunChild | None]:
        """The run as it stands, and a child that works on it, or None where there is nothing to do but to wait for the end.

        What the child is given is read anew for each and let go here: documents of as many runs as a process may have, kept for
        as long as those last, would fill its memory.
        """
        row, job = await self._persist(
            lambda: self.records.read_job(self.around.enumeration_limit, self.around.threads_per_run)
        )
        if row.is_to_stop:
            self.end(Ending.STOPPED)
        elif not row.is_proven:
            try:
                return row, await self.around.start_child(job)
            except WorkerDied as err:
                # That is this machine's failure and not the run's.
                log.warning("run_child_not_started", reason=err.message)
                self.end(Ending.HANDED_ON)
        return row, None

    async def _work_with(self, child: RunChild, row: RunRow) -> str | None:
        """Have one child work until it or the run ends; the reason if it is the death that was one too many."""
        begun = time.monotonic()
        log.info("run_child_started", deaths=row.deaths, resumes=row.has_progressed)
        death = await self._follow(child, row)
        if death is None:
            await self._told.wait()
        if death is None or self._told.is_set():
            return None
        metrics.CHILD_DEATHS.labels("run").inc()
        deaths = (row.deaths if time.monotonic() - begun < GOOD_WHILE_S else 0) + 1
        log.error("run_child_died", reason=str(death), error=type(death).__name__, deaths=deaths)
        if deaths >= DEATHS_UNTIL_FAILED:
            self.end(Ending.FAILED)
            return str(death)
        await self._persist(lambda: self.records.note_deaths(deaths))
        await self._pause(back_off_s(deaths))
        return None

    async def _conclude(self, weights: Weights, failure: str | None) -> None:
        found = self._findings
        self.is_concluding = True
        if self._ending is Ending.STOPPED:
            await self._persist(lambda: self.records.finish("stopped", found, weights, None))
            metrics.RUN_STOP_SECONDS.observe(time.monotonic() - self._told_at)
        elif self._ending is Ending.FAILED:
            await self._persist(lambda: self.records.finish("failed", found, weights, failure))
        elif self._ending is Ending.HANDED_ON:
            await self._persist(lambda: self.records.hand_on(found, weights))
        elif self._ending is Ending.DELETED:
            with contextlib.suppress(DatabaseUnavailable):  # then it runs out by itself
                await self.records.release()

    # ------------------------------------------------------------------ with one child

    async def _follow(self, child: RunChild, row: RunRow) -> BaseException | None:
        """Write down what a child finds until it ends; how it died, or None where it returned.

        What was not written by then is left in ``_findings`` where the work ends, and goes into its last write.
        """
        self._findings = Findings()
        self._stirred.clear()
        reading = asyncio.create_task(
            self._read(child, time.monotonic() - row.waited_s if not row.has_progressed else None)
        )
        reading.add_done_callback(lambda _: self._stirred.set())
        stopping = asyncio.create_task(self._stop_when_told(child))
        try:
            while not reading.done() and not self._told.is_set():
                await self._stirred.wait()
                self._stirred.clear()
                await self._write_findings(row.weights)
                await self._pause(SHORTEST_BETWEEN_CHECKPOINTS_S, reading)
            await asyncio.wait([reading])
            if not self._told.is_set():
                await self._write_findings(row.weights)
            return reading.exception()
        finally:
            child.kill()
            reading.cancel()
            stopping.cancel()
            await asyncio.wait([reading, stopping], timeout=1.0)

    async def _read(self, child: RunChild, requested_at: float | None) -> None:
        async for message in child.messages():
            found = _findings_of(message)
            self._findings = found.after(self._findings)
            self._stirred.set()
            if found.is_start and requested_at is not None:
                metrics.RUN_START_SECONDS.observe(time.monotonic() - requested_at)

    async def _stop_when_told(self, child: RunChild) -> None:
        await self._told.wait()
        if self._ending in _ABRUPT:
            child.kill()
        else:
            await child.stop(within_s=CHILD_STOPS_WITHIN_S)

    async def _write_findings(self, weights: Weights) -> None:
        found, self._findings = self._findings, Findings()
        if found.are_worth_writing:
            async with self.around.writing:
                await self._persist(lambda: self.records.checkpoint(found, weights))

    async def _persist(self, do: Callable[[], Awaitable[R]]) -> R:
        """Do something with the database, again and again while that is away, as long as the run is ours."""
        failures = 0
        expired: Lease | None = None
        while True:
            if self._ending is Ending.LOST:
                raise LeaseLost("the lease is no longer held")
            if self._ending is Ending.DELETED:
                raise RunDeleted("the run is deleted")
            lease = self.lease
            try:
                if expired is not None and not await self.keep_lease(expired):
                    raise LeaseLost("the lease has expired, and somebody else has taken the run or stopped it")
                expired = None
                return await do()
            except DatabaseUnavailable as err:
                failures += 1
                log.warning("run_waits_for_database", reason=err.message)
                await asyncio.sleep(back_off_s(failures))
            except LeaseLost:
                if expired is not None:
                    raise
                expired = lease

    async def _pause(self, seconds: float, *until: asyncio.Task[None]) -> None:
        """Wait, unless told to end, or one of the tasks is done."""
        told = asyncio.create_task(self._told.wait())
        await asyncio.wait([told, *until], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()


def _findings_of(message: RunMessage) -> Findings:
    match message:
        case Started(solution):
            return Findings(solution, is_start=True, trials=1)
        case Improved(solution, trials):
            return Findings(solution, trials=trials)
        case Bounded(trials=trials):
            return Findings(bound=message, trials=trials)
        case Discarded(reason):
            metrics.RESULTS_DISCARDED.inc()
            log.error("run_result_discarded", reason=reason)
            return Findings()
