"""Key figures of an asset: one number for each of the sensors that it shows as such, over a period."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import orjson
from pydantic import model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.dialects.flexibility import sensor_store
from services.gateway.dialects.flexibility.access import readable_asset
from services.gateway.dialects.flexibility.errors import UnknownAsset
from services.gateway.dialects.flexibility.moments import Moment
from services.gateway.dialects.flexibility.permissions import caller_of, may_read_thing
from services.gateway.dialects.flexibility.reading import Given, number_in_path, parameters_of
from services.gateway.dialects.flexibility.request_schemas import ParametersModel
from services.gateway.dialects.flexibility.schemas import AnswerModel
from services.gateway.dialects.flexibility.sensor_store import SensorRow
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import object_reply
from services.gateway.http.call import Call, Reply
from shared.beliefs.reading_store import SensorOf, read_beliefs
from shared.db.unit_of_work import EVERY_ACCOUNT

DECIMALS = 6


class Period(ParametersModel):
    """From when to when."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _end_is_after_start(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class Kpi(AnswerModel):
    """A key figure."""

    title: str
    unit: str
    sensor: int
    downsample_value: float | None
    """Null where nothing is known of the period."""
    downsample_function: str


class Kpis(AnswerModel):
    """The key figures of an asset."""

    data: list[Kpi]
    status: int = 200


async def show_kpis(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The key figures of an asset, of those sensors that the caller may read."""
    number, caller = number_in_path(call, UnknownAsset), caller_of(call.identity)
    period = parameters_of(Period, call)
    data = []
    async with app.database.reading(EVERY_ACCOUNT) as connection:
        row = await readable_asset(connection, caller, number)
        shown = orjson.loads(row.sensors_to_show_as_kpis)
        sensors = await sensor_store.find_sensors(connection, {kpi["sensor"] for kpi in shown})
        for kpi in shown:
            sensor = sensors.get(kpi["sensor"])
            # A sensor that has gone since, or was always somebody else's, is not told of.
            if sensor is not None and may_read_thing(caller, sensor.owner):
                data.append(await _kpi_of(connection, sensor, kpi, period))
    return object_reply(Kpis(data=data))


async def _kpi_of(
    connection: AsyncConnection,
    sensor: SensorRow,
    kpi: Mapping[str, Any],  # Any: as JSON holds it
    period: Period,
) -> Kpi:
    of = SensorOf(sensor.account_id, sensor.sensor_id, sensor.event_resolution_s)
    series = await read_beliefs(connection, of, period.start, period.end)
    value = round(FUNCTIONS[kpi["function"]](series.values), DECIMALS) if series.values else None
    return Kpi(
        title=kpi["title"],
        unit=sensor.unit,
        sensor=sensor.sensor_id,
        downsample_value=value,
        downsample_function=kpi["function"],
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


FUNCTIONS: Mapping[str, Callable[[Sequence[float]], float]] = {"sum": math.fsum, "min": min, "max": max, "mean": _mean}
