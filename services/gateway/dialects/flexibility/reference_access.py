"""Whether whoever asks may read the sensors that a request names in its flex-model, flex-context or among its regressors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.gateway.dialects.flexibility.errors import ReferenceNotPermitted
from services.gateway.dialects.flexibility.permissions import Caller, may_read_thing, may_work_on
from services.gateway.dialects.flexibility.sensor_store import SensorRow


def check_references(caller: Caller, references: Iterable[tuple[str, int]], sensors: Mapping[int, SensorRow]) -> None:
    """Make sure that the caller may read what a request names, by path and id; what is not there is for others to tell.

    Raises:
        ReferenceNotPermitted: they may not.
    """
    for path, sensor_id in references:
        sensor = sensors.get(sensor_id)
        if sensor is not None and not may_read_thing(caller, sensor.owner):
            raise ReferenceNotPermitted("read", path, sensor_id)


def check_outputs(caller: Caller, outputs: Iterable[tuple[str, int]], sensors: Mapping[int, SensorRow]) -> None:
    """Make sure that the caller may have values written to what a schedule will be written to.

    Raises:
        ReferenceNotPermitted: they may not.
    """
    for path, sensor_id in outputs:
        sensor = sensors.get(sensor_id)
        if sensor is not None and not may_work_on(caller, sensor.owner):
            raise ReferenceNotPermitted("write to", path, sensor_id)
