"""The port between the dispatcher and authentication: a gate lets a request in and says who sent it, or refuses it.

Each dialect has one gate, which knows where that API's clients put their credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.gateway.auth.identity import NOBODY, Identity, RequestHead
from shared.errors import BusbarError

# How long a gate may take.
ADMISSION_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route asks of whoever calls it: nothing, or one of the scopes and, if any are named, one of the roles."""

    is_public: bool
    any_scope: frozenset[str] = frozenset()
    any_role: frozenset[str] = frozenset()


class Standing(Protocol):
    """A credential after its request: whoever serves its sender for longer asks again. It holds no secret."""

    def has_expired(self) -> bool:
        """Whether its time is over, as far as that was known."""
        ...

    async def identity(self) -> Identity | None:
        """Whose it is now, None if nobody's; that somebody asked is no use of it.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may go on: who asks, and headers that every reply to it carries, errors too.

    ``standing`` is None where no credential was needed, and where nothing lasts longer than its request.
    """

    identity: Identity
    headers: Mapping[str, str] = field(default_factory=dict)
    standing: Standing | None = None


class Gate(Protocol):
    """Decides on one request."""

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks.

        Raises:
            Unauthenticated: no valid credential; Forbidden: valid, but without scope or role; TooManyRequests: later.
            DependencyUnavailable: it cannot be told now.
        """
        ...


class Refused(BusbarError):
    """A gate turned a request away. ``headers`` go with the reply."""

    code = "refused"

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})


class Unauthenticated(Refused):
    """No credential, or none that is valid; which of the two says ``is_missing`` and never the message."""

    code = "unauthenticated"

    def __init__(self, message: str, *, is_missing: bool, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, headers=headers)
        self.is_missing = is_missing


class Forbidden(Refused):
    """The credential is valid and does not reach so far."""

    code = "forbidden"


class TooManyRequests(Refused):
    """Somebody asks too often, or has guessed too often. ``retry_after_s`` is whole seconds."""

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after_s: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after_s), **(headers or {})})
        self.retry_after_s = retry_after_s


class OpenGate:
    """Lets everybody in as nobody: for health, and for pages that show nothing of anybody."""

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:  # noqa: ARG002  # the port's signature
        """Nobody is anybody here."""
        return Admission(NOBODY)
