"""One gate for each dialect: where its clients put credentials, how often they may ask, and what its refusals carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote

from services.gateway import metrics
from services.gateway.auth.attempts import network_of
from services.gateway.auth.gate import Admission, Forbidden, Needs, TooManyRequests, Unauthenticated
from services.gateway.auth.identity import NOBODY, Identity, RequestHead
from services.gateway.auth.open_mode import OpenModeGate
from services.gateway.auth.presented import (
    SESSION_COOKIE,
    Place,
    api_key,
    bare_token,
    bearer,
    cookie,
    own_session,
    query_access_token,
    query_token,
)
from services.gateway.auth.rate_limits import RateLimiter, Taken, Usage, Window
from services.gateway.auth.verifier import ALL_SCOPES, Verifier
from shared.clock import Clock

CHALLENGE = {"WWW-Authenticate": "Bearer"}
CHALLENGE_INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

BEARER_FIRST: Sequence[Place] = (bearer, api_key)
HUB_PLACES: Sequence[Place] = (bearer, api_key, query_access_token)
FLEXIBILITY_PLACES: Sequence[Place] = (bare_token, query_token, api_key)
KEY_FIRST: Sequence[Place] = (api_key, bearer)

NO_CREDENTIAL = "Sign in first: send a credential, as in Authorization: Bearer <API key>."
WRONG_CREDENTIAL = "The credential is not valid, or no longer."


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, if anybody can be told; ``has_credential`` says whether something was presented that should tell."""

    identity: Identity | None
    has_credential: bool


async def who_asks(verifier: Verifier, head: RequestHead, places: Sequence[Place]) -> Asking:
    """Whose the first credential in a request is. One that is wrong is not made good by another one; a stale cookie is as good as none."""
    for place in places:
        credential = place(head)
        if credential is not None:
            return Asking(await verifier.identify(credential), has_credential=True)
    session = own_session(head)
    identity = None if session is None else await verifier.identify_session(session)
    return Asking(identity, has_credential=False)


def check_reach(identity: Identity, needs: Needs, *, headers: Mapping[str, str] | None = None) -> None:
    """Make sure that an identity has one of the scopes, and one of the roles, that a route needs.

    Raises:
        Forbidden: it has not; the message names what is missing.
    """
    if needs.is_public:
        return
    if needs.any_scope and not identity.scopes & needs.any_scope:
        metrics.REFUSED.labels("scope_missing").inc()
        raise Forbidden(f"This needs the scope {_either(needs.any_scope)}.", headers=headers)
    if needs.any_role and not identity.roles & needs.any_role:
        metrics.REFUSED.labels("role_missing").inc()
        raise Forbidden(f"This needs the role {_either(needs.any_role)}.", headers=headers)


def turn_away(asking: Asking, headers: Mapping[str, str], *, message: str | None = None) -> NoReturn:
    """Refuse a request whose sender cannot be told.

    Raises:
        Unauthenticated: always.
    """
    metrics.REFUSED.labels("credential_invalid" if asking.has_credential else "credential_missing").inc()
    text = message or (WRONG_CREDENTIAL if asking.has_credential else NO_CREDENTIAL)
    raise Unauthenticated(text, is_missing=not asking.has_credential, headers=headers)


def slow_down(message: str, retry_after_s: int, headers: Mapping[str, str] | None = None) -> NoReturn:
    """Refuse a request that comes too soon.

    Raises:
        TooManyRequests: always.
    """
    metrics.REFUSED.labels("too_many_requests").inc()
    raise TooManyRequests(message, retry_after_s=retry_after_s, headers=headers)


@dataclass(frozen=True)
class ReconfigurationGate:
    """Credentials if there are any, else PGO's cookie; or credentials alone where ``open_mode`` is none."""

    verifier: Verifier
    open_mode: OpenModeGate | None
    places: Sequence[Place] = BEARER_FIRST

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks."""
        asking = await who_asks(self.verifier, head, self.places)
        if asking.identity is not None:
            check_reach(asking.identity, needs)
            return Admission(asking.identity)
        if self.open_mode is not None and not asking.has_credential:
            return self.open_mode.admission(head)
        if needs.is_public:
            return Admission(NOBODY)
        turn_away(asking, CHALLENGE_INVALID if asking.has_credential else CHALLENGE)


@dataclass(frozen=True)
class LineTelemetryGate:
    """Bearer tokens, and on refusal the challenge that this API's clients expect."""

    verifier: Verifier

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks."""
        if needs.is_public:
            return Admission(NOBODY)
        asking = await who_asks(self.verifier, head, BEARER_FIRST)
        if asking.identity is None:
            has_header = "Authorization" in head.headers or asking.has_credential
            turn_away(Asking(None, has_header), CHALLENGE_INVALID if has_header else CHALLENGE)
        check_reach(asking.identity, needs)
        return Admission(asking.identity)


@dataclass(frozen=True)
class AdministrationGate:
    """Whoever administers: a user's token or session, or a key with every scope; fewer scopes administer nothing."""

    verifier: Verifier

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks."""
        if needs.is_public:
            return Admission(NOBODY)
        asking = await who_asks(self.verifier, head, BEARER_FIRST)
        if asking.identity is None:
            turn_away(asking, CHALLENGE_INVALID if asking.has_credential else CHALLENGE)
        check_reach(asking.identity, needs)
        if not asking.identity.scopes >= ALL_SCOPES:
            metrics.REFUSED.labels("scope_missing").inc()
            raise Forbidden("Administration needs a user's token or session, or an API key with all scopes.")
        return Admission(asking.identity)


@dataclass(frozen=True)
class FlexibilityGate:
    """Tokens without a scheme word, and so many requests a minute for each user, or address where nobody has signed in."""

    verifier: Verifier
    limiter: RateLimiter
    clock: Clock
    requests_per_minute: int

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks, and count the request."""
        asking = Asking(None, has_credential=False)
        if not needs.is_public:
            asking = await who_asks(self.verifier, head, FLEXIBILITY_PLACES)
        headers: dict[str, str] = {}
        if self.limiter.is_on and self.requests_per_minute and _is_limited(head.path):
            headers = await self._count(asking.identity, head)
        if needs.is_public:
            return Admission(NOBODY, headers)
        if asking.identity is None:
            turn_away(asking, {**CHALLENGE, **headers})
        check_reach(asking.identity, needs, headers=headers)
        return Admission(asking.identity, headers)

    async def _count(self, identity: Identity | None, head: RequestHead) -> dict[str, str]:
        who = network_of(head.address) if identity is None else f"{identity.account_id}/{identity.subject}"
        usage = await self.limiter.take(f"flexibility/{who}", Window(self.requests_per_minute, 60, slots=12))
        headers = {
            "X-RateLimit-Limit": str(self.requests_per_minute),
            "X-RateLimit-Remaining": str(usage.remaining),
            "X-RateLimit-Reset": str(int(self.clock.now().timestamp()) + (usage.retry_after_s or 60)),
        }
        if not usage.is_allowed:
            text = f"Too many requests: {self.requests_per_minute} per 1 minute."
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


# 20 a second for good, and 100 at once.
BURST = Window(100, 5, slots=10)
FAILURES = Window(30, 60)
TRIAL_ROLE = "trial"


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


@dataclass(frozen=True)
class WebGate:
    """Sessions. In open mode pages that show nothing of anybody are for everybody, and PGO's cookie comes with them."""

    verifier: Verifier
    open_mode: OpenModeGate | None
    path_base: str

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks; whoever has to sign in is sent to do so, and then comes back."""
        # A link on another site may lead to a page of ours; a form of another site leads nowhere.
        session = cookie(head, SESSION_COOKIE) if head.method == "GET" else own_session(head)
        identity = None if session is None else await self.verifier.identify_session(session)
        courtesy = {} if self.open_mode is None else self.open_mode.courtesy(head)
        if needs.is_public:
            return Admission(identity or NOBODY, courtesy)
        if identity is None:
            back = f"?next={quote(head.path, safe='')}" if head.method == "GET" else ""
            turn_away(Asking(None, has_credential=False), {"Location": f"{self.path_base}/login{back}"})
        check_reach(identity, needs)
        return Admission(identity, courtesy)


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


def _either(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
