"""From our rows of assets and sensors to this API's objects."""

from __future__ import annotations

from collections.abc import Sequence

from services.gateway.dialects.flexibility.asset_schemas import (
    AssetInfo,
    AssetTypeName,
    ChildAsset,
    SensorInfo,
    SensorName,
)
from services.gateway.dialects.flexibility.asset_store import AssetRow, ChildRow, NamedSensor
from services.gateway.dialects.flexibility.entity_addresses import entity_address
from services.gateway.dialects.flexibility.schemas import AccountName
from services.gateway.dialects.flexibility.sensor_fields import resolution_text
from services.gateway.dialects.flexibility.sensor_store import SensorRow
from shared.flexibility.asset_types import asset_type_named

# Of a type that has gone since.
NO_TYPE = 0


def asset_info_of(row: AssetRow, children: Sequence[ChildRow], sensors: Sequence[NamedSensor]) -> AssetInfo:
    """An asset with what is directly below it."""
    kind = asset_type_name_of(row.asset_type)
    owner = None
    if row.account_number is not None and row.account_name is not None:
        owner = AccountName(id=row.account_number, name=row.account_name)
    return AssetInfo(
        id=row.asset_id,
        name=row.name,
        account_id=row.account_number,
        owner=owner,
        generic_asset_type_id=kind.id,
        generic_asset_type=kind,
        parent_asset_id=row.parent_asset_id,
        child_assets=[_child_of(child) for child in children],
        sensors=[SensorName(id=sensor.sensor_id, name=sensor.name) for sensor in sensors],
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


def asset_type_name_of(name: str) -> AssetTypeName:
    """A type by its name."""
    known = asset_type_named(name)
    return AssetTypeName(id=NO_TYPE if known is None else known.type_id, name=name)


def sensor_info_of(row: SensorRow, host: str) -> SensorInfo:
    """A sensor, addressed under the host that the client reached."""
    return SensorInfo(
        id=row.sensor_id,
        name=row.name,
        unit=row.unit,
        event_resolution=resolution_text(row.event_resolution_s),
        timezone=row.timezone,
        generic_asset_id=row.asset_id,
        attributes=row.attributes,
        entity_address=entity_address(host, row.sensor_id),
    )


def _child_of(row: ChildRow) -> ChildAsset:
    return ChildAsset(
        id=row.asset_id,
        name=row.name,
        account_id=row.account_number,
        generic_asset_type=asset_type_name_of(row.asset_type),
    )
