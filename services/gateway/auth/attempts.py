"""Against guessing: failed attempts to sign in are counted by all gateways together, and answered with a growing delay.

Each attempt counts as failed from its beginning, in one step, so that two hundred at once are no more than one after the other;
one that succeeds is taken back. Four things are counted:

* the subject from one address, strictly: after 5 failures each next costs twice the wait, up to 15 minutes;
* the address: after 30 failures, up to a minute;
* the subject from wherever: after 20 failures, up to 10 seconds;
* its account: after 100 failures, up to 5 seconds.

The last two are what a stranger could hold a user up with, so they are mild, and they do not hold for an address from which the
user has signed in of late. Whether a subject exists makes no difference. Counters that are away refuse nobody.
"""

from __future__ import annotations

import base64
import hmac
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

import structlog

from services.gateway.auth import attempt_store as store
from services.gateway.auth.attempt_store import Allowance, Blocked, Bucket
from services.gateway.auth.gate import TooManyRequests
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DependencyUnavailable
from shared.ids import AccountId

log = structlog.get_logger()

FROM_ADDRESS = Allowance(free=5, longest=timedelta(minutes=15), forgotten_after=timedelta(hours=1))
ADDRESS = Allowance(free=30, longest=timedelta(minutes=1), forgotten_after=timedelta(minutes=15))
SUBJECT = Allowance(free=20, longest=timedelta(seconds=10), forgotten_after=timedelta(hours=1))
ACCOUNT = Allowance(free=100, longest=timedelta(seconds=5), forgotten_after=timedelta(hours=1))

# Success somewhere else may lift a refusal before its time, so the database is asked again soon.
REFUSAL_REPEATED_FOR = timedelta(seconds=1)
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Claimed:
    """Who somebody says to be, and from where. ``account_id`` if the subject is known.

    ``is_familiar`` says whether the subject has come from this address before; it is asked only where that matters.
    """

    subject: str
    address: str
    account_id: AccountId | None
    is_familiar: Callable[[], Awaitable[bool]]


class Attempts:
    """The counters."""

    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._key = key
        self._blocked: OrderedDict[str, _Remembered] = OrderedDict()

    async def begin(self, claimed: Claimed) -> Attempt:
        """Count an attempt.

        Raises:
            TooManyRequests: there were too many failures; it is not tried at all.
        """
        self.refuse_repeated(claimed.subject, claimed.address)
        strict = self._strict(claimed.subject, claimed.address)
        try:
            buckets: Sequence[Bucket] = (*strict, *self._mild(claimed.subject, claimed.account_id))
            blocked = await self._add(buckets)
            if blocked is not None and await claimed.is_familiar():
                buckets = strict
                blocked = await self._add(buckets)
        except DependencyUnavailable as error:
            log.warning("sign_in_counters_unavailable", reason=error.message)
            return Attempt(self, ())
        if blocked is not None:
            if any(bucket.name == blocked.name for bucket in strict):
                self._remember(blocked)
            raise self._too_many(blocked.until)
        return Attempt(self, buckets)

    def refuse_repeated(self, subject: str, address: str) -> None:
        """Refuse what was refused a moment ago, without asking the database.

        Raises:
            TooManyRequests: as ``begin``.
        """
        for bucket in self._strict(subject, address):
            remembered = self._blocked.get(bucket.name)
            if remembered is not None and self._clock.now() < remembered.until_here:
                raise self._too_many(remembered.until)

    async def take_back(self, buckets: Sequence[Bucket], *, is_proven: bool) -> None:
        """An attempt did not fail. With ``is_proven`` earlier failures of the subject from this address are forgotten."""
        if not buckets:
            return
        try:
            async with self._database.unit_of_work(EVERY_ACCOUNT) as work:
                await store.take_back(work.connection, buckets, self._clock.now(), is_proven=is_proven)
        except DependencyUnavailable as error:
            log.warning("sign_in_counters_unavailable", reason=error.message)

    async def _add(self, buckets: Sequence[Bucket]) -> Blocked | None:
        """Count in all buckets, or in none if one of them is blocked."""
        try:
            async with self._database.unit_of_work(EVERY_ACCOUNT) as work:
                blocked = await store.add(work.connection, buckets, self._clock.now())
                if blocked is not None:
                    raise _RollBack(blocked)
        except _RollBack as rolled_back:
            return rolled_back.blocked
        return None

    def _remember(self, blocked: Blocked) -> None:
        until_here = min(blocked.until, self._clock.now() + REFUSAL_REPEATED_FOR)
        self._blocked[blocked.name] = _Remembered(blocked.until, until_here)
        self._blocked.move_to_end(blocked.name)
        if len(self._blocked) > MOST_REMEMBERED:
            self._blocked.popitem(last=False)

    def _too_many(self, until: datetime) -> TooManyRequests:
        seconds = max(1, math.ceil((until - self._clock.now()).total_seconds()))
        text = f"There were too many failed attempts to sign in. Try again in {seconds} s."
        return TooManyRequests(text, retry_after_s=seconds)

    def _strict(self, subject: str, address: str) -> Sequence[Bucket]:
        place = network_of(address)
        return (
            Bucket(self._name("subject from address", subject, place), FROM_ADDRESS, is_cleared_by_proof=True),
            Bucket(self._name("address", place), ADDRESS),
        )

    def _mild(self, subject: str, account_id: AccountId | None) -> Sequence[Bucket]:
        # Who is of no account is counted in one of their own, so that to be unknown is not to be quicker.
        account = f"none of {subject}" if account_id is None else str(account_id)
        return (Bucket(self._name("subject", subject), SUBJECT), Bucket(self._name("account", account), ACCOUNT))

    def _name(self, *parts: str) -> str:
        """Hashed, so that the table tells nobody who was guessed at from where."""
        text = "\0".join(parts).encode("utf-8", "replace")
        return base64.urlsafe_b64encode(hmac.digest(self._key, b"attempt\0" + text, "sha256")).decode()


@dataclass(frozen=True)
class Attempt:
    """One attempt that was let through and counts as failed unless one of these is called."""

    attempts: Attempts
    buckets: Sequence[Bucket]

    async def succeeded(self) -> None:
        """The subject has proven who they are."""
        await self.attempts.take_back(self.buckets, is_proven=True)

    async def withdrawn(self) -> None:
        """It could not be tried."""
        await self.attempts.take_back(self.buckets, is_proven=False)


def network_of(address: str) -> str:
    """What counts as one address: a whole /64 of version 6, which is what a single household gets."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else str(parsed)


@dataclass(frozen=True, slots=True)
class _Remembered:
    until: datetime
    until_here: datetime  # how long the database is not asked again


class _RollBack(Exception):
    """Undoes what was counted in the other buckets."""

    def __init__(self, blocked: Blocked) -> None:
        super().__init__()
        self.blocked = blocked
