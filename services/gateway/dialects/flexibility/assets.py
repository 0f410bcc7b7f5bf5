"""Assets: types, show, make, change, delete, and what happened to them."""

from __future__ import annotations

from services.gateway.dialects.flexibility import asset_change_store, people_store
from services.gateway.dialects.flexibility.access import asset_to_manage, asset_to_work_on, reach_of, readable_asset
from services.gateway.dialects.flexibility.asset_lists import asset_info
from services.gateway.dialects.flexibility.asset_places import check_can_move, check_makes_no_circle, place_of
from services.gateway.dialects.flexibility.asset_request_schemas import AssetEvents, AssetPatch, NewAsset
from services.gateway.dialects.flexibility.asset_schemas import AssetAnswer, AssetType
from services.gateway.dialects.flexibility.asset_values import checked_values
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownAsset
from services.gateway.dialects.flexibility.listing import check_is_there, slice_of
from services.gateway.dialects.flexibility.output_signs import tell_signs
from services.gateway.dialects.flexibility.permissions import caller_of, may_read_audit_log_of_thing
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.schemas import UserEventPage
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.translate import user_event_of
from services.gateway.dialects.flexibility.validation import JSON_BODY, WHOLE, invalid_field, refused_values
from services.gateway.dialects.flexibility.wire import gone_reply, list_reply, object_reply
from services.gateway.http.call import Call, Reply
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.flexibility.asset_types import ASSET_TYPES
from shared.identity import audit

# What is deleted with an asset can be much.
DELETING_WITHIN_S = 60.0


async def list_asset_types(_: Flexibility, __: Call[None, None]) -> Reply:
    """The kinds of assets there are."""
    return list_reply(
        [AssetType(id=kind.type_id, name=kind.name, description=kind.description) for kind in ASSET_TYPES]
    )


async def get_asset(app: Flexibility, call: Call[None, None]) -> Reply:
    """One asset."""
    number = number_in_path(call, UnknownAsset)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_asset(connection, caller_of(call.identity), number)
        info = await asset_info(connection, row)
    return object_reply(AssetAnswer(**dict(info)))


async def create_asset(app: Flexibility, call: Call[None, NewAsset]) -> Reply:
    """Make an asset: below another one, at the top of an account, or a public one."""
    caller, new = caller_of(call.identity), call.body
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        place = await place_of(connection, caller, new)
        values = await checked_values(connection, caller, new)
    async with app.database.unit_of_work(reach_of(place.account_id)) as work:
        connection = work.connection
        with refused_values():
            number = await asset_change_store.insert_asset(connection, place.account_id, values)
        await tell_signs(connection, caller, new.flex_model)
        await audit.record(
            connection,
            place.account_id or caller.account_id,
            "asset:created",
            actor=call.actor,
            object_kind="asset",
            object_id=str(number),
            details={"name": new.name},
        )
        row = await readable_asset(connection, caller, number)
        info = await asset_info(connection, row)
    return object_reply(info, status=201)


async def change_asset(app: Flexibility, call: Call[None, AssetPatch]) -> Reply:
    """Change some fields of an asset."""
    number, caller, patch = number_in_path(call, UnknownAsset), caller_of(call.identity), call.body
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await asset_to_work_on(connection, caller, number)
        if not patch.model_fields_set:
            raise invalid_field(JSON_BODY, WHOLE, "No JSON data provided.")
        values = await checked_values(connection, caller, patch)
        is_moved = values.get("parent_asset_id", row.parent_asset_id) != row.parent_asset_id
        if is_moved:
            await check_can_move(connection, caller, row, patch.parent_asset_id)
    async with app.database.unit_of_work(reach_of(row.account_id)) as work:
        connection = work.connection
        row = await asset_to_work_on(connection, caller, number)
        if is_moved and patch.parent_asset_id is not None:
            await check_makes_no_circle(connection, row, patch.parent_asset_id)
        with refused_values():
            await asset_change_store.update_asset(connection, row.account_id, number, values)
        await tell_signs(connection, caller, patch.flex_model)
        await audit.record(
            connection,
            row.account_id or caller.account_id,
            "asset:changed",
            actor=call.actor,
            object_kind="asset",
            object_id=str(number),
            details={"fields": sorted(values)},
        )
        info = await asset_info(connection, await readable_asset(connection, caller, number))
    return object_reply(AssetAnswer(**dict(info)))


async def delete_asset(app: Flexibility, call: Call[None, None]) -> Reply:
    """Delete an asset with everything below it: assets, sensors and their data."""
    number, caller = number_in_path(call, UnknownAsset), caller_of(call.identity)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        reach = reach_of((await asset_to_manage(connection, caller, number)).account_id)
    async with app.database.unit_of_work(reach, command_timeout_s=DELETING_WITHIN_S) as work:
        row = await asset_to_manage(work.connection, caller, number)
        await asset_change_store.delete_asset(work.connection, row.account_id, number)
        await audit.record(
            work.connection,
            row.account_id or caller.account_id,
            "asset:deleted",
            actor=call.actor,
            object_kind="asset",
            object_id=str(number),
            details={"name": row.name},
        )
    return gone_reply()


async def list_asset_events(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """What happened to an asset and to its sensors; always a page at a time."""
    number, caller = number_in_path(call, UnknownAsset), caller_of(call.identity)
    wanted = parameters_of(AssetEvents, call)
    part = slice_of(wanted, sort_by=wanted.sort_by, is_always_paged=True)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_asset(connection, caller, number)
        if not may_read_audit_log_of_thing(caller, row.owner):
            raise NotPermitted
        found = await people_store.list_asset_events(connection, row.account_id, number, part)
    check_is_there(part, found.filtered)
    data = [user_event_of(event) for event in found.rows]
    return object_reply(UserEventPage(data=data, num_records=found.total, filtered_records=found.filtered))
