"""How often somebody may ask: sliding windows, counted together by all gateways in one table.

A window slides in slots, so that a request is forgotten up to one slot early and never late. All requests that a process has
waiting are counted in one transaction; one that is alone waits for nobody. Whoever is known to have hardly begun to use a limit
does not wait either: the request is counted a moment later, with others. What cannot be counted within a quarter of a second is let
through: a limit protects the work, and must never be what stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from services.gateway.auth import rate_store
from services.gateway.auth.rate_store import Asked
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DependencyUnavailable

log = structlog.get_logger()

UNLIMITED = 0
# Without a database it comes on top of the three seconds that a request waits for an answer of its own.
WAIT_S = 0.25
# After a failure the counters are left alone for so long, and nobody waits for them.
LEFT_ALONE_S = 1.0
# A refusal is repeated without asking again for so long at most: whoever goes on asking costs the database next to nothing.
REFUSAL_REPEATED_FOR = timedelta(seconds=1)
# Up to this share of a limit requests are let through ahead of their being counted. One gateway is exact all the same; of several
# that are flooded in the same moment each may let through so much more than it should, once.
SHARE_AHEAD = 0.5
SMALLEST_AHEAD = 50  # requests; what may be done less often than that is dear, and waits for its count
# What was counted is known for so long, and what is let through ahead of it is counted after so long at most.
KNOWN_FOR_S = 1.0
COUNTED_AFTER_S = 0.05
MOST_IN_BATCH = 500
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """So many requests within so many seconds; a limit of 0 is none, and what is asked is counted all the same."""

    limit: int
    seconds: int
    slots: int = 60

    @property
    def slot_s(self) -> float:
        """Length of one slot."""
        return self.seconds / self.slots


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a window is used, the asking request included if it was allowed."""

    window: Window
    used: int
    is_allowed: bool = True
    retry_after_s: int = 0

    @property
    def remaining(self) -> int:
        """How much is left."""
        return max(0, self.window.limit - self.used)


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer for all windows that were asked for together; it counts in all of them or in none."""

    usages: Mapping[str, Usage]

    @property
    def refusal(self) -> Usage | None:
        """The window that is full, if one is: the one that stays so for longest."""
        refusing = [usage for usage in self.usages.values() if not usage.is_allowed]
        return max(refusing, key=lambda usage: usage.retry_after_s, default=None)


@dataclass(frozen=True, slots=True)
class _Ask:
    windows: Mapping[str, Window]
    weight: int


@dataclass(frozen=True, slots=True)
class _Refusal:
    taken: Taken
    said_at: datetime

    def counts_at(self, now: datetime) -> bool:
        """Also after the clock was set back it does so no longer than it should."""
        return timedelta(0) <= now - self.said_at < REFUSAL_REPEATED_FOR


@dataclass
class _Batch:
    asks: list[_Ask] = field(default_factory=list)
    task: asyncio.Task[list[Taken]] | None = None
    is_awaited: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Known:
    """What was used when it was last counted, on the loop's clock, and what has been asked for since."""

    used: int = 0
    counted_at: float = -math.inf
    uncounted: int = 0


class RateLimiter:
    """Counts requests. With ``is_on`` false every limit is none."""

    def __init__(self, database: Database, clock: Clock, *, is_on: bool = True) -> None:
        self.is_on = is_on
        self._database = database
        self._clock = clock
        self._turn = asyncio.Lock()
        self._next: _Batch | None = None
        self._left_alone_until = 0.0
        self._refusals: OrderedDict[frozenset[str], _Refusal] = OrderedDict()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def stop(self) -> None:
        """Count what is not counted yet, if the counters can be reached."""
        with contextlib.suppress(DependencyUnavailable, TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await self._count_what_waits()

    async def take(self, counter: str, window: Window) -> Usage:
        """Count one request in one window, if it is within the limit."""
        return (await self.take_all({counter: window})).usages[counter]

    async def take_all(self, windows: Mapping[str, Window], *, weight: int = 1) -> Taken:
        """Count a request in several windows, if it is within the limits of all. A weight of 0 only looks."""
        if not self.is_on:
            windows = {counter: Window(UNLIMITED, w.seconds, w.slots) for counter, w in windows.items()}
        repeated = self._refusals.get(frozenset(windows))
        if weight and repeated is not None and repeated.counts_at(self._clock.now()):
            return repeated.taken
        now = asyncio.get_running_loop().time()
        if now < self._left_alone_until:
            return self._uncounted(windows, weight)
        ask = _Ask(windows, weight)
        if weight and all(self._has_hardly_begun(counter, window, weight, now) for counter, window in windows.items()):
            self._join(ask)
            return Taken({counter: Usage(window, self._estimate(counter)) for counter, window in windows.items()})
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._count(ask)
        except (DependencyUnavailable, TimeoutError) as error:
            self._leave_alone(error)
            return self._uncounted(windows, weight)

    async def give_back(self, counter: str, window: Window) -> None:
        """Take a request out again that in the end does not count; without effect while the counters are away."""
        self._refusals.clear()
        try:
            async with asyncio.timeout(WAIT_S):
                if self._known.get(counter, _Known()).uncounted:
                    await self._count_what_waits()  # only what was counted can be given back
                async with self._database.unit_of_work(EVERY_ACCOUNT, is_durable=False) as work:
                    await rate_store.give_back(work.connection, {_key(counter, window): (1, self._slot(window))})
        except (DependencyUnavailable, TimeoutError) as error:
            self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        """Ask the counters nothing for a while; all who have waited come here, and one of them says so."""
        now = asyncio.get_running_loop().time()
        if now >= self._left_alone_until:
            log.warning("rate_counters_unavailable", reason=str(error) or "too slow")
        self._left_alone_until = now + LEFT_ALONE_S

    def _when_counted(self, task: asyncio.Task[list[Taken]]) -> None:
        """Nobody may be waiting for a batch that fails."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, DependencyUnavailable):
            self._leave_alone(error)
        elif error is not None:
            log.error("rate_counters_failed", exc_info=error)

    def _uncounted(self, windows: Mapping[str, Window], weight: int) -> Taken:
        """Let through while the counters are away, with the last number that is known."""
        return Taken(
            {counter: Usage(window, max(weight, self._estimate(counter))) for counter, window in windows.items()}
        )

    def _estimate(self, counter: str) -> int:
        known = self._known.get(counter)
        return 0 if known is None else known.used + known.uncounted

    def _has_hardly_begun(self, counter: str, window: Window, weight: int, now: float) -> bool:
        known = self._known.get(counter)
        if known is None or now - known.counted_at > KNOWN_FOR_S:
            return False
        if window.limit == UNLIMITED:
            return True
        is_small = window.limit < SMALLEST_AHEAD
        return not is_small and known.used + known.uncounted + weight <= window.limit * SHARE_AHEAD

    def _remember(self, results: Sequence[Taken]) -> None:
        now = asyncio.get_running_loop().time()
        for taken in results:
            if taken.refusal is not None:
                self._refusals[frozenset(taken.usages)] = _Refusal(taken, self._clock.now())
            for counter, usage in taken.usages.items():
                if known := self._known.get(counter):
                    known.used, known.counted_at = usage.used, now
        while len(self._refusals) > MOST_REMEMBERED:
            self._refusals.popitem(last=False)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _join(self, ask: _Ask) -> tuple[_Batch, int]:
        """Have it counted with the next batch; returns that, and the place in it."""
        for counter in ask.windows:
            self._known.setdefault(counter, _Known()).uncounted += ask.weight
            self._known.move_to_end(counter)
        batch = self._next
        if batch is None or len(batch.asks) >= MOST_IN_BATCH:
            batch = self._next = _Batch()
            batch.task = asyncio.create_task(self._count_batch(batch), name="rate counters")
            batch.task.add_done_callback(self._when_counted)
        batch.asks.append(ask)
        if len(batch.asks) == MOST_IN_BATCH:
            batch.is_awaited.set()
        return batch, len(batch.asks) - 1

    async def _count(self, ask: _Ask) -> Taken:
        batch, place = self._join(ask)
        batch.is_awaited.set()
        assert batch.task is not None
        # Shielded: whoever gives up must not take the count from the others.
        return (await asyncio.shield(batch.task))[place]

    async def _count_what_waits(self) -> None:
        """Have everything counted that was let through ahead, also what is just being counted."""
        if self._next is not None and self._next.task is not None:
            self._next.is_awaited.set()
            await asyncio.shield(self._next.task)
        async with self._turn:
            pass

    async def _count_batch(self, batch: _Batch) -> list[Taken]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COUNTED_AFTER_S):
                await batch.is_awaited.wait()
        try:
            async with self._turn:
                if self._next is batch:
                    self._next = None  # whoever comes now is in the next one
                results = await self._count_together(batch.asks)
        finally:
            for ask in batch.asks:
                for counter in ask.windows:
                    if known := self._known.get(counter):
                        known.uncounted = max(0, known.uncounted - ask.weight)
        self._remember(results)
        return results

    async def _count_together(self, asks: Sequence[_Ask]) -> list[Taken]:
        windows = {_key(counter, window): window for ask in asks for counter, window in ask.windows.items()}
        wanted = dict.fromkeys(windows, 0)
        for ask in asks:
            for counter, window in ask.windows.items():
                wanted[_key(counter, window)] += ask.weight
        slots = {key: self._slot(window) for key, window in windows.items()}
        asked = [
            Asked(key, slots[key], _moment(slots[key].timestamp() - window.seconds + window.slot_s), wanted[key])
            for key, window in sorted(windows.items())
        ]
        async with self._database.unit_of_work(EVERY_ACCOUNT, is_durable=False) as work:
            counted = await rate_store.count(work.connection, asked)
            used = {key: counted[key].used - wanted[key] for key in windows}  # by others, before us
            granted = dict.fromkeys(windows, 0)
            results = [self._share(ask, used, granted, counted) for ask in asks]
            excess = {key: (wanted[key] - granted[key], slots[key]) for key in windows if wanted[key] > granted[key]}
            if excess:
                await rate_store.give_back(work.connection, excess)
        return results

    def _share(
        self, ask: _Ask, used: Mapping[str, int], granted: dict[str, int], counted: Mapping[str, rate_store.Counted]
    ) -> Taken:
        keys = {counter: _key(counter, window) for counter, window in ask.windows.items()}
        fits = {
            counter: not window.limit or used[keys[counter]] + granted[keys[counter]] + ask.weight <= window.limit
            for counter, window in ask.windows.items()
        }
        is_allowed = not ask.weight or all(fits.values())
        usages = {}
        for counter, window in ask.windows.items():
            key = keys[counter]
            granted[key] += ask.weight if is_allowed else 0
            wait_s = 0 if is_allowed or fits[counter] else self._wait_s(counted[key].oldest_slot, window)
            usages[counter] = Usage(window, used[key] + granted[key], is_allowed or fits[counter], wait_s)
        return Taken(usages)

    def _wait_s(self, oldest_slot: datetime, window: Window) -> int:
        """Until the oldest slot drops out of the window; whole seconds."""
        left_s = oldest_slot.timestamp() + window.seconds - self._clock.now().timestamp()
        return max(1, min(window.seconds, math.ceil(left_s)))

    def _slot(self, window: Window) -> datetime:
        return _moment(self._clock.now().timestamp() // window.slot_s * window.slot_s)


def _key(counter: str, window: Window) -> str:
    return f"{counter}/{window.seconds}"


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
