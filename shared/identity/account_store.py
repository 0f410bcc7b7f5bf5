"""The SQL of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import ColumnClause, ColumnElement, Row, Select, column, delete, select, table, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.identity import accounts
from shared.db.unit_of_work import Reach
from shared.errors import Conflict
from shared.identity.principals import Account
from shared.identity.reach import account_id_of, within
from shared.ids import AccountId, uuid7


class AccountChanges(TypedDict, total=False):
    """Fields of an account that are to change; what is left out stays."""

    name: str
    roles: tuple[str, ...]
    attributes: dict[str, Any]  # whatever JSON holds
    logo_url: str | None
    primary_color: str | None
    secondary_color: str | None
    plan_id: int | None
    consultancy_account_id: AccountId | None


_TABLES_OF_ACCOUNTS = text(
    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE a.attname = 'account_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    " AND c.relnamespace = current_schema()::regnamespace AND c.relname NOT IN ('accounts', 'audit_events') ORDER BY c.relname"
)
_consultancies = accounts.alias("consultancies")


async def insert_account(connection: AsyncConnection, name: str, *, roles: Sequence[str] = ()) -> Account:
    """Make an account.

    Raises:
        Conflict: the name is taken.
    """
    account_id = AccountId(uuid7())
    statement = insert(accounts).values(account_id=account_id, name=name, roles=list(roles))
    if (await connection.execute(statement.on_conflict_do_nothing())).rowcount == 0:
        raise _taken(name)
    return await _one(connection, accounts.c.account_id == account_id)


async def find_account(connection: AsyncConnection, reach: Reach, account_id: AccountId) -> Account | None:
    """An account by its inner id."""
    return await _first(connection, reach, accounts.c.account_id == account_id)


async def find_account_by_number(connection: AsyncConnection, reach: Reach, number: int) -> Account | None:
    """An account by its number."""
    return await _first(connection, reach, accounts.c.number == number)


async def find_account_by_name(connection: AsyncConnection, reach: Reach, name: str) -> Account | None:
    """An account by its name."""
    return await _first(connection, reach, accounts.c.name == name)


async def list_accounts(connection: AsyncConnection, reach: Reach) -> list[Account]:
    """Accounts in the order of their numbers."""
    rows = await connection.execute(_select(within(reach, accounts.c.account_id)).order_by(accounts.c.number))
    return [_account(row) for row in rows]


async def update_account(connection: AsyncConnection, account_id: AccountId, changes: AccountChanges) -> Account:
    """Change fields of an account that is there.

    Raises:
        Conflict: the new name is taken.
    """
    mine = accounts.c.account_id == account_id
    if changes:
        try:
            await connection.execute(update(accounts).where(mine).values(**changes))
        except IntegrityError as error:
            raise _taken(changes.get("name", "")) from error
    return await _one(connection, mine)


async def set_account_active(connection: AsyncConnection, account_id: AccountId, *, is_active: bool) -> Account:
    """Let an account that is there in, or not."""
    mine = accounts.c.account_id == account_id
    await connection.execute(update(accounts).where(mine).values(is_active=is_active))
    return await _one(connection, mine)


async def delete_account(connection: AsyncConnection, account_id: AccountId) -> None:
    """Delete an account and every row of it, in whichever table; only what happened stays, in the audit record."""
    # Most tables have no reference to accounts, so that writing a row need not lock the account's. The catalogue knows them all.
    for name in (await connection.execute(_TABLES_OF_ACCOUNTS)).scalars().all():
        owner: ColumnClause[Any] = column("account_id")
        await connection.execute(delete(table(name, owner)).where(owner == account_id))
    await connection.execute(delete(accounts).where(accounts.c.account_id == account_id))


def _select(condition: ColumnElement[bool]) -> Select[Any]:
    joined = accounts.outerjoin(_consultancies, accounts.c.consultancy_account_id == _consultancies.c.account_id)
    columns = (accounts, _consultancies.c.number.label("consultancy_account_number"))
    return select(*columns).select_from(joined).where(condition)


async def _first(connection: AsyncConnection, reach: Reach, condition: ColumnElement[bool]) -> Account | None:
    row = (await connection.execute(_select(within(reach, accounts.c.account_id) & condition))).first()
    return None if row is None else _account(row)


async def _one(connection: AsyncConnection, condition: ColumnElement[bool]) -> Account:
    return _account((await connection.execute(_select(condition))).one())


def _account(row: Row[Any]) -> Account:
    return Account(
        account_id=account_id_of(row.account_id),
        number=row.number,
        name=row.name,
        is_active=row.is_active,
        roles=tuple(row.roles),
        attributes=row.attributes,
        logo_url=row.logo_url,
        primary_color=row.primary_color,
        secondary_color=row.secondary_color,
        plan_id=row.plan_id,
        consultancy_account_number=row.consultancy_account_number,
        created_at=row.created_at,
    )


def _taken(name: str) -> Conflict:
    return Conflict(f"There is an account named '{name}' already.", field="name")
