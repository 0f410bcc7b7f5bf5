"""Signing in with e-mail address and password, and what one gets for it: a token for programs, or a web session.

An unknown address costs the same work as a wrong password, and both count against guessing (``attempts.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from services.gateway import metrics
from services.gateway.auth import credential_store
from services.gateway.auth.attempts import Attempts, Claimed
from services.gateway.auth.gate import TooManyRequests
from services.gateway.auth.sign_in_history import SignInHistory
from services.gateway.auth.tokens import TokenHasher, new_secret
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database, UnitOfWork
from shared.errors import BusbarError, DependencyUnavailable
from shared.identity import audit, user_store
from shared.identity.passwords import MAX_LENGTH
from shared.identity.principals import Actor, User
from shared.identity.user_store import SignInRecord

# Attempts at the database at once, of its ten connections; and those that may wait for that.
AT_ONCE = 3
MOST_WAITING = 100
LONGEST_EMAIL = 320


class SignInFailed(BusbarError):
    """E-mail address and password do not let anybody in; the subclasses say why, for APIs that tell, in the words of each."""

    code = "sign_in_failed"


class UnknownEmail(SignInFailed):
    """Nobody has this e-mail address."""

    code = "unknown_user"

    def __init__(self) -> None:
        super().__init__("There is no user with this e-mail address.")


class WrongPassword(SignInFailed):
    """The password is not the user's, or the user has none."""

    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("The password is wrong.")


class InactiveUser(SignInFailed):
    """The password is right, but the user or the account is not active."""

    code = "inactive_user"

    def __init__(self) -> None:
        super().__init__("The user, or the account, is not active.")


class Passwords(Protocol):
    """What checks passwords, off the event loop."""

    async def verify(self, known_hash: str | None, secret: str) -> bool:
        """Whether a secret is the one of a hash; without a hash it takes as long and is False.

        Raises:
            DependencyUnavailable: too many wait already.
        """
        ...


@dataclass(frozen=True)
class Lifetimes:
    """How long what one gets for a password is good."""

    token_s: float
    session_s: float


class SignIn:
    """Checks passwords and gives out tokens and sessions."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        attempts: Attempts,
        hasher: TokenHasher,
        clock: Clock,
        lifetimes: Lifetimes,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._attempts = attempts
        self._hasher = hasher
        self._clock = clock
        self._history = SignInHistory(database, clock, "user")
        self.lifetimes = lifetimes
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def sign_in(self, email: str, password: str, address: str) -> User:
        """The user of an e-mail address and password.

        Raises:
            UnknownEmail, WrongPassword, InactiveUser: as they say.
            TooManyRequests: there were too many failures; it was not tried.
            DependencyUnavailable: it cannot be told now.
        """
        try:
            user = await self._checked(email, password, address)
        except SignInFailed as error:
            metrics.SIGN_INS.labels(error.code).inc()
            raise
        except TooManyRequests:
            metrics.SIGN_INS.labels("too_many").inc()
            raise
        except DependencyUnavailable:
            metrics.SIGN_INS.labels("unavailable").inc()
            raise
        metrics.SIGN_INS.labels("signed_in").inc()
        return user

    async def issue_token(self, user: User, *, address: str | None = None) -> str:
        """A token for a user who has just signed in; older ones stay valid.

        Raises:
            WrongPassword: since then the user was disabled or the password changed.
        """
        token = new_secret()
        expires_at = self._clock.now() + timedelta(seconds=self.lifetimes.token_s)
        async with self._database.unit_of_work(user.account_id) as work:
            await _note(work, user, "user:token:issued", address)
            token_hash = self._hasher.of_token(token)
            await credential_store.add_token(work.connection, user.account_id, user.user_id, token_hash, expires_at)
        return token

    async def open_session(self, user: User, *, address: str | None = None, replaced: str | None = None) -> str:
        """A web session for a user who has just signed in; the one that the browser came with ends.

        Raises:
            WrongPassword: as ``issue_token``.
        """
        session = new_secret()
        expires_at = self._clock.now() + timedelta(seconds=self.lifetimes.session_s)
        async with self._database.unit_of_work(EVERY_ACCOUNT) as work:
            await _note(work, user, "user:signed-in", address)
            if replaced is not None:
                await credential_store.end_session(work.connection, self._hasher.of_session(replaced))
            session_hash = self._hasher.of_session(session)
            await credential_store.add_session(work.connection, user.account_id, user.user_id, session_hash, expires_at)
        return session

    async def end_session(self, session: str, user: User, *, address: str | None = None) -> None:
        """Sign out of a browser."""
        async with self._database.unit_of_work(user.account_id) as work:
            await credential_store.end_session(work.connection, self._hasher.of_session(session))
            await _record(work, user, "user:signed-out", address)

    async def _checked(self, email: str, password: str, address: str) -> User:
        subject = f"user:{email.strip().casefold()}"
        self._attempts.refuse_repeated(subject, address)
        async with self._a_place():
            known = await self._find(email.strip())
            user = None if known is None else known.user
            account_id = None if user is None else user.account_id
            claimed = Claimed(subject, address, account_id, self._history.is_familiar(user, address))
            attempt = await self._attempts.begin(claimed)
        try:
            # A longer one is nobody's, and would be long work.
            known_hash = None if known is None or len(password) > MAX_LENGTH else known.password_hash
            is_right = await self._passwords.verify(known_hash, password[:MAX_LENGTH])
        except DependencyUnavailable:
            await attempt.withdrawn()
            raise
        if known is None or not is_right:
            async with self._places:
                await self._history.add_failure(user, address)
        if known is None:
            raise UnknownEmail
        if not is_right:
            raise WrongPassword
        await attempt.succeeded()
        if not (known.user.is_active and known.is_account_active):
            raise InactiveUser
        return known.user

    @asynccontextmanager
    async def _a_place(self) -> AsyncIterator[None]:
        """Attempts take turns at the database, and leave the rest of its connections to others."""
        if self._waiting >= MOST_WAITING:
            raise DependencyUnavailable("Too many sign-ins are under way; try again in a moment.")
        self._waiting += 1
        try:
            async with self._places:
                yield
        finally:
            self._waiting -= 1

    async def _find(self, email: str) -> SignInRecord | None:
        if len(email) > LONGEST_EMAIL or not email.isprintable():  # lone surrogates and NUL, which no database holds
            return None
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            return await user_store.find_sign_in(connection, email)


async def _note(work: UnitOfWork, user: User, event: audit.AuditEventName, address: str | None) -> None:
    if not await user_store.note_login(work.connection, user):
        raise WrongPassword
    await _record(work, user, event, address)


async def _record(work: UnitOfWork, user: User, event: audit.AuditEventName, address: str | None) -> None:
    await audit.record_about(work.connection, Actor(user.subject, address), user, event)
