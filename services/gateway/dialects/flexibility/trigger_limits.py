"""How often schedules and forecasts may be triggered. Only what is answered well counts, so what is refused afterwards is given back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from services.gateway.auth.admitting import slow_down
from services.gateway.auth.identity import Identity
from services.gateway.auth.rate_limits import RateLimiter, Window

CountedBy = Literal["account", "asset", "user"]

WITHIN_S = 300


class TriggerLimits:
    """Counts triggers together for all gateways.

    ``per_5_minutes`` may be overruled by ``of_plans``, by the id of an account's plan; 0 is any number.
    """

    def __init__(
        self, limiter: RateLimiter, per_5_minutes: int, counted_by: CountedBy, of_plans: Mapping[int, int]
    ) -> None:
        self._limiter = limiter
        self._per_5_minutes = per_5_minutes
        self._counted_by = counted_by
        self._of_plans = of_plans

    @asynccontextmanager
    async def counting(self, identity: Identity, about: str) -> AsyncIterator[None]:
        """Count what the block does as a trigger, unless it fails. ``about`` is what is triggered, as ``asset:5``.

        Raises:
            TooManyRequests: there were enough of them.
        """
        limit = self._limit_of(identity)
        if not (limit and self._limiter.is_on):
            yield
            return
        counter, window = self._counter(identity, about), Window(limit, WITHIN_S)
        usage = await self._limiter.take(counter, window)
        if not usage.is_allowed:
            slow_down(f"Too many triggers: {limit} per 5 minutes.", usage.retry_after_s)
        try:
            yield
        except BaseException:
            await self._limiter.give_back(counter, window)
            raise

    def _limit_of(self, identity: Identity) -> int:
        if identity.plan_id is None:
            return self._per_5_minutes
        return self._of_plans.get(identity.plan_id, self._per_5_minutes)

    def _counter(self, identity: Identity, about: str) -> str:
        of = {"account": "", "asset": f"/{about}", "user": f"/{identity.subject}"}[self._counted_by]
        return f"flexibility/triggers/{identity.account_id}{of}"
