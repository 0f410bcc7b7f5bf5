"""What is known of assets and sensors when a flex configuration is read; whoever reads it looks them up before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SensorFacts:
    """A sensor: ``resolution_s`` is 0 for an instantaneous one, ``timezone`` an IANA name."""

    sensor_id: int
    asset_id: int
    name: str
    unit: str
    resolution_s: int
    timezone: str = "UTC"
    # As posted by users: any JSON.
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AssetFacts:
    """An asset with what is stored on it, as parsed JSON."""

    asset_id: int
    parent_asset_id: int | None
    name: str
    asset_type: str
    # As posted by users: any JSON objects.
    attributes: Mapping[str, Any] = field(default_factory=dict)
    flex_model: Mapping[str, Any] = field(default_factory=dict)
    flex_context: Mapping[str, Any] = field(default_factory=dict)


Sensors = Mapping[int, SensorFacts]
Assets = Mapping[int, AssetFacts]
