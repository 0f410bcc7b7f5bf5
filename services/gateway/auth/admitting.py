"""What all gates do: find out who asks, make sure that it reaches far enough, and turn away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from services.gateway import metrics
from services.gateway.auth.gate import Forbidden, Needs, Standing, TooManyRequests, Unauthenticated
from services.gateway.auth.identity import Identity, RequestHead
from services.gateway.auth.presented import Place, own_session
from services.gateway.auth.verifier import Known, Verifier

CHALLENGE = {"WWW-Authenticate": "Bearer"}
CHALLENGE_INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

NO_CREDENTIAL = "Sign in first: send a credential, as in Authorization: Bearer <API key>."
WRONG_CREDENTIAL = "The credential is not valid, or no longer."


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, if anybody can be told; ``has_credential`` says whether something was presented that should tell."""

    identity: Identity | None
    has_credential: bool
    standing: Standing | None = None


async def who_asks(verifier: Verifier, head: RequestHead, places: Sequence[Place]) -> Asking:
    """Whose the first credential in a request is. One that is wrong is not made good by another one; a stale cookie is as good as none."""
    for place in places:
        credential = place(head)
        if credential is not None:
            return _asking(await verifier.known(credential), has_credential=True)
    session = own_session(head)
    return _asking(None if session is None else await verifier.known_session(session), has_credential=False)


def _asking(known: Known | None, *, has_credential: bool) -> Asking:
    return Asking(None if known is None else known.owner, has_credential, known)


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


def _either(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
