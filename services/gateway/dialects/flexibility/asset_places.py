"""Where an asset is, or is to be: whose it is and below which other one, and whether the caller may put it there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import asset_change_store, asset_store, people_store
from services.gateway.dialects.flexibility.access import asset_to_work_on, no_asset_text
from services.gateway.dialects.flexibility.asset_request_schemas import NewAsset
from services.gateway.dialects.flexibility.asset_store import AssetRow
from services.gateway.dialects.flexibility.errors import NotPermitted
from services.gateway.dialects.flexibility.people_store import AccountRow
from services.gateway.dialects.flexibility.permissions import Caller, may_manage, may_work_on
from services.gateway.dialects.flexibility.validation import JSON_BODY, Invalid, invalid_field
from shared.ids import AccountId

FOREIGN_ACCOUNT = "User is not allowed to create assets for this account."
OTHER_ACCOUNT = "The parent asset must belong to the same account."


@dataclass(frozen=True, slots=True)
class Place:
    """An account, or none for what is public; and an asset of it, or none for the top."""

    account_id: AccountId | None
    parent_asset_id: int | None


async def place_of(connection: AsyncConnection, caller: Caller, new: NewAsset) -> Place:
    """Where a new asset goes. Without an account it belongs to its parent's.

    Raises:
        NotPermitted: the caller may not make one there. Invalid: there is no such account or parent, or they do not fit.
    """
    account = await _account(connection, caller, new.account_id)
    parent = None
    if new.parent_asset_id is not None:
        parent = await _parent(connection, caller, new.parent_asset_id)
    if parent is not None:
        if account is not None and account.owner.account_id != parent.account_id:
            raise invalid_field(JSON_BODY, "parent_asset_id", OTHER_ACCOUNT)
        return Place(parent.account_id, parent.asset_id)
    if not may_manage(caller, None if account is None else account.owner):
        raise NotPermitted
    return Place(None if account is None else account.owner.account_id, None)


async def check_can_move(
    connection: AsyncConnection, caller: Caller, row: AssetRow, parent_asset_id: int | None
) -> None:
    """Make sure that the caller may put an asset below another one, or at the top.

    Raises:
        NotPermitted: they may not. Invalid: there is no such parent, or it is somebody else's.
    """
    if parent_asset_id is None:
        if not may_manage(caller, row.owner):
            raise NotPermitted
        return
    parent = await _parent(connection, caller, parent_asset_id)
    if parent.account_id != row.account_id:
        raise invalid_field(JSON_BODY, "parent_asset_id", OTHER_ACCOUNT)


async def check_makes_no_circle(connection: AsyncConnection, row: AssetRow, parent_asset_id: int) -> None:
    """Make sure that the new parent of an asset is not below it; until the commit nobody else moves any.

    Raises:
        Invalid: it is.
    """
    await asset_change_store.take_turn_to_move(connection)
    if await asset_store.is_below(connection, parent_asset_id, row.asset_id):
        raise invalid_field(JSON_BODY, "parent_asset_id", "An asset cannot be below itself.")


async def _account(connection: AsyncConnection, caller: Caller, number: int | None) -> AccountRow | None:
    if number is None:
        return None
    row = await people_store.find_account(connection, number)
    if row is None:
        raise invalid_field(JSON_BODY, "account_id", f"No account found with ID {number}.")
    if not may_work_on(caller, row.owner):
        raise invalid_field(JSON_BODY, "account_id", FOREIGN_ACCOUNT)
    return row


async def _parent(connection: AsyncConnection, caller: Caller, number: int) -> AssetRow:
    return await asset_to_work_on(connection, caller, number, unknown=_no_parent)


def _no_parent(number: object) -> Invalid:
    return invalid_field(JSON_BODY, "parent_asset_id", no_asset_text(number))
