"""Which database a command works on: the one that is set, or the embedded one of the data folder, which has one user at a time.

Whoever starts the embedded server holds the folder's turn meanwhile, and a command for as long as it runs: so nobody joins a server that
is just being made, or one that a command is about to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from services.cli.usage import WrongUsage
from shared.db.embedded import DataDirInUse, EmbeddedPostgres, EmbeddedPostgresFailed
from shared.db.migrate import current, head, is_behind, upgrade
from shared.errors import DatabaseUnavailable
from shared.settings import Settings

EMBEDDED_STOPS_WITHIN_S = 3.0
# A first start makes the cluster; nothing else that holds the turn takes longer.
TURN_WITHIN_S = 60.0
# The server that is being joined may be about to end, or to be started again after a crash.
JOINED_WITHIN_S = 20.0
TRY_AGAIN_AFTER_S = 0.1


@contextlib.asynccontextmanager
async def own_database(settings: Settings, *, others_may_join: bool) -> AsyncIterator[str]:
    """The address of the database for a process that serves, or for a command that wants the embedded one to itself.

    That is the set one, or the embedded one, which runs for the time of the block and which others may meanwhile join or not.

    Raises:
        DataDirInUse: another process uses the folder.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    embedded = EmbeddedPostgres(settings.data_dir, binaries=settings.postgres_binaries)
    async with contextlib.AsyncExitStack() as turn:
        await turn.enter_async_context(_turn(settings.data_dir))
        url = await embedded.start()
        if others_may_join:
            await turn.aclose()
        try:
            yield url
        finally:
            await embedded.stop(within_s=EMBEDDED_STOPS_WITHIN_S)


@contextlib.asynccontextmanager
async def shared_database(settings: Settings) -> AsyncIterator[str]:
    """The address of the database for a command that works beside whoever uses it, with all tables.

    The embedded one is joined where it runs, else started for the time of the block.

    Raises:
        WrongUsage: the database that is set was not migrated; DatabaseUnavailable: it is away.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        found = await current(url)
        if is_behind(found):
            raise WrongUsage(f"the database is at revision {found or 'none'}, not {head()}: run `busbar migrate` first")
        yield url
        return
    async with _turn(settings.data_dir):
        embedded, url = await _started_or_joined(settings)
        try:
            await upgrade(url)
            yield url
        finally:
            await embedded.stop(within_s=EMBEDDED_STOPS_WITHIN_S)


async def _started_or_joined(settings: Settings) -> tuple[EmbeddedPostgres, str]:
    deadline = time.monotonic() + JOINED_WITHIN_S
    while True:
        embedded = EmbeddedPostgres(settings.data_dir, binaries=settings.postgres_binaries)
        try:
            return embedded, await embedded.start()
        except DataDirInUse:
            try:
                return embedded, await embedded.join()
            except DatabaseUnavailable:
                if time.monotonic() > deadline:
                    raise
        await asyncio.sleep(TRY_AGAIN_AFTER_S)


@contextlib.asynccontextmanager
async def _turn(data_dir: Path) -> AsyncIterator[None]:
    """Hold the folder's turn; it is given back with the process, whatever becomes of that."""
    descriptor = _opened(data_dir)
    try:
        deadline = time.monotonic() + TURN_WITHIN_S
        while not _is_locked(descriptor):
            if time.monotonic() > deadline:
                raise DataDirInUse(f"another command is starting or using the database in {data_dir}")
            await asyncio.sleep(TRY_AGAIN_AFTER_S)
        yield
    finally:
        os.close(descriptor)


def _opened(data_dir: Path) -> int:
    # The folder itself is locked, not a file in it, which root could make and its owner could not open.
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise EmbeddedPostgresFailed(f"the data folder {data_dir} cannot be used: {error}") from error


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
