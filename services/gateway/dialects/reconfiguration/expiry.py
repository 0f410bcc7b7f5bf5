"""Deletes sessions that nobody has worked with for as long as their user's quotas say, in the background."""

from __future__ import annotations

import random
from collections import defaultdict

import structlog

from services.gateway import metrics
from services.gateway.dialects.reconfiguration import expiry_store
from services.gateway.dialects.reconfiguration.quotas import Quotas, QuotaTable
from services.gateway.dialects.reconfiguration.service import DELETE_WITHIN_S
from shared.background import BackgroundLoop
from shared.db.unit_of_work import EVERY_ACCOUNT, Database

log = structlog.get_logger()

# Each has documents, which take the database a while.
SESSIONS_PER_TRANSACTION = 10


class SessionExpiry:
    """Sweeps every ``every_s`` seconds. Any number of gateways may do so at a time."""

    def __init__(self, database: Database, quotas: Quotas, *, every_s: float) -> None:
        self._database = database
        self._quotas = quotas
        self._applied: QuotaTable | None = None
        # With some chance in it, so that several gateways do not sweep in step.
        self._loop = BackgroundLoop("session expiry", self.sweep, every_s=every_s * random.uniform(0.8, 1.0))

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop(within_s=1.0)

    async def sweep(self) -> bool:
        """Apply changed time-outs, then delete some of the sessions whose time is over; whether there may be more of them."""
        table = await self._quotas.current()
        if table is not self._applied:
            await self._apply(table)
            self._applied = table
        async with self._database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=DELETE_WITHIN_S) as work:
            deleted = await expiry_store.delete_timed_out_sessions(work.connection, SESSIONS_PER_TRANSACTION)
        if deleted:
            metrics.SWEPT.labels("timed_out_sessions").inc(deleted)
            log.info("sessions_timed_out", sessions=deleted)
        return deleted == SESSIONS_PER_TRANSACTION

    async def _apply(self, table: QuotaTable) -> None:
        """Give the sessions that are there the time-outs that their users have now."""
        owners = defaultdict(list)
        for user, quotas in table.overrides.items():
            owners[quotas.session_timeout].append(user)
        async with self._database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=DELETE_WITHIN_S) as work:
            default_s = table.default.session_timeout.total_seconds()
            await expiry_store.set_time_out_of_others(work.connection, list(table.overrides), default_s)
            for time_out, users in owners.items():
                await expiry_store.set_time_out(work.connection, users, time_out.total_seconds())
