"""When users and keys were last seen: gathered in memory, and written now and then, away from any request."""

from __future__ import annotations

from datetime import datetime

from services.gateway.auth import credential_store as store
from shared.background import BackgroundLoop
from shared.clock import Clock
from shared.db.unit_of_work import EVERY_ACCOUNT, Database

WRITTEN_EVERY_S = 10.0
# More at once are not kept; they are seen again.
MOST_AT_ONCE = 2_000


class LastUse:
    """Notes who is seen, and writes it in the background."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._users: dict[int, datetime] = {}
        self._keys: dict[str, datetime] = {}
        self._loop = BackgroundLoop("last_use", self.write, every_s=WRITTEN_EVERY_S)

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    async def stop(self) -> None:
        """End; what was seen since the last turn is not kept."""
        await self._loop.stop(within_s=1.0)

    def note(self, user_number: int | None, key_id: str | None) -> None:
        """Somebody was seen now."""
        now = self._clock.now()
        if user_number is not None and len(self._users) < MOST_AT_ONCE:
            self._users[user_number] = now
        if key_id is not None and len(self._keys) < MOST_AT_ONCE:
            self._keys[key_id] = now

    async def write(self) -> None:
        """Write what was noted.

        Raises:
            DatabaseUnavailable: it was not; these times are lost, later ones will be written.
        """
        users, self._users = self._users, {}
        keys, self._keys = self._keys, {}
        if users or keys:
            async with self._database.unit_of_work(EVERY_ACCOUNT) as work:
                await store.note_users_seen(work.connection, users)
                await store.note_keys_used(work.connection, keys)
