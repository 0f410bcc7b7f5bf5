"""Reads quantities from JSON in each of their forms, and brings them to internal units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.durations import Duration, MomentOutOfRange
from shared.errors import InvalidInput
from shared.flexibility.errors import Problems
from shared.flexibility.facts import SensorFacts, Sensors
from shared.flexibility.fields import Fields, as_object, read_id, read_list, read_text
from shared.flexibility.quantities import (
    Fixed,
    QuantityKind,
    Segment,
    Segments,
    SensorReference,
    VariableQuantity,
)
from shared.units import Quantity, UnitKind, currency_of, kind_of, parse_quantity, parse_unit

TIMING = "Give either `datetime` alone, or exactly two of `start`, `end` and `duration`."
NO_SERIES = "A time series is not allowed in a stored configuration."

_UNIT_KINDS: dict[QuantityKind, tuple[UnitKind, ...]] = {
    QuantityKind.POWER: (UnitKind.POWER,),
    QuantityKind.ENERGY: (UnitKind.ENERGY,),
    QuantityKind.ENERGY_PRICE: (UnitKind.ENERGY_PRICE,),
    QuantityKind.POWER_PRICE: (UnitKind.POWER_PRICE,),
    QuantityKind.SHARE: (UnitKind.SHARE,),
    QuantityKind.COMMITMENT_PRICE: (UnitKind.ENERGY_PRICE, UnitKind.POWER_PRICE),
}
# A sensor's values also convert between these, by the length of its steps.
_ACROSS_STEPS: dict[QuantityKind, UnitKind] = {
    QuantityKind.POWER: UnitKind.ENERGY,
    QuantityKind.ENERGY_PRICE: UnitKind.POWER_PRICE,
    QuantityKind.POWER_PRICE: UnitKind.ENERGY_PRICE,
}
_EXAMPLES = {
    QuantityKind.POWER: "10 kW",
    QuantityKind.ENERGY: "10 kWh",
    QuantityKind.ENERGY_PRICE: "0.25 EUR/kWh",
    QuantityKind.POWER_PRICE: "100 EUR/kW",
    QuantityKind.SHARE: "90%",
    QuantityKind.COMMITMENT_PRICE: "0.25 EUR/kWh",
}


@dataclass(frozen=True)
class Reading:
    """How a configuration is read: as stored or as requested, and with which sensors (None: not looked up, and not checked)."""

    is_stored: bool = False
    sensors: Sensors | None = None

    def sensor(self, sensor_id: int, problems: Problems) -> SensorFacts | None:
        """What is known of a sensor; that there is none is noted."""
        if self.sensors is None:
            return None
        facts = self.sensors.get(sensor_id)
        if facts is None:
            problems.add(f"No sensor found with ID {sensor_id}.")
        return facts


@dataclass(frozen=True)
class Bounds:
    """The values that a quantity may have, in internal units, and how that is said."""

    holds: Callable[[float], bool]
    text: str


NOT_NEGATIVE = Bounds(lambda value: value >= 0, "Must be greater than or equal to 0.")
POSITIVE = Bounds(lambda value: value > 0, "Must be greater than 0.")
UP_TO_ALL = Bounds(lambda value: 0 < value <= 1, "Must be greater than 0 % and not greater than 100 %.")


@dataclass(frozen=True)
class QuantityField:
    """What a field's quantity has to be. ``default_unit`` is what bare numbers are in; None refuses them."""

    kind: QuantityKind
    reading: Reading = field(default_factory=Reading)
    bounds: Bounds | None = None
    default_unit: str | None = None
    # Energy prices of stored contexts come from sensors.
    allows_fixed: bool = True

    def fixed(self, value: object, problems: Problems) -> Fixed | None:
        """A quantity text, or a number where there is a default unit."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            problems.add(f"Not a valid quantity. Give one such as '{_EXAMPLES[self.kind]}'.")
            return None
        if not isinstance(value, str) and self.default_unit is None:
            problems.add(f"`{value}` has no unit. Give a quantity such as '{_EXAMPLES[self.kind]}'.")
            return None
        try:
            fixed = _in_internal_unit(parse_quantity(value, self.default_unit), self.kind)
        except InvalidInput as invalid:
            problems.add(invalid.message)
            return None
        if fixed is None:
            problems.add(f"Cannot convert value `{value}` to '{self.kind.value}'")
        elif self.bounds is not None and not self.bounds.holds(fixed.value):
            problems.add(self.bounds.text)
        else:
            return fixed
        return None

    def variable(self, value: object, problems: Problems) -> VariableQuantity | None:
        """A quantity in any of its forms."""
        if isinstance(value, dict):
            return self.reference(value, problems)
        if isinstance(value, list):
            return self.segments(value, problems)
        if not self.allows_fixed:
            problems.add('A fixed price is not allowed in a stored configuration. Refer to a sensor: {"sensor": <id>}.')
            return None
        return self.fixed(value, problems)

    def reference(self, value: object, problems: Problems) -> SensorReference | None:
        """A reference to a sensor, with filters of sources and a default."""
        raw = as_object(value, problems)
        if raw is None:
            return None
        fields = Fields(raw, problems)
        fields.require("sensor")
        sensor_id = fields.integer("sensor")
        reference = SensorReference(
            sensor_id=0 if sensor_id is None else sensor_id,
            kind=self.kind,
            source_types=fields.items("source-types", read_text),
            exclude_source_types=fields.items("exclude-source-types", read_text),
            source_ids=fields.items("sources", read_id),
            source_account_ids=fields.read("source-account", _read_one_or_more_ids) or (),
            default=fields.read("default", self.fixed),
        )
        fields.finish()
        if sensor_id is None or not self.is_fit(sensor_id, problems.at("sensor")):
            return None
        return reference

    def segments(self, value: object, problems: Problems) -> Segments | None:
        """A list of timed values."""
        if self.reading.is_stored:
            problems.add(NO_SERIES)
            return None
        return Segments(read_list(value, problems, self._segment), self.kind)

    def _segment(self, value: object, problems: Problems) -> Segment | None:
        raw = as_object(value, problems)
        if raw is None:
            return None
        fields = Fields(raw, problems)
        fields.require("value")
        fixed = fields.read("value", self.fixed)
        timing = _read_timing(fields)
        fields.finish()
        return Segment(fixed, *timing) if fixed is not None and timing is not None else None

    def is_fit(self, sensor_id: int, problems: Problems) -> bool:
        """Whether the sensor is there and its unit can be converted; what is wrong is noted."""
        facts = self.reading.sensor(sensor_id, problems)
        if facts is None:
            return self.reading.sensors is None
        kind = _kind_of(facts)
        accepted = _UNIT_KINDS[self.kind]
        if self.kind is QuantityKind.ENERGY:
            # In % of the capacity (soc-max).
            accepted = (*accepted, UnitKind.SHARE)
        if facts.resolution_s and self.kind in _ACROSS_STEPS:
            accepted = (*accepted, _ACROSS_STEPS[self.kind])
        if kind not in accepted:
            problems.add(f"Cannot convert sensor {sensor_id} in {facts.unit} to '{self.kind.value}'")
        return kind in accepted


def read_output_sensor(value: object, problems: Problems, reading: Reading) -> int | None:
    """``{"sensor": id}`` of a sensor that power is written to."""
    raw = as_object(value, problems)
    if raw is None:
        return None
    fields = Fields(raw, problems)
    fields.require("sensor")
    sensor_id = fields.read("sensor", lambda one, at: read_power_sensor(one, at, reading))
    fields.finish()
    return sensor_id


def read_power_sensor(value: object, problems: Problems, reading: Reading) -> int | None:
    """The id of a sensor of power (or of energy in steps)."""
    sensor_id = read_id(value, problems)
    facts = None if sensor_id is None else reading.sensor(sensor_id, problems)
    accepted = (UnitKind.POWER, UnitKind.ENERGY) if facts and facts.resolution_s else (UnitKind.POWER,)
    if facts is not None and _kind_of(facts) not in accepted:
        problems.add(f"Cannot convert sensor {sensor_id} in {facts.unit} to 'MW'")
        return None
    return sensor_id


def _kind_of(facts: SensorFacts) -> UnitKind:
    """What a sensor measures; one whose unit is not known any more measures nothing that counts here."""
    try:
        return kind_of(facts.unit)
    except InvalidInput:
        return UnitKind.OTHER


def _in_internal_unit(quantity: Quantity, kind: QuantityKind) -> Fixed | None:
    unit_kind = kind_of(quantity.unit)
    if unit_kind not in _UNIT_KINDS[kind]:
        return None
    if kind is QuantityKind.SHARE:
        return Fixed(quantity.to(parse_unit("dimensionless")), kind)
    currency = currency_of(quantity.unit)
    if currency is None:
        return Fixed(quantity.to(parse_unit(kind.value)), kind)
    priced = QuantityKind.ENERGY_PRICE if unit_kind is UnitKind.ENERGY_PRICE else QuantityKind.POWER_PRICE
    return Fixed(quantity.to(parse_unit(priced.value.replace("currency", currency))), priced, currency)


def _read_one_or_more_ids(value: object, problems: Problems) -> tuple[int, ...]:
    if isinstance(value, list):
        return read_list(value, problems, read_id)
    one = read_id(value, problems)
    return () if one is None else (one,)


# Start, end, and the duration where only the place's clock tells the other of the two.
_Timing = tuple[datetime | None, datetime | None, Duration | None]


def _read_timing(fields: Fields) -> _Timing | None:
    names = fields.given(("datetime", "start", "end", "duration"))
    moment, start, end = fields.moment("datetime"), fields.moment("start"), fields.moment("end")
    duration = fields.duration("duration")
    if names == ["datetime"]:
        return None if moment is None else (moment, moment, None)
    if "datetime" in names or len(names) != 2:
        fields.problems.add_here(TIMING)
        return None
    if "duration" in names:
        return _timing_of_duration(fields, start, end, duration)
    if start is None or end is None:
        return None
    if end < start:
        fields.problems.at("end").add("Must not be before `start`.")
        return None
    return start, end, None


def _timing_of_duration(
    fields: Fields, start: datetime | None, end: datetime | None, duration: Duration | None
) -> _Timing | None:
    if duration is None or (start is None and end is None):
        return None
    if min(duration.months, duration.days, duration.microseconds) < 0:
        fields.problems.at("duration").add("Must not be negative.")
        return None
    try:
        begin = start or duration.negated().added_to(end or datetime.max.replace(tzinfo=UTC))
        close = end or duration.added_to(begin)
        # Years 1 and 9999 are left alone, so that it can be reckoned on every clock.
        is_reckoned = begin.year > 1 and close.year < 9999
    except MomentOutOfRange:
        is_reckoned = False
    if not is_reckoned:
        fields.problems.at("duration").add("Leads out of the calendar.")
        return None
    return (start, end, duration) if duration.months or duration.days else (begin, close, None)
