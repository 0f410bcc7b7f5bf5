"""The SQL of what a trigger is about: the asset's tree with what is stored on it, and the sensors that are named anywhere.

It finds them for whoever asks; its user asks ``permissions`` before anything of them is told.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import CTE, BigInteger, BindParameter, Row, Select, bindparam, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility.asset_store import tree_below
from services.gateway.dialects.flexibility.json_column import as_text
from services.gateway.dialects.flexibility.sensor_store import SensorRow, find_sensors
from shared.db.models.flexibility import assets
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.planning_defaults import DEEPEST_TREE


async def find_tree(connection: AsyncConnection, asset_id: int) -> dict[int, AssetFacts]:
    """An asset, its ancestors, and everything below it."""
    return {row.asset_id: _asset(row) for row in await connection.execute(_RELATED, {"asset": asset_id})}


async def find_named(connection: AsyncConnection, sensor_ids: Collection[int]) -> dict[int, SensorRow]:
    """Those of some sensors that there are."""
    return await find_sensors(connection, sensor_ids) if sensor_ids else {}


def facts_of(sensor: SensorRow) -> SensorFacts:
    """What whoever reads a flex configuration has to know of a sensor."""
    return SensorFacts(
        sensor_id=sensor.sensor_id,
        asset_id=sensor.asset_id,
        name=sensor.name,
        unit=sensor.unit,
        resolution_s=sensor.event_resolution_s,
        timezone=sensor.timezone,
        attributes=orjson.loads(sensor.attributes),
    )


def _related_to(asset_id: BindParameter[int]) -> Select[Any]:  # Any: the columns of AssetFacts
    related = union(
        select(tree_below(asset_id, DEEPEST_TREE).c.asset_id), select(_above(asset_id).c.asset_id)
    ).subquery()
    texts = (as_text(assets.c[name]).label(name) for name in ("attributes", "flex_model", "flex_context"))
    columns = (assets.c.asset_id, assets.c.parent_asset_id, assets.c.name, assets.c.asset_type, *texts)
    return select(*columns).where(assets.c.asset_id.in_(select(related.c.asset_id))).order_by(assets.c.asset_id)


def _above(asset_id: BindParameter[int]) -> CTE:
    start = select(assets.c.asset_id, assets.c.parent_asset_id).where(assets.c.asset_id == asset_id)
    line = start.cte("line", recursive=True)
    above = assets.alias("above")
    # A union without duplicates ends where a line would come back to itself.
    return line.union(
        select(above.c.asset_id, above.c.parent_asset_id).where(above.c.asset_id == line.c.parent_asset_id)
    )


# Built once: to put it together takes longer than the database takes to find the assets.
_RELATED = _related_to(bindparam("asset", type_=BigInteger))


def _asset(row: Row[Any]) -> AssetFacts:
    return AssetFacts(
        asset_id=row.asset_id,
        parent_asset_id=row.parent_asset_id,
        name=row.name,
        asset_type=row.asset_type,
        attributes=orjson.loads(row.attributes),
        flex_model=orjson.loads(row.flex_model),
        flex_context=orjson.loads(row.flex_context),
    )
