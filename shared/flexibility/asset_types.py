"""The types of assets, with the ids that the API gives them, and what a type means to scheduling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AssetType:
    """A type of asset as the API lists it."""

    type_id: int
    name: str
    description: str


ASSET_TYPES = (
    AssetType(1, "solar", "solar panel(s)"),
    AssetType(2, "wind", "wind turbine"),
    AssetType(3, "one-way_evse", "uni-directional charging point for electric vehicles"),
    AssetType(4, "two-way_evse", "bi-directional charging point for electric vehicles"),
    AssetType(5, "battery", "stationary battery"),
    AssetType(6, "building", "building, site or connection to the grid"),
    AssetType(7, "process", "process that runs for a given time"),
    AssetType(8, "heat-storage", "storage of heat, such as a buffer behind a heat pump"),
)

# Without a starting state of charge these begin empty; the others have then no stock.
STORAGE_TYPES = frozenset({"one-way_evse", "two-way_evse", "battery", "heat-storage"})
# These may have the flex-model of a process.
PROCESS_TYPES = frozenset({"process", "load"})

_BY_ID = {one.type_id: one for one in ASSET_TYPES}
_BY_NAME = {one.name: one for one in ASSET_TYPES}


def asset_type_of_id(type_id: int) -> AssetType | None:
    """The type with that id."""
    return _BY_ID.get(type_id)


def asset_type_named(name: str) -> AssetType | None:
    """The type of that name."""
    return _BY_NAME.get(name)
