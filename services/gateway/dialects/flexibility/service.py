"""What the use cases of this API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.gateway.http.call import Reply
from shared.db.unit_of_work import Database
from shared.identity.principals import User
from shared.observability.health import Health


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


@dataclass(frozen=True)
class Flexibility:
    """The adapters of this API's use cases, and its own documentation as it is served.

    ``forget_credentials`` makes this process ask anew whose each credential is, so that what was revoked through it is gone at once.
    """

    database: Database
    sign_in: SignIn
    health: Health
    forget_credentials: Callable[[], None]
    openapi_json: bytes
    docs_page: Reply
