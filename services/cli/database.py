"""``busbar migrate``."""

from __future__ import annotations

import asyncio
import sys

from services.cli.data_folder import own_database
from services.cli.usage import WrongUsage
from shared.db.migrate import UnknownRevision, check_known, current, move_to
from shared.settings import Settings


def run_migrate(settings: Settings, to: str) -> None:
    """Bring the database to a revision and print where it is."""
    sys.stdout.write(asyncio.run(_migrate(settings, to)) + "\n")


async def _migrate(settings: Settings, to: str) -> str:
    try:
        check_known(to)
    except UnknownRevision as error:
        raise WrongUsage(error.message) from error
    async with own_database(settings, others_may_join=False) as url:
        await move_to(url, to)
        return f"the database is at revision {await current(url) or 'none'}"
