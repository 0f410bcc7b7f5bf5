"""What clients of this API send about assets and sensors: bodies, and the parameters of lists."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from services.gateway.dialects.flexibility.asset_schemas import AssetInfo
from services.gateway.dialects.flexibility.fields import (
    Attributes,
    Latitude,
    Longitude,
    Number,
    Text,
    without_nul,
)
from services.gateway.dialects.flexibility.graphs import Graphs, Kpis
from services.gateway.dialects.flexibility.request_schemas import BodyModel, Paging, ParametersModel, left_out
from services.gateway.dialects.flexibility.sensor_fields import Resolution, SensorAttributes, Timezone, UnitText

LONGEST_ASSET_NAME = 80
LONGEST_SENSOR_NAME = 120
LONGEST_TEXT = 10_000

AssetName = Annotated[str, Field(min_length=1, max_length=LONGEST_ASSET_NAME), AfterValidator(without_nul)]
SensorNameText = Annotated[str, Field(min_length=1, max_length=LONGEST_SENSOR_NAME), AfterValidator(without_nul)]
LongText = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(without_nul)]


def _field_names(given: object) -> object:
    return frozenset(given.split("|")) if isinstance(given, str) else given


def _of_assets(names: frozenset[str]) -> frozenset[str]:
    for name in sorted(names - AssetInfo.model_fields.keys()):
        raise ValueError(f"Parameter '{name}' is not a valid asset field.")
    return names


FieldNames = Annotated[
    frozenset[str],
    AfterValidator(_of_assets),
    BeforeValidator(_field_names, json_schema_input_type=str),
]


class ListPublicAssets(Paging):
    """Which fields of the public assets."""

    fields: FieldNames | None = None
    """Only these fields, with ``|`` between them."""


class ListAssets(ListPublicAssets):
    """Which assets, which fields of them, and in which order."""

    account: Number | None = None
    """Those of this account instead of the caller's own."""
    all_accessible: bool = False
    """Those of every account that the caller may read."""
    include_public: bool = False
    root: Number | None = None
    """Only this asset and those below it."""
    depth: Annotated[int, Field(ge=0)] | None = None
    """How many generations below the root."""
    asset_type: Text | None = None
    """Only those of the type of this name."""
    sort_by: Literal["id", "name", "owner"] | None = Field(default=None, alias="sort-by")


class NewAsset(BodyModel):
    """An asset to be made; without an account and a parent it is public."""

    name: AssetName
    generic_asset_type_id: int
    account_id: Number | None = None
    parent_asset_id: Number | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    description: LongText | None = None
    external_id: LongText | None = None
    attributes: Attributes = Field(default_factory=dict)
    flex_context: Attributes = Field(default_factory=dict)
    flex_model: Attributes = Field(default_factory=dict)
    sensors_to_show: Graphs = Field(default_factory=list)
    sensors_to_show_as_kpis: Kpis = Field(default_factory=list)


class AssetPatch(BodyModel):
    """What is to change of an asset; fields that are left out stay. Free ones are replaced as a whole."""

    name: AssetName = left_out(unused="")
    generic_asset_type_id: int = left_out(unused=0)
    parent_asset_id: Number | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    description: LongText | None = None
    external_id: LongText | None = None
    attributes: Attributes = Field(default_factory=dict)
    flex_context: Attributes = Field(default_factory=dict)
    flex_model: Attributes = Field(default_factory=dict)
    sensors_to_show: Graphs = Field(default_factory=list)
    sensors_to_show_as_kpis: Kpis = Field(default_factory=list)


class AssetEvents(Paging):
    """Which events, and in which order."""

    sort_by: Literal["event_datetime"] | None = Field(default=None, alias="sort-by")


class ListSensorsOfAsset(Paging):
    """Which sensors of an asset, and in which order."""

    sort_by: Literal["id", "name", "resolution", "unit"] | None = Field(default=None, alias="sort-by")


class ListSensors(ListSensorsOfAsset):
    """Which sensors; any word of the filter is enough."""

    account: Number | None = None
    """Those of this account instead of the caller's own."""
    asset: Number | None = None
    """Those of this asset and of all below it."""
    include_consultancy_clients: bool = False
    include_public_assets: bool = False
    unit: UnitText | None = None
    """Only those of exactly this unit."""


class NewSensor(BodyModel):
    """A sensor to be made."""

    name: SensorNameText
    unit: UnitText
    event_resolution: Resolution
    generic_asset_id: Number
    timezone: Timezone = "UTC"
    attributes: SensorAttributes = Field(default_factory=dict)


class SensorPatch(BodyModel):
    """What is to change of a sensor; fields that are left out stay."""

    name: SensorNameText = left_out(unused="")
    unit: UnitText = left_out(unused="")
    event_resolution: Resolution = left_out(unused="PT0M")
    timezone: Timezone = left_out(unused="UTC")
    attributes: SensorAttributes = Field(default_factory=dict)


class CopyTarget(ParametersModel):
    """Where a copy goes: beside the original, unless something else is said."""

    account: Number | None = None
    """To the top of this account, unless there is a parent."""
    parent: Number | None = None
    """Below this asset."""
