"""Questions to the optimizer, and what their answers mean to a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.reconfiguration.errors import InputRefused, WorkerFailed, WorkFailed
from services.gateway.dialects.reconfiguration.scope import Scope
from services.gateway.dialects.reconfiguration.service import DELETE_WITHIN_S, Reconfiguration
from services.gateway.http.binding import BindingFailed
from shared.bus.runner import HandlerCrashed
from shared.contracts.asks import Question
from shared.db.answers import Answer
from shared.db.unit_of_work import UnitOfWork
from shared.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    DependencyUnavailable,
    InvalidInput,
    NoWorkerAnswered,
    WorkerDied,
    WorkTimedOut,
)
from shared.ids import AskId

log = structlog.get_logger()

OPTIMIZER = "optimizer"
FORGET_WITHIN_S = 1.0
# Where the gateway dies, or the database is away, an id is free again after so long.
HELD_FOR_S = 6.0
HOLD_AGAIN_EVERY_S = 2.0
LONGEST_ID_BYTES = 1024  # ids are part of index entries, which the database bounds

Prepare = Callable[[UnitOfWork, AskId], Awaitable[Question]]


class Held(Protocol):
    """An id that is held while what it names is being made."""

    async def hold(self, connection: AsyncConnection, for_s: float) -> None:
        """Hold it for so long from now on."""
        ...

    async def forget(self, connection: AsyncConnection) -> None:
        """Free it."""
        ...


def check_id(new_id: str) -> None:
    """Check that an id can be stored.

    Raises:
        InvalidInput: it is too long.
    """
    if len(new_id.encode()) > LONGEST_ID_BYTES:
        raise InvalidInput(f"An id must not be longer than {LONGEST_ID_BYTES} bytes.")


async def ask_to_make(app: Reconfiguration, scope: Scope, prepare: Prepare, held: Held, *, what: str) -> bool:
    """Have a worker make something, as ``ask_and_hold``; whether it was made.

    If not, what it belongs to has been deleted meanwhile.
    """
    return await ask_and_hold(app, scope, prepare, held, what=what) is not None


async def ask_and_hold(app: Reconfiguration, scope: Scope, prepare: Prepare, held: Held, *, what: str) -> Answer | None:
    """Have a worker make something under an id that ``prepare`` reserves. Unless that succeeds the id is free again afterwards:
    at once, or a few seconds later where this process dies or the database is away.

    Returns:
        The worker's answer when it was made; None where what it belongs to has been deleted meanwhile.

    Raises:
        InputRefused, BindingFailed, WorkFailed: the worker says what is wrong; DependencyUnavailable: there was no answer.
    """

    async def prepare_and_hold(work: UnitOfWork, ask_id: AskId) -> Question:
        message = await prepare(work, ask_id)
        await held.hold(work.connection, HELD_FOR_S)  # from the end of the transaction on: a large upload takes a while
        return message

    holding = asyncio.create_task(_keep_holding(app, scope, held))
    try:
        answer = await app.asks.ask(
            scope.account_id, prepare_and_hold, service=OPTIMIZER, deadline_s=app.ask_deadline_s
        )
    except (BrokerUnavailable, NoWorkerAnswered):
        await _forget_if_possible(app, scope, held)
        raise
    except asyncio.CancelledError:
        # This process stops, or the time is over: the client may ask again at once, elsewhere, and under the same id.
        await asyncio.shield(_forget_if_possible(app, scope, held))
        raise
    finally:
        holding.cancel()
    if answer.outcome == "done":
        return answer
    async with app.database.unit_of_work(scope.account_id, command_timeout_s=DELETE_WITHIN_S) as work:
        await held.forget(work.connection)
    raise_if_not_done(answer, what)
    return None


async def _keep_holding(app: Reconfiguration, scope: Scope, held: Held) -> None:
    """Hold an id for as long as its request is answered. While the database is away the hold may run out; then it is lost."""
    while True:
        await asyncio.sleep(HOLD_AGAIN_EVERY_S)
        with contextlib.suppress(DatabaseUnavailable):
            async with app.database.unit_of_work(scope.account_id) as work:
                await held.hold(work.connection, HELD_FOR_S)


def raise_if_not_done(answer: Answer, what: str) -> None:
    """Turn a refusal or a failure into the error that the client hears; the body of a failure is its code.

    Raises:
        InputRefused, BindingFailed: with the worker's words; WorkFailed: with ours, after ``what`` says what was being done;
        DependencyUnavailable, WorkerFailed: it was not the input's fault.
    """
    if answer.outcome == "refused":
        raise InputRefused(answer.body)
    if answer.outcome == "malformed":
        raise BindingFailed(json.loads(answer.body))
    if answer.outcome != "failed":
        return
    if answer.body in {WorkerDied.code, WorkTimedOut.code}:
        raise WorkFailed(f"{what}: it could not be processed within the limits of time and memory.")
    if answer.body == HandlerCrashed.code:
        raise WorkerFailed("a worker failed over the request; its log and the dead letter say how")
    raise DependencyUnavailable("The work could not be done now; try again.", retry_after_s=5)


async def _forget_if_possible(app: Reconfiguration, scope: Scope, held: Held) -> None:
    """Free an id at once; where that fails the hold runs out by itself."""
    try:
        async with asyncio.timeout(FORGET_WITHIN_S), app.database.unit_of_work(scope.account_id) as work:
            await held.forget(work.connection)
    except (DependencyUnavailable, TimeoutError):
        log.warning("pending_row_left_to_expire")
