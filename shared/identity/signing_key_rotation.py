"""When signing keys come and go: the first one is made at the start, further ones on a schedule or by command.

A new key is published before it signs, and an old one is believed long after it signed last, so that no token that was given out
is refused because of its key.
"""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.unit_of_work import EVERY_ACCOUNT, Database
from shared.identity import signing_key_store as store
from shared.identity.signing_keys import KeyPair, SigningKey, new_key_pair

# Whoever keeps a copy of the published keys has fetched it anew by then; the usual libraries do so every five minutes.
PUBLISHED_BEFORE_S = 600.0
# A token lives for an hour, and a process may sign with the old key for some seconds more.
VERIFIES_FOR_S = 3 * 3600.0


async def rotate(database: Database, encryption_key: bytes, *, signs_in_s: float = PUBLISHED_BEFORE_S) -> SigningKey:
    """Make a new key that signs in so many seconds, at once if there is none yet; returns it."""
    pair = await asyncio.to_thread(new_key_pair, encryption_key)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await store.lock(work.connection)
        await _add(work.connection, pair, signs_in_s=signs_in_s)
        keys = await store.live_keys(work.connection)
    return next(key for key in keys if key.key_id == pair.key_id)


async def ensure_keys(database: Database, encryption_key: bytes, *, rotate_every_s: float) -> bool:
    """Make the first key, or the next one when the newest has signed for long enough; whether it did.

    Several processes may do this at once: one of them makes the key.
    """
    async with database.reading(EVERY_ACCOUNT) as connection:
        if not await store.is_due(connection, rotate_every_s):
            return False
    pair = await asyncio.to_thread(new_key_pair, encryption_key)
    async with database.unit_of_work(EVERY_ACCOUNT) as work:
        await store.lock(work.connection)
        if not await store.is_due(work.connection, rotate_every_s):
            return False
        await _add(work.connection, pair, signs_in_s=PUBLISHED_BEFORE_S)
    return True


async def list_keys(database: Database) -> list[SigningKey]:
    """All keys that sign, will sign or are still believed, the newest first."""
    async with database.reading(EVERY_ACCOUNT) as connection:
        return list(await store.live_keys(connection))


async def _add(connection: AsyncConnection, pair: KeyPair, *, signs_in_s: float) -> None:
    is_first = not await store.live_keys(connection)
    await store.add(connection, pair, signs_in_s=0.0 if is_first else signs_in_s, verifies_for_s=VERIFIES_FOR_S)
