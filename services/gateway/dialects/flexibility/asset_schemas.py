"""What clients of this API get of assets and sensors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.gateway.dialects.flexibility.schemas import AccountName, AnswerModel, JsonText, PageModel

GraphsText = Annotated[str, Field(description="A JSON list, as text.")]


class AssetType(AnswerModel):
    """A kind of asset."""

    id: int
    name: str
    description: str


class AssetTypeName(AnswerModel):
    """The kind of an asset."""

    id: int
    name: str


class SensorName(AnswerModel):
    """A sensor of an asset."""

    id: int
    name: str


class ChildAsset(AnswerModel):
    """An asset directly below another one."""

    id: int
    name: str
    account_id: int | None
    generic_asset_type: AssetTypeName


class AssetInfo(AnswerModel):
    """Something that consumes, produces, stores or measures, or a place where such things are."""

    id: int
    name: str
    account_id: int | None
    """Null where it is public."""
    owner: AccountName | None
    generic_asset_type_id: int
    generic_asset_type: AssetTypeName
    parent_asset_id: int | None
    child_assets: list[ChildAsset]
    sensors: list[SensorName]
    latitude: float | None
    longitude: float | None
    description: str | None
    external_id: str | None
    attributes: JsonText
    flex_context: JsonText
    flex_model: JsonText
    sensors_to_show: GraphsText
    sensors_to_show_as_kpis: GraphsText


class AssetAnswer(AssetInfo):
    """One asset."""

    status: int = 200


class AssetPage(PageModel):
    """A page of assets."""

    data: list[AssetInfo]


class AssetCopied(AnswerModel):
    """An asset was copied with everything below it, but for data."""

    asset: int
    """The id of the copy."""
    message: str
    status: int = 201


class SensorInfo(AnswerModel):
    """A place for a time series."""

    id: int
    name: str
    unit: str
    event_resolution: str
    """An ISO 8601 duration; P0D for values at moments."""
    timezone: str
    generic_asset_id: int
    attributes: JsonText
    entity_address: str


class SensorAnswer(SensorInfo):
    """One sensor."""

    status: int = 200


class SensorPage(PageModel):
    """A page of sensors."""

    data: list[SensorInfo]
