"""Everything that tells who asks, built once for a process: verifier, sign-in, limits, and the gates of all dialects."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.auth.attempts import Attempts
from services.gateway.auth.counting_gates import ComputeJobsGate, ComputeJobsLimits, FlexibilityGate
from services.gateway.auth.gates import (
    HUB_PLACES,
    AdministrationGate,
    LineTelemetryGate,
    ReconfigurationGate,
    WebGate,
)
from services.gateway.auth.last_use import LastUse
from services.gateway.auth.open_mode import OpenModeGate
from services.gateway.auth.rate_limits import RateLimiter
from services.gateway.auth.sign_in import Lifetimes, SignIn
from services.gateway.auth.tokens import FormGuard, TokenHasher
from services.gateway.auth.verifier import AccessTokenVerifier, Verifier
from shared.clock import Clock
from shared.db.unit_of_work import Database
from shared.identity.passwords import PasswordHasher
from shared.identity.secret_key import SecretKeys
from shared.settings import Settings


@dataclass(frozen=True)
class Auth:
    """What dialects and pages need of it. ``forget`` on the verifier makes a revocation effective here at once."""

    verifier: Verifier
    sign_in: SignIn
    attempts: Attempts
    limiter: RateLimiter
    passwords: PasswordHasher
    form_guard: FormGuard
    last_use: LastUse
    open_mode: OpenModeGate | None
    reconfiguration: ReconfigurationGate
    hub: ReconfigurationGate
    flexibility: FlexibilityGate
    line_telemetry: LineTelemetryGate
    compute_jobs: ComputeJobsGate
    administration: AdministrationGate
    web: WebGate

    def start(self) -> None:
        """Begin what goes on in the background."""
        self.last_use.start()

    async def stop(self) -> None:
        """End it."""
        await self.last_use.stop()
        await self.limiter.stop()
        self.passwords.close()


def build_auth(
    database: Database,
    clock: Clock,
    keys: SecretKeys,
    access_tokens: AccessTokenVerifier,
    settings: Settings,
    open_mode: OpenModeGate | None,
    passwords: PasswordHasher,
) -> Auth:
    """Put it together. Without ``open_mode`` nobody gets in without a credential."""
    hasher = TokenHasher(keys.tokens)
    last_use = LastUse(database, clock)
    verifier = Verifier(database, hasher, access_tokens, clock, last_use=last_use)
    limiter = RateLimiter(database, clock, is_on=settings.rate_limits == "on")
    attempts = Attempts(database, clock, keys.tokens)
    lifetimes = Lifetimes(settings.user_token_lifetime_s, settings.web_session_lifetime_s)
    return Auth(
        verifier=verifier,
        sign_in=SignIn(database, passwords, attempts, hasher, clock, lifetimes),
        attempts=attempts,
        limiter=limiter,
        passwords=passwords,
        form_guard=FormGuard(keys.csrf),
        last_use=last_use,
        open_mode=open_mode,
        reconfiguration=ReconfigurationGate(verifier, open_mode),
        hub=ReconfigurationGate(verifier, open_mode, HUB_PLACES),
        flexibility=FlexibilityGate(
            verifier,
            limiter,
            clock,
            settings.flexibility_requests_per_minute,
            {plan: requests for plan, (requests, _) in settings.flexibility_plans.items()},
        ),
        line_telemetry=LineTelemetryGate(verifier),
        compute_jobs=ComputeJobsGate(verifier, limiter, ComputeJobsLimits(settings.rate_hourly, settings.rate_daily)),
        administration=AdministrationGate(verifier),
        web=WebGate(verifier, open_mode),
    )
