"""The optimizer's SQL around sites: assets, sensors, and the values of series. What is public is within everybody's reach."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, bindparam, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.models.flexibility import assets, sensors
from shared.db.models.identity import accounts
from shared.db.unit_of_work import Reach
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.planning_defaults import DEEPEST_TREE
from shared.identity.reach import account_id_of, within
from shared.ids import AccountId

_ASSET = (
    assets.c.asset_id,
    assets.c.parent_asset_id,
    assets.c.name,
    assets.c.asset_type,
    assets.c.attributes,
    assets.c.flex_model,
    assets.c.flex_context,
)
_SENSOR = (
    sensors.c.sensor_id,
    sensors.c.account_id,
    sensors.c.asset_id,
    sensors.c.name,
    sensors.c.unit,
    sensors.c.event_resolution_s,
    sensors.c.timezone,
    sensors.c.attributes,
)


@dataclass(frozen=True, slots=True)
class OwnedSensor:
    """A sensor and whose it is; None: public."""

    account_id: AccountId | None
    facts: SensorFacts


async def asset_tree(connection: AsyncConnection, account_id: AccountId, asset_id: int) -> dict[int, AssetFacts]:
    """An asset with all above and below it; empty where it is gone. Parents come before their children below it."""
    rows = await connection.execute(_TREE, {"account": account_id, "root": asset_id})
    return {row.asset_id: _asset(row) for row in rows}


async def sensors_by_id(
    connection: AsyncConnection, reach: Reach, sensor_ids: Collection[int]
) -> dict[int, OwnedSensor]:
    """Sensors within reach, and public ones; those that are not there are left out."""
    if not sensor_ids:
        return {}
    statement = select(*_SENSOR).where(_is_visible(sensors, reach), sensors.c.sensor_id.in_(list(sensor_ids)))
    return {row.sensor_id: _sensor(row) for row in await connection.execute(statement)}


async def accounts_by_number(connection: AsyncConnection, numbers: Collection[int]) -> list[UUID]:
    """The ids of accounts within reach by the numbers that clients know."""
    rows = await connection.execute(select(accounts.c.account_id).where(accounts.c.number.in_(list(numbers))))
    return [UUID(int=row.int) for row in rows.scalars()]


# ------------------------------------------------------------------ below


def _walk(*, is_up: bool) -> Any:  # Any: a recursive expression
    name = "above" if is_up else "below"
    is_visible = or_(assets.c.account_id == bindparam("account"), assets.c.account_id.is_(None))
    walk = (
        select(assets.c.asset_id, assets.c.parent_asset_id, literal(0).label("depth"))
        .where(is_visible, assets.c.asset_id == bindparam("root"))
        .cte(name, recursive=True)
    )
    link = assets.c.asset_id == walk.c.parent_asset_id if is_up else assets.c.parent_asset_id == walk.c.asset_id
    further = select(assets.c.asset_id, assets.c.parent_asset_id, (walk.c.depth + 1).label("depth")).where(
        link, is_visible, walk.c.depth < DEEPEST_TREE
    )
    return walk.union_all(further)


# Built once: to put it together takes longer than the database takes to find the assets.
_TREE = (
    select(*_ASSET)
    .where(
        or_(
            assets.c.asset_id.in_(select(_walk(is_up=True).c.asset_id)),
            assets.c.asset_id.in_(select(_walk(is_up=False).c.asset_id)),
        )
    )
    .order_by(assets.c.asset_id)
)


def _is_visible(table: Table, reach: Reach) -> ColumnElement[bool]:
    return or_(within(reach, table.c.account_id), table.c.account_id.is_(None))


def _asset(row: Any) -> AssetFacts:  # Any: a row
    return AssetFacts(
        asset_id=row.asset_id,
        parent_asset_id=row.parent_asset_id,
        name=row.name,
        asset_type=row.asset_type,
        attributes=row.attributes,
        flex_model=row.flex_model,
        flex_context=row.flex_context,
    )


def _sensor(row: Any) -> OwnedSensor:  # Any: a row
    facts = SensorFacts(
        sensor_id=row.sensor_id,
        asset_id=row.asset_id,
        name=row.name,
        unit=row.unit,
        resolution_s=row.event_resolution_s,
        timezone=row.timezone,
        attributes=row.attributes,
    )
    return OwnedSensor(None if row.account_id is None else account_id_of(row.account_id), facts)
