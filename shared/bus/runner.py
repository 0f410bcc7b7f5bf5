"""The one consumer runner: parses, deduplicates, runs a handler within its deadline, and sorts what can go wrong.

**One outcome per message id.** Every id gets exactly one row in the inbox of its handler, and with it, in the same
transaction, exactly one outcome:

- *handled*: the handler's ``apply``;
- *handed on*: an outbox row with the same body, one attempt more, and a *new* id. A retry is a message of its own. Were it the
  same id, the inbox could not tell the old copy, which the broker may deliver once more, from the new one: either the old one
  doubles the work, or the new one counts as done already;
- *failed*: the handler's ``on_failure`` and an outbox row that takes the message to the dead letters with the reason. The dead
  letter is in that transaction too, since after a crash between the two the redelivery finds the inbox row and ends there.

Only then is the delivery acknowledged. So a death before the commit leaves the message as it was, a death after it leaves a
delivery whose id has its outcome and that does nothing more. Two consumers with the same delivery meet at the inbox row: the
second waits for the first one's transaction and then finds itself a duplicate, whatever each has made of the message. Copies of
an earlier attempt cannot double a later one. It takes effect once, whatever dies when.

A *wake-up* has no outcome that could be doubled, and so neither inbox row nor transaction.

**Three kinds of failure.** Transient (a dependency is away, a child process died or was late, anything unexpected): handed on
after a pause that doubles, until the handler's attempts are used up, then failed. Permanent (any other ``BusbarError``): failed
at once. Poison (unreadable, unknown name or version, too large): dead letter at once. A lost lease is none of them: another
owner has the work, and the message counts as handled. Nor is a question that nobody waits for any more: it is not worked on, or
no longer, since nobody would see its answer while others wait behind it.

A database that is away costs neither attempts nor deliveries: the message is held and tried again in place, as nothing, not
even its failure, could be written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.background import back_off_s
from shared.bus.codec import parse
from shared.bus.handler import Handler, WakeUp
from shared.bus.port import Bus, Consumer, Delivery
from shared.clock import SystemClock
from shared.contracts.asks import Question
from shared.contracts.message import Envelope, Message, Queue
from shared.db import answers, inbox, outbox
from shared.db.unit_of_work import EVERY_ACCOUNT, Database, UnitOfWork
from shared.errors import (
    BusbarError,
    DatabaseUnavailable,
    DependencyUnavailable,
    LeaseLost,
    PoisonMessage,
    WorkerDied,
    WorkTimedOut,
)
from shared.observability import metrics, tracing

log = structlog.get_logger()

Outcome = Literal["done", "duplicate", "retried", "failed", "poison", "superseded", "expired"]

LONGEST_RETRY_PAUSE_S = 60.0
# To record a failure is a few statements of ours and the handler's on_failure.
RECORD_WITHIN_S = 5.0
# So often in a row may a database that answers refuse a message's transaction (lock or statement timeout, deadlock, disk full)
# before that is the message's failure and not the database's.
REFUSALS_IN_PLACE = 5


class HandlerCrashed(BusbarError):
    """A handler ended in an error that nobody had thought of; the log has its traceback."""

    code = "internal_error"


@dataclass(frozen=True)
class _Job:
    handler: Handler[Any, Any]  # Any: the runner passes results from work to apply without looking
    envelope: Envelope
    message: Message


class Runner:
    """Consumes the queues of its handlers' contracts, at most ``prefetch`` messages of each at a time."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        handlers: Sequence[Handler[Any, Any] | WakeUp[Any]],  # Any: handlers of all contracts
        *,
        prefetch: int,
        retry_pause_s: float = 1.0,
    ) -> None:
        self._database = database
        self._bus = bus
        self._prefetch = prefetch
        self._retry_pause_s = retry_pause_s
        self._handlers = {(handler.contract.name, handler.contract.version): handler for handler in handlers}
        if len(self._handlers) < len(handlers):
            raise ValueError("a contract has one handler")
        self._consumers: list[Consumer] = []

    async def start(self) -> None:
        """Begin to consume; without a broker too."""
        for queue in self._queues():
            self._consumers.append(await self._bus.consume(queue, self.handle, prefetch=self._prefetch))

    async def stop(self, *, within_s: float) -> None:
        """Take no more messages; those in hand are finished, or handed back at the deadline."""
        consumers, self._consumers = self._consumers, []
        await asyncio.gather(*(consumer.stop(within_s=within_s) for consumer in consumers))

    async def handle(self, delivery: Delivery) -> None:
        """Give one delivery its outcome and end it."""
        envelope = delivery.envelope
        if envelope is None:
            await self._bury(delivery, "unreadable", "the message's properties cannot be read")
            return
        with tracing.working_on(
            correlation_id=envelope.correlation_id,
            traceparent=envelope.traceparent,
            account_id=str(envelope.account_id),
            message_id=str(envelope.message_id),
        ):
            handler = self._handlers.get((envelope.name, envelope.version))
            if handler is None:
                # The name may be anything, so it is no label.
                reason = f"nobody here handles {envelope.name[:100]} of version {envelope.version}"
                await self._bury(delivery, "unknown", reason)
                return
            try:
                message = parse(handler.contract, envelope)
            except PoisonMessage as poison:
                await self._bury(delivery, handler.name, poison.message)
                return
            if isinstance(handler, WakeUp):
                await self._finish(delivery, envelope, _wake(handler, message))
            else:
                await self._finish(delivery, envelope, self._decide(_Job(handler, envelope, message)))

    def _queues(self) -> list[Queue]:
        queues: dict[Queue, None] = {}
        for handler in self._handlers.values():
            if handler.contract.queue is None:
                raise ValueError(f"{handler.contract.name} is an event; it is subscribed to, not handled")
            queues[handler.contract.queue] = None
        return list(queues)

    async def _finish(self, delivery: Delivery, envelope: Envelope, deciding: Awaitable[Outcome]) -> None:
        started = time.perf_counter()
        _observe_wait(envelope)
        outcome = await deciding
        try:
            await delivery.ack()
        except DependencyUnavailable as error:
            # It will be delivered again, and found to have its outcome.
            log.info("acknowledgement_failed", code=error.code, reason=error.message)
        seconds = time.perf_counter() - started
        metrics.HANDLED.labels(envelope.name, outcome).inc()
        metrics.HANDLE_SECONDS.labels(envelope.name).observe(seconds)
        log.info(
            "message_finished",
            contract=envelope.name,
            attempt=envelope.attempt,
            outcome=outcome,
            seconds=round(seconds, 4),
        )

    async def _bury(self, delivery: Delivery, contract: str, reason: str) -> None:
        try:
            await delivery.dead_letter(reason)
        except DependencyUnavailable as error:
            log.warning("dead_letter_failed", code=error.code, reason=error.message)
            await asyncio.sleep(back_off_s(5))
            with contextlib.suppress(DependencyUnavailable):  # then the broker takes it back with the connection
                await delivery.requeue()
            return
        metrics.HANDLED.labels(contract, "poison").inc()
        log.error("message_poisonous", contract=contract, reason=reason, size=len(delivery.raw_body))

    async def _decide(self, job: _Job) -> Outcome:
        """Give the message its outcome; waits in place for as long as the database is away."""
        failures = refusals = 0
        while True:
            try:
                if refusals > REFUSALS_IN_PLACE:
                    refused = DatabaseUnavailable("the database refused the message's transaction again and again")
                    return await self._record(job, refused, is_transient=True)
                return await self._attempt(job)
            except DatabaseUnavailable as error:
                if failures == 0:
                    log.warning("message_held", contract=job.handler.name, reason=error.message)
                failures += 1
                if await self._database_answers():
                    refusals += 1
            await asyncio.sleep(back_off_s(failures))

    async def _attempt(self, job: _Job) -> Outcome:
        async with self._database.reading(job.envelope.account_id) as connection:
            if await inbox.was_processed(connection, job.handler.name, job.envelope.message_id):
                return "duplicate"
            waited_for_s = await _waited_for_s(connection, job.message)
        if waited_for_s <= 0:
            return await self._write(job, "expired", _nothing_more)
        deadline = asyncio.timeout(min(job.handler.deadline_s, waited_for_s))
        try:
            async with deadline:
                result = await job.handler.work(job.envelope, job.message)
                return await self._write(
                    job, "done", lambda uow: job.handler.apply(uow, job.envelope, job.message, result)
                )
        except DatabaseUnavailable:
            raise
        except LeaseLost as lost:
            log.info("lease_lost", reason=lost.message)
            return await self._write(job, "superseded", _nothing_more)
        except (DependencyUnavailable, WorkerDied, WorkTimedOut) as failure:
            return await self._record(job, failure, is_transient=True)
        except BusbarError as failure:
            return await self._record(job, failure, is_transient=False)
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                if waited_for_s < job.handler.deadline_s:
                    log.warning("question_given_up", contract=job.handler.name, waited_for_s=round(waited_for_s, 3))
                    return await self._write(job, "expired", _nothing_more)
                late = WorkTimedOut(f"{job.handler.name} took longer than {job.handler.deadline_s:g} s")
                return await self._record(job, late, is_transient=True)
            log.exception("handler_crashed", contract=job.handler.name, attempt=job.envelope.attempt)
            crash = HandlerCrashed(f"{job.handler.name} ended in an internal error ({type(error).__name__})")
            return await self._record(job, crash, is_transient=True)

    async def _record(self, job: _Job, failure: BusbarError, *, is_transient: bool) -> Outcome:
        """Hand the message on to its next attempt, or let it have failed."""
        attempts = job.envelope.attempt + 1
        if is_transient and attempts < job.handler.attempts:
            pause_s = self._pause_before(attempts, failure)
            log.warning(
                "message_retried", contract=job.handler.name, code=failure.code, reason=failure.message, pause_s=pause_s
            )
            return await self._write(job, "retried", lambda uow: _hand_on(uow, job, pause_s))
        reason = f"{failure.code}: {failure.message}" + (f" (attempt {attempts})" if is_transient else "")
        log.error("message_failed", contract=job.handler.name, code=failure.code, reason=reason)
        try:
            async with asyncio.timeout(RECORD_WITHIN_S):
                return await self._write(job, "failed", lambda uow: _fail(uow, job, failure, reason))
        except DatabaseUnavailable:
            raise
        except Exception:
            # The client will not see the failure on its row; the dead letter is what is left of it.
            log.exception("failure_not_recorded", contract=job.handler.name)
            return await self._write(job, "failed", lambda uow: outbox.put_dead(uow.connection, job.envelope, reason))

    async def _write(self, job: _Job, outcome: Outcome, write: Callable[[UnitOfWork], Awaitable[object]]) -> Outcome:
        """Commit an outcome together with the inbox row, unless the message has one already."""
        async with self._database.unit_of_work(job.envelope.account_id) as uow:
            if not await inbox.first_time(uow.connection, job.handler.name, job.envelope.message_id):
                return "duplicate"
            await write(uow)
        return outcome

    def _pause_before(self, attempt: int, failure: BusbarError) -> float:
        shortest = float(failure.retry_after_s) if isinstance(failure, DependencyUnavailable) else 0.0
        pause = max(shortest, self._retry_pause_s * 2.0 ** (attempt - 1))
        return min(LONGEST_RETRY_PAUSE_S, pause * random.uniform(0.75, 1.25))

    async def _database_answers(self) -> bool:
        try:
            async with self._database.reading(EVERY_ACCOUNT) as connection:
                await connection.execute(select(literal(1)))
        except DatabaseUnavailable:
            return False
        return True


async def _hand_on(uow: UnitOfWork, job: _Job, pause_s: float) -> None:
    await outbox.put_again(uow.connection, job.envelope, delay_s=pause_s)


async def _fail(uow: UnitOfWork, job: _Job, failure: BusbarError, reason: str) -> None:
    await job.handler.on_failure(uow, job.envelope, job.message, failure)
    await outbox.put_dead(uow.connection, job.envelope, reason)


async def _nothing_more(_: UnitOfWork) -> None:
    return


async def _waited_for_s(connection: AsyncConnection, message: Message) -> float:
    if not isinstance(message, Question) or message.answer_by is None:
        return math.inf
    return await answers.time_left_s(connection, message.answer_by)


async def _wake(handler: WakeUp[Any], message: Message) -> Outcome:  # Any: of any contract
    try:
        handler.wake(message)
    except Exception:
        log.exception("wake_up_failed", contract=handler.name)
        return "failed"
    return "done"


def _observe_wait(envelope: Envelope) -> None:
    message_id = envelope.message_id
    if message_id.version != 7:
        return  # a replayed dead letter's id tells no time
    made_at_s = (message_id.int >> 80) / 1000
    waited_s = SystemClock().now().timestamp() - made_at_s
    metrics.WAITED_SECONDS.labels(envelope.name).observe(max(0.0, waited_s))
