"""The installation's signing keys as one gateway knows them: read again every few seconds, and at once for a key it has not seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from joserfc.jwk import RSAKey

from shared.background import BackgroundLoop
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.errors import DatabaseUnavailable
from shared.identity import signing_key_store
from shared.identity.signing_key_rotation import ensure_keys
from shared.identity.signing_keys import SigningKey, private_half, public_half

log = structlog.get_logger()

REFRESH_EVERY_S = 5.0
# Anybody can invent key ids; the database is asked about them no more often than this.
READ_AGAIN_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    key: SigningKey
    public: RSAKey

    def signs_at(self, now: datetime) -> bool:
        return self.key.signs_from <= now and (self.key.retired_at is None or now < self.key.retired_at)

    def is_believed_at(self, now: datetime) -> bool:
        return self.key.verifies_until is None or now < self.key.verifies_until


class KeyRing:
    """Finds the key that signs now, and those with which tokens are checked. Makes keys when they are due."""

    def __init__(self, database: Database, encryption_key: bytes, clock: Clock, *, rotate_every_s: float) -> None:
        self._database = database
        self._encryption_key = encryption_key
        self._clock = clock
        self._rotate_every_s = rotate_every_s
        self._known: dict[str, _Known] = {}
        self._private: dict[str, RSAKey] = {}
        self._read_at = -READ_AGAIN_AFTER_S
        self._reading = asyncio.Lock()
        self._loop = BackgroundLoop("signing_keys", self.refresh, every_s=REFRESH_EVERY_S)

    async def start(self) -> None:
        """Read the keys, and make the first one where there is none; a database that is away is waited for later.

        Raises:
            SigningKeyUnreadable: the keys belong to another secret key.
        """
        try:
            await self.refresh()
            await self.signing_key()
        except DatabaseUnavailable as error:
            log.warning("signing_keys_wait", reason=error.message)
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop(within_s=1.0)

    async def refresh(self) -> None:
        """Make a key if one is due, and read all."""
        await ensure_keys(self._database, self._encryption_key, rotate_every_s=self._rotate_every_s)
        await self._read()

    async def signing_key(self) -> tuple[str, RSAKey]:
        """The id and the private half of the key that signs now.

        Raises:
            DatabaseUnavailable: no key could be read yet; SigningKeyUnreadable: it belongs to another secret key.
        """
        known = self._signing_now()
        if known is None:
            await self.refresh()
            known = self._signing_now()
        if known is None:
            raise DatabaseUnavailable("There is no signing key yet; try again.")
        private = self._private.get(known.key.key_id)
        if private is None:
            private = await asyncio.to_thread(private_half, known.key.pair, self._encryption_key)
            self._private = {known.key.key_id: private}
        return known.key.key_id, private

    async def public_key(self, key_id: str) -> RSAKey | None:
        """What a signature under this key id is checked with; None if there is no such key, or it is believed no more.

        Raises:
            DatabaseUnavailable: the key is not known here, and cannot be looked for.
        """
        known = self._known.get(key_id)
        if known is None:
            await self._read_again()
            known = self._known.get(key_id)
        return known.public if known is not None and known.is_believed_at(self._clock.now()) else None

    async def published(self) -> Sequence[Mapping[str, str]]:
        """The public halves of all keys that sign, will sign or are still believed.

        Raises:
            DatabaseUnavailable: none could be read yet.
        """
        try:
            # Another process may have made one a moment ago, and somebody may hold a token signed with it.
            await self._read_again()
        except DatabaseUnavailable:
            if not self._known:
                raise
        now = self._clock.now()
        return [known.key.pair.public_key for known in self._known.values() if known.is_believed_at(now)]

    def _signing_now(self) -> _Known | None:
        now = self._clock.now()
        signing = [known for known in self._known.values() if known.signs_at(now)]
        return max(signing, key=lambda known: known.key.signs_from, default=None)

    async def _read_again(self) -> None:
        """Read the keys unless that was done a moment ago."""
        async with self._reading:
            if time.monotonic() - self._read_at >= READ_AGAIN_AFTER_S:
                self._read_at = time.monotonic()
                await self._read()

    async def _read(self) -> None:
        async with self._database.reading(EVERY_ACCOUNT) as connection:
            keys = await signing_key_store.live_keys(connection)
        known = self._known
        self._known = {
            key.key_id: _Known(key, known[key.key_id].public if key.key_id in known else public_half(key.pair))
            for key in keys
        }
