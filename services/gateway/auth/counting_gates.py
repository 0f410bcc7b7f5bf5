"""The gates that also count: how often the flexibility and the compute jobs API may be asked, and what their answers say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.gateway.auth.admitting import CHALLENGE, Asking, check_reach, slow_down, turn_away, who_asks
from services.gateway.auth.attempts import network_of
from services.gateway.auth.gate import Admission, Needs
from services.gateway.auth.identity import NOBODY, Identity, RequestHead
from services.gateway.auth.presented import Place, api_key, bare_token, bearer, query_token
from services.gateway.auth.rate_limits import RateLimiter, Taken, Usage, Window
from services.gateway.auth.verifier import Verifier
from shared.clock import Clock

FLEXIBILITY_PLACES: Sequence[Place] = (bare_token, query_token, api_key)
KEY_FIRST: Sequence[Place] = (api_key, bearer)
# 20 a second for good, and 100 at once.
BURST = Window(100, 5, slots=10)
FAILURES = Window(30, 60)
TRIAL_ROLE = "trial"


@dataclass(frozen=True)
class FlexibilityGate:
    """Tokens without a scheme word, and so many requests a minute for each user, or address where nobody has signed in.

    ``of_plans`` has the limits of accounts on a plan that has its own; 0 is any number.
    """

    verifier: Verifier
    limiter: RateLimiter
    clock: Clock
    requests_per_minute: int
    of_plans: Mapping[int, int] = field(default_factory=dict)

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks, and count the request."""
        asking = Asking(None, has_credential=False)
        if not needs.is_public:
            asking = await who_asks(self.verifier, head, FLEXIBILITY_PLACES)
        headers: dict[str, str] = {}
        limit = self._limit_of(asking.identity)
        if self.limiter.is_on and limit and _is_limited(head.path):
            headers = await self._count(asking.identity, head, limit)
        if needs.is_public:
            return Admission(NOBODY, headers)
        if asking.identity is None:
            turn_away(asking, {**CHALLENGE, **headers})
        check_reach(asking.identity, needs, headers=headers)
        return Admission(asking.identity, headers)

    def _limit_of(self, identity: Identity | None) -> int:
        plan = None if identity is None else identity.plan_id
        return self.requests_per_minute if plan is None else self.of_plans.get(plan, self.requests_per_minute)

    async def _count(self, identity: Identity | None, head: RequestHead, limit: int) -> dict[str, str]:
        who = network_of(head.address) if identity is None else f"{identity.account_id}/{identity.subject}"
        usage = await self.limiter.take(f"flexibility/{who}", Window(limit, 60, slots=12))
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(usage.remaining),
            "X-RateLimit-Reset": str(int(self.clock.now().timestamp()) + (usage.retry_after_s or 60)),
        }
        if not usage.is_allowed:
            text = f"Too many requests: {limit} per 1 minute."
            slow_down(text, usage.retry_after_s, headers)
        return headers


@dataclass(frozen=True)
class ComputeJobsLimits:
    """Requests of an account within an hour and a day, 0 for any number; and of a trial account within an hour."""

    hourly: int
    daily: int
    trial_hourly: int = 100

    def hourly_of(self, identity: Identity) -> int:
        """The limit of somebody's account."""
        is_trial = TRIAL_ROLE in {role.lower() for role in identity.account_roles}
        return self.trial_hourly if is_trial else self.hourly


@dataclass(frozen=True)
class ComputeJobsGate:
    """API keys, with an account's hourly and daily limits on every answer; one text for whatever is wrong with a key."""

    verifier: Verifier
    limiter: RateLimiter
    limits: ComputeJobsLimits

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks, and count the request. Signed addresses carry their own authority and are not counted."""
        if needs.is_public:
            return Admission(NOBODY)
        asking = await who_asks(self.verifier, head, KEY_FIRST)
        if asking.identity is None:
            await self._count_failure(head)
            turn_away(asking, {}, message="Unauthorized.")
        headers = await self._count(asking.identity, head)
        check_reach(asking.identity, needs, headers=headers)
        return Admission(asking.identity, headers)

    async def _count_failure(self, head: RequestHead) -> None:
        usage = await self.limiter.take(f"jobs/failures/{network_of(head.address)}", FAILURES)
        if not usage.is_allowed:
            slow_down("Too many requests without a valid key; try again later.", usage.retry_after_s)

    async def _count(self, identity: Identity, head: RequestHead) -> dict[str, str]:
        hourly, daily, burst = (f"jobs/{kind}/{identity.account_id}" for kind in ("hourly", "daily", "burst"))
        windows = {
            hourly: Window(self.limits.hourly_of(identity), 3600),
            daily: Window(self.limits.daily, 86400, slots=96),
            burst: BURST,
        }
        taken = await self.limiter.take_all(windows, weight=0 if _is_habit(head) else 1)
        headers = _usage_headers(taken, hourly, daily)
        if refusal := taken.refusal:
            slow_down(_refusal_text(refusal, taken, hourly, daily), refusal.retry_after_s, headers)
        return headers


def _is_limited(path: str) -> bool:
    return path.startswith("/api/v3_0") and not path.startswith("/api/v3_0/health")


def _is_habit(head: RequestHead) -> bool:
    """Clients of the compute jobs API clear their cache before whatever they do; it costs nothing and counts for nothing."""
    return head.method == "DELETE" and head.path.rstrip("/").endswith("/user/delete-cache")


def _usage_headers(taken: Taken, hourly: str, daily: str) -> dict[str, str]:
    return {
        f"X-RateLimit-{name}-{part}": str(number)
        for name, counter in (("Hourly", hourly), ("Daily", daily))
        for part, number in (("Limit", taken.usages[counter].window.limit), ("Used", taken.usages[counter].used))
    }


def _refusal_text(refusal: Usage, taken: Taken, hourly: str, daily: str) -> str:
    if refusal is taken.usages[hourly]:
        return f"Hourly rate limit reached: {refusal.window.limit} requests per hour."
    if refusal is taken.usages[daily]:
        return f"Daily rate limit reached: {refusal.window.limit} requests per day."
    return "Too many requests at once: 20 per second for good, and 100 at a time."
