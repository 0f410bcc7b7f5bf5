"""Which passwords are good enough, and their hashes: argon2id, computed in threads so that no event loop waits for one."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from shared.errors import DependencyUnavailable, InvalidInput

T = TypeVar("T")

MIN_LENGTH = 12
MAX_LENGTH = 1024
# A name of one or two letters is in every other password.
SHORTEST_NAME = 3

# The least that OWASP's password storage cheat sheet asks of argon2id: 19 MiB, two passes, one lane.
_ARGON2 = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)
# Of a random text that nobody has: what an unknown subject's password is compared with, so that it takes as long.
_NOBODYS_HASH = "$argon2id$v=19$m=19456,t=2,p=1$380KOUbfrOEFgHvyhX+9+g$TbPPfmNSRV215DIp3mdlC5kY7563wkxHOeCu31H2mzU"

THREADS = 2
MAX_WAITING = 128
DEADLINE_S = 10.0
NICENESS = 10

# Long enough for the first rule, and tried first by whoever guesses. Compared without case.
COMMON = frozenset(
    {
        "000000000000",
        "111111111111",
        "123123123123",
        "123456123456",
        "123456789012",
        "1234567890123",
        "1234567890ab",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "abcdefghijkl",
        "abcdefghijklm",
        "abcd1234abcd",
        "admin1234567",
        "administrator",
        "adminadminadmin",
        "asdfasdfasdf",
        "asdfghjkl123",
        "busbarbusbar",
        "changemechangeme",
        "changeme1234",
        "correct horse battery staple",
        "correcthorsebatterystaple",
        "iloveyou1234",
        "letmeinletmein",
        "letmein12345",
        "passw0rd1234",
        "passwordpassword",
        "password1234",
        "password12345",
        "password123456",
        "password123!",
        "password2024",
        "password2025",
        "password2026",
        "q1w2e3r4t5y6",
        "qwerty123456",
        "qwertyqwerty",
        "qwertyuiop12",
        "qwertyuiop123",
        "qwertyuiop[]",
        "secretsecret",
        "trustno1trustno1",
        "welcome12345",
        "welcomewelcome",
        "zaq12wsxcde3",
        "zxcvbnm12345",
    }
)


class WeakPassword(InvalidInput):
    """The password is too easy to guess; the message says why and never repeats it."""

    code = "weak_password"


class HasherSaturated(DependencyUnavailable):
    """Enough passwords wait to be checked already."""

    code = "password_hasher_saturated"


def check_rules(password: str, *, names: Iterable[str]) -> None:
    """Make sure that a password is good enough for a user of these names.

    Raises:
        WeakPassword: it is too short or too long, common, or contains one of the names.
    """
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"The password is too short: use at least {MIN_LENGTH} characters.", field="password")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"The password is too long: use at most {MAX_LENGTH} characters.", field="password")
    folded = password.casefold()
    if folded.strip() in COMMON:
        raise WeakPassword("The password is among the most common ones; use another.", field="password")
    for name in names:
        if len(name) >= SHORTEST_NAME and name.casefold() in folded:
            raise WeakPassword("The password contains the user's own name; use another.", field="password")


def hash_now(secret: str) -> str:
    """The hash of a password or client secret; takes some 30 ms, so not for an event loop."""
    return _ARGON2.hash(_encoded(secret))


class PasswordHasher:
    """Hashes and verifies in a few threads of its own, with a bounded queue before them."""

    def __init__(self, *, threads: int = THREADS, max_waiting: int = MAX_WAITING) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords", initializer=_step_back)
        self._places = threading.BoundedSemaphore(threads + max_waiting)

    async def hash(self, secret: str) -> str:
        """The hash of a password or client secret.

        Raises:
            HasherSaturated: too many wait already.
        """
        return await self._run(lambda: hash_now(secret))

    async def verify(self, known_hash: str | None, secret: str) -> bool:
        """Whether a secret is the one of a hash. None, for a subject that is not there or has no password, takes as long and is False.

        Raises:
            HasherSaturated: too many wait already.
        """
        matches = await self._run(lambda: _matches(known_hash or _NOBODYS_HASH, secret))
        return matches and known_hash is not None

    def close(self) -> None:
        """End the threads; what waits is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise HasherSaturated("Too many passwords are being checked; try again in a moment.")
        running = self._threads.submit(work)
        # Given back by the thread when it is done, also where the caller does not wait so long.
        running.add_done_callback(lambda _: self._places.release())
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            raise HasherSaturated("The password could not be checked in time; try again in a moment.") from None


def _step_back() -> None:
    """Let the event loop's thread go first where processors are scarce; only Linux has a priority for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _matches(known_hash: str, secret: str) -> bool:
    try:
        return _ARGON2.verify(known_hash, _encoded(secret))
    except (VerificationError, InvalidHashError):
        return False


def _encoded(secret: str) -> bytes:
    # JSON can bring lone surrogates, which plain UTF-8 refuses.
    return secret.encode("utf-8", "surrogatepass")
