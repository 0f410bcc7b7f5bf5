"""All optimisation runs of this process: takes them up, keeps their leases, hears of stops, hands them on at the end.

Three loops serve all runs together, so that their number costs no more statements: the heartbeat renews every lease at once, the
watch asks which runs were stopped or deleted, the sweep looks for runs that nobody works on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.optimizer import metrics, run_store
from services.optimizer.run_records import RunRecords, finish_run, resource_of, take_lease
from services.optimizer.run_store import WantedRun
from services.optimizer.supervised_run import Ending, RunChild, SupervisedRun, Surroundings
from services.optimizer.tasks.values import RunJob
from shared.background import BackgroundLoop
from shared.db import leases
from shared.db.leases import Lease
from shared.db.unit_of_work import EVERY_ACCOUNT, Database, UnitOfWork
from shared.ids import RunId
from shared.observability import metrics as shared_metrics

log = structlog.get_logger()

WATCH_EVERY_S = 0.1
SWEEP_EVERY_S = 1.0
# Beyond the free places, so that runs whose stop was requested are ended also by a process that is full.
SWEEP_BESIDES = 20
CONNECTIONS_FOR_CHECKPOINTS = 4
# A process that could not start a child takes up no run for so long, so that one that can finds it.
REST_S = 5.0
LOOPS_STOP_WITHIN_S = 0.5


@dataclass(frozen=True)
class Limits:
    """Settings of the supervisor."""

    max_runs: int
    lease_ttl_s: float
    heartbeat_s: float
    enumeration_limit: int
    threads_per_run: int


class RunSupervisor:
    """Works on runs whose lease this process holds; each has a child process of its own."""

    def __init__(
        self,
        database: Database,
        start_child: Callable[[RunJob], Awaitable[RunChild]],
        can_start_children: Callable[[], bool],
        *,
        instance: str,
        limits: Limits,
    ) -> None:
        self._database = database
        self._can_start_children = can_start_children
        self._instance = instance
        self._limits = limits
        self._around = Surroundings(
            start_child,
            asyncio.Semaphore(CONNECTIONS_FOR_CHECKPOINTS),
            limits.enumeration_limit,
            limits.threads_per_run,
        )
        self._runs: dict[RunId, SupervisedRun] = {}
        self._is_stopping = False
        self._rests_until = 0.0
        self._loops = (
            BackgroundLoop("run heartbeat", self.renew_leases, every_s=limits.heartbeat_s),
            BackgroundLoop("run watch", self.watch, every_s=WATCH_EVERY_S),
            BackgroundLoop("run sweep", self.sweep, every_s=SWEEP_EVERY_S),
        )

    @property
    def has_room(self) -> bool:
        """Whether this process can work on one run more."""
        if self._is_stopping or time.monotonic() < self._rests_until or not self._can_start_children():
            return False
        return len(self._runs) < self._limits.max_runs

    def start(self) -> None:
        """Begin to look after runs."""
        for loop in self._loops:
            loop.start()

    async def stop(self, *, within_s: float) -> None:
        """Let every run write what it found last and hand it on; at the deadline leases are left to run out."""
        self._is_stopping = True
        heartbeat, watch, sweep = self._loops
        await asyncio.gather(*(loop.stop(within_s=LOOPS_STOP_WITHIN_S) for loop in (watch, sweep)))
        runs = list(self._runs.values())
        for run in runs:
            run.end(Ending.HANDED_ON)
        await asyncio.gather(*(run.wait(max(0.0, within_s - 2 * LOOPS_STOP_WITHIN_S)) for run in runs))
        await heartbeat.stop(within_s=LOOPS_STOP_WITHIN_S)

    async def take_up(self, uow: UnitOfWork, wanted: WantedRun) -> None:
        """Work on a run from the commit on, if it is wanted, nobody works on it, and there is room."""
        if not self.has_room:
            return
        lease = await take_lease(uow, wanted, self._instance, self._limits.lease_ttl_s)
        if lease is None:
            return
        if not await run_store.begin_run(uow.connection, wanted.account_id, wanted.run_id):
            metrics.TAKE_OVERS.inc()
            log.info("run_taken_over", run_id=str(wanted.run_id), fence=lease.fence)
        uow.after_commit.append(lambda: self._adopt(wanted, lease))

    def _adopt(self, wanted: WantedRun, lease: Lease) -> None:
        records = RunRecords(self._database, wanted, lease, self._limits.lease_ttl_s)
        run = self._runs[wanted.run_id] = SupervisedRun(records, self._around, self._forget)
        run.start()
        if self._is_stopping:
            run.end(Ending.HANDED_ON)
        self._count()

    def _forget(self, run: SupervisedRun) -> None:
        # After a lost lease the run may have been taken up here again, under the next fence, before this one has ended.
        if self._runs.get(run.wanted.run_id) is run:
            del self._runs[run.wanted.run_id]
        if run.ending is Ending.HANDED_ON:  # for want of a child, unless this process ends anyway
            self._rests_until = time.monotonic() + REST_S
        self._count()

    def _count(self) -> None:
        metrics.RUNS_ACTIVE.set(len(self._runs))
        shared_metrics.LEASES_HELD.set(len(self._runs))

    # ------------------------------------------------------------------ what the loops do

    async def renew_leases(self) -> None:
        """Renew the leases of all runs; get back those that have expired, and leave the runs that another has."""
        held = {run: run.lease for run in self._runs.values()}
        if not held:
            return
        async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
            ours = await leases.renew(uow.connection, held.values(), self._limits.lease_ttl_s)
        for run, lease in held.items():
            # One that has ended meanwhile has let its lease go.
            if lease.resource not in ours and self._runs.get(run.wanted.run_id) is run and not run.is_concluding:
                await self._save_or_leave(run, lease)

    async def _save_or_leave(self, run: SupervisedRun, lease: Lease) -> None:
        if not await run.keep_lease(lease):
            shared_metrics.LEASES_LOST.inc()
            run.end(Ending.LOST)

    async def watch(self) -> None:
        """End the runs that clients have stopped or deleted, or whose time is over."""
        runs = list(self._runs.values())
        if not runs:
            return
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            keys = [(run.wanted.account_id, run.wanted.run_id) for run in runs]
            is_to_stop = await run_store.runs_to_stop(connection, keys)
        for run in runs:
            if run.wanted.run_id not in is_to_stop:
                run.end(Ending.DELETED)
            elif is_to_stop[run.wanted.run_id]:
                run.end(Ending.STOPPED)

    async def sweep(self) -> None:
        """Take up runs that nobody works on, as far as there is room, and end those that were stopped meanwhile."""
        room = self._limits.max_runs - len(self._runs) if self.has_room else 0
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            unattended = await run_store.unattended_runs(connection, limit=room + SWEEP_BESIDES)
        for wanted in unattended:
            if wanted.run_id in self._runs:  # its lease has run out here, and the heartbeat sees to that
                continue
            async with self._database.unit_of_work(wanted.account_id) as uow:
                if wanted.is_to_stop:
                    await self._end_stopped(uow, wanted)
                else:
                    await self.take_up(uow, wanted)

    async def _end_stopped(self, uow: UnitOfWork, wanted: WantedRun) -> None:
        """Write the end of a run that was stopped while nobody worked on it."""
        row = await run_store.hold_run(uow.connection, wanted.account_id, wanted.run_id)
        if row is None or row.is_finished:
            return
        resource, ttl_s = resource_of(wanted), self._limits.lease_ttl_s
        lease = await leases.acquire(uow.connection, wanted.account_id, resource, self._instance, ttl_s)
        if lease is not None:
            await finish_run(uow, wanted, "stopped", None)
            await leases.release(uow.connection, lease)
