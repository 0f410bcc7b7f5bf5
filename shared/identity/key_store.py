"""The SQL of API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import api_keys, users
from shared.db.unit_of_work import Reach
from shared.errors import Conflict
from shared.identity.api_keys import NewApiKey
from shared.identity.principals import ApiKey, User
from shared.identity.reach import account_id_of, within
from shared.ids import UserId


async def insert_key(
    connection: AsyncConnection,
    user: User,
    new: NewApiKey,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> ApiKey:
    """Keep a new key of a user.

    Raises:
        Conflict: by a rare chance there is a key of that name; make another.
    """
    statement = insert(api_keys).values(
        key_id=new.key_id,
        account_id=user.account_id,
        user_id=user.user_id,
        name=name,
        secret_hash=new.secret_hash,
        scopes=list(scopes),
        expires_at=expires_at,
    )
    if (await connection.execute(statement.on_conflict_do_nothing())).rowcount == 0:
        raise Conflict(f"There is an API key {new.key_id} already; try again.", field="key_id")
    return _key((await connection.execute(_select(api_keys.c.key_id == new.key_id))).one())


async def find_key(connection: AsyncConnection, reach: Reach, key_id: str) -> ApiKey | None:
    """A key by the part of it that is no secret."""
    condition = within(reach, api_keys.c.account_id) & (api_keys.c.key_id == key_id)
    row = (await connection.execute(_select(condition))).first()
    return None if row is None else _key(row)


async def list_keys(connection: AsyncConnection, reach: Reach, *, user_id: UserId | None = None) -> list[ApiKey]:
    """Keys, those too that no longer let anybody in, in the order of their making."""
    condition = within(reach, api_keys.c.account_id)
    if user_id is not None:
        condition &= api_keys.c.user_id == user_id
    rows = await connection.execute(
        _select(condition).order_by(api_keys.c.created_at, api_keys.c.name, api_keys.c.key_id)
    )
    return [_key(row) for row in rows]


async def set_key_active(connection: AsyncConnection, key_id: str, *, is_active: bool) -> None:
    """Let a key in, or not."""
    await connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(is_active=is_active))


async def delete_key(connection: AsyncConnection, key_id: str) -> None:
    """Delete a key."""
    await connection.execute(delete(api_keys).where(api_keys.c.key_id == key_id))


def _select(condition: ColumnElement[bool]) -> Select[Any]:
    columns = (
        api_keys.c.key_id,
        api_keys.c.account_id,
        api_keys.c.name,
        api_keys.c.scopes,
        api_keys.c.is_active,
        api_keys.c.created_at,
        api_keys.c.expires_at,
        api_keys.c.last_used_at,
        users.c.number.label("user_number"),
    )
    return select(*columns).join(users, api_keys.c.user_id == users.c.user_id).where(condition)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        account_id=account_id_of(row.account_id),
        user_number=row.user_number,
        name=row.name,
        scopes=tuple(row.scopes),
        is_active=row.is_active,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
