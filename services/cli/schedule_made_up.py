"""Sensors for devices that name none, so that a file of a few lines has a schedule: what it would be written to, it is told by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.cli.schedule_names import Names, free_name
from shared.flexibility.collection import Collected, Trigger
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.fields import id_of, sensor_at
from shared.flexibility.merging import subtree
from shared.flexibility.process_model import is_process
from shared.units import UnitKind, kind_of

DEFAULT_STEP_S = 900
_OUTPUTS = ("sensor", "consumption", "production")
_INFLEXIBLE = ("inflexible-consumption", "inflexible-production")
_OF_STOCKS = ("soc-at-start", "soc-min", "soc-max", "soc-minima", "soc-maxima", "soc-targets", "state-of-charge")

_Entry = Mapping[str, object]


@dataclass
class MadeUp:
    """A site to which sensors are added, and assets where an entry says of none that it describes it."""

    trigger: Trigger
    assets: dict[int, AssetFacts]
    sensors: dict[int, SensorFacts]
    names: Names
    step_s: int

    @property
    def entries(self) -> list[_Entry]:
        """Those of the request."""
        return list(self.trigger.flex_model) if isinstance(self.trigger.flex_model, list) else []

    def sensor(self, asset_id: int, name: str, unit: str, resolution_s: int) -> int:
        """The number of a new sensor."""
        name = free_name(f"{self.assets[asset_id].name} {name}", self.names.sensors)
        number = max(self.sensors, default=0) + 1
        self.names.sensors[name] = number
        timezone = next((one.timezone for one in self.sensors.values()), "UTC")
        self.sensors[number] = SensorFacts(number, asset_id, name, unit, resolution_s, timezone)
        return number

    def power_sensor(self, asset_id: int) -> int:
        """The number of a new power sensor."""
        return self.sensor(asset_id, "power", "kW", self.step_s)

    def asset(self, entry: _Entry) -> int:
        """The number of a new asset below the one that is scheduled, of a type that fits the entry."""
        asset_type = "building"
        if is_process(entry):
            asset_type = "process"
        elif any(name in entry for name in _OF_STOCKS):
            asset_type = "battery"
        name = free_name("device" if asset_type == "building" else asset_type, self.names.assets)
        number = max(self.assets) + 1
        self.names.assets[name] = number
        self.assets[number] = AssetFacts(number, self.trigger.asset_id, name, asset_type)
        return number


def with_made_up_sensors(
    trigger: Trigger,
    assets: Mapping[int, AssetFacts],
    sensors: Mapping[int, SensorFacts],
    names: Names,
    resolution_s: int | None,
) -> MadeUp:
    """The site with a power sensor for each entry that names none, be it of the request or, unless the request has one about it, of an asset.

    Its steps are those asked for, else those of the finest power sensor of the file, else a quarter of an hour.
    """
    finest = min((one.resolution_s for one in sensors.values() if one.resolution_s and _is_power(one)), default=None)
    made = MadeUp(trigger, dict(assets), dict(sensors), names, resolution_s or finest or DEFAULT_STEP_S)
    entries = made.entries
    owners = [owner_of(one, made.sensors) for one in entries]
    stored = {one: made.assets[one].flex_model for one in sorted(subtree(trigger.asset_id, assets))}
    everything = [*entries, *stored.values()]
    for number, model in stored.items():
        if model and number not in owners and _is_nameless(model, everything):
            own = {**model, "sensor": made.power_sensor(number)}
            made.assets[number] = replace(made.assets[number], flex_model=own)
    for position, (entry, owner) in enumerate(zip(entries, owners, strict=True)):
        inherits = owner is not None and any(
            name in made.assets[owner].flex_model for name in (*_OUTPUTS, *_INFLEXIBLE)
        )
        if not inherits and _is_nameless(entry, everything):
            entries[position] = {**entry, "sensor": made.power_sensor(made.asset(entry) if owner is None else owner)}
    made.trigger = replace(trigger, flex_model=entries)
    return made


def with_told_stocks(collected: Collected, made: MadeUp) -> Collected:
    """The configuration with a sensor for each stock that has none, so that its state of charge is told."""
    stocks = [
        replace(one, soc_sensor_id=_soc_sensor(collected.entries[one.described_by].asset_id, made))
        if one.soc_sensor_id is None
        else one
        for one in collected.stocks
    ]
    return replace(collected, stocks=tuple(stocks))


def owner_of(entry: _Entry, sensors: Mapping[int, SensorFacts]) -> int | None:
    """The asset that an entry says it is about, by itself or by a sensor."""
    if "asset" in entry:
        return id_of(entry["asset"])
    named = (sensor_at(entry, name) for name in (*_OUTPUTS, "state-of-charge"))
    sensor_id = next((one for one in named if one is not None), None)
    return None if sensor_id is None else sensors[sensor_id].asset_id


def _soc_sensor(asset_id: int, made: MadeUp) -> int:
    return made.sensor(asset_id, "state of charge", "kWh", 0)


def _is_power(sensor: SensorFacts) -> bool:
    return kind_of(sensor.unit) is UnitKind.POWER


def _is_nameless(entry: _Entry, everything: list[_Entry]) -> bool:
    """Whether it is a device without a power sensor, and not what describes the stock of others."""
    if any(name in entry for name in (*_OUTPUTS, *_INFLEXIBLE)):
        return False
    soc_sensor = sensor_at(entry, "state-of-charge")
    sharing = [one for one in everything if soc_sensor is not None and sensor_at(one, "state-of-charge") == soc_sensor]
    return len(sharing) <= 1
