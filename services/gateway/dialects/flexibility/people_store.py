"""The SQL with which this API reads accounts, users and what happened to them, across all accounts that its caller may read.

It only reads: ``shared/identity`` writes. Lists take the caller after the connection and hold nothing that they may not read; what
finds one thing does so for whoever asks, and its user asks ``permissions`` before anything of it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, any_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.listing_store import (
    Listing,
    Slice,
    is_readable_by,
    matches,
    ordered,
    owner_of,
    part_of,
)
from services.gateway.dialects.flexibility.permissions import Caller, Owner
from shared.db.models.flexibility import assets
from shared.db.models.identity import accounts, audit_events, users
from shared.ids import AccountId, UserId


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account, and how many users and assets it has."""

    owner: Owner
    number: int
    name: str
    roles: Sequence[str]
    attributes: dict[str, object]
    consultancy_number: int | None
    logo_url: str | None
    primary_color: str | None
    secondary_color: str | None
    plan_id: int | None
    user_count: int
    asset_count: int


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user and the account they belong to."""

    owner: Owner
    user_id: UserId
    number: int
    email: str
    username: str
    account_number: int
    account_name: str
    roles: Sequence[str]
    is_active: bool
    timezone: str
    last_login_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened, and who did it if that was a user."""

    event: str
    occurred_at: datetime
    user_number: int | None
    username: str | None


_consultancies = accounts.alias("consultancies")
_user_count = (
    select(func.count()).select_from(users).where(users.c.account_id == accounts.c.account_id).scalar_subquery()
)
_asset_count = (
    select(func.count()).select_from(assets).where(assets.c.account_id == accounts.c.account_id).scalar_subquery()
)

_ACCOUNT_ORDERS: dict[str, ColumnElement[Any]] = {
    "id": accounts.c.number,
    "name": func.lower(accounts.c.name),
    "assets": _asset_count,
    "users": _user_count,
}
_USER_ORDERS: dict[str, ColumnElement[Any]] = {
    "username": func.lower(users.c.username),
    "email": func.lower(users.c.email),
    "lastLogin": users.c.last_login_at,
    "lastSeen": users.c.last_seen_at,
}
_EVENT_ORDER: tuple[ColumnElement[Any], ...] = (audit_events.c.occurred_at, audit_events.c.event_id)


async def find_account(connection: AsyncConnection, number: int) -> AccountRow | None:
    """An account by its number, whoever asks; whether they may know is for the caller of this to decide."""
    row = (await connection.execute(_accounts(accounts.c.number == number))).one_or_none()
    return None if row is None else _account(row)


async def find_user(connection: AsyncConnection, number: int) -> UserRow | None:
    """A user by number, whoever asks; whether they may know is for the caller of this to decide."""
    row = (await connection.execute(_users(users.c.number == number))).one_or_none()
    return None if row is None else _user(row)


async def find_name(connection: AsyncConnection, user_number: int | None) -> str | None:
    """The name of a user, whoever asks; none of nobody."""
    if user_number is None:
        return None
    name: str | None = (
        await connection.execute(select(users.c.username).where(users.c.number == user_number))
    ).scalar()
    return name


async def list_accounts(
    connection: AsyncConnection, caller: Caller, part: Slice, *, role: str | None
) -> Listing[AccountRow]:
    """The accounts that the caller may read."""
    condition = is_readable_by(caller)
    if role is not None:
        condition = and_(condition, literal(role) == any_(accounts.c.roles))
    found_by = matches(part.words, accounts.c.number, [accounts.c.name])
    order = _ACCOUNT_ORDERS[part.sort_by or "id"]
    return await part_of(
        connection, _accounts(condition), found_by, ordered(order, accounts.c.number, part), part, _account
    )


async def list_users(
    connection: AsyncConnection, caller: Caller, part: Slice, *, account_id: AccountId, is_active_only: bool
) -> Listing[UserRow]:
    """The users of an account, if the caller may read it."""
    condition = and_(is_readable_by(caller), accounts.c.account_id == account_id)
    if is_active_only:
        condition = and_(condition, users.c.is_active)
    found_by = matches(part.words, users.c.number, [users.c.username, users.c.email])
    order = users.c.number if part.sort_by is None else _USER_ORDERS[part.sort_by]
    return await part_of(connection, _users(condition), found_by, ordered(order, users.c.number, part), part, _user)


async def list_account_events(connection: AsyncConnection, account: Owner, *, limit: int) -> list[EventRow]:
    """What happened in an account, the newest first."""
    statement = _events(audit_events.c.account_id == account.account_id)
    newest = statement.order_by(*(moment.desc() for moment in _EVENT_ORDER)).limit(limit)
    return [_event(row) for row in await connection.execute(newest)]


async def list_user_events(connection: AsyncConnection, user: UserRow, part: Slice) -> Listing[EventRow]:
    """What a user did in their own account, and what was done to them, the newest first."""
    number = str(user.number)
    concerns = or_(
        audit_events.c.subject == f"user:{number}",
        and_(audit_events.c.object_kind == "user", audit_events.c.object_id == number),
    )
    statement = _events(and_(audit_events.c.account_id == user.owner.account_id, concerns))
    return await _events_part(connection, statement, part)


async def list_asset_events(
    connection: AsyncConnection, account_id: AccountId | None, asset_id: int, part: Slice
) -> Listing[EventRow]:
    """What happened to an asset and to its sensors, the newest first. Of a public one, whichever account it is recorded under."""
    is_it = and_(audit_events.c.object_kind == "asset", audit_events.c.object_id == str(asset_id))
    is_sensor = and_(
        audit_events.c.object_kind == "sensor", audit_events.c.details["asset_id"].as_integer() == asset_id
    )
    condition = or_(is_it, is_sensor)
    if account_id is not None:
        condition = and_(audit_events.c.account_id == account_id, condition)
    return await _events_part(connection, _events(condition), part)


async def _events_part(connection: AsyncConnection, statement: Select[Any], part: Slice) -> Listing[EventRow]:
    found_by = matches(part.words, None, [audit_events.c.event, users.c.username])
    is_ascending = part.sort_by is not None and not part.is_descending
    order = [moment.asc() if is_ascending else moment.desc() for moment in _EVENT_ORDER]
    return await part_of(connection, statement, found_by, order, part, _event)


def _events(condition: ColumnElement[bool]) -> Select[Any]:  # Any: the columns of an EventRow
    # The name of a user of another account, such as a consultant, is told too: who acts in an account is its business.
    done_by = audit_events.outerjoin(users, audit_events.c.subject == func.concat("user:", users.c.number))
    columns = (audit_events.c.event, audit_events.c.occurred_at, users.c.number, users.c.username)
    return select(*columns).select_from(done_by).where(condition)


def _accounts(condition: ColumnElement[bool]) -> Select[Any]:  # Any: the columns of an AccountRow
    joined = accounts.outerjoin(_consultancies, accounts.c.consultancy_account_id == _consultancies.c.account_id)
    columns = (
        accounts,
        _consultancies.c.number.label("consultancy_number"),
        _user_count.label("user_count"),
        _asset_count.label("asset_count"),
    )
    return select(*columns).select_from(joined).where(condition)


def _users(condition: ColumnElement[bool]) -> Select[Any]:  # Any: the columns of a UserRow
    columns = (
        users,
        accounts.c.number.label("account_number"),
        accounts.c.name.label("account_name"),
        accounts.c.consultancy_account_id,
    )
    return (
        select(*columns).select_from(users.join(accounts, users.c.account_id == accounts.c.account_id)).where(condition)
    )


def _account(row: Row[Any]) -> AccountRow:
    return AccountRow(
        owner=owner_of(row.account_id, row.consultancy_account_id),
        number=row.number,
        name=row.name,
        roles=row.roles,
        attributes=row.attributes,
        consultancy_number=row.consultancy_number,
        logo_url=row.logo_url,
        primary_color=row.primary_color,
        secondary_color=row.secondary_color,
        plan_id=row.plan_id,
        user_count=row.user_count,
        asset_count=row.asset_count,
    )


def _user(row: Row[Any]) -> UserRow:
    return UserRow(
        owner=owner_of(row.account_id, row.consultancy_account_id),
        user_id=UserId(row.user_id),
        number=row.number,
        email=row.email,
        username=row.username,
        account_number=row.account_number,
        account_name=row.account_name,
        roles=row.roles,
        is_active=row.is_active,
        timezone=row.timezone,
        last_login_at=row.last_login_at,
        last_seen_at=row.last_seen_at,
    )


def _event(row: Row[Any]) -> EventRow:
    return EventRow(row.event, row.occurred_at, row.number, row.username)
