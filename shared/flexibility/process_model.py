"""Reads the flex-model of a process: something that has to run for a given time, at a given power."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.durations import MomentOutOfRange
from shared.flexibility.errors import Problems
from shared.flexibility.fields import MISSING, Fields, as_object
from shared.flexibility.flex_model import ELECTRICITY, FlexModelEntry, ProcessModel, ProcessType, TimeRestriction
from shared.flexibility.quantities import Fixed, QuantityKind, VariableQuantity
from shared.flexibility.quantity_fields import (
    NOT_NEGATIVE,
    QuantityField,
    Reading,
    read_output_sensor,
    read_power_sensor,
)

PROCESS_FIELDS = ("duration", "process-type", "time-restrictions", "optimization-direction", "optimization-sense")


class _Direction(Enum):
    SMALLEST = "MIN"
    LARGEST = "MAX"


def is_process(document: Mapping[str, object]) -> bool:
    """Whether a flex-model has a field that only processes have."""
    return any(name in document for name in PROCESS_FIELDS)


def read_process(fields: Fields, reading: Reading) -> FlexModelEntry:
    """The entry of a process. Its power may come from ``power-capacity`` where ``power`` is not given."""
    sensor_id = fields.read("sensor", partial(read_power_sensor, reading=reading))
    power = QuantityField(QuantityKind.POWER, reading, NOT_NEGATIVE, "MW")
    capacity = fields.read("power-capacity", QuantityField(QuantityKind.POWER, reading, NOT_NEGATIVE).variable)
    given = fields.read("power", power.fixed)
    entry = FlexModelEntry(
        sensor_id=sensor_id,
        asset_id=None if reading.is_stored else fields.integer("asset"),
        commodity=fields.text("commodity") or ELECTRICITY,
        consumption_sensor_id=fields.read("consumption", partial(read_output_sensor, reading=reading)),
        production_sensor_id=fields.read("production", partial(read_output_sensor, reading=reading)),
        power_capacity=capacity,
        process=_read_process(fields, given, capacity, _timezone(sensor_id, reading)),
    )
    if not reading.is_stored:
        fields.require("duration")
        if "power" not in fields and not isinstance(capacity, Fixed):
            fields.problems.at("power").add(MISSING)
    return entry


def _read_process(
    fields: Fields, power: Fixed | None, capacity: VariableQuantity | None, timezone: ZoneInfo
) -> ProcessModel | None:
    duration = fields.duration("duration")
    process_type = fields.choice("process-type", ProcessType) or ProcessType.INFLEXIBLE
    restrictions = fields.items("time-restrictions", partial(_read_restriction, timezone=timezone))
    directions = [fields.choice(name, _Direction) for name in ("optimization-direction", "optimization-sense")]
    if power is None and isinstance(capacity, Fixed):
        power = capacity
    if duration is None:
        return None
    if duration.seconds is None or duration.seconds <= 0:
        fields.problems.at("duration").add("Must be a fixed length of time above zero.")
        return None
    return ProcessModel(
        duration=timedelta(seconds=duration.seconds),
        power_mw=None if power is None else power.value,
        process_type=process_type,
        time_restrictions=restrictions,
        is_maximised=_Direction.LARGEST in directions,
    )


def _read_restriction(value: object, problems: Problems, timezone: ZoneInfo) -> TimeRestriction | None:
    raw = as_object(value, problems)
    if raw is None:
        return None
    fields = Fields(raw, problems)
    for name in ("start", "duration"):
        fields.require(name)
    start, duration = fields.moment("start"), fields.duration("duration")
    fields.finish()
    if start is None or duration is None:
        return None
    try:
        end = duration.added_to(start, timezone)
    except MomentOutOfRange:
        end = start
    if end <= start:
        problems.at("duration").add("Must lead to a later moment of the calendar.")
        return None
    return TimeRestriction(start, end)


def _timezone(sensor_id: int | None, reading: Reading) -> ZoneInfo:
    facts = (reading.sensors or {}).get(-1 if sensor_id is None else sensor_id)
    try:
        return ZoneInfo(facts.timezone if facts else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
