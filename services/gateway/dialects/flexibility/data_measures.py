"""Units and durations of posted and of wanted data, and what is said where they do not fit."""

from __future__ import annotations

from datetime import UTC, datetime

from services.gateway.dialects.flexibility.data_store import Target
from services.gateway.dialects.flexibility.posted_values import DATA
from services.gateway.dialects.flexibility.validation import invalid_field
from shared.durations import Duration, MomentOutOfRange
from shared.units import Conversion, UnitKind, UnitsIncompatible, UnknownUnit, conversion, kind_of

# Of these, means over a slot count as much as the slot is long; of others, each event of a sensor has a length of its own.
_MEANS = frozenset({UnitKind.POWER, UnitKind.ENERGY_PRICE})


def conversion_from_sensor(unit: str, sensor: Target, step_s: float) -> Conversion:
    """From the sensor's unit: means of power become energy per slot, but energy is that of each of the sensor's own events."""
    resolution_s = sensor.event_resolution_s or step_s
    is_mean = kind_of(sensor.unit) in _MEANS
    return data_conversion(sensor.unit, unit, sensor.unit, unit, step_s if is_mean else resolution_s)


def data_conversion(source: str, target: str, required: str, given: str, resolution_s: float) -> Conversion:
    """From one unit to another, one of which is the sensor's (``required``), for numbers about so many seconds each.

    Raises:
        Invalid: there is none.
    """
    try:
        return conversion(source, target, resolution_s=resolution_s or None)
    except (UnknownUnit, UnitsIncompatible):
        text = f"Required unit for this sensor is {required}, got incompatible unit: {given}"
        raise invalid_field(DATA, "unit", text) from None


def end_of(start: datetime, duration: Duration) -> datetime:
    """Where a window ends, in UTC; its days and months are those of a clock that keeps the offset of its start.

    Raises:
        Invalid: no calendar knows the day.
    """
    try:
        return duration.added_to(start, start.tzinfo or UTC)
    except MomentOutOfRange as error:
        raise invalid_field(DATA, "duration", error.message) from None


def fixed_seconds(duration: Duration, field: str) -> float:
    """The length of a duration [s].

    Raises:
        Invalid: it depends on when it begins.
    """
    if duration.seconds is None:
        raise invalid_field(DATA, field, "A duration in months or years has no fixed length here.")
    return duration.seconds
