"""Assets and sensors that the caller names: there, and the caller's to read, to work on or to manage; or why not.

FlexMeasures tells an id that is not there in three ways, and clients see them: an asset in a path is a 404, a sensor in the path of
its own routes a 422, and one whose data are asked for a 404 in other words. Whoever asks here says how it is to be told.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import asset_store, sensor_store
from services.gateway.dialects.flexibility.asset_store import AssetRow
from services.gateway.dialects.flexibility.errors import NotPermitted, UnknownAsset
from services.gateway.dialects.flexibility.permissions import Caller, may_manage, may_read_thing, may_work_on
from services.gateway.dialects.flexibility.sensor_store import SensorRow
from services.gateway.dialects.flexibility.validation import PATH, Invalid, invalid_field
from shared.db.unit_of_work import EVERY_ACCOUNT, Reach
from shared.errors import BusbarError
from shared.ids import AccountId

# What to say of an id that is not there.
Unknown = Callable[[object], BusbarError]


def no_sensor_in_path(number: object) -> Invalid:
    """How a sensor's own routes tell that there is none of this id."""
    return invalid_field(PATH, "id", no_sensor_text(number))


def no_sensor_text(number: object) -> str:
    """The words for it; clients know them."""
    return f"No sensor found with ID {number}."


def no_asset_text(number: object) -> str:
    """The same of an asset."""
    return f"No asset found with ID {number}."


def no_asset_to_trigger(number: object) -> Invalid:
    """There is no asset of this number to be scheduled, which that route tells without a location."""
    return Invalid("id", [no_asset_text(number)])


def reach_of(account_id: AccountId | None) -> Reach:
    """How far a transaction has to reach that writes something of an account; what is public takes one that reaches everything.

    Who asks for what is first looked up everywhere, as somebody else's is told from what is not there. What is then written is written
    within the account that it belongs to.
    """
    return EVERY_ACCOUNT if account_id is None else account_id


async def readable_asset(
    connection: AsyncConnection, caller: Caller, asset_id: int, *, unknown: Unknown = UnknownAsset
) -> AssetRow:
    """An asset that the caller may read.

    Raises:
        NotPermitted: it is somebody else's. What ``unknown`` gives (404 by default): there is none of this id.
    """
    row = await asset_store.find_asset(connection, asset_id)
    if row is None:
        raise unknown(asset_id)
    if not may_read_thing(caller, row.owner):
        raise NotPermitted
    return row


async def asset_to_work_on(
    connection: AsyncConnection, caller: Caller, asset_id: int, *, unknown: Unknown = UnknownAsset
) -> AssetRow:
    """An asset that the caller may change, and make things below.

    Raises:
        NotPermitted: they may not. What ``unknown`` gives (404 by default): there is none of this id.
    """
    row = await readable_asset(connection, caller, asset_id, unknown=unknown)
    if not may_work_on(caller, row.owner):
        raise NotPermitted
    return row


async def asset_to_manage(connection: AsyncConnection, caller: Caller, asset_id: int) -> AssetRow:
    """An asset that the caller may delete.

    Raises:
        NotPermitted: they may not. UnknownAsset: there is none of this id.
    """
    row = await readable_asset(connection, caller, asset_id)
    if not may_manage(caller, row.owner):
        raise NotPermitted
    return row


async def asset_for_scheduling(connection: AsyncConnection, caller: Caller, asset_id: int) -> AssetRow:
    """An asset that the caller may trigger schedules of.

    Raises:
        NotPermitted: they may not. Invalid: there is none of this id, which this route tells without a location.
    """
    return await asset_to_work_on(connection, caller, asset_id, unknown=no_asset_to_trigger)


async def readable_sensor(
    connection: AsyncConnection, caller: Caller, sensor_id: int, *, unknown: Unknown = no_sensor_in_path
) -> SensorRow:
    """A sensor that the caller may read.

    Raises:
        NotPermitted: it is somebody else's. What ``unknown`` gives (422 by default): there is none of this id.
    """
    row = await sensor_store.find_sensor(connection, sensor_id)
    if row is None:
        raise unknown(sensor_id)
    if not may_read_thing(caller, row.owner):
        raise NotPermitted
    return row


async def sensor_for_posting(
    connection: AsyncConnection, caller: Caller, sensor_id: int, *, unknown: Unknown = no_sensor_in_path
) -> SensorRow:
    """A sensor that the caller may post data to, trigger schedules and forecasts of, and annotate.

    Raises:
        NotPermitted: they may not. What ``unknown`` gives (422 by default): there is none of this id.
    """
    row = await readable_sensor(connection, caller, sensor_id, unknown=unknown)
    if not may_work_on(caller, row.owner):
        raise NotPermitted
    return row


async def sensor_to_manage(
    connection: AsyncConnection, caller: Caller, sensor_id: int, *, unknown: Unknown = no_sensor_in_path
) -> SensorRow:
    """A sensor that the caller may change and delete, with its data.

    Raises:
        NotPermitted: they may not. What ``unknown`` gives (422 by default): there is none of this id.
    """
    row = await readable_sensor(connection, caller, sensor_id, unknown=unknown)
    if not may_manage(caller, row.owner):
        raise NotPermitted
    return row
