"""Ask and wait: a question goes to a worker as a command, and its answer comes back within a deadline or not at all.

The answer is a row in Postgres; the reply message only says that it is there, so a lost one costs a moment and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable

from shared.bus.codec import parse
from shared.bus.port import Bus, Consumer
from shared.bus.relay import Relay
from shared.contracts.asks import AskAnswered, Question
from shared.contracts.message import Envelope
from shared.db import answers, outbox, presence
from shared.db.answers import Answer
from shared.db.unit_of_work import Database, UnitOfWork
from shared.errors import BrokerUnavailable, NoWorkerAnswered, PoisonMessage
from shared.ids import AccountId, AskId, MessageId, uuid7
from shared.observability import metrics

LOOK_EVERY_S = 0.25
# A publish has 2 s until it counts as failed, and the relay needs a moment before and after.
PUBLISHED_WITHIN_S = 3.0


async def answer(uow: UnitOfWork, envelope: Envelope, given: Answer) -> None:
    """Answer a question, in the transaction that does what was asked for."""
    await answers.put(uow.connection, envelope.account_id, given)
    if envelope.reply_to:
        reply = AskAnswered(ask_id=given.ask_id)
        await uow.outbox.add(envelope.account_id, reply, routing_key=envelope.reply_to)


class Asks:
    """The questions of one process."""

    def __init__(
        self, database: Database, bus: Bus, relay: Relay, *, instance: str, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._database = database
        self._bus = bus
        self._relay = relay
        self._look_every_s = look_every_s
        self._reply_to = f"reply.{re.sub('[^A-Za-z0-9_.+-]', '-', instance)}"[:200]
        self._waiting: dict[AskId, asyncio.Event] = {}
        self._replies: Consumer | None = None

    async def start(self) -> None:
        """Listen for replies."""
        self._replies = await self._bus.subscribe([self._reply_to], self._on_reply)

    async def stop(self) -> None:
        """Listen no more; questions under way go on by looking."""
        replies, self._replies = self._replies, None
        if replies is not None:
            await replies.stop(within_s=1.0)

    async def ask(
        self,
        account_id: AccountId,
        prepare: Callable[[UnitOfWork, AskId], Awaitable[Question]],
        *,
        service: str,
        deadline_s: float,
    ) -> Answer:
        """Ask a service and wait for its answer. ``prepare`` writes the rows that the question is about and returns the command.

        Raises:
            BrokerUnavailable: the question did not get out, and will not any more. The rows of ``prepare`` are the caller's to remove.
            NoWorkerAnswered: no such worker lives (then nothing was written), or none answered before the deadline.
            DatabaseUnavailable: the database went away; whether the question was asked is open.
        """
        started = time.monotonic()
        if not self._bus.is_connected:
            raise BrokerUnavailable("the message broker is away")
        async with self._database.reading(account_id) as connection:
            if not await presence.live(connection, service):
                raise NoWorkerAnswered(f"no {service} is running")
            answer_by = await answers.due_in(connection, deadline_s)
        ask_id = AskId(uuid7())
        told = self._waiting[ask_id] = asyncio.Event()
        contract, outcome = "none", "unavailable"
        try:
            async with self._database.unit_of_work(account_id) as uow:
                question = (await prepare(uow, ask_id)).model_copy(update={"answer_by": answer_by})
                contract = question.name
                message_id = await uow.outbox.add(account_id, question, reply_to=self._reply_to)
            await self._get_out(account_id, message_id)
            given = await self._answer_to(account_id, ask_id, told, started + deadline_s)
            outcome = given.outcome
        except NoWorkerAnswered:
            outcome = "unanswered"
            raise
        finally:
            self._waiting.pop(ask_id, None)
            metrics.ASK_SECONDS.labels(contract, outcome).observe(time.monotonic() - started)
        return given

    async def _get_out(self, account_id: AccountId, message_id: MessageId) -> None:
        if await self._relay.published(message_id, PUBLISHED_WITHIN_S):
            return
        async with self._database.unit_of_work(account_id) as uow:
            withdrawn = await outbox.withdraw(uow.connection, message_id)
        if withdrawn:
            raise BrokerUnavailable("the message broker did not take the question in time")

    async def _answer_to(self, account_id: AccountId, ask_id: AskId, told: asyncio.Event, give_up: float) -> Answer:
        while True:
            left = give_up - time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(left, self._look_every_s))):
                    await told.wait()
                    told.clear()
            async with self._database.reading(account_id) as connection:
                given = await answers.get(connection, account_id, ask_id)
            if given is not None:
                return given
            if left <= 0:
                raise NoWorkerAnswered("no worker answered in time", retry_after_s=5)

    async def _on_reply(self, envelope: Envelope) -> None:
        with contextlib.suppress(PoisonMessage):
            waiting = self._waiting.get(parse(AskAnswered, envelope).ask_id)
            if waiting is not None:
                waiting.set()
