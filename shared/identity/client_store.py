"""The SQL of OAuth2 clients and their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Row, Select, Text, and_, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import accounts, oauth_client_secrets, oauth_clients
from shared.db.unit_of_work import Reach
from shared.errors import Conflict
from shared.identity.principals import MAX_ACTIVE_SECRETS, PRODUCTION, Client, ClientSecret
from shared.identity.reach import account_id_of, within
from shared.ids import AccountId, uuid7

_secrets = oauth_client_secrets
_IS_CURRENT = or_(_secrets.c.expires_at.is_(None), _secrets.c.expires_at > func.clock_timestamp())


class ClientChanges(TypedDict, total=False):
    """Fields of a client that are to change; what is left out stays."""

    name: str
    region: str
    environment: str
    roles: tuple[str, ...]
    grid_owners: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class NewClient:
    """What a client is to be. Without a ``client_id`` it gets one."""

    name: str
    roles: tuple[str, ...]
    region: str = "eu"
    environment: str = PRODUCTION
    grid_owners: tuple[str, ...] | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """What a client's request is checked against: hashes of the secrets that have not expired, by their ids; whether client and
    account are active.
    """

    client: Client
    is_valid: bool
    secret_hashes: Mapping[UUID, str] = field(repr=False)


async def insert_client(connection: AsyncConnection, account_id: AccountId, client_id: str, new: NewClient) -> Client:
    """Keep a new client of an account.

    Raises:
        Conflict: there is a client of that id.
    """
    statement = insert(oauth_clients).values(
        client_id=client_id,
        account_id=account_id,
        name=new.name,
        region=new.region,
        environment=new.environment,
        roles=list(dict.fromkeys(new.roles)),
        grid_owners=None if new.grid_owners is None else list(new.grid_owners),
    )
    if (await connection.execute(statement.on_conflict_do_nothing())).rowcount == 0:
        raise Conflict(f"There is a client '{client_id}' already.", field="client_id")
    return await _one(connection, client_id)


async def find_client(connection: AsyncConnection, reach: Reach, client_id: str) -> Client | None:
    """A client by its id."""
    condition = within(reach, oauth_clients.c.account_id) & (oauth_clients.c.client_id == client_id)
    row = (await connection.execute(_select(condition))).first()
    return None if row is None else _client(row)


async def find_client_record(connection: AsyncConnection, client_id: str) -> ClientRecord | None:
    """What a request of a client of this id is checked against."""
    by_id = func.jsonb_object_agg(cast(_secrets.c.secret_id, Text), _secrets.c.secret_hash, type_=JSONB)
    hashes = select(by_id).where(_secrets.c.client_id == client_id, _IS_CURRENT)
    is_valid = and_(oauth_clients.c.is_active, accounts.c.is_active)
    statement = (
        _select(oauth_clients.c.client_id == client_id)
        .join(accounts, oauth_clients.c.account_id == accounts.c.account_id)
        .add_columns(is_valid.label("is_valid"), hashes.scalar_subquery().label("secret_hashes"))
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    found = {UUID(secret_id): secret_hash for secret_id, secret_hash in (row.secret_hashes or {}).items()}
    return ClientRecord(_client(row), row.is_valid, found)


async def list_clients(connection: AsyncConnection, reach: Reach) -> list[Client]:
    """Clients, inactive ones too, in the order of their making."""
    statement = _select(within(reach, oauth_clients.c.account_id))
    rows = await connection.execute(statement.order_by(oauth_clients.c.created_at, oauth_clients.c.client_id))
    return [_client(row) for row in rows]


async def update_client(connection: AsyncConnection, client_id: str, changes: ClientChanges) -> Client:
    """Change fields of a client that is there."""
    if changes:
        mine = oauth_clients.c.client_id == client_id
        await connection.execute(update(oauth_clients).where(mine).values(**changes))
    return await _one(connection, client_id)


async def set_client_active(connection: AsyncConnection, client_id: str, *, is_active: bool) -> Client:
    """Let a client that is there in, or not."""
    mine = oauth_clients.c.client_id == client_id
    await connection.execute(update(oauth_clients).where(mine).values(is_active=is_active))
    return await _one(connection, client_id)


async def delete_client(connection: AsyncConnection, client_id: str) -> None:
    """Delete a client with its secrets."""
    await connection.execute(delete(oauth_clients).where(oauth_clients.c.client_id == client_id))


async def insert_secret(
    connection: AsyncConnection, client: Client, secret_hash: str, *, expires_at: datetime | None
) -> ClientSecret:
    """Keep another secret of a client.

    Raises:
        Conflict: it has as many as it may have.
    """
    mine = _secrets.c.client_id == client.client_id
    # The client's row is locked, so that two at once are counted one after the other.
    await connection.execute(
        select(oauth_clients.c.client_id).where(oauth_clients.c.client_id == client.client_id).with_for_update()
    )
    current = (
        await connection.execute(select(func.count()).select_from(_secrets).where(mine, _IS_CURRENT))
    ).scalar_one()
    if current >= MAX_ACTIVE_SECRETS:
        raise Conflict(
            f"The client has {MAX_ACTIVE_SECRETS} active secrets already, which is the most; delete one first.",
            field="secrets",
        )
    statement = insert(_secrets).values(
        secret_id=uuid7(),
        account_id=client.account_id,
        client_id=client.client_id,
        secret_hash=secret_hash,
        expires_at=expires_at,
    )
    returned = statement.returning(*_SECRET_COLUMNS)
    return _secret((await connection.execute(returned)).one())


async def list_secrets(connection: AsyncConnection, reach: Reach, client_id: str) -> list[ClientSecret]:
    """A client's secrets, expired ones too, in the order of their making."""
    mine = within(reach, _secrets.c.account_id) & (_secrets.c.client_id == client_id)
    rows = await connection.execute(select(*_SECRET_COLUMNS).where(mine).order_by(_secrets.c.secret_id))
    return [_secret(row) for row in rows]


async def delete_secret(connection: AsyncConnection, client_id: str, secret_id: UUID) -> bool:
    """Delete a secret of a client; False where there is none."""
    mine = (_secrets.c.client_id == client_id) & (_secrets.c.secret_id == secret_id)
    return (await connection.execute(delete(_secrets).where(mine))).rowcount == 1


_SECRET_COLUMNS: tuple[Column[Any], ...] = (
    _secrets.c.secret_id,
    _secrets.c.client_id,
    _secrets.c.created_at,
    _secrets.c.expires_at,
)


def _select(condition: ColumnElement[bool]) -> Select[Any]:
    return select(oauth_clients).where(condition)


async def _one(connection: AsyncConnection, client_id: str) -> Client:
    return _client((await connection.execute(_select(oauth_clients.c.client_id == client_id))).one())


def _client(row: Row[Any]) -> Client:
    return Client(
        client_id=row.client_id,
        account_id=account_id_of(row.account_id),
        name=row.name,
        region=row.region,
        environment=row.environment,
        roles=tuple(row.roles),
        grid_owners=None if row.grid_owners is None else tuple(row.grid_owners),
        is_active=row.is_active,
        created_at=row.created_at,
    )


def _secret(row: Row[Any]) -> ClientSecret:
    return ClientSecret(row.secret_id, row.client_id, row.created_at, row.expires_at)
