"""The SQL of credentials: whom a token, session, key or client belongs to, if all of them are still active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Row, Select, Table, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import accounts, api_keys, user_tokens, users, web_sessions
from shared.db.pruning import delete_some
from shared.ids import AccountId

# How fresh the times of last use are kept.
LAST_USE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """The user that a credential belongs to, and until when."""

    account_id: AccountId
    account_roles: frozenset[str]
    plan_id: int | None
    user_number: int
    roles: frozenset[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The same for an API key; whether the secret is right is still to be seen."""

    holder: Holder
    secret_hash: bytes
    scopes: frozenset[str]


_HOLDER = (
    accounts.c.account_id,
    accounts.c.roles.label("account_roles"),
    accounts.c.plan_id,
    users.c.number,
    users.c.roles,
)
_IS_ACTIVE = and_(users.c.is_active, accounts.c.is_active)


def _held(table: Table, condition: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[Any]:
    # Any: rows of several shapes, each read by one function below.
    held = table.join(users, users.c.user_id == table.c.user_id).join(
        accounts, accounts.c.account_id == users.c.account_id
    )
    return select(*_HOLDER, table.c.expires_at, *columns).select_from(held).where(condition, _IS_ACTIVE)


_BY_TOKEN = _held(user_tokens, user_tokens.c.token_hash == bindparam("hash"))
_BY_SESSION = _held(web_sessions, web_sessions.c.session_hash == bindparam("hash"))
_BY_KEY = _held(
    api_keys,
    and_(api_keys.c.key_id == bindparam("key_id"), api_keys.c.is_active),
    api_keys.c.secret_hash,
    api_keys.c.scopes,
)


async def find_by_token(connection: AsyncConnection, token_hash: bytes) -> Holder | None:
    """The user of a token."""
    row = (await connection.execute(_BY_TOKEN, {"hash": token_hash})).one_or_none()
    return None if row is None else _holder(row)


async def find_by_session(connection: AsyncConnection, session_hash: bytes) -> Holder | None:
    """The user of a web session."""
    row = (await connection.execute(_BY_SESSION, {"hash": session_hash})).one_or_none()
    return None if row is None else _holder(row)


async def find_by_key(connection: AsyncConnection, key_id: str) -> KeyHolder | None:
    """The user of an API key."""
    row = (await connection.execute(_BY_KEY, {"key_id": key_id})).one_or_none()
    return None if row is None else KeyHolder(_holder(row), row.secret_hash, frozenset(row.scopes))


async def find_account_kind(
    connection: AsyncConnection, account_id: AccountId
) -> tuple[frozenset[str], int | None] | None:
    """The roles of an account, and its plan; None if it is not there, or not active."""
    columns = (accounts.c.roles, accounts.c.plan_id)
    statement = select(*columns).where(accounts.c.account_id == account_id, accounts.c.is_active)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else (frozenset(row.roles), row.plan_id)


async def add_token(
    connection: AsyncConnection, account_id: AccountId, user_id: UUID, token_hash: bytes, expires_at: datetime
) -> None:
    """Keep a new token of a user."""
    values = {"account_id": account_id, "user_id": user_id, "token_hash": token_hash, "expires_at": expires_at}
    await connection.execute(insert(user_tokens).values(values))


async def add_session(
    connection: AsyncConnection, account_id: AccountId, user_id: UUID, session_hash: bytes, expires_at: datetime
) -> None:
    """Keep a new web session of a user."""
    values = {"account_id": account_id, "user_id": user_id, "session_hash": session_hash, "expires_at": expires_at}
    await connection.execute(insert(web_sessions).values(values))


async def end_session(connection: AsyncConnection, session_hash: bytes) -> None:
    """Forget a web session, if there is one."""
    await connection.execute(delete(web_sessions).where(web_sessions.c.session_hash == session_hash))


async def note_users_seen(connection: AsyncConnection, seen: Mapping[int, datetime]) -> None:
    """Keep when users were last seen, at most once a minute each."""
    await _note_seen(connection, users.c.number, users.c.last_seen_at, sorted(seen.items()))


async def note_keys_used(connection: AsyncConnection, used: Mapping[str, datetime]) -> None:
    """Keep when API keys were last used, at most once a minute each."""
    await _note_seen(connection, api_keys.c.key_id, api_keys.c.last_used_at, sorted(used.items()))


async def forget_expired_tokens(connection: AsyncConnection, limit: int) -> int:
    """Delete tokens that are no longer valid; returns how many."""
    return await _forget_expired(connection, user_tokens, limit)


async def forget_expired_sessions(connection: AsyncConnection, limit: int) -> int:
    """Delete web sessions that are no longer valid; returns how many."""
    return await _forget_expired(connection, web_sessions, limit)


async def _note_seen(
    connection: AsyncConnection, key: Column[Any], moment: Column[Any], seen: Sequence[tuple[object, datetime]]
) -> None:
    if not seen:
        return
    now = bindparam("seen_at", type_=moment.type)
    is_stale = or_(moment.is_(None), moment <= now - LAST_USE_EVERY)
    statement = update(moment.table).where(key == bindparam("seen"), is_stale).values({moment.name: now})
    # The caller has sorted them: in one order everywhere, two processes never wait for each other's rows.
    await connection.execute(statement, [{"seen": name, "seen_at": at} for name, at in seen])


async def _forget_expired(connection: AsyncConnection, table: Table, limit: int) -> int:
    statement = delete_some(table, table.c.expires_at < func.now(), table.c.expires_at, limit)
    return (await connection.execute(statement)).rowcount


def _holder(row: Row[Any]) -> Holder:
    return Holder(
        AccountId(row.account_id),
        frozenset(row.account_roles),
        row.plan_id,
        row.number,
        frozenset(row.roles),
        row.expires_at,
    )
