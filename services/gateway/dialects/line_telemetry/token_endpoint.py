"""Signing in: a client proves itself with its secret and gets an access token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.gateway.auth.access_tokens import AccessTokens, IssuedToken, LiveClient
from services.gateway.auth.attempts import Attempts, Claimed, network_of
from services.gateway.auth.gate import TooManyRequests
from services.gateway.auth.rate_limits import RateLimiter, Window
from services.gateway.auth.sign_in_history import SignInHistory
from services.gateway.dialects.line_telemetry.environments import Environment, audience_of
from services.gateway.dialects.line_telemetry.token_errors import InvalidClient, InvalidScope
from services.gateway.dialects.line_telemetry.token_form import TokenRequest
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DependencyUnavailable
from shared.identity import audit, client_store
from shared.identity.client_store import ClientRecord
from shared.identity.passwords import PasswordHasher
from shared.identity.principals import MAX_ACTIVE_SECRETS, Actor, Client

# So many may be asked for in a minute by one client, and from one address.
TOKENS_PER_MINUTE = Window(60, 60)
# No client's id is longer; what is longer is refused like any unknown one, and not looked for.
LONGEST_CLIENT_ID = 200


@dataclass(frozen=True, slots=True)
class Granted:
    """A token, and whom it is for."""

    token: IssuedToken
    audience: str


@dataclass(frozen=True)
class TokenEndpoint:
    """What it takes to answer requests for tokens."""

    database: Database
    hasher: PasswordHasher
    attempts: Attempts
    limiter: RateLimiter
    access_tokens: AccessTokens
    clock: Clock
    tokens_per_minute: Window = TOKENS_PER_MINUTE

    async def grant(self, environment: Environment, asked: TokenRequest, address: str) -> Granted:
        """Give a client its token.

        Raises:
            InvalidScope, InvalidClient: as their names say; TooManyRequests: it asks, or has failed, too often;
            DependencyUnavailable: it cannot be told now.
        """
        if not all(environment.accepts(scope) for scope in asked.scopes):
            raise InvalidScope
        await self._take_turn(f"token from {network_of(address)}")
        client, secret_id = await self._prove(environment, asked, address)
        # Only now, so that nobody who knows no secret uses up what a client may ask for.
        await self._take_turn(f"token of {client.subject}")
        audience = audience_of(asked.scopes[0])
        token = await self.access_tokens.issue(client, secret_id=secret_id, audience=audience)
        await self._record(client, address)
        return Granted(token, audience)

    async def _take_turn(self, counter: str) -> None:
        usage = await self.limiter.take(counter, self.tokens_per_minute)
        if not usage.is_allowed:
            wait_s = usage.retry_after_s
            raise TooManyRequests(f"Too many tokens are asked for. Try again in {wait_s} s.", retry_after_s=wait_s)

    async def _prove(self, environment: Environment, asked: TokenRequest, address: str) -> tuple[Client, UUID]:
        record = await self._find(asked.client_id)
        client = None if record is None else record.client
        account_id = None if client is None else client.account_id
        history = SignInHistory(self.database, self.clock, "client")
        subject = f"client:{asked.client_id[:LONGEST_CLIENT_ID]}"
        claimed = Claimed(subject, address, account_id, history.is_familiar(client, address))
        attempt = await self.attempts.begin(claimed)
        try:
            secret_id = await self._matching_secret(_usable(record, environment), asked.client_secret)
        except DependencyUnavailable:
            await attempt.withdrawn()
            raise
        if client is None or secret_id is None:
            await history.add_failure(client, address)
            raise InvalidClient(used_basic=asked.used_basic)
        await attempt.succeeded()
        return client, secret_id

    async def _record(self, client: Client, address: str) -> None:
        async with self.database.unit_of_work(EVERY_ACCOUNT) as work:
            await audit.record_about(work.connection, Actor(client.subject, address), client, "client:token:issued")

    async def _find(self, client_id: str) -> ClientRecord | None:
        if len(client_id) > LONGEST_CLIENT_ID:
            return None
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            return await client_store.find_client_record(connection, client_id)

    async def _matching_secret(self, secret_hashes: Mapping[UUID, str], secret: str) -> UUID | None:
        """Which secret it is.

        None has taken as many verifications as a client may have secrets, however many this one has and whether it exists.
        """
        hashes: list[tuple[UUID | None, str | None]] = [*secret_hashes.items()]
        hashes += [(None, None)] * (MAX_ACTIVE_SECRETS - len(hashes))
        for secret_id, secret_hash in hashes:
            if await self.hasher.verify(secret_hash, secret):
                return secret_id
        return None


@dataclass(frozen=True, slots=True)
class LiveClientFinder:
    """Looks up clients that may act now."""

    database: Database

    async def __call__(self, client_id: str) -> LiveClient | None:
        """The client with its valid secrets; None if it is not there, or it or its account is not active."""
        async with self.database.reading(EVERY_ACCOUNT) as connection:
            record = await client_store.find_client_record(connection, client_id)
        if record is None or not record.is_valid:
            return None
        return LiveClient(record.client, frozenset(record.secret_hashes))


def _usable(record: ClientRecord | None, environment: Environment) -> Mapping[UUID, str]:
    """The secrets with which a client may sign in to an environment."""
    if record is None or not record.is_valid or record.client.environment != environment.name:
        return {}
    return record.secret_hashes
