"""The gates that only ask who somebody is: where each API's clients put credentials, and what its refusals carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from services.gateway import metrics
from services.gateway.auth.admitting import CHALLENGE, CHALLENGE_INVALID, Asking, check_reach, turn_away, who_asks
from services.gateway.auth.gate import Admission, Forbidden, Needs
from services.gateway.auth.identities import ALL_SCOPES
from services.gateway.auth.identity import NOBODY, RequestHead
from services.gateway.auth.open_mode import OpenModeGate
from services.gateway.auth.presented import (
    SESSION_COOKIE,
    Place,
    api_key,
    bearer,
    cookie,
    own_session,
    query_access_token,
)
from services.gateway.auth.verifier import Verifier

BEARER_FIRST: Sequence[Place] = (bearer, api_key)
HUB_PLACES: Sequence[Place] = (bearer, api_key, query_access_token)


@dataclass(frozen=True)
class ReconfigurationGate:
    """Credentials if there are any, else PGO's cookie; or credentials alone where ``open_mode`` is none."""

    verifier: Verifier
    open_mode: OpenModeGate | None
    places: Sequence[Place] = BEARER_FIRST

    async def admit(self, head: RequestHead, needs: Needs) -> Admission:
        """Say who asks."""
        asking = await who_asks(self.verifier, head, self.places)
        if asking.identity is None:
            if self.open_mode is not None and not asking.has_credential:
                return self.open_mode.admission(head)
            if needs.is_public:
                return Admission(NOBODY)
            turn_away(asking, CHALLENGE_INVALID if asking.has_credential else CHALLENGE)
        check_reach(asking.identity, needs)
        return Admission(asking.identity, standing=asking.standing)


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
class WebGate:
    """Sessions. In open mode pages that show nothing of anybody are for everybody, and PGO's cookie comes with them."""

    verifier: Verifier
    open_mode: OpenModeGate | None

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
            turn_away(Asking(None, has_credential=False), {"Location": head.led_to(f"/login{back}")})
        check_reach(identity, needs)
        return Admission(identity, courtesy)
