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
from functools import partial
from typing import Protocol

from services.gateway.auth import credential_store as store
from services.gateway.auth.access_tokens import Claims, SignedClaims
from services.gateway.auth.identities import ALL_SCOPES, identity_of_client, identity_of_user
from services.gateway.auth.identity import Identity
from services.gateway.auth.last_use import LastUse
from services.gateway.auth.tokens import TokenHasher, has_form
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.identity.api_keys import parse_api_key

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

_NO_SECRET = bytes(32)


class AccessTokenVerifier(Protocol):
    """The port to whatever issues access tokens."""

    async def signed_claims(self, token: str) -> SignedClaims | None:
        """The claims of a token that is ours; None if it is not.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        ...

    async def in_force(self, signed: SignedClaims) -> Claims | None:
        """What a token says; None if it is not to be believed, or no longer.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Found:
    identity: Identity
    expires_at: datetime | None
    key_id: str | None = None
    signed: SignedClaims | None = None  # of an access token, which then need not be shown again


# Asks the database.
_Find = Callable[[], Awaitable[_Found | None]]


@dataclass(frozen=True, slots=True)
class _Lookup:
    """How a credential is looked up, and under which name what was found is remembered: its hash, and no secret."""

    key: bytes
    find: _Find


@dataclass(frozen=True, slots=True)
class Known:
    """A credential that was found, and can be asked for again."""

    owner: Identity
    expires_at: datetime | None
    verifier: Verifier
    lookup: _Lookup

    def has_expired(self) -> bool:
        """Whether its time is over; nobody is asked."""
        return self.verifier.is_over(self.expires_at)

    async def identity(self) -> Identity | None:
        """Whose it is now, None if nobody's; that is no use of it.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        found = await self.verifier.found(self.lookup)
        return None if found is None else found.identity


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
        known = await self.known(credential)
        return None if known is None else known.owner

    async def identify_session(self, session: str) -> Identity | None:
        """Whose a web session is; None if nobody's.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        known = await self.known_session(session)
        return None if known is None else known.owner

    async def known(self, credential: str) -> Known | None:
        """A token, key or access token, to be asked for again; None if it is nobody's.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        lookup = self._lookup_of(credential)
        return None if lookup is None else await self._known(lookup)

    async def known_session(self, session: str) -> Known | None:
        """A web session, to be asked for again; None if it is nobody's.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        if not has_form(session):
            return None
        find = partial(self._find_session, self._hasher.of_session(session))
        return await self._known(_Lookup(_key_of(session, b"s"), find))

    def forget(self) -> None:
        """Ask the database again for everybody: something was revoked through this process, and is gone at once."""
        self._generation += 1
        self._found.clear()
        self._not_found.clear()
        self._under_way.clear()

    def is_over(self, expires_at: datetime | None) -> bool:
        """Whether a moment has come; None never comes."""
        return expires_at is not None and self._clock.now() >= expires_at

    async def found(self, lookup: _Lookup) -> _Found | None:
        """What is in force under a credential.

        Raises:
            DependencyUnavailable: it cannot be told now.
        """
        now = asyncio.get_running_loop().time()
        remembered = self._found.get(lookup.key) or self._not_found.get(lookup.key)
        if remembered is not None and remembered.until > now:
            found = remembered.found
        else:
            found = await self._look_up(lookup)
        return None if found is None or self.is_over(found.expires_at) else found

    def _lookup_of(self, credential: str) -> _Lookup | None:
        if not _is_plausible(credential):
            return None
        if credential.startswith(KEY_PREFIX):
            parsed = parse_api_key(credential) if len(credential) <= MOST_KEY_BYTES else None
            return None if parsed is None else _Lookup(_key_of(credential, b"k"), partial(self._find_key, *parsed))
        if credential.count(".") == 2:
            return _Lookup(_key_of(credential, b"j"), partial(self._find_client_by_token, credential))
        if not has_form(credential):
            return None
        return _Lookup(_key_of(credential, b"t"), partial(self._find_token, self._hasher.of_token(credential)))

    async def _known(self, lookup: _Lookup) -> Known | None:
        found = await self.found(lookup)
        if found is None:
            return None
        if self._last_use is not None:
            self._last_use.note(found.identity.user_number, found.key_id)
        if found.signed is not None:
            lookup = _Lookup(lookup.key, partial(self._find_client, found.signed))
        return Known(found.identity, found.expires_at, self, lookup)

    async def _look_up(self, lookup: _Lookup) -> _Found | None:
        """Ask the database; requests with one credential that come at once ask once."""
        task = self._under_way.get(lookup.key)
        if task is None:
            task = asyncio.create_task(self._ask(lookup), name="credential")
            self._under_way[lookup.key] = task
            task.add_done_callback(lambda done: self._is_done(lookup.key, done))
        # Shielded: a client that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def _is_done(self, key: bytes, task: asyncio.Task[_Found | None]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # seen, also if nobody waits any more

    async def _ask(self, lookup: _Lookup) -> _Found | None:
        generation = self._generation
        async with self._places:
            # From before the question: what is revoked while it is under way counts from then on.
            asked_at = asyncio.get_running_loop().time()
            found = await lookup.find()
        if generation == self._generation:
            self._remember(lookup.key, found, asked_at)
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

    async def _find_token(self, token_hash: bytes) -> _Found | None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            holder = await store.find_by_token(connection, token_hash)
        return None if holder is None else _Found(identity_of_user(holder, "user", ALL_SCOPES), holder.expires_at)

    async def _find_session(self, session_hash: bytes) -> _Found | None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            holder = await store.find_by_session(connection, session_hash)
        return None if holder is None else _Found(identity_of_user(holder, "session", ALL_SCOPES), holder.expires_at)

    async def _find_key(self, key_id: str, secret_hash: bytes) -> _Found | None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            found = await store.find_by_key(connection, key_id)
        is_right = hmac.compare_digest(_NO_SECRET if found is None else found.secret_hash, secret_hash)
        if found is None or not is_right:
            return None
        return _Found(identity_of_user(found.holder, "key", found.scopes), found.holder.expires_at, key_id)

    async def _find_client_by_token(self, token: str) -> _Found | None:
        signed = await self._access_tokens.signed_claims(token)
        return None if signed is None else await self._find_client(signed)

    async def _find_client(self, signed: SignedClaims) -> _Found | None:
        claims = await self._access_tokens.in_force(signed)
        if claims is None:
            return None
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            kind = await store.find_account_kind(connection, claims.account_id)
        if kind is None:
            return None
        return _Found(identity_of_client(claims, *kind), claims.expires_at, signed=signed)


def _key_of(credential: str, kind: bytes) -> bytes:
    # Hashed, so that no secret stays in memory for longer than its request.
    return hashlib.sha256(kind + credential.encode()).digest()


def _is_plausible(credential: str) -> bool:
    """Whether a text can be a credential at all: printable ASCII without blanks, and not long."""
    return (
        0 < len(credential) <= MOST_BYTES
        and credential.isascii()
        and credential.isprintable()
        and " " not in credential
    )
