"""Accounts, users and their credentials for tests, and the clock by which they expire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.gateway.auth.access_tokens import Claims, SignedClaims
from services.gateway.auth.auth import Auth, build_auth
from services.gateway.auth.open_mode import OpenModeGate
from shared.clock import Clock, SystemClock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.identity import administration, credential_administration
from shared.identity.passwords import PasswordHasher, hash_now
from shared.identity.principals import SCOPES, Account, Actor, User
from shared.identity.secret_key import SecretKeys, derive
from shared.ids import uuid7
from shared.settings import Settings

TESTER = Actor("cli:tests")
PASSWORD = "a grid has many a switch"
SECRET = "0123456789abcdef" * 4
# Hashing takes 30 ms; one hash does for all users of a run.
PASSWORD_HASH = hash_now(PASSWORD)


class MovedClock:
    """The machine's clock, and as much later as a test says."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


class StillClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class KnownTokens:
    """Access tokens of clients that are what the test says."""

    def __init__(self) -> None:
        self.claims: dict[str, Claims] = {}
        self.asked = 0

    async def signed_claims(self, token: str) -> SignedClaims | None:
        """Their names stand for the tokens."""
        return SignedClaims(token, {}) if token in self.claims else None

    async def in_force(self, signed: SignedClaims) -> Claims | None:
        self.asked += 1
        return self.claims.get(signed.key_id)


async def make_account(database: Database, name: str | None = None, *, roles: Sequence[str] = ()) -> Account:
    """An account; its name is made up unless it is given."""
    name = name or f"Grid {uuid7().hex[-12:]}"
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        return await administration.create_account(work, TESTER, name, roles=roles)


async def make_user(
    database: Database,
    account: Account,
    email: str | None = None,
    *,
    roles: Sequence[str] = (),
    password_hash: str | None = PASSWORD_HASH,
) -> User:
    """A user whose password is ``PASSWORD``; the e-mail address is made up unless it is given."""
    email = email or f"ann-{uuid7().hex[-12:]}@north.example"
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        return await administration.create_user(work, TESTER, account, email, roles=roles, password_hash=password_hash)


async def make_key(
    database: Database, user: User, *, scopes: Sequence[str] = SCOPES, expires_at: datetime | None = None
) -> str:
    """An API key of a user."""
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        made = await credential_administration.create_key(
            work, TESTER, user, name="script", scopes=scopes, expires_at=expires_at
        )
    return made.api_key


def make_auth(
    database: Database,
    *,
    clock: Clock | None = None,
    tokens: KnownTokens | None = None,
    settings: Settings | None = None,
    open_mode: OpenModeGate | None = None,
    passwords: PasswordHasher | None = None,
    keys: SecretKeys | None = None,
) -> Auth:
    """One process's worth of it; several on one database are several gateways."""
    return build_auth(
        database,
        clock or SystemClock(),
        keys or derive(SECRET),
        tokens or KnownTokens(),
        settings or Settings(),
        open_mode,
        passwords or PasswordHasher(),
    )
