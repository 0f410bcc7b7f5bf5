"""Deletes what nobody will come back for: ids held for something that never came to be, old answers, inbox rows, leases, expired
tokens and sessions, counters, what has left the audit record's time, and jobs that ended long ago.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway import metrics
from services.gateway.auth import attempt_store, credential_store, rate_store
from services.gateway.dialects.flexibility.job_sweep_store import forget_ended_jobs
from services.gateway.dialects.reconfiguration import pool_store
from services.gateway.dialects.reconfiguration.held_ids import sweep_expired
from services.gateway.dialects.reconfiguration.service import DELETE_WITHIN_S
from shared.background import BackgroundLoop
from shared.db import answers, inbox, leases, presence
from shared.db.models.reconfiguration import networks, sessions
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DatabaseUnavailable
from shared.identity import audit, signing_key_store

# With some chance in it, so that several gateways do not sweep in step.
EVERY_S = 20.0
# Whoever asked has given up by then.
ANSWERS_FOR_S = 3600.0
# No broker delivers a message again after so long; a dead letter that is replayed gets an id of its own.
INBOX_FOR_S = 7 * 86400.0
# A fence must outlive every worker that may still hold an older one.
LEASES_FOR_S = 86400.0
WORKERS_FOR_S = 86400.0
# So many rows go in one transaction, which thereby ends in time and keeps what it has done; the next one goes on.
SMALL_ROWS = 5000
ROWS_WITH_DOCUMENTS = 10  # each with up to a gigabyte
TRANSACTIONS_PER_TURN = 20


@dataclass(frozen=True, slots=True)
class Sweep:
    """What deletes the old rows of a table, up to so many at a time; returns how many."""

    table: str
    delete: Callable[[AsyncConnection, int], Awaitable[int]]
    rows: int = SMALL_ROWS


class Housekeeping:
    """Sweeps now and then, in the background."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sweeps = (
            Sweep("sessions", _never_made(sessions), ROWS_WITH_DOCUMENTS),
            Sweep("networks", _never_made(networks), ROWS_WITH_DOCUMENTS),
            Sweep("pool_solutions", pool_store.sweep_never_shown, ROWS_WITH_DOCUMENTS),
            Sweep("answers", _older_than(ANSWERS_FOR_S, answers.forget_older_than)),
            Sweep("signing_keys", signing_key_store.forget_dead_keys),
            Sweep("inbox", _older_than(INBOX_FOR_S, inbox.forget_older_than)),
            Sweep("leases", _older_than(LEASES_FOR_S, leases.forget_older_than)),
            Sweep("workers", _older_than(WORKERS_FOR_S, presence.forget_older_than)),
            Sweep("user_tokens", credential_store.forget_expired_tokens),
            Sweep("web_sessions", credential_store.forget_expired_sessions),
            Sweep("sign_in_failures", attempt_store.forget_old_failures),
            Sweep("rate_counters", rate_store.forget_old_slots),
            Sweep("audit_events", audit.prune),
            Sweep("flexibility_jobs", forget_ended_jobs),
        )
        self._loop = BackgroundLoop("housekeeping", self.sweep, every_s=EVERY_S * random.uniform(0.8, 1.2))

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop(within_s=1.0)

    async def sweep(self) -> None:
        """Sweep once. Each table in transactions of its own, so that one that is locked does not keep the rest.

        Raises:
            DatabaseUnavailable: a table could not be swept; the others were, as far as the database let them.
        """
        failures: list[DatabaseUnavailable] = []
        for sweep in self._sweeps:
            try:
                await self._sweep_table(sweep)
            except DatabaseUnavailable as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def _sweep_table(self, sweep: Sweep) -> None:
        for _ in range(TRANSACTIONS_PER_TURN):
            async with self._database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=DELETE_WITHIN_S) as work:
                deleted = await sweep.delete(work.connection, sweep.rows)
            metrics.SWEPT.labels(sweep.table).inc(deleted)
            if deleted < sweep.rows:
                return


def _never_made(table: Table) -> Callable[[AsyncConnection, int], Awaitable[int]]:
    return lambda connection, limit: sweep_expired(connection, table, limit)


def _older_than(
    age_s: float, forget: Callable[[AsyncConnection, float, int], Awaitable[int]]
) -> Callable[[AsyncConnection, int], Awaitable[int]]:
    return lambda connection, limit: forget(connection, age_s, limit)
