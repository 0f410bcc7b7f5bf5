"""Sensors: list, show, make, change and delete."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import sensor_store
from services.gateway.dialects.flexibility.access import (
    asset_to_work_on,
    no_asset_text,
    no_sensor_in_path,
    reach_of,
    readable_asset,
    readable_sensor,
    sensor_to_manage,
)
from services.gateway.dialects.flexibility.accounts import readable_account
from services.gateway.dialects.flexibility.asset_request_schemas import (
    ListSensors,
    ListSensorsOfAsset,
    NewSensor,
    SensorPatch,
)
from services.gateway.dialects.flexibility.asset_schemas import SensorAnswer, SensorPage
from services.gateway.dialects.flexibility.asset_translate import sensor_info_of
from services.gateway.dialects.flexibility.assets import DELETING_WITHIN_S
from services.gateway.dialects.flexibility.errors import AccountOrAsset, UnknownAsset
from services.gateway.dialects.flexibility.listing import check_is_there, reply_of, slice_of
from services.gateway.dialects.flexibility.listing_store import Listing
from services.gateway.dialects.flexibility.permissions import Caller, caller_of
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.sensor_fields import resolution_s
from services.gateway.dialects.flexibility.sensor_store import SensorRow, SensorScope, SensorValues
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import (
    JSON_BODY,
    QUERY,
    WHOLE,
    Invalid,
    invalid_field,
    refused_values,
)
from services.gateway.dialects.flexibility.wire import gone_reply, json_text, list_reply, object_reply
from services.gateway.http.call import Call, Reply
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import audit
from shared.identity.audit import AuditEventName
from shared.identity.principals import Actor
from shared.units import is_same_unit


async def list_sensors(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The sensors that were asked for: all as a plain list, or a page of them."""
    wanted, caller = parameters_of(ListSensors, call), caller_of(call.identity)
    part = slice_of(wanted, sort_by=wanted.sort_by)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        scope = await _scope_of(connection, caller, wanted)
        found = await sensor_store.list_sensors(connection, caller, part, scope)
    if part.limit is None:
        return await reply_of(len(found.rows), lambda: _whole(found, call.head.host))
    check_is_there(part, found.filtered)
    return await reply_of(len(found.rows), lambda: object_reply(_page_of(found, call.head.host)))


async def list_sensors_of_asset(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The sensors of one asset; always a page at a time."""
    number, caller = number_in_path(call, UnknownAsset), caller_of(call.identity)
    wanted = parameters_of(ListSensorsOfAsset, call)
    part = slice_of(wanted, sort_by=wanted.sort_by, is_always_paged=True)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_asset(connection, caller, number)
        scope = SensorScope(account_id=row.account_id, with_public=row.owner is None, asset_id=number)
        found = await sensor_store.list_sensors(connection, caller, part, scope)
    check_is_there(part, found.filtered)
    return await reply_of(len(found.rows), lambda: object_reply(_page_of(found, call.head.host)))


async def get_sensor(app: Flexibility, call: Call[None, None]) -> Reply:
    """One sensor."""
    number = number_in_path(call, no_sensor_in_path)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_sensor(connection, caller_of(call.identity), number)
    return object_reply(SensorAnswer(**dict(sensor_info_of(row, call.head.host))))


async def create_sensor(app: Flexibility, call: Call[None, NewSensor]) -> Reply:
    """Make a sensor of an asset."""
    caller, new = caller_of(call.identity), call.body
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        asset = await asset_to_work_on(connection, caller, new.generic_asset_id, unknown=_no_asset_given)
    async with app.database.unit_of_work(reach_of(asset.account_id)) as work:
        connection = work.connection
        with refused_values():
            number = await sensor_store.insert_sensor(connection, asset.account_id, asset.asset_id, _values_of(new))
        row = await readable_sensor(connection, caller, number)
        await _record(connection, caller, call.actor, "sensor:created", row)
    return object_reply(sensor_info_of(row, call.head.host), status=201)


async def change_sensor(app: Flexibility, call: Call[None, SensorPatch]) -> Reply:
    """Change some fields of a sensor. Its data stay as they are."""
    number, caller, patch = number_in_path(call, no_sensor_in_path), caller_of(call.identity), call.body
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        reach = reach_of((await sensor_to_manage(connection, caller, number)).account_id)
        if not patch.model_fields_set:
            raise invalid_field(JSON_BODY, WHOLE, "No JSON data provided.")
    async with app.database.unit_of_work(reach) as work:
        connection = work.connection
        row = await sensor_to_manage(connection, caller, number)
        with refused_values():
            await sensor_store.update_sensor(connection, row.account_id, number, _values_of(patch))
        await _record(connection, caller, call.actor, "sensor:changed", row, fields=sorted(patch.model_fields_set))
        row = await readable_sensor(connection, caller, number)
    return object_reply(SensorAnswer(**dict(sensor_info_of(row, call.head.host))))


async def delete_sensor(app: Flexibility, call: Call[None, None]) -> Reply:
    """Delete a sensor and its data."""
    number, caller = number_in_path(call, no_sensor_in_path), caller_of(call.identity)
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        reach = reach_of((await sensor_to_manage(connection, caller, number)).account_id)
    async with app.database.unit_of_work(reach, command_timeout_s=DELETING_WITHIN_S) as work:
        row = await sensor_to_manage(work.connection, caller, number)
        await sensor_store.delete_sensor(work.connection, row.account_id, number)
        await _record(work.connection, caller, call.actor, "sensor:deleted", row)
    return gone_reply()


async def _scope_of(connection: AsyncConnection, caller: Caller, wanted: ListSensors) -> SensorScope:
    account_id, with_public = caller.account_id, wanted.include_public_assets
    if wanted.account is not None:
        account_id = (await readable_account(connection, caller, wanted.account)).owner.account_id
    if wanted.asset is not None:
        asset = await readable_asset(connection, caller, wanted.asset, unknown=_no_asset_asked_for)
        if wanted.account is not None and asset.account_id != account_id:
            raise AccountOrAsset
        scope = SensorScope(account_id=asset.account_id, with_public=asset.owner is None, root=asset.asset_id)
    else:
        scope = SensorScope(account_id, with_clients=wanted.include_consultancy_clients, with_public=with_public)
    if wanted.unit is None:
        return scope
    known = await sensor_store.list_units(connection, caller, scope)
    return replace(scope, units=[unit for unit in known if is_same_unit(unit, wanted.unit)])


def _values_of(body: NewSensor | SensorPatch) -> SensorValues:
    """What was given, or for a new sensor also what was left out, under our names."""
    names = body.model_fields_set if isinstance(body, SensorPatch) else type(body).model_fields.keys()
    given = body.model_dump(include=set(names) - {"generic_asset_id", "event_resolution"})
    if "event_resolution" in names:
        given["event_resolution_s"] = resolution_s(body.event_resolution)
    if "attributes" in given:
        given["attributes"] = json_text(given["attributes"])
    return cast("SensorValues", given)  # the fields of both bodies are named as ours


def _whole(found: Listing[SensorRow], host: str) -> Reply:
    return list_reply([sensor_info_of(row, host) for row in found.rows])


def _page_of(found: Listing[SensorRow], host: str) -> SensorPage:
    data = [sensor_info_of(row, host) for row in found.rows]
    return SensorPage(data=data, num_records=found.total, filtered_records=found.filtered)


async def _record(
    connection: AsyncConnection,
    caller: Caller,
    actor: Actor,
    event: AuditEventName,
    row: SensorRow,
    **details: object,
) -> None:
    """What happened to a sensor of nobody's is recorded under the account of who did it."""
    await audit.record(
        connection,
        row.account_id or caller.account_id,
        event,
        actor=actor,
        object_kind="sensor",
        object_id=str(row.sensor_id),
        details={"name": row.name, "asset_id": row.asset_id, **details},
    )


def _no_asset_given(number: object) -> Invalid:
    return invalid_field(JSON_BODY, "generic_asset_id", no_asset_text(number))


def _no_asset_asked_for(number: object) -> Invalid:
    return invalid_field(QUERY, "asset", no_asset_text(number))
