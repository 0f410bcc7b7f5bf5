"""From a credential to an identity: user tokens, API keys, clients' access tokens and web sessions.

What was found is remembered for two seconds, which is how late a revocation may take effect in another process; its expiry is
honoured to the second all the same. What was not found is remembered more shortly and apart from it, so that guesses push
nobody out. A database that is away lets nobody in, and is no reason to turn a credential down.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.gateway.auth import credential_store as store
from services.gateway.auth.access_tokens import Claims
from services.gateway.auth.identity import Identity, IdentityKind
from services.gateway.auth.last_use import LastUse
from services.gateway.auth.tokens import TokenHasher, has_form
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.identity.api_keys import parse_api_key
from shared.identity.principals import SCOPES

FOUND_FOR_S = 2.0
NOT_FOUND_FOR_S = 1.0
MOST_FOUND = 10_000
MOST_NOT_FOUND = 10_000
# Of the pool's connections so many at most look credentials up, however many strangers come at once.
LOOKUPS_AT_ONCE = 4
# A client's access token is about 1 kB, more with many grid owners; a longer text than this is no credential.
MOST_BYTES = 16 * 1024
MOST_KEY_BYTES = 256
KEY_PREFIX = "bb_"

ALL_SCOPES = frozenset(SCOPES)
LEADING_ROLES = frozenset({"account-admin", "admin"})

_NO_SECRET = bytes(32)


class AccessTokenVerifier(Protocol):
    """The port to whatever issues access tokens."""

    async def verify(self, token: str) -> Claims | None:
        """What a token says; None if it is not to be believed.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Found:
    identity: Identity
    expires_at: datetime | None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Remembered:
    found: _Found | None
    until: float  # by the loop's clock


class Verifier:
    """Says whose a credential is. One for each process."""

    def __init__(
        self,
        database: Database,
        hasher: TokenHasher,
        access_tokens: AccessTokenVerifier,
        clock: Clock,
        *,
        last_use: LastUse | None = None,
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._access_tokens = access_tokens
        self._clock = clock
        self._last_use = last_use
        self._found: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._not_found: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[_Found | None]] = {}
        self._places = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._generation = 0

    async def identify(self, credential: str) -> Identity | None:
        """Whose a token, key or access token is; None if nobody's.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        if not _is_plausible(credential):
            return None
        if credential.startswith(KEY_PREFIX):
            if len(credential) > MOST_KEY_BYTES:
                return None
            return await self._identity(credential, b"k", self._find_key)
        if credential.count(".") == 2:
            return await self._identity(credential, b"j", self._find_client)
        if not has_form(credential):
            return None
        return await self._identity(credential, b"t", self._find_token)

    async def identify_session(self, session: str) -> Identity | None:
        """Whose a web session is; None if nobody's.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        if not has_form(session):
            return None
        return await self._identity(session, b"s", self._find_session)

    def forget(self) -> None:
        """Ask the database again for everybody: something was revoked through this process, and is gone at once."""
        self._generation += 1
        self._found.clear()
        self._not_found.clear()
        self._under_way.clear()

    async def _identity(
        self, credential: str, kind: bytes, find: Callable[[str], Awaitable[_Found | None]]
    ) -> Identity | None:
        # Hashed, so that no secret stays in memory for longer than its request.
        key = hashlib.sha256(kind + credential.encode()).digest()
        now = asyncio.get_running_loop().time()
        remembered = self._found.get(key) or self._not_found.get(key)
        if remembered is not None and remembered.until > now:
            found = remembered.found
        else:
            found = await self._look_up(key, credential, find)
        if found is None or (found.expires_at is not None and self._clock.now() >= found.expires_at):
            return None
        return found.identity

    async def _look_up(
        self, key: bytes, credential: str, find: Callable[[str], Awaitable[_Found | None]]
    ) -> _Found | None:
        """Ask the database; requests with one credential that come at once ask once."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, credential, find), name="credential")
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._is_done(key, done))
        # Shielded: a client that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def _is_done(self, key: bytes, task: asyncio.Task[_Found | None]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # seen, also if nobody waits any more

    async def _ask(self, key: bytes, credential: str, find: Callable[[str], Awaitable[_Found | None]]) -> _Found | None:
        generation = self._generation
        async with self._places:
            # From before the question: what is revoked while it is under way counts from then on.
            asked_at = asyncio.get_running_loop().time()
            found = await find(credential)
        if generation == self._generation:
            self._remember(key, found, asked_at)
        if found is not None and self._last_use is not None:
            self._last_use.note(found.identity.user_number, found.key_id)
        return found

    def _remember(self, key: bytes, found: _Found | None, asked_at: float) -> None:
        table, other, most, for_s = (
            (self._not_found, self._found, MOST_NOT_FOUND, NOT_FOUND_FOR_S)
            if found is None
            else (self._found, self._not_found, MOST_FOUND, FOUND_FOR_S)
        )
        other.pop(key, None)
        table[key] = _Remembered(found, asked_at + for_s)
        table.move_to_end(key)
        if len(table) > most:
            table.popitem(last=False)

    async def _find_token(self, token: str) -> _Found | None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            holder = await store.find_by_token(connection, self._hasher.of_token(token))
        return None if holder is None else _Found(_of_user(holder, "user", ALL_SCOPES), holder.expires_at)

    async def _find_session(self, session: str) -> _Found | None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            holder = await store.find_by_session(connection, self._hasher.of_session(session))
        return None if holder is None else _Found(_of_user(holder, "session", ALL_SCOPES), holder.expires_at)

    async def _find_key(self, text: str) -> _Found | None:
        parsed = parse_api_key(text)
        if parsed is None:
            return None
        key_id, secret_hash = parsed
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            found = await store.find_by_key(connection, key_id)
        is_right = hmac.compare_digest(_NO_SECRET if found is None else found.secret_hash, secret_hash)
        if found is None or not is_right:
            return None
        return _Found(_of_user(found.holder, "key", found.scopes), found.holder.expires_at, key_id)

    async def _find_client(self, token: str) -> _Found | None:
        claims = await self._access_tokens.verify(token)
        if claims is None:
            return None
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            kind = await store.find_account_kind(connection, claims.account_id)
        if kind is None:
            return None
        return _Found(_of_client(claims, *kind), claims.expires_at)


def _is_plausible(credential: str) -> bool:
    """Whether a text can be a credential at all: printable ASCII without blanks, and not long."""
    return (
        0 < len(credential) <= MOST_BYTES
        and credential.isascii()
        and credential.isprintable()
        and " " not in credential
    )


def _of_user(holder: store.Holder, kind: IdentityKind, scopes: frozenset[str]) -> Identity:
    return Identity(
        holder.account_id,
        f"user:{holder.user_number}",
        kind,
        scopes,
        _roles_of_user(holder.roles, scopes),
        grid_owners=None,
        user_number=holder.user_number,
        account_roles=holder.account_roles,
        plan_id=holder.plan_id,
    )


def _roles_of_user(roles: frozenset[str], scopes: frozenset[str]) -> frozenset[str]:
    """The user's roles, and those of the line telemetry API that follow; a key of few scopes leads no account there."""
    if "read" in scopes:
        roles |= {"api_consumer"}
    if scopes >= ALL_SCOPES and roles & LEADING_ROLES:
        roles |= {"asset_admin", "platform_admin"}
    return roles


def _of_client(claims: Claims, account_roles: frozenset[str], plan_id: int | None) -> Identity:
    scopes = claims.roles & ALL_SCOPES
    if "api_consumer" in claims.roles:
        scopes |= {"read"}
    return Identity(
        claims.account_id,
        f"client:{claims.client_id}",
        "client",
        scopes,
        claims.roles,
        grid_owners=claims.grid_owners,
        region=claims.region,
        account_roles=account_roles,
        plan_id=plan_id,
    )
