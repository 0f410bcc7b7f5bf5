"""What every part of a problem is built on: the window, the series that were read, the sensors, and a place for warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.optimizer.scheduling.building.input_series import InputSeries, SeriesKey
from services.optimizer.scheduling.building.window import Window
from shared.flexibility.facts import Assets, SensorFacts, Sensors

# Sensors are named by users; what they say of scheduling is read with care.
_FALSE = (False, None, 0, "false", "False")


@dataclass(frozen=True)
class Ground:
    """The window and all facts. Warnings are gathered while building; each text once."""

    window: Window
    inputs: Mapping[SeriesKey, InputSeries]
    sensors: Sensors
    assets: Assets
    currency: str
    warnings: dict[str, None] = field(default_factory=dict)

    def warn(self, text: str) -> None:
        """Notes a warning for the job's result."""
        self.warnings.setdefault(text)

    def attribute(self, name: str, sensor_id: int | None, asset_id: int) -> object:
        """What an attribute says: of the sensor, its asset, the asset's flex-model or flex-context; None where nobody says."""
        asset = self.assets.get(asset_id)
        sensor = self.sensors.get(sensor_id) if sensor_id is not None else None
        places = [sensor.attributes] if sensor else []
        places += [asset.attributes, asset.flex_model, asset.flex_context] if asset else []
        return next((place[name] for place in places if name in place), None)


def is_consumption_positive(sensor: SensorFacts) -> bool:
    """How a sensor's power is stored: consumption as positive numbers, or production (the default)."""
    return sensor.attributes.get("consumption_is_positive", False) not in _FALSE


def is_set(value: object) -> bool:
    """Whether an attribute that is a yes or no says yes."""
    return value not in _FALSE


def timezone_of(sensor_id: int | None, sensors: Sensors) -> str:
    """The clock of a sensor's place; UTC where there is no sensor."""
    sensor = sensors.get(sensor_id) if sensor_id is not None else None
    return sensor.timezone if sensor else "UTC"
