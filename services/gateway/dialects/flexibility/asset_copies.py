"""Copies of assets: a tree with its sensors and configuration, without data, beside the original or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import asset_change_store, asset_store, people_store, sensor_store
from services.gateway.dialects.flexibility.access import asset_to_work_on, no_asset_text, readable_asset
from services.gateway.dialects.flexibility.asset_change_store import AssetValues
from services.gateway.dialects.flexibility.asset_places import OTHER_ACCOUNT, Place
from services.gateway.dialects.flexibility.asset_request_schemas import LONGEST_ASSET_NAME, CopyTarget
from services.gateway.dialects.flexibility.asset_schemas import AssetCopied
from services.gateway.dialects.flexibility.asset_store import AssetRow
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownAccount, UnknownAsset
from services.gateway.dialects.flexibility.permissions import Caller, Owner, caller_of, may_manage
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.references import (
    Replacements,
    assets_named,
    replaced,
    replaced_in_graphs,
    sensors_named,
    sensors_shown,
)
from services.gateway.dialects.flexibility.sensor_store import SensorValues
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.validation import QUERY, WHOLE, Invalid, invalid_field, refused_values
from services.gateway.dialects.flexibility.wire import json_text, object_reply
from services.gateway.http.call import Call, Reply
from shared.db.unit_of_work import EVERY_ACCOUNT
from shared.identity import audit

# A larger tree would take longer than a request may.
MOST_COPIED = 1000
COPYING_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class _Copied:
    """Ids of the copies by those of the originals."""

    assets: Mapping[int, int]
    sensors: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Fields:
    """What of an asset can name sensors and assets (Any: whatever JSON holds)."""

    flex_context: dict[str, Any]
    flex_model: dict[str, Any]
    sensors_to_show: list[Any]
    sensors_to_show_as_kpis: list[Any]

    @classmethod
    def of(cls, row: AssetRow) -> _Fields:
        """Those of an asset."""
        return cls(
            orjson.loads(row.flex_context),
            orjson.loads(row.flex_model),
            orjson.loads(row.sensors_to_show),
            orjson.loads(row.sensors_to_show_as_kpis),
        )

    @property
    def sensors(self) -> frozenset[int]:
        """The sensors that they name."""
        shown = sensors_shown(self.sensors_to_show) | sensors_shown(self.sensors_to_show_as_kpis)
        return sensors_named(self.flex_context) | sensors_named(self.flex_model) | shown

    @property
    def assets(self) -> frozenset[int]:
        """The assets that they name."""
        return assets_named(self.flex_context) | assets_named(self.flex_model) | assets_named(self.sensors_to_show)

    @property
    def values(self) -> AssetValues:
        """As they are stored."""
        return AssetValues(
            flex_context=json_text(self.flex_context),
            flex_model=json_text(self.flex_model),
            sensors_to_show=json_text(self.sensors_to_show),
            sensors_to_show_as_kpis=json_text(self.sensors_to_show_as_kpis),
        )

    def with_other_ids(self, replacements: Replacements) -> _Fields:
        """The same with other ids."""
        return _Fields(
            replaced(self.flex_context, replacements),
            replaced(self.flex_model, replacements),
            replaced_in_graphs(self.sensors_to_show, replacements),
            replaced_in_graphs(self.sensors_to_show_as_kpis, replacements),
        )


async def copy_asset(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """Copy an asset with everything below it, but for data."""
    number, caller = number_in_path(call, UnknownAsset), caller_of(call.identity)
    wanted = parameters_of(CopyTarget, call)
    async with app.database.unit_of_work(EVERY_ACCOUNT, command_timeout_s=COPYING_WITHIN_S) as work:
        connection = work.connection
        original = await readable_asset(connection, caller, number)
        place = await _target(connection, caller, original, wanted)
        # So that the name that is found to be free stays so among copies.
        await asset_change_store.take_turn_to_move(connection)
        name = await _free_name(connection, original.name, place)
        with refused_values(QUERY):
            copy = await _copy_tree(connection, original, place, name)
        await audit.record(
            connection,
            place.account_id or caller.account_id,
            "asset:copied",
            actor=call.actor,
            object_kind="asset",
            object_id=str(copy),
            details={"name": name, "original": number},
        )
    return object_reply(AssetCopied(asset=copy, message=f"Asset {number} was copied: see asset {copy}."), status=201)


async def _target(connection: AsyncConnection, caller: Caller, original: AssetRow, wanted: CopyTarget) -> Place:
    """Where the copy goes.

    Raises:
        NotPermitted: the caller may not make one there. UnknownAccount, Invalid: there is no such place.
    """
    owner, parent_id = original.owner, wanted.parent
    if wanted.account is None and wanted.parent is None:
        parent_id = original.parent_asset_id
    if wanted.account is not None:
        owner = await _owner(connection, wanted.account)
    if parent_id is None:
        if not may_manage(caller, owner):
            raise NotPermitted
        return Place(None if owner is None else owner.account_id, None)
    parent = await asset_to_work_on(connection, caller, parent_id, unknown=_no_parent)
    if wanted.account is not None and parent.owner != owner:
        raise invalid_field(QUERY, "parent", OTHER_ACCOUNT)
    return Place(parent.account_id, parent_id)


async def _owner(connection: AsyncConnection, number: int) -> Owner:
    account = await people_store.find_account(connection, number)
    if account is None:
        raise UnknownAccount(number)
    return account.owner


async def _free_name(connection: AsyncConnection, name: str, place: Place) -> str:
    """The name with (Copy), (Copy 2), … behind it, whichever is the first that nobody beside it has."""
    taken = await asset_store.names_beside(
        connection, account_id=place.account_id, parent_asset_id=place.parent_asset_id
    )
    count, suffix = 1, " (Copy)"
    while (free := name[: LONGEST_ASSET_NAME - len(suffix)] + suffix) in taken:
        count += 1
        suffix = f" (Copy {count})"
    return free


async def _copy_tree(connection: AsyncConnection, original: AssetRow, place: Place, name: str) -> int:
    """Copy a tree and return the id of the copy of its root."""
    rows = await asset_store.list_tree(connection, original.asset_id)
    if len(rows) > MOST_COPIED:
        text = f"At most {MOST_COPIED} assets can be copied together, and these are {len(rows)}."
        raise invalid_field(QUERY, WHOLE, text)
    numbers: dict[int, int] = {}
    for row in rows:
        is_root = row.asset_id == original.asset_id
        parent = place.parent_asset_id if is_root or row.parent_asset_id is None else numbers[row.parent_asset_id]
        values = _values_of(row, name if is_root else row.name, parent)
        numbers[row.asset_id] = await asset_change_store.insert_asset(connection, place.account_id, values)
    copied = _Copied(numbers, await _copy_sensors(connection, place, numbers))
    await _mend_references(connection, place, rows, copied)
    return numbers[original.asset_id]


def _values_of(row: AssetRow, name: str, parent: int | None) -> AssetValues:
    return AssetValues(
        name=name,
        asset_type=row.asset_type,
        parent_asset_id=parent,
        latitude=row.latitude,
        longitude=row.longitude,
        description=row.description,
        external_id=row.external_id,
        attributes=row.attributes,
        flex_context=row.flex_context,
        flex_model=row.flex_model,
        sensors_to_show=row.sensors_to_show,
        sensors_to_show_as_kpis=row.sensors_to_show_as_kpis,
    )


async def _copy_sensors(connection: AsyncConnection, place: Place, numbers: Mapping[int, int]) -> dict[int, int]:
    copies: dict[int, int] = {}
    for row in await sensor_store.sensors_of_assets(connection, numbers.keys()):
        values = SensorValues(
            name=row.name,
            unit=row.unit,
            event_resolution_s=row.event_resolution_s,
            timezone=row.timezone,
            attributes=row.attributes,
        )
        asset_id = numbers[row.asset_id]
        copies[row.sensor_id] = await sensor_store.insert_sensor(connection, place.account_id, asset_id, values)
    return copies


async def _mend_references(
    connection: AsyncConnection, place: Place, rows: Sequence[AssetRow], copied: _Copied
) -> None:
    """Let the copies name copies where the originals name originals; what is outside and not the target's to read is named no more."""
    fields = {row.asset_id: _Fields.of(row) for row in rows}
    named_sensors = frozenset[int]().union(*(each.sensors for each in fields.values()))
    named_assets = frozenset[int]().union(*(each.assets for each in fields.values()))
    sensors = await sensor_store.find_sensors(connection, named_sensors - copied.sensors.keys())
    assets = await asset_store.find_assets(connection, named_assets - copied.assets.keys())
    readable = (None, place.account_id)
    new_sensors = {number: number for number, row in sensors.items() if row.account_id in readable}
    new_assets = {number: number for number, row in assets.items() if row.account_id in readable}
    new_sensors |= copied.sensors
    new_assets |= copied.assets
    replacements = Replacements(new_sensors.get, new_assets.get)
    for asset_id, before in fields.items():
        after = before.with_other_ids(replacements)
        if after != before:
            await asset_change_store.update_asset(connection, place.account_id, copied.assets[asset_id], after.values)


def _no_parent(number: object) -> Invalid:
    return invalid_field(QUERY, "parent", no_asset_text(number))
