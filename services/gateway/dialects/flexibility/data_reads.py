"""Reading values of sensors."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import orjson

from services.gateway.auth.identity import Identity
from services.gateway.dialects.flexibility import data_store
from services.gateway.dialects.flexibility.data_measures import conversion_from_sensor, end_of, fixed_seconds
from services.gateway.dialects.flexibility.data_reading import data_parameters_of, sensor_of_address
from services.gateway.dialects.flexibility.data_request_schemas import ReadData, ReadDataByAddress
from services.gateway.dialects.flexibility.data_schemas import PROCESSED_TEXT
from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.errors import UnknownSensor
from services.gateway.dialects.flexibility.posted_values import DATA, MOST_VALUES
from services.gateway.dialects.flexibility.reading import Given, number_in_path
from services.gateway.dialects.flexibility.sensor_reach import ReadSensor, reading_sensor
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.slots import Slots, converted, sampling_step
from services.gateway.dialects.flexibility.validation import invalid_field
from services.gateway.dialects.flexibility.wire import CONTENT_TYPE
from services.gateway.http.call import Call, Reply
from shared.beliefs import BeliefFilter, Series
from shared.beliefs.reading_store import SensorOf, has_source_of_type, read_overlapping
from shared.durations import format_duration
from shared.ids import SensorId, SourceId
from shared.units import Conversion

# With more, an answer would hold the event loop for too long, and is written in a thread.
WRITTEN_AT_ONCE = 5000

INSTANTANEOUS = "PT0H"


async def get_data(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """Values of the sensor in the path."""
    return await _read(app, call.identity, number_in_path(call, UnknownSensor), data_parameters_of(ReadData, call))


async def get_data_by_address(app: Flexibility, call: Call[Given, Given]) -> Reply:
    """The same, with the sensor named among the parameters."""
    wanted = data_parameters_of(ReadDataByAddress, call)
    return await _read(app, call.identity, sensor_of_address(wanted.sensor), wanted)


async def _read(app: Flexibility, identity: Identity, sensor_id: int, wanted: ReadData) -> Reply:
    async with reading_sensor(app.database, identity, sensor_id) as at:
        slots = _slots(wanted, at.sensor)
        factor = conversion_from_sensor(wanted.unit, at.sensor, slots.step_us / 1_000_000)
        series = await _series(at, wanted, slots)
        sensor = at.sensor
    if max(slots.count, len(series)) <= WRITTEN_AT_ONCE:
        return _answer(wanted, sensor, slots, series, factor)
    return await asyncio.to_thread(_answer, wanted, sensor, slots, series, factor)


def _slots(wanted: ReadData, sensor: Target) -> Slots:
    end = end_of(wanted.start, wanted.duration)
    if end < wanted.start:
        raise invalid_field(DATA, "duration", "The duration must not be negative.")
    step = timedelta(seconds=sensor.event_resolution_s)
    if wanted.resolution is not None:
        step = timedelta(seconds=fixed_seconds(wanted.resolution, "resolution"))
        if step <= timedelta(0):
            raise invalid_field(DATA, "resolution", "The resolution must be above zero.")
    elif not step:
        step = sampling_step(end - wanted.start)
    slots = Slots.between(wanted.start, end, step)
    if slots.count > MOST_VALUES:
        raise invalid_field(DATA, "duration", f"That would be {slots.count} values; ask for at most {MOST_VALUES}.")
    return slots


async def _series(at: ReadSensor, wanted: ReadData, slots: Slots) -> Series:
    sensor = at.sensor
    account_id = None if sensor.owner is None else sensor.owner.account_id
    sensor_id, kind = SensorId(sensor.sensor_id), wanted.source_type
    if kind is not None and not await has_source_of_type(at.connection, account_id, sensor_id, kind):
        raise invalid_field(DATA, "source-type", f"Sensor {sensor_id} has no data of source type '{kind}'.")
    of = SensorOf(account_id, sensor_id, sensor.event_resolution_s)
    which = await _filter(at, wanted)
    return await read_overlapping(at.connection, of, wanted.start, slots.covered_until, which)


async def _filter(at: ReadSensor, wanted: ReadData) -> BeliefFilter:
    source_ids = accounts = None
    if wanted.source is not None:
        source_ids = [SourceId(wanted.source)]
        if not await data_store.has_source(at.connection, wanted.source):
            raise invalid_field(DATA, "source", f"No data source found with id {wanted.source}.")
    if wanted.source_account is not None:
        account_id = await data_store.find_account_id(at.connection, wanted.source_account)
        if account_id is None:
            raise invalid_field(DATA, "source-account", f"No account found with id {wanted.source_account}.")
        accounts = [account_id]
    return BeliefFilter(
        prior=wanted.prior,
        horizon=None if wanted.horizon is None else timedelta(seconds=fixed_seconds(wanted.horizon, "horizon")),
        source_ids=source_ids,
        types=None if wanted.source_type is None else [wanted.source_type],
        accounts=accounts,
    )


def _answer(wanted: ReadData, sensor: Target, slots: Slots, series: Series, factor: Conversion) -> Reply:
    values = slots.values(series, sensor.event_resolution_s * 1_000_000)
    resolution = format_duration(slots.step_us / 1_000_000) if sensor.event_resolution_s else INSTANTANEOUS
    duration_s = (slots.end_us - slots.start_us) / 1_000_000
    # Not by a model, which would look at every value once more.
    answer = {
        "start": wanted.start.isoformat(),
        "duration": format_duration(duration_s, zero=INSTANTANEOUS),
        "resolution": resolution,
        "unit": wanted.unit,
        "values": converted(values, factor.factor, factor.offset),
        "message": PROCESSED_TEXT,
        "status": "PROCESSED",
    }
    return Reply(200, orjson.dumps(answer), CONTENT_TYPE)
