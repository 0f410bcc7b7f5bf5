"""Access tokens of OAuth2 clients: signed JWTs of one hour, given out and checked here.

Only RS256 under one of the installation's own keys counts, whatever a token's header asks for. A token is as good as its client:
once that, or the secret with which the token was obtained, is gone, the token is too.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from joserfc import jws, jwt
from joserfc.errors import JoseError

from services.gateway.auth.key_ring import KeyRing
from shared.clock import Clock
from shared.identity.principals import Client
from shared.identity.signing_keys import ALGORITHM
from shared.ids import AccountId

LIFETIME_S = 3600
# Clients decide on expiry by their own clock, measured after the answer arrived, and renew only once it has passed.
LEEWAY_S = 60
# Ours have some 1 KB, and 6 KB with the most grid owners that a client is given.
LONGEST_TOKEN = 8 * 1024
# How long it may take until a token hears that its client was deactivated; callers keep identities for two seconds more.
CLIENT_KNOWN_FOR_S = 1.0
MOST_CLIENTS_KNOWN = 10_000
VERSION = "1.0"

_ALGORITHMS = [ALGORITHM]


@dataclass(frozen=True, slots=True)
class LiveClient:
    """A client that may act now: it and its account are active. ``secret_ids`` are those of its secrets that are valid."""

    client: Client
    secret_ids: frozenset[UUID]


# Looks a client up for its tokens; None if it is not there, or not active.
FindLiveClient = Callable[[str], Awaitable[LiveClient | None]]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says of whoever sends it.

    ``roles`` and ``grid_owners`` are what both the token and the client itself still have; ``grid_owners`` None is to be looked
    up at request time. ``expires_at`` is when it is no longer accepted, leeway included.
    """

    client_id: str
    account_id: AccountId
    region: str
    roles: frozenset[str]
    grid_owners: frozenset[str] | None
    environment: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedClaims:
    """What a token of ours says, and under which key: enough to ask again whether it is valid, and not to act with it."""

    key_id: str
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and from when until when it is good, in Unix seconds."""

    access_token: str
    issued_at_s: int
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class TokenAuthority:
    """In whose name an environment's tokens are given out, and for which audiences; None means any."""

    issuer: str
    audiences: frozenset[str] | None


class AccessTokens:
    """Issues and verifies tokens. ``authorities`` are the environments by name."""

    def __init__(
        self,
        keys: KeyRing,
        authorities: Mapping[str, TokenAuthority],
        find_client: FindLiveClient,
        clock: Clock,
        *,
        lifetime_s: int = LIFETIME_S,
    ) -> None:
        self._lifetime_s = lifetime_s
        self._keys = keys
        self._authorities = dict(authorities)
        self._find_client = find_client
        self._clock = clock
        self._clients: OrderedDict[str, tuple[float, LiveClient | None]] = OrderedDict()

    async def start(self) -> None:
        """Begin to keep up with the keys."""
        await self._keys.start()

    async def stop(self) -> None:
        """End."""
        await self._keys.stop()

    async def issue(self, client: Client, *, secret_id: UUID, audience: str) -> IssuedToken:
        """Sign a token for a client that has proven itself with one of its secrets.

        Raises:
            DatabaseUnavailable: there is no key to sign with yet.
        """
        key_id, key = await self._keys.signing_key()
        issued_at_s = int(self._clock.now().timestamp())
        expires_at_s = issued_at_s + self._lifetime_s
        claims: dict[str, Any] = {
            "iss": self._authorities[client.environment].issuer,
            "aud": audience,
            "sub": client.client_id,
            "azp": client.client_id,
            "iat": issued_at_s,
            "nbf": issued_at_s,
            "exp": expires_at_s,
            "jti": str(_token_id(secret_id)),
            "ver": VERSION,
            "region": client.region.upper(),
            "roles": list(client.roles),
            "env": client.environment,
        }
        if client.grid_owners is not None:
            claims["grid_owners"] = list(client.grid_owners)
        # 0.3 ms, so it needs no thread.
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": key_id}
        token = jwt.encode(header, claims, key, algorithms=_ALGORITHMS)
        return IssuedToken(token, issued_at_s, expires_at_s)

    async def verify(self, token: str) -> Claims | None:
        """What a token says; None if it is none of ours, not valid at this moment, or its client is no longer.

        Raises:
            DatabaseUnavailable: its key or its client cannot be looked up.
        """
        signed = await self.signed_claims(token)
        return None if signed is None else await self.in_force(signed)

    async def in_force(self, signed: SignedClaims) -> Claims | None:
        """What a token of ours says; None if it is not valid at this moment, or its key or client is no longer.

        Raises:
            DatabaseUnavailable: its key or its client cannot be looked up.
        """
        claims = signed.claims
        if await self._keys.public_key(signed.key_id) is None or not self._is_in_force(claims):
            return None
        live = await self._live_client(claims["sub"])
        if live is None or not _is_from_a_secret_of(live, claims["jti"]):
            return None
        client = live.client
        if client.environment != claims["env"]:
            return None
        return Claims(
            client_id=client.client_id,
            account_id=client.account_id,
            region=claims["region"].lower(),
            roles=frozenset(claims["roles"]) & frozenset(client.roles),
            grid_owners=_both(claims.get("grid_owners"), client.grid_owners),
            environment=client.environment,
            expires_at=datetime.fromtimestamp(claims["exp"] + LEEWAY_S, UTC),
        )

    async def published_keys(self) -> Sequence[Mapping[str, str]]:
        """All keys that may still verify a live token, as in a key set (RFC 7517).

        Raises:
            DatabaseUnavailable: none could be read yet.
        """
        return await self._keys.published()

    async def signed_claims(self, token: str) -> SignedClaims | None:
        """The claims of a token that one of our keys has signed; None if none has.

        Raises:
            DatabaseUnavailable: its key cannot be looked up.
        """
        if len(token) > LONGEST_TOKEN or not token.isascii():
            return None
        try:
            key_id = jws.extract_compact(token.encode()).headers().get("kid")
            if not isinstance(key_id, str):
                return None
            key = await self._keys.public_key(key_id)
            return None if key is None else SignedClaims(key_id, jwt.decode(token, key, algorithms=_ALGORITHMS).claims)
        except (JoseError, ValueError, TypeError, RecursionError):
            # The library's own errors, and what decoders of Base64, JSON and UTF-8 raise over what a stranger has made up.
            return None

    def _is_in_force(self, claims: Mapping[str, Any]) -> bool:
        authority = self._authorities.get(str(claims.get("env")))
        if authority is None or claims.get("iss") != authority.issuer:
            return False
        if authority.audiences is not None and str(claims.get("aud")) not in authority.audiences:
            return False
        now_s = self._clock.now().timestamp()
        begins, ends = claims["nbf"] - LEEWAY_S, claims["exp"] + LEEWAY_S
        return bool(begins <= now_s < ends)

    async def _live_client(self, client_id: str) -> LiveClient | None:
        now = time.monotonic()
        known = self._clients.get(client_id)
        if known is not None and now - known[0] < CLIENT_KNOWN_FOR_S:
            return known[1]
        live = await self._find_client(client_id)
        self._clients[client_id] = (now, live)
        self._clients.move_to_end(client_id)
        if len(self._clients) > MOST_CLIENTS_KNOWN:
            self._clients.popitem(last=False)
        return live


@dataclass(frozen=True, slots=True)
class TokensOf:
    """The tokens of one environment; those of another are none here."""

    environment: str
    tokens: AccessTokens

    async def signed_claims(self, token: str) -> SignedClaims | None:
        """The claims of a token that is ours; None if it is not.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        return await self.tokens.signed_claims(token)

    async def in_force(self, signed: SignedClaims) -> Claims | None:
        """What a token says; None if it is not to be believed in this environment.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        claims = await self.tokens.in_force(signed)
        return claims if claims is not None and claims.environment == self.environment else None


def _token_id(secret_id: UUID) -> UUID:
    """A UUID whose second half is that of the secret's id: so a token tells us, and nobody else, what it was obtained with."""
    return UUID(bytes=uuid4().bytes[:8] + secret_id.bytes[8:])


def _is_from_a_secret_of(live: LiveClient, token_id: str) -> bool:
    tail = UUID(token_id).bytes[8:]
    return any(secret_id.bytes[8:] == tail for secret_id in live.secret_ids)


def _both(in_token: Sequence[str] | None, of_client: Sequence[str] | None) -> frozenset[str] | None:
    """The grid owners that both name; None, which names nobody in particular, takes nothing away from the other."""
    if in_token is None or of_client is None:
        named = of_client if in_token is None else in_token
        return None if named is None else frozenset(named)
    return frozenset(in_token) & frozenset(of_client)
