"""Storing what was accepted, for as long as the process runs.

Postgres holds what waits; messages only wake the loops, which look by themselves besides. So a lost message costs a moment, and one
that comes twice finds nothing to do. A job's beliefs, its state, the end of its data and the event are one transaction: killed at any
moment, a job either still waits or is done.
"""

from __future__ import annotations

import asyncio

from services.telemetry import metrics, store
from services.telemetry.large_jobs import LargeJobs, Workers
from services.telemetry.small_jobs import MOST_SMALL_BYTES, SmallJobs
from shared.background import BackgroundLoop
from shared.db.unit_of_work import EVERY_ACCOUNT, Database

SMALL_EVERY_S = 0.25
LARGE_EVERY_S = 1.0
LARGE_AT_ONCE = 2
RENEW_EVERY_S = 5.0
GAUGES_EVERY_S = 5.0


class Ingestion:
    """Stores what waits, until stopped."""

    def __init__(self, database: Database, children: Workers) -> None:
        self._database = database
        small, large = SmallJobs(database), LargeJobs(database, children)
        self._small = BackgroundLoop("small ingestion", small.store, every_s=SMALL_EVERY_S)
        self._large = [
            BackgroundLoop(f"large ingestion {n}", large.store, every_s=LARGE_EVERY_S) for n in range(LARGE_AT_ONCE)
        ]
        self._besides = [
            BackgroundLoop("ingestion claims", large.renew_claims, every_s=RENEW_EVERY_S),
            BackgroundLoop("ingestion gauges", self._measure, every_s=GAUGES_EVERY_S),
        ]

    def start(self) -> None:
        """Begin."""
        for loop in (self._small, *self._large, *self._besides):
            loop.start()

    async def stop(self, *, within_s: float) -> None:
        """Finish what is in hand; what is not done by then is given back."""
        loops = (self._small, *self._large, *self._besides)
        await asyncio.gather(*(loop.stop(within_s=within_s) for loop in loops))

    def wake(self, most_bytes: int | None) -> None:
        """Something was accepted, of at most so many bytes; None: of any size."""
        self._small.wake()
        if most_bytes is None or most_bytes > MOST_SMALL_BYTES:
            for loop in self._large:
                loop.wake()

    async def _measure(self) -> None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            count, age_s = await store.backlog(connection)
        metrics.JOBS_WAITING.set(count)
        metrics.OLDEST_JOB_SECONDS.set(age_s)
