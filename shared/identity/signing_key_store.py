"""The rows of signing keys. They belong to the installation and to no account; every process of it reads the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import signing_keys
from shared.db.pruning import delete_some
from shared.identity.signing_keys import KeyPair, SigningKey

# Whoever adds a key holds this advisory lock until its commit, so that two processes do not both add the first one.
LOCK = 0x6B657973  # "keys"


async def lock(connection: AsyncConnection) -> None:
    """Wait until nobody else changes keys; until the end of the transaction."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


async def live_keys(connection: AsyncConnection) -> Sequence[SigningKey]:
    """All keys that sign, will sign or are still believed, the newest first."""
    is_live = or_(signing_keys.c.verifies_until.is_(None), signing_keys.c.verifies_until > func.now())
    newest_first = (signing_keys.c.signs_from.desc(), signing_keys.c.key_id)
    rows = await connection.execute(select(signing_keys).where(is_live).order_by(*newest_first))
    return [_key(row) for row in rows]


async def add(connection: AsyncConnection, pair: KeyPair, *, signs_in_s: float, verifies_for_s: float) -> None:
    """Add a key that signs in so many seconds; the others retire at that moment and are believed for a time after it."""
    signs_from = func.now() + timedelta(seconds=signs_in_s)
    others = update(signing_keys).where(signing_keys.c.retired_at.is_(None) | (signing_keys.c.retired_at > signs_from))
    await connection.execute(
        others.values(retired_at=signs_from, verifies_until=signs_from + timedelta(seconds=verifies_for_s))
    )
    await connection.execute(
        insert(signing_keys).values(
            key_id=pair.key_id,
            public_key=dict(pair.public_key),
            private_key=pair.private_key,
            signs_from=signs_from,
        )
    )


async def is_due(connection: AsyncConnection, rotate_every_s: float) -> bool:
    """Whether a new key is due: there is none yet, or the last one has been signing for so long."""
    is_young = signing_keys.c.signs_from > func.now() - timedelta(seconds=rotate_every_s)
    young = select(signing_keys.c.key_id).where(signing_keys.c.retired_at.is_(None), is_young)
    return not await connection.scalar(select(exists(young)))


async def forget_dead_keys(connection: AsyncConnection, limit: int) -> int:
    """Delete keys that are believed no more; returns how many."""
    is_dead = signing_keys.c.verifies_until <= func.now()
    statement = delete_some(signing_keys, is_dead, signing_keys.c.verifies_until, limit)
    return (await connection.execute(statement)).rowcount


def _key(row: Row[Any]) -> SigningKey:
    pair = KeyPair(row.key_id, row.public_key, row.private_key)
    return SigningKey(pair, row.created_at, row.signs_from, row.retired_at, row.verifies_until)
