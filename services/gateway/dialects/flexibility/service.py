"""What the use cases of this API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.gateway.dialects.flexibility.job_watch import JobWatch
from services.gateway.dialects.flexibility.posting_desk import PostingDesk
from services.gateway.dialects.flexibility.trigger_limits import TriggerLimits
from services.gateway.http.call import Reply
from shared.clock import Clock
from shared.db.unit_of_work import Database
from shared.identity.principals import User
from shared.observability.health import Health
from shared.settings import Settings


class SignIn(Protocol):
    """The port to signing in with a password."""

    async def sign_in(self, email: str, password: str, address: str) -> User:
        """The user with this e-mail address and password.

        Raises:
            UnknownEmail, WrongPassword, InactiveUser, TooManyRequests: as their names say.
            DependencyUnavailable: it cannot be told now.
        """
        ...

    async def issue_token(self, user: User, *, address: str | None = None) -> str:
        """A new token of a user; older ones stay valid."""
        ...


@dataclass(frozen=True, slots=True)
class Waits:
    """How long clients are kept waiting for what may be done in a moment, and how they hear that it is not."""

    data_s: float
    job_s: float
    pending_is_400: bool

    @classmethod
    def of(cls, settings: Settings) -> Waits:
        """As the settings say."""
        return cls(
            settings.flexibility_data_wait_s, settings.flexibility_job_wait_s, settings.flexibility_pending_as_400
        )


@dataclass(frozen=True)
class Flexibility:
    """The adapters of this API's use cases, and its own documentation as it is served.

    ``forget_credentials`` makes this process ask anew whose each credential is, so that what was revoked through it is gone at once.
    """

    database: Database
    sign_in: SignIn
    health: Health
    clock: Clock
    watch: JobWatch
    desk: PostingDesk
    trigger_limits: TriggerLimits
    waits: Waits
    forget_credentials: Callable[[], None]
    openapi_json: bytes
    docs_page: Reply
