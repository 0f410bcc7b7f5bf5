"""Which processes are alive: each tells the database every second, by the database's clock; no customer data."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from importlib.metadata import version as installed_version

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.background import BackgroundLoop
from shared.db import pruning
from shared.db.models.infrastructure import workers
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DatabaseUnavailable

TELL_EVERY_S = 1.0


async def live(connection: AsyncConnection, service: str, within_s: float = 6.0) -> int:
    """How many processes of a service have been heard of lately."""
    since = func.now() - timedelta(seconds=within_s)
    statement = select(func.count()).where(workers.c.service == service, workers.c.seen_at > since)
    return (await connection.execute(statement)).scalar_one()


async def forget_older_than(connection: AsyncConnection, age_s: float, limit: int) -> int:
    """Delete up to ``limit`` processes that have not been heard of for long; returns how many."""
    return await pruning.forget_older_than(connection, workers.c.seen_at, age_s, limit)


class Presence:
    """Keeps one process's row fresh from ``start`` until ``stop``, which removes it."""

    def __init__(self, database: Database, *, instance: str, service: str, version: str | None = None) -> None:
        self._database = database
        self._instance = instance
        self._service = service
        self._version = version or installed_version("busbar")
        self._loop = BackgroundLoop(f"presence of {instance}", self._tell, every_s=TELL_EVERY_S)

    async def start(self) -> None:
        """Tell once, so that whoever starts beside us counts on us from the first moment; go on also without a database."""
        with contextlib.suppress(DatabaseUnavailable):
            await self._tell()
        self._loop.start()

    async def stop(self) -> None:
        """Take the row away, so that nobody counts on this process any more."""
        await self._loop.stop(within_s=1.0)
        try:
            async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
                await uow.connection.execute(delete(workers).where(workers.c.instance == self._instance))
        except DatabaseUnavailable:
            return  # the row goes stale by itself within seconds

    async def _tell(self) -> None:
        row = {"instance": self._instance, "service": self._service, "version": self._version}
        statement = insert(workers).values(**row)
        again = statement.on_conflict_do_update(
            index_elements=[workers.c.instance], set_={"seen_at": func.now(), "version": self._version}
        )
        async with self._database.unit_of_work(EVERY_ACCOUNT) as uow:
            await uow.connection.execute(again)
