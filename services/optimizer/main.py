"""The optimizer's composition: children, handlers, runs, and the order in which they start and end."""

from __future__ import annotations

import asyncio
import contextlib

from services.optimizer import metrics
from services.optimizer.flexibility.forecasts import Forecasts
from services.optimizer.flexibility.jobs import Jobs
from services.optimizer.flexibility.jobs import Limits as JobLimits
from services.optimizer.flexibility.overdue import OverdueJobs
from services.optimizer.flexibility.schedules import Schedules
from services.optimizer.handlers import handlers
from services.optimizer.run_supervisor import Limits, RunSupervisor
from services.optimizer.supervised_run import RunChild
from services.optimizer.tasks import entry
from services.optimizer.tasks.values import RunJob
from shared.background import BackgroundLoop
from shared.bus.runner import Runner
from shared.contracts.flexibility import ForecastRequested, ScheduleRequested
from shared.contracts.reconfiguration import RUNS
from shared.db.models.flexibility import FORECASTING, SCHEDULING
from shared.errors import WorkerDied
from shared.process import Process
from shared.workers import Launcher, WorkerPool

RUNS_PREFETCH = 8
# Jobs that wait for data take no child; so many may do so before others wait behind them.
JOBS_PREFETCH = 16
# Searches give way to questions, which somebody waits for.
RUN_NICENESS = 10
CHILDREN_END_WITHIN_S = 1.0
LOOK_AFTER_CHILDREN_EVERY_S = 1.0
LOOK_FOR_OVERDUE_JOBS_EVERY_S = 60.0
# Kernels that are not in the cache yet are compiled at the first start, which takes a minute on a slow machine.
CHILDREN_READY_WITHIN_S = 120.0
FIRST_SCHEDULE_WITHIN_S = 20.0


class Optimizer:
    """The service: answers questions about networks and sessions, works on optimisation runs, and does schedule and forecast jobs."""

    def __init__(self, process: Process) -> None:
        settings = process.settings
        self._settings = settings
        self._launcher = Launcher(preload=entry.PRELOAD)
        self._pool = WorkerPool(
            self._launcher,
            processes=settings.optimizer_processes,
            memory_bytes=settings.worker_memory_bytes,
            # The runner takes no more messages than there are children; this is for a moment of overlap.
            max_waiting=settings.optimizer_processes,
        )
        self._job_pools = tuple(
            WorkerPool(
                self._launcher,
                processes=settings.optimizer_processes,
                memory_bytes=settings.worker_memory_bytes,
                max_waiting=JOBS_PREFETCH,
            )
            for _ in (ScheduleRequested, ForecastRequested)
        )
        self._supervisor = RunSupervisor(
            process.database,
            self._start_child,
            lambda: self._launcher.is_ready,
            instance=process.instance,
            limits=Limits(
                max_runs=settings.optimizer_max_runs,
                lease_ttl_s=settings.lease_ttl_s,
                heartbeat_s=settings.heartbeat_s,
                enumeration_limit=settings.enumeration_limit,
                threads_per_run=settings.optimizer_threads_per_run,
            ),
        )
        consumed = handlers(
            process.database,
            self._pool,
            self._supervisor,
            ask_deadline_s=settings.ask_deadline_s,
            cim_creator=settings.pgo_cim_creator,
        )
        # Two runners, so that starts of runs do not wait behind questions, nor take their places.
        of_runs = [handler for handler in consumed if handler.contract.queue == RUNS]
        of_questions = [handler for handler in consumed if handler.contract.queue != RUNS]
        self._runners = (
            Runner(process.database, process.bus, of_questions, prefetch=settings.optimizer_processes),
            Runner(process.database, process.bus, of_runs, prefetch=RUNS_PREFETCH),
            *self._of_jobs(process),
        )
        self._children = BackgroundLoop("children", self._keep_children_ready, every_s=LOOK_AFTER_CHILDREN_EVERY_S)
        process.health.add("children", self._children_are_well)

    async def start(self) -> None:
        """Begin to serve, once children can be forked; where they cannot, begin all the same and say so in health."""
        self._children.start()
        with contextlib.suppress(TimeoutError, WorkerDied):
            async with asyncio.timeout(CHILDREN_READY_WITHIN_S):
                await self._launcher.ready()
        self._supervisor.start()
        self._overdue.start()
        for runner in self._runners:
            await runner.start()

    async def stop(self, *, within_s: float) -> None:
        """Finish the questions in hand and hand the runs on."""
        working_s = max(0.0, within_s - CHILDREN_END_WITHIN_S)
        await asyncio.gather(
            *(runner.stop(within_s=working_s) for runner in self._runners),
            self._supervisor.stop(within_s=working_s),
        )
        await asyncio.gather(*(loop.stop(within_s=CHILDREN_END_WITHIN_S) for loop in (self._children, self._overdue)))
        for pool in (self._pool, *self._job_pools):
            pool.close()
        await self._launcher.close()

    @property
    def launcher_pid(self) -> int | None:
        """The process from which children are forked."""
        return self._launcher.pid

    def _of_jobs(self, process: Process) -> tuple[Runner, Runner]:
        """Schedules and forecasts, with children of their own: neither waits behind questions, nor behind the other."""
        settings = self._settings
        limits = JobLimits(
            job_s=settings.flexibility_job_limit_s,
            data_wait_s=settings.flexibility_data_wait_limit_s,
            solver_s=settings.schedule_solver_limit_s,
            mip_gap=settings.schedule_mip_gap,
        )
        jobs = Jobs(process.database, process.clock, limits)
        of_schedules, of_forecasts = self._job_pools
        schedules = Schedules(process.database, of_schedules, process.clock, limits)
        forecasts = Forecasts(process.database, of_forecasts, process.clock, limits)
        overdue = OverdueJobs(process.database, {SCHEDULING: schedules, FORECASTING: forecasts}, limits)
        self._overdue = BackgroundLoop("overdue-jobs", overdue.sweep, every_s=LOOK_FOR_OVERDUE_JOBS_EVERY_S)
        of_both = (jobs.handler(ScheduleRequested, schedules), jobs.handler(ForecastRequested, forecasts))
        first, second = (
            Runner(process.database, process.bus, [handler], prefetch=JOBS_PREFETCH) for handler in of_both
        )
        return first, second

    async def _start_child(self, job: RunJob) -> RunChild:
        memory_bytes = self._settings.worker_memory_bytes
        return await self._launcher.spawn(entry.optimise_run, job, nice=RUN_NICENESS, memory_bytes=memory_bytes)

    async def _keep_children_ready(self) -> None:
        if not self._launcher.is_ready:
            metrics.CHILDREN_READY.set(0)
            for pool in (self._pool, *self._job_pools):
                await pool.warm_up()
            of_schedules, _ = self._job_pools
            await of_schedules.run(entry.plan_first_schedule, deadline_s=FIRST_SCHEDULE_WITHIN_S)
        metrics.CHILDREN_READY.set(1)

    async def _children_are_well(self) -> str | None:
        return None if self._launcher.is_ready else "child processes are not ready"
