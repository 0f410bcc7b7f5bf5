"""The SQL of sensors: this API makes, changes and deletes them, and lists those that its caller may read.

What finds one sensor does so for whoever asks, and its user asks ``permissions`` before anything of it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, delete, false, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.asset_store import tree_below
from services.gateway.dialects.flexibility.integrity import is_of_what_is_gone
from services.gateway.dialects.flexibility.json_column import as_json, as_text
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
from shared.db.models.flexibility import assets, sensors
from shared.db.models.identity import accounts
from shared.errors import Conflict, InvalidInput
from shared.flexibility.planning_defaults import DEEPEST_TREE
from shared.ids import AccountId, AssetId, SensorId


@dataclass(frozen=True, slots=True)
class SensorRow:
    """A sensor and the asset that it belongs to. ``owner`` is None where it is public. Attributes are JSON as text."""

    sensor_id: SensorId
    owner: Owner | None
    asset_id: AssetId
    asset_name: str
    asset_type: str
    name: str
    unit: str
    event_resolution_s: int
    timezone: str
    attributes: str

    @property
    def account_id(self) -> AccountId | None:
        """The account that it belongs to, if it is not public."""
        return None if self.owner is None else self.owner.account_id


@dataclass(frozen=True, slots=True)
class SensorScope:
    """Which sensors a list is of: those of accounts, public ones too or not, those of an asset and everything below it, those
    whose unit is written in one of some ways.
    """

    account_id: AccountId | None = None
    with_clients: bool = False
    with_public: bool = False
    root: int | None = None
    asset_id: int | None = None
    units: Collection[str] | None = None


class SensorValues(TypedDict, total=False):
    """Fields of a sensor that can be given and changed. Attributes are JSON as text."""

    name: str
    unit: str
    event_resolution_s: int
    timezone: str
    attributes: str


_ORDERS: Mapping[str, ColumnElement[Any]] = {
    "id": sensors.c.sensor_id,
    "name": func.lower(sensors.c.name),
    "resolution": sensors.c.event_resolution_s,
    "unit": func.lower(sensors.c.unit),
}


async def find_sensor(connection: AsyncConnection, sensor_id: int) -> SensorRow | None:
    """A sensor, whoever asks; whether they may know is for the caller of this to decide."""
    row = (await connection.execute(_ONE, {"wanted": sensor_id})).one_or_none()
    return None if row is None else _sensor(row)


async def find_sensors(connection: AsyncConnection, sensor_ids: Collection[int]) -> dict[int, SensorRow]:
    """Those of some sensors that there are, by their ids, whoever asks."""
    rows = await connection.execute(_sensors(sensors.c.sensor_id.in_(sensor_ids)))
    return {row.sensor_id: _sensor(row) for row in rows}


async def sensors_of_assets(connection: AsyncConnection, asset_ids: Collection[int]) -> list[SensorRow]:
    """The sensors of some assets, whoever asks, in the order of their ids."""
    statement = _sensors(sensors.c.asset_id.in_(asset_ids)).order_by(sensors.c.sensor_id)
    return [_sensor(row) for row in await connection.execute(statement)]


async def list_sensors(
    connection: AsyncConnection, caller: Caller, part: Slice, scope: SensorScope
) -> Listing[SensorRow]:
    """The sensors within a scope that the caller may read; any word of the filter is enough."""
    texts = [sensors.c.name, assets.c.name, func.coalesce(accounts.c.name, "")]
    found_by = matches(part.words, sensors.c.sensor_id, texts, any_does=True)
    order = ordered(_ORDERS[part.sort_by or "id"], sensors.c.sensor_id, part)
    return await part_of(connection, _sensors(_is_of(caller, scope)), found_by, order, part, _sensor)


async def list_units(connection: AsyncConnection, caller: Caller, scope: SensorScope) -> list[str]:
    """The units, as they are written, of the sensors within a scope that the caller may read."""
    statement = _sensors(_is_of(caller, scope)).with_only_columns(sensors.c.unit).distinct()
    return list((await connection.execute(statement)).scalars())


def _is_of(caller: Caller, scope: SensorScope) -> ColumnElement[bool]:
    conditions = [_is_within(caller, scope)]
    if scope.root is not None:
        conditions.append(assets.c.asset_id.in_(select(tree_below(scope.root, DEEPEST_TREE).c.asset_id)))
    if scope.asset_id is not None:
        conditions.append(assets.c.asset_id == scope.asset_id)
    if scope.units is not None:
        conditions.append(sensors.c.unit.in_(scope.units))
    return and_(*conditions)


async def insert_sensor(
    connection: AsyncConnection, account_id: AccountId | None, asset_id: int, values: SensorValues
) -> int:
    """Add a sensor to an asset of the account and return its id.

    Raises:
        Conflict: the asset has a sensor of that name. InvalidInput: the asset is gone.
    """
    statement = insert(sensors).values(account_id=account_id, asset_id=asset_id, **_columns(values))
    try:
        made: int = (await connection.execute(statement.returning(sensors.c.sensor_id))).scalar_one()
    except IntegrityError as error:
        raise _refusal(error, values) from error
    return made


async def update_sensor(
    connection: AsyncConnection, account_id: AccountId | None, sensor_id: int, values: SensorValues
) -> None:
    """Change fields of a sensor of the account.

    Raises:
        Conflict: the asset has a sensor of the new name.
    """
    try:
        await connection.execute(update(sensors).where(_is(account_id, sensor_id)).values(**_columns(values)))
    except IntegrityError as error:
        raise _refusal(error, values) from error


async def delete_sensor(connection: AsyncConnection, account_id: AccountId | None, sensor_id: int) -> None:
    """Delete a sensor of the account."""
    await connection.execute(delete(sensors).where(_is(account_id, sensor_id)))


def _is(account_id: AccountId | None, sensor_id: int) -> ColumnElement[bool]:
    return and_(sensors.c.sensor_id == sensor_id, sensors.c.account_id.is_not_distinct_from(account_id))


def _is_within(caller: Caller, scope: SensorScope) -> ColumnElement[bool]:
    kinds: list[ColumnElement[bool]] = []
    if scope.account_id is not None:
        kinds.append(and_(sensors.c.account_id == scope.account_id, is_readable_by(caller)))
    if scope.with_clients:
        kinds.append(and_(accounts.c.consultancy_account_id == caller.account_id, is_readable_by(caller)))
    if scope.with_public:
        kinds.append(sensors.c.account_id.is_(None))
    return or_(false(), *kinds)


def _sensors(condition: ColumnElement[bool]) -> Select[Any]:  # Any: the columns of a SensorRow
    joined = sensors.join(assets, sensors.c.asset_id == assets.c.asset_id).outerjoin(
        accounts, sensors.c.account_id == accounts.c.account_id
    )
    columns = (
        *(column for column in sensors.c if column.name != "attributes"),
        as_text(sensors.c.attributes).label("attributes"),
        assets.c.name.label("asset_name"),
        assets.c.asset_type,
        accounts.c.consultancy_account_id,
    )
    return select(*columns).select_from(joined).where(condition)


# Built once: it is part of nearly every request.
_ONE = _sensors(sensors.c.sensor_id == bindparam("wanted"))


def _sensor(row: Row[Any]) -> SensorRow:
    return SensorRow(
        sensor_id=SensorId(row.sensor_id),
        owner=None if row.account_id is None else owner_of(row.account_id, row.consultancy_account_id),
        asset_id=AssetId(row.asset_id),
        asset_name=row.asset_name,
        asset_type=row.asset_type,
        name=row.name,
        unit=row.unit,
        event_resolution_s=row.event_resolution_s,
        timezone=row.timezone,
        attributes=row.attributes,
    )


def _columns(values: SensorValues) -> dict[str, Any]:  # Any: a text is cast to JSON by the database
    columns: dict[str, Any] = dict(values)
    if "attributes" in values:
        columns["attributes"] = as_json(values["attributes"])
    return columns


def _refusal(error: IntegrityError, values: SensorValues) -> InvalidInput | Conflict:
    if is_of_what_is_gone(error):
        return InvalidInput("The asset was deleted meanwhile.", field="generic_asset_id")
    return Conflict(f"The asset has a sensor named '{values.get('name', '')}' already.", field="name")
