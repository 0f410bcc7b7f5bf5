"""How this API changes something: one unit of work, and then the change counts at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.gateway.dialects.administration.service import Administration
from shared.db.unit_of_work import EVERY_ACCOUNT, UnitOfWork


@asynccontextmanager
async def changing(app: Administration) -> AsyncIterator[UnitOfWork]:
    """A unit of work on every account: e-mail addresses and names are unique over all of them.

    What may be touched is found within the caller's reach first.
    """
    async with app.database.unit_of_work(EVERY_ACCOUNT) as work:
        work.after_commit.append(app.forget_credentials)
        yield work
