"""What a schedule writes on sensors: powers and states of charge in their units, at their resolutions and with their signs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.optimizer.scheduling.problem import FloatArray


@dataclass(frozen=True)
class SensorOutput:
    """The values of one sensor, ``step_s`` seconds apart from ``start`` on, in the sensor's unit.

    Powers are consumption positive, as the API gives them by default; ``stored_sign`` is -1 where the sensor stores production
    as positive. ``resolution_s`` is the sensor's: 0 for an instantaneous one.
    """

    sensor_id: int
    start: datetime
    step_s: int
    resolution_s: int
    unit: str
    values: FloatArray
    stored_sign: int = 1

    @property
    def stored_values(self) -> FloatArray:
        """The values as beliefs hold them."""
        return self.stored_sign * self.values + 0.0
