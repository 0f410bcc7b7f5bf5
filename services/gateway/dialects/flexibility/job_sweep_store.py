"""The SQL that forgets jobs which ended long ago: their results need not stay readable, and posts of data leave many."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.flexibility import job_states, jobs

# The API promises seven.
KEPT_FOR = timedelta(days=8)


async def forget_ended_jobs(connection: AsyncConnection, limit: int) -> int:
    """Delete up to ``limit`` jobs of all accounts that ended so long ago, the oldest first, with what came of them; returns how many."""
    old = (
        select(job_states.c.job_id)
        .where(job_states.c.ended_at < func.now() - KEPT_FOR)
        .order_by(job_states.c.ended_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await connection.execute(delete(jobs).where(jobs.c.job_id.in_(old)))).rowcount
