"""Lists of assets: those of an account, of all that the caller may read, public ones, and trees; whole or only some fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import asset_store
from services.gateway.dialects.flexibility.access import no_asset_text, readable_asset
from services.gateway.dialects.flexibility.accounts import readable_account
from services.gateway.dialects.flexibility.asset_request_schemas import ListAssets, ListPublicAssets
from services.gateway.dialects.flexibility.asset_schemas import AssetInfo, AssetPage
from services.gateway.dialects.flexibility.asset_store import AssetRow, ChildRow, NamedSensor, Scope
from services.gateway.dialects.flexibility.asset_translate import asset_info_of
from services.gateway.dialects.flexibility.listing import check_is_there, reply_of, slice_of
from services.gateway.dialects.flexibility.listing_store import Listing, Slice
from services.gateway.dialects.flexibility.permissions import Caller, caller_of
from services.gateway.dialects.flexibility.reading import Given, parameters_of
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import QUERY, Invalid, invalid_field
from services.gateway.dialects.flexibility.wire import list_reply, page_reply
from services.gateway.http.call import Call, Reply
from shared.db.unit_of_work import EVERY_ACCOUNT


@dataclass(frozen=True, slots=True)
class _Below:
    """What is directly below assets, by their ids."""

    children: Mapping[int, Sequence[ChildRow]]
    sensors: Mapping[int, Sequence[NamedSensor]]

    def told_of(self, row: AssetRow) -> AssetInfo:
        """An asset with it."""
        return asset_info_of(row, self.children.get(row.asset_id, ()), self.sensors.get(row.asset_id, ()))


async def list_assets(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The assets that were asked for: all as a plain list, or a page of them."""
    wanted, caller = parameters_of(ListAssets, call), caller_of(call.identity)
    part = slice_of(wanted, sort_by=wanted.sort_by)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        scope = await _scope_of(connection, caller, wanted)
        found = await asset_store.list_assets(connection, caller, part, scope)
        below = await _what_is_below(connection, found.rows, wanted.fields)
    return await reply_of(len(found.rows), lambda: _reply(found, below, part, wanted.fields))


async def list_public_assets(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The assets that belong to nobody: all as a plain list, or a page of them."""
    wanted, caller = parameters_of(ListPublicAssets, call), caller_of(call.identity)
    part = slice_of(wanted, sort_by=None)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        found = await asset_store.list_assets(connection, caller, part, Scope(with_public=True))
        below = await _what_is_below(connection, found.rows, wanted.fields)
    return await reply_of(len(found.rows), lambda: _reply(found, below, part, wanted.fields))


async def asset_info(connection: AsyncConnection, row: AssetRow) -> AssetInfo:
    """An asset with what is directly below it."""
    return (await _what_is_below(connection, [row], None)).told_of(row)


async def _scope_of(connection: AsyncConnection, caller: Caller, wanted: ListAssets) -> Scope:
    account_id = caller.account_id
    is_in_tree = wanted.root is not None
    if wanted.root is not None:
        await readable_asset(connection, caller, wanted.root, unknown=_no_root)
    if wanted.account is not None:
        account_id = (await readable_account(connection, caller, wanted.account)).owner.account_id
    return Scope(
        account_id=account_id,
        is_of_all_accounts=wanted.account is None and (is_in_tree or wanted.all_accessible),
        with_public=is_in_tree or wanted.include_public,
        root=wanted.root,
        depth=wanted.depth,
        asset_type=wanted.asset_type,
    )


def _no_root(number: object) -> Invalid:
    return invalid_field(QUERY, "root", no_asset_text(number))


async def _what_is_below(
    connection: AsyncConnection, rows: Sequence[AssetRow], fields: Collection[str] | None
) -> _Below:
    """As far as one of these fields tells it; None are all of them."""
    numbers = [row.asset_id for row in rows]
    is_told = {name: bool(rows) and (fields is None or name in fields) for name in ("child_assets", "sensors")}
    return _Below(
        await asset_store.children_of(connection, numbers) if is_told["child_assets"] else {},
        await asset_store.sensors_of(connection, numbers) if is_told["sensors"] else {},
    )


def _reply(found: Listing[AssetRow], below: _Below, part: Slice, fields: frozenset[str] | None) -> Reply:
    infos = [below.told_of(row) for row in found.rows]
    without = frozenset[str]() if fields is None else AssetInfo.model_fields.keys() - fields
    if part.limit is None:
        return list_reply(infos, without=without)
    check_is_there(part, found.filtered)
    page = AssetPage(data=infos, num_records=found.total, filtered_records=found.filtered)
    return page_reply(page, without=without)
