"""Starting and stopping an optimisation."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack

from services.gateway.dialects.reconfiguration import run_store, session_store
from services.gateway.dialects.reconfiguration.errors import UnknownSession
from services.gateway.dialects.reconfiguration.record import record_session
from services.gateway.dialects.reconfiguration.run_endings import Ending
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import Reconfiguration
from shared.contracts.reconfiguration import RunRequested
from shared.errors import DependencyUnavailable
from shared.identity.principals import Actor
from shared.ids import RunId, SessionKey, uuid7


async def start_run(app: Reconfiguration, scope: Scope, actor: Actor, session_id: str) -> None:
    """Want an optimisation; when this returns it counts as running. Nothing happens where one is running already.

    It is stopped, as by a client, when the user's time-out for optimisations has passed.
    """
    time_out_s = (await app.quotas.of(scope.owner)).optimization_timeout.total_seconds()
    async with app.database.unit_of_work(scope.account_id) as work:
        session = await session_store.lock_session(work.connection, scope, session_id)
        if session is None:
            raise UnknownSession(session_id)
        run = RunId(uuid7())
        # By chance, so that a second run of the same session tries other ways; kept, so that it can be repeated.
        seed = secrets.randbits(31)
        if await run_store.add_run(work.connection, scope, session, run, seed=seed, time_out_s=time_out_s):
            await work.outbox.add(scope.account_id, RunRequested(run_id=run, session_key=session))
            await record_session(work, scope, actor, "run:started", session_id)


async def stop_run(app: Reconfiguration, scope: Scope, actor: Actor, session_id: str) -> None:
    """Ask the optimisation to stop and wait until it has, or until the session is deleted; who follows it here hears the last of it.

    Raises:
        DependencyUnavailable: it did not end in time; the wish to stop stands.
    """
    async with AsyncExitStack() as held:
        async with app.database.unit_of_work(scope.account_id) as work:
            session = await session_store.lock_session(work.connection, scope, session_id)
            if session is None:
                raise UnknownSession(session_id)
            if not await run_store.has_active_run(work.connection, scope, session):
                return
            ending = held.enter_context(app.endings.of(session))
            await run_store.request_stop(work.connection, scope, session)
            await record_session(work, scope, actor, "run:stopped", session_id)
            is_ending = await run_store.has_active_run(work.connection, scope, session)
        if not is_ending:
            return  # nobody had begun
        try:
            async with asyncio.timeout(app.stop_deadline_s):
                await _until_stopped(app, scope, session, ending)
        except TimeoutError:
            raise DependencyUnavailable("The optimisation has been asked to stop and has not ended yet.") from None
    await app.watchers.settle(scope, session_id)


async def _until_stopped(app: Reconfiguration, scope: Scope, session: SessionKey, ending: Ending) -> None:
    is_active = True
    while is_active:
        await ending.wait()
        async with app.database.reading(scope.account_id) as connection:
            is_active = await run_store.has_active_run(connection, scope, session)
