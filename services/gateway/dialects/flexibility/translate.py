"""From our rows to this API's objects."""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.dialects.flexibility.people_store import AccountRow, EventRow, UserRow
from services.gateway.dialects.flexibility.schemas import (
    AccountAnswer,
    AccountEvent,
    AccountInfo,
    AccountName,
    CountedAccount,
    CreatedUser,
    ListedUser,
    UserAnswer,
    UserEvent,
    UserInfo,
)
from services.gateway.dialects.flexibility.wire import json_text
from shared.identity.principals import CONSULTANCY_ROLE, USER_ROLES

# Roles have numbers in some places of this API. They are fixed: the position in these lists, from 1.
ACCOUNT_ROLES = ("Prosumer", "MDC", "Supplier", "Aggregator", "ESCO", CONSULTANCY_ROLE)


def account_info_of(row: AccountRow) -> AccountInfo:
    """An account. Roles that FlexMeasures does not know have no number and are left out."""
    return AccountInfo(
        id=row.number,
        name=row.name,
        account_roles=_numbers_of(row.roles, ACCOUNT_ROLES),
        attributes=json_text(row.attributes),
        consultancy_account_id=row.consultancy_number,
        logo_url=row.logo_url,
        primary_color=row.primary_color,
        secondary_color=row.secondary_color,
        plan_id=row.plan_id,
    )


def account_answer_of(row: AccountRow) -> AccountAnswer:
    """An account by itself."""
    return AccountAnswer(**account_info_of(row).model_dump())


def counted_account_of(row: AccountRow) -> CountedAccount:
    """An account on a page of a list."""
    info = account_info_of(row).model_dump()
    return CountedAccount(**info, user_count=row.user_count, asset_count=row.asset_count)


def listed_user_of(row: UserRow) -> ListedUser:
    """A user in a list: with roles by name."""
    account = AccountName(id=row.account_number, name=row.account_name)
    return ListedUser(**dict(_user_info_of(row)), account=account, flexmeasures_roles=list(row.roles))


def created_user_of(row: UserRow) -> CreatedUser:
    """A user that was just made: with roles by number."""
    return CreatedUser(**dict(_user_info_of(row)), flexmeasures_roles=_numbers_of(row.roles, USER_ROLES))


def user_answer_of(row: UserRow) -> UserAnswer:
    """A user by itself: with roles by number."""
    return UserAnswer(**dict(created_user_of(row)))


def account_event_of(row: EventRow) -> AccountEvent:
    """Something that happened in an account."""
    return AccountEvent(event=row.event, event_datetime=row.occurred_at, active_user_id=row.user_number)


def user_event_of(row: EventRow) -> UserEvent:
    """Something that a user did, or that was done to them."""
    return UserEvent(**dict(account_event_of(row)), active_user_name=row.username)


def user_role_of(number: int) -> str | None:
    """The user's role of a number."""
    return USER_ROLES[number - 1] if 1 <= number <= len(USER_ROLES) else None


def _numbers_of(roles: Sequence[str], known: Sequence[str]) -> list[int]:
    return [position for position, name in enumerate(known, start=1) if name in roles]


def _user_info_of(row: UserRow) -> UserInfo:
    return UserInfo(
        id=row.number,
        email=row.email,
        username=row.username,
        account_id=row.account_number,
        active=row.is_active,
        timezone=row.timezone,
        last_login_at=row.last_login_at,
        last_seen_at=row.last_seen_at,
    )
