"""Documents from the database to a client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from services.gateway.http.spool import Spool
from shared.errors import BusbarError

Find = Callable[[AsyncConnection], Awaitable[AsyncIterator[bytes] | None]]


async def downloaded(app: Reconfiguration, scope: Scope, find: Find, missing: BusbarError) -> Spool:
    """A document as it stands in one consistent snapshot, off the database before the client gets to see it.

    Raises:
        BusbarError: ``missing``, where ``find`` finds nothing.
    """
    async with AsyncExitStack() as unless_returned:
        spool = await unless_returned.enter_async_context(Spool(app.budget))
        async with app.database.reading(scope.account_id) as connection:
            pieces = await find(connection)
            if pieces is None:
                raise missing
            async for piece in pieces:
                await spool.write(piece)
        unless_returned.pop_all()
    return spool
