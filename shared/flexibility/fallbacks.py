"""Where values come from that an entry does not give: older attributes of sensors and assets, and the type of the asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from shared.flexibility.asset_types import STORAGE_TYPES
from shared.flexibility.errors import Problems
from shared.flexibility.facts import AssetFacts, SensorFacts, Sensors
from shared.flexibility.fields import read_moment
from shared.flexibility.flex_model import FlexModelEntry
from shared.flexibility.merging import MergedEntry
from shared.flexibility.process_model import is_process
from shared.flexibility.quantities import Fixed, QuantityKind
from shared.flexibility.quantity_fields import NOT_NEGATIVE, QuantityField
from shared.flexibility.roles import ReadEntry

# Field, names of the attribute, and the unit that a bare number of it is in.
_OLDER = (
    ("soc-min", ("min_soc_in_mwh",), " MWh"),
    ("soc-max", ("max_soc_in_mwh",), " MWh"),
    ("power-capacity", ("capacity_in_mw",), " MW"),
    ("consumption-capacity", ("consumption_capacity_in_mw", "consumption_capacity"), " MW"),
    ("production-capacity", ("production_capacity_in_mw", "production_capacity"), " MW"),
    ("charging-efficiency", ("charging-efficiency", "charging_efficiency"), ""),
    ("discharging-efficiency", ("discharging-efficiency", "discharging_efficiency"), ""),
    ("roundtrip-efficiency", ("roundtrip-efficiency", "roundtrip_efficiency"), ""),
    ("storage-efficiency", ("storage-efficiency", "storage_efficiency"), ""),
)
_ONE_WAY = ("charging-efficiency", "discharging-efficiency")


def with_older_attributes(merged: MergedEntry, sensor: SensorFacts | None, start: datetime) -> MergedEntry:
    """The entry of a sensor trigger, with what attributes of its sensor or asset say about fields that it lacks."""
    if is_process(merged.document) or any(name.startswith("inflexible-") for name in merged.document):
        return merged
    attributes = _attributes(sensor, merged.asset)
    document = dict(merged.document)
    for name, value in _older_fields(attributes, start):
        splits = [*_ONE_WAY] if name == "roundtrip-efficiency" else ["roundtrip-efficiency"] if name in _ONE_WAY else []
        if name not in document and not any(other in document for other in splits):
            document[name] = value
    return replace(merged, document=document)


def initial_soc_mwh(entry: FlexModelEntry, asset: AssetFacts | None) -> float | None:
    """The state of charge [MWh] that a storage begins with where nothing tells it: none, if the entry has any limit or wish."""
    wishes = (entry.soc_min_mwh, entry.soc_max_mwh, entry.soc_minima, entry.soc_maxima, entry.soc_targets)
    is_storage = asset is not None and asset.asset_type in STORAGE_TYPES
    return 0.0 if is_storage and any(one is not None for one in wishes) else None


def fallback_power_capacity(one: ReadEntry, sensors: Sensors, problems: Problems) -> Fixed | None:
    """The attribute ``site-power-capacity`` of the entry's sensor or asset; a bare number of it is in MW.

    That it cannot be read matters only where the entry needs it.
    """
    sensor_id = one.entry.power_sensor_id
    attributes = _attributes(None if sensor_id is None else sensors.get(sensor_id), one.merged.asset)
    value = attributes.get("site-power-capacity")
    if value is None:
        return None
    own = (one.entry.power_capacity, one.entry.consumption_capacity, one.entry.production_capacity)
    at = problems.at(*one.merged.path, "power-capacity") if own == (None, None, None) else Problems()
    return QuantityField(QuantityKind.POWER, bounds=NOT_NEGATIVE, default_unit="MW").fixed(value, at)


def _attributes(sensor: SensorFacts | None, asset: AssetFacts | None) -> Mapping[str, object]:
    return {**(asset.attributes if asset else {}), **(sensor.attributes if sensor else {})}


def _older_fields(attributes: Mapping[str, object], start: datetime) -> Iterator[tuple[str, object]]:
    for name, older, unit in _OLDER:
        value = next((attributes[one] for one in older if attributes.get(one) is not None), None)
        if value is not None:
            yield name, _with_unit(value, unit)
    moment = attributes.get("soc_datetime")
    known = attributes.get("soc_in_mwh")
    if known is not None and moment is not None and read_moment(moment, Problems()) == start:
        yield "soc-at-start", _with_unit(known, " MWh")


def _with_unit(value: object, unit: str) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value}{unit}" if is_number and unit else value
