"""The relay: takes what transactions have put into the outbox to the broker, at once after the commit or as soon as it can.

Every process runs one, and any of them may publish any message. A message goes out at least once; that it takes effect once is
the inbox's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from shared.background import BackgroundLoop
from shared.bus.port import Bus
from shared.contracts.message import Envelope
from shared.db import outbox
from shared.db.outbox import Claim
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import BrokerUnavailable
from shared.ids import MessageId
from shared.observability import metrics

log = structlog.get_logger()

SWEEP_EVERY_S = 0.2
MEASURE_EVERY_S = 2.0
BATCH = 200
# A batch takes 2 s at its slowest and then goes one by one for a while. A claim that runs out under a slow relay costs a
# duplicate, and one that a dead relay has left costs its messages this long.
CLAIM_S = 4.0
ONE_BY_ONE_FOR_S = 1.5
# For ``published``: another process's relay may have been first, which only the database tells.
LOOK_EVERY_S = 0.25
REMEMBERED = 4096


class OutboxDatabase(Database, Protocol):
    """A database that says when messages have come into the outbox."""

    on_outbox_commit: Callable[[Sequence[MessageId]], None]


class Relay:
    """One process's relay."""

    def __init__(self, database: OutboxDatabase, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._sweeps = BackgroundLoop("outbox relay", self.sweep, every_s=SWEEP_EVERY_S)
        self._measurements = BackgroundLoop("outbox depth", self._measure, every_s=MEASURE_EVERY_S)
        self._waiters: dict[MessageId, asyncio.Event] = {}
        self._published: OrderedDict[MessageId, None] = OrderedDict()

    async def start(self) -> None:
        """Begin to sweep, and to hear of commits."""
        self._database.on_outbox_commit = self.nudge
        self._sweeps.start()
        self._measurements.start()

    async def stop(self, *, within_s: float) -> None:
        """End; what is left is another relay's, or the next start's."""
        self._database.on_outbox_commit = lambda _: None
        await asyncio.gather(self._sweeps.stop(within_s=within_s), self._measurements.stop(within_s=within_s))

    def nudge(self, _: Sequence[MessageId]) -> None:
        """Messages were committed: publish them now."""
        self._sweeps.wake()

    async def sweep(self) -> bool:
        """Publish a batch of what is due; whether there may be more.

        Raises:
            DependencyUnavailable: broker or database are away.
        """
        if not self._bus.is_connected:
            raise BrokerUnavailable("not connected to the broker")
        async with self._database.unit_of_work(EVERY_ACCOUNT, is_durable=False) as uow:
            claim = await outbox.claim_due(uow.connection, limit=BATCH, claim_s=CLAIM_S)
        if not claim.envelopes:
            return False
        await self._publish(claim)
        return len(claim.envelopes) == BATCH

    async def published(self, message_id: MessageId, timeout_s: float) -> bool:
        """Wait until the broker has a committed message; False if it does not within the timeout."""
        if message_id in self._published:
            return True
        told = self._waiters.setdefault(message_id, asyncio.Event())
        give_up = time.monotonic() + timeout_s
        try:
            while (left := give_up - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, LOOK_EVERY_S)):
                        await told.wait()
                if told.is_set() or not await self._is_pending(message_id):
                    return True
            return False
        finally:
            self._waiters.pop(message_id, None)

    async def _publish(self, claim: Claim) -> None:
        started = time.perf_counter()
        try:
            await self._bus.publish(claim.envelopes)
        except BrokerUnavailable:
            metrics.PUBLISHED.labels("unconfirmed").inc(len(claim.envelopes))
            if not self._bus.is_connected:
                await self._settle(claim, published=[], unsent=claim.envelopes)
                raise
            await self._publish_one_by_one(claim)
            return
        metrics.PUBLISH_SECONDS.observe(time.perf_counter() - started)
        await self._settle(claim, published=claim.envelopes)

    async def _publish_one_by_one(self, claim: Claim) -> None:
        """Find out which messages of a batch the broker does not take, so that those hold up no others."""
        published: list[Envelope] = []
        refused: list[Envelope] = []
        give_up = time.monotonic() + ONE_BY_ONE_FOR_S
        for envelope in claim.envelopes:
            if time.monotonic() > give_up:
                break
            try:
                await self._bus.publish([envelope])
            except BrokerUnavailable as error:
                if not self._bus.is_connected:
                    break
                log.warning(
                    "message_refused", name=envelope.name, message_id=str(envelope.message_id), reason=error.message
                )
                refused.append(envelope)
            else:
                published.append(envelope)
        done = {envelope.message_id for envelope in (*published, *refused)}
        unsent = [envelope for envelope in claim.envelopes if envelope.message_id not in done]
        await self._settle(claim, published=published, refused=refused, unsent=unsent)

    async def _settle(
        self,
        claim: Claim,
        *,
        published: Sequence[Envelope],
        refused: Sequence[Envelope] = (),
        unsent: Sequence[Envelope] = (),
    ) -> None:
        """Write down what became of each message; should this fail, the claim runs out and they go out once more."""
        metrics.PUBLISHED.labels("published").inc(len(published))
        metrics.PUBLISHED.labels("refused").inc(len(refused))
        self._tell(_ids(published))
        async with self._database.unit_of_work(EVERY_ACCOUNT, is_durable=False) as uow:
            if published:
                await outbox.forget_published(uow.connection, claim, _ids(published))
            if refused:
                await outbox.postpone(uow.connection, claim, _ids(refused))
            if unsent:
                await outbox.give_back(uow.connection, claim, _ids(unsent))

    def _tell(self, message_ids: Iterable[MessageId]) -> None:
        for message_id in message_ids:
            self._published[message_id] = None
            if (waiter := self._waiters.get(message_id)) is not None:
                waiter.set()
        while len(self._published) > REMEMBERED:
            self._published.popitem(last=False)

    async def _is_pending(self, message_id: MessageId) -> bool:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            return await outbox.is_pending(connection, message_id)

    async def _measure(self) -> None:
        metrics.BROKER_CONNECTED.set(self._bus.is_connected)
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            waiting = await outbox.backlog(connection)
        metrics.OUTBOX_DEPTH.set(waiting.count)
        metrics.OUTBOX_OLDEST_SECONDS.set(waiting.oldest_s)


def _ids(envelopes: Sequence[Envelope]) -> list[MessageId]:
    return [envelope.message_id for envelope in envelopes]
