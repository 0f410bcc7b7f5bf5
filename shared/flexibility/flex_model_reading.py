"""Reads flex-models: every field in its forms, what excludes what, and what a stored one may not hold."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from shared.flexibility.errors import Problems
from shared.flexibility.fields import Fields, as_object, sensor_at
from shared.flexibility.flex_model import ELECTRICITY, FlexModelEntry, GroupReference, OperationMode
from shared.flexibility.process_model import is_process, read_process
from shared.flexibility.quantities import Fixed, QuantityKind, Segments, SensorReference, VariableQuantity
from shared.flexibility.quantity_fields import (
    NOT_NEGATIVE,
    POSITIVE,
    UP_TO_ALL,
    Bounds,
    QuantityField,
    Reading,
    read_output_sensor,
    read_power_sensor,
)

# What may stand beside ``inflexible-consumption`` or ``inflexible-production``.
_BESIDE_INFLEXIBLE = frozenset(
    {
        "inflexible-consumption",
        "inflexible-production",
        "group",
        "commodity",
        "asset",
        "sensor",
        "prefer-charging-sooner",
        "prefer-curtailing-later",
    }
)


def read_entry(raw: object, problems: Problems, reading: Reading, *, may_be_process: bool = True) -> FlexModelEntry:
    """One entry; what is wrong is noted, and left out of the entry."""
    document = as_object(raw, problems)
    if document is None:
        return FlexModelEntry()
    fields = Fields(document, problems)
    if may_be_process and is_process(document):
        entry = read_process(fields, reading)
    else:
        entry = _read_device(fields, reading, _soc_unit(document, reading))
        _check_exclusions(fields, entry)
    fields.finish()
    return entry


def _read_device(fields: Fields, reading: Reading, soc_unit: str) -> FlexModelEntry:
    power = QuantityField(QuantityKind.POWER, reading)
    capacity = QuantityField(QuantityKind.POWER, reading, NOT_NEGATIVE)
    energy = QuantityField(QuantityKind.ENERGY, reading, default_unit=soc_unit)
    energy_not_negative = QuantityField(QuantityKind.ENERGY, reading, NOT_NEGATIVE, soc_unit)
    fields.read("soc-unit", _read_soc_unit)
    coefficient = fields.number("coupling-coefficient")
    if coefficient is not None and coefficient <= 0:
        fields.problems.at("coupling-coefficient").add(POSITIVE.text)
    return FlexModelEntry(
        sensor_id=fields.read("sensor", partial(read_power_sensor, reading=reading)),
        asset_id=None if reading.is_stored else fields.integer("asset"),
        commodity=fields.text("commodity") or ELECTRICITY,
        consumption_sensor_id=fields.read("consumption", partial(read_output_sensor, reading=reading)),
        production_sensor_id=fields.read("production", partial(read_output_sensor, reading=reading)),
        soc_at_start_mwh=_value(fields.read("soc-at-start", energy.fixed)),
        soc_min_mwh=_value(fields.read("soc-min", energy_not_negative.fixed)),
        soc_max_mwh=_value(fields.read("soc-max", energy.fixed)),
        soc_minima=fields.read("soc-minima", energy_not_negative.variable),
        soc_maxima=fields.read("soc-maxima", energy.variable),
        soc_targets=fields.read("soc-targets", energy.variable),
        state_of_charge=fields.read("state-of-charge", partial(_read_state_of_charge, field=energy)),
        power_capacity=fields.read("power-capacity", capacity.variable),
        consumption_capacity=fields.read("consumption-capacity", capacity.variable),
        production_capacity=fields.read("production-capacity", capacity.variable),
        charging_efficiency=_read_efficiency(fields, "charging-efficiency", reading, NOT_NEGATIVE),
        discharging_efficiency=_read_efficiency(fields, "discharging-efficiency", reading, POSITIVE),
        roundtrip_efficiency=_value(
            fields.read("roundtrip-efficiency", _share(reading, UP_TO_ALL).fixed),
        ),
        storage_efficiency=_read_efficiency(fields, "storage-efficiency", reading, NOT_NEGATIVE),
        soc_gain=fields.items("soc-gain", power.variable),
        soc_usage=fields.items("soc-usage", power.variable),
        prefer_charging_sooner=fields.flag("prefer-charging-sooner", default=True),
        prefer_curtailing_later=fields.flag("prefer-curtailing-later", default=True),
        operation_modes=fields.items("operation-modes", partial(_read_operation_mode, field=capacity)),
        group=fields.read("group", partial(read_group, reading=reading)),
        inflexible_consumption=fields.read("inflexible-consumption", power.reference),
        inflexible_production=fields.read("inflexible-production", power.reference),
        coupling=fields.text("coupling"),
        coupling_coefficient=1.0 if coefficient is None else coefficient,
    )


def read_group(value: object, problems: Problems, reading: Reading) -> GroupReference | None:
    """``{"sensor": id}`` or ``{"asset": id}`` of a group."""
    raw = as_object(value, problems)
    if raw is None:
        return None
    fields = Fields(raw, problems)
    sensor_id = fields.read("sensor", partial(read_power_sensor, reading=reading))
    asset_id = fields.integer("asset")
    fields.finish()
    if len(fields.given(("sensor", "asset"))) != 1:
        fields.problems.add_here("Give exactly one of `sensor` and `asset`.")
        return None
    return GroupReference(sensor_id, asset_id)


def _soc_unit(document: Mapping[str, object], reading: Reading) -> str:
    """What bare numbers of energy are in: as ``soc-unit`` says, else the hours of the sensor's kW, else MWh."""
    given = document.get("soc-unit")
    if given in ("kWh", "MWh"):
        return str(given)
    sensors = reading.sensors or {}
    for name in ("sensor", "consumption", "production", "state-of-charge"):
        sensor_id = sensor_at(document, name)
        facts = None if sensor_id is None else sensors.get(sensor_id)
        if facts is not None:
            return "kWh" if facts.unit in ("kW", "kWh", "kVA") else "MWh"
    return "MWh"


def _read_soc_unit(value: object, problems: Problems) -> str | None:
    if value in ("kWh", "MWh"):
        return str(value)
    problems.add("Must be one of: kWh, MWh.")
    return None


def _read_state_of_charge(value: object, problems: Problems, field: QuantityField) -> SensorReference | Segments | None:
    if isinstance(value, list):
        return field.segments(value, problems)
    reference = field.reference(value, problems)
    facts = reference and (field.reading.sensors or {}).get(reference.sensor_id)
    if facts and facts.resolution_s:
        problems.at("sensor").add(
            f"The state of charge needs an instantaneous sensor, which sensor {facts.sensor_id} is not."
        )
        return None
    return reference


def _share(reading: Reading, bounds: Bounds) -> QuantityField:
    return QuantityField(QuantityKind.SHARE, reading, bounds, "dimensionless")


def _read_efficiency(fields: Fields, name: str, reading: Reading, bounds: Bounds) -> VariableQuantity | None:
    return fields.read(name, _share(reading, bounds).variable)


def _read_operation_mode(value: object, problems: Problems, field: QuantityField) -> OperationMode | None:
    raw = as_object(value, problems)
    if raw is None:
        return None
    fields = Fields(raw, problems)
    consumption = fields.read("consumption-range", partial(_read_range, field=field))
    production = fields.read("production-range", partial(_read_range, field=field))
    fields.finish()
    if not fields.given(("consumption-range", "production-range")):
        problems.add_here("Give a `consumption-range`, a `production-range`, or both.")
    if consumption and production:
        if consumption[0] or production[0]:
            problems.add_here("Where both are given, `consumption-range` and `production-range` must start at 0.")
        return OperationMode(-production[1], consumption[1])
    if consumption:
        return OperationMode(*consumption)
    return OperationMode(-production[1], -production[0]) if production else None


def _read_range(value: object, problems: Problems, field: QuantityField) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2:
        problems.add("Not a list of two quantities.")
        return None
    low, high = (field.fixed(one, problems.at(position)) for position, one in enumerate(value))
    if low is None or high is None:
        return None
    if high.value < low.value:
        problems.add("Must begin with the smaller one.")
        return None
    return low.value, high.value


def _check_exclusions(fields: Fields, entry: FlexModelEntry) -> None:
    for name in ("charging", "discharging"):
        if f"{name}-efficiency" in fields and "roundtrip-efficiency" in fields:
            fields.problems.add_here(f"Fields `{name}_efficiency` and `roundtrip_efficiency` are mutually exclusive.")
    if "inflexible-consumption" in fields and "inflexible-production" in fields:
        fields.problems.add_here("Fields `inflexible-consumption` and `inflexible-production` are mutually exclusive.")
    if entry.is_inflexible:
        for name in fields.names:
            if name not in _BESIDE_INFLEXIBLE:
                fields.problems.at(name).add("Does not apply to an inflexible device.")


def _value(fixed: Fixed | None) -> float | None:
    return None if fixed is None else fixed.value
