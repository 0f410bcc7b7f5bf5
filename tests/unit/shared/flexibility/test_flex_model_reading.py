from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.flexibility.errors import ErrorTree, FlexConfigInvalid
from shared.flexibility.flex_model import FlexModelEntry, GroupReference, OperationMode
from shared.flexibility.quantities import Fixed, QuantityKind, Segments, SensorReference
from shared.flexibility.reading import read_flex_model
from tests.unit.shared.flexibility.places import (
    CHARGING,
    GRID,
    LOAD,
    OUT,
    POWER,
    PRICE,
    SENSORS,
    SHARE_SOC,
    SOC,
    SOLAR,
    STEPLESS,
)

NOON = "2024-03-30T12:00:00+01:00"


def read(is_stored: bool = False, **fields: Any) -> FlexModelEntry:
    document = {name.replace("_", "-"): value for name, value in fields.items()}
    return read_flex_model(document, is_stored=is_stored, sensors=SENSORS)


def refused(is_stored: bool = False, **fields: Any) -> ErrorTree:
    with pytest.raises(FlexConfigInvalid) as caught:
        read(is_stored, **fields)
    return caught.value.errors


def power(value: float) -> Fixed:
    return Fixed(value, QuantityKind.POWER)


def test_every_field_is_read_into_internal_units() -> None:
    entry = read(
        sensor=POWER, asset=6, commodity="heat", consumption={"sensor": POWER}, production={"sensor": OUT}, soc_at_start="20 kWh",
        soc_min="2 kWh", soc_max="0.1 MWh", soc_minima={"sensor": SOC}, soc_maxima="90 kWh", soc_targets=[{"value": "50 kWh", "datetime": NOON}],
        state_of_charge={"sensor": SHARE_SOC}, power_capacity="17.25 kVA", consumption_capacity={"sensor": GRID, "default": "10 kW"},
        production_capacity="0 kW", charging_efficiency="400%", discharging_efficiency=0.9, storage_efficiency={"sensor": SHARE_SOC},
        soc_gain=["1 kW", {"sensor": GRID}], soc_usage=["(30/2 - 1) kW"], prefer_charging_sooner=False, prefer_curtailing_later=False,
        operation_modes=[{"consumption-range": ["40 kW", "50 kW"]}], group={"sensor": GRID}, coupling="chp", coupling_coefficient=0.3,
    )  # fmt: skip
    noon = datetime(2024, 3, 30, 11, tzinfo=UTC)
    assert (entry.sensor_id, entry.asset_id, entry.commodity) == (POWER, 6, "heat")
    assert (entry.consumption_sensor_id, entry.production_sensor_id) == (POWER, OUT)
    assert (entry.soc_at_start_mwh, entry.soc_min_mwh, entry.soc_max_mwh) == (0.02, 0.002, 0.1)
    assert entry.soc_minima == SensorReference(SOC, QuantityKind.ENERGY)
    assert entry.soc_maxima == Fixed(0.09, QuantityKind.ENERGY)
    assert isinstance(entry.soc_targets, Segments)
    assert [(one.value.value, one.start, one.end) for one in entry.soc_targets.segments] == [(0.05, noon, noon)]
    assert entry.soc_sensor_id == SHARE_SOC
    assert entry.power_capacity == power(0.01725)
    assert entry.consumption_capacity == SensorReference(GRID, QuantityKind.POWER, default=power(0.01))
    assert entry.production_capacity == power(0.0)
    assert entry.charging_efficiency == Fixed(4.0, QuantityKind.SHARE)
    assert entry.discharging_efficiency == Fixed(0.9, QuantityKind.SHARE)
    assert entry.storage_efficiency == SensorReference(SHARE_SOC, QuantityKind.SHARE)
    assert entry.soc_gain == (power(0.001), SensorReference(GRID, QuantityKind.POWER))
    assert entry.soc_usage == (power(0.014),)
    assert (entry.prefer_charging_sooner, entry.prefer_curtailing_later) == (False, False)
    assert entry.operation_modes == (OperationMode(0.04, 0.05),)
    assert entry.group == GroupReference(sensor_id=GRID)
    assert (entry.coupling, entry.coupling_coefficient, entry.coupling_sign) == ("chp", 0.3, 1)


def test_nothing_given_is_all_defaults() -> None:
    assert read() == FlexModelEntry()
    assert read().prefer_charging_sooner
    assert read().commodity == "electricity"


@pytest.mark.parametrize(
    ("sensor", "soc_unit", "expected"),
    [({}, None, 5.0), ({"sensor": POWER}, None, 0.005), ({"sensor": CHARGING}, None, 5.0), ({"sensor": SOLAR}, None, 0.005),
     ({"consumption": {"sensor": POWER}}, None, 0.005), ({"state_of_charge": {"sensor": SOC}}, None, 0.005), ({}, "kWh", 0.005),
     ({"sensor": POWER}, "MWh", 5.0), ({"sensor": str(POWER)}, None, 0.005)],
)  # fmt: skip
def test_bare_energies_are_in_the_unit_of_the_sensor(
    sensor: dict[str, Any], soc_unit: str | None, expected: float
) -> None:
    unit: dict[str, Any] = {} if soc_unit is None else {"soc_unit": soc_unit}
    entry = read(soc_at_start=5, soc_min="5", soc_targets=[{"value": 5, "datetime": NOON}], **unit, **sensor)
    assert (entry.soc_at_start_mwh, entry.soc_min_mwh) == (expected, expected)
    assert isinstance(entry.soc_targets, Segments)
    assert entry.soc_targets.segments[0].value.value == expected


def test_the_older_form_of_a_storage_is_read() -> None:
    entry = read(sensor=POWER, soc_unit="kWh", soc_at_start=0, soc_max=100, soc_min=0, roundtrip_efficiency=1,
                 soc_targets=[{"value": 100, "datetime": NOON}])  # fmt: skip
    assert (entry.soc_max_mwh, entry.roundtrip_efficiency) == (0.1, 1.0)


@pytest.mark.parametrize(
    ("timing", "start", "end"),
    [
        ({"start": NOON, "end": "2024-03-31T12:00:00+02:00"}, "2024-03-30T11:00Z", "2024-03-31T10:00Z"),
        ({"start": NOON, "duration": "PT24H"}, "2024-03-30T11:00Z", "2024-03-31T11:00Z"),
        # The clock leaps an hour in the night: the day has 23.
        ({"start": NOON, "duration": "P1D"}, "2024-03-30T11:00Z", "2024-03-31T10:00Z"),
        ({"end": "2024-03-31T12:00:00+02:00", "duration": "P1D"}, "2024-03-30T11:00Z", "2024-03-31T10:00Z"),
        ({"end": NOON, "duration": "PT1H"}, "2024-03-30T10:00Z", "2024-03-30T11:00Z"),
        ({"datetime": NOON}, "2024-03-30T11:00Z", "2024-03-30T11:00Z"),
    ],
)
def test_a_segment_has_two_ends_on_the_clock_of_the_place(timing: dict[str, str], start: str, end: str) -> None:
    minima = read(soc_minima=[{"value": "5 kWh", **timing}]).soc_minima
    assert isinstance(minima, Segments)
    period = minima.segments[0].period(ZoneInfo("Europe/Amsterdam"))
    assert period == (datetime.fromisoformat(start), datetime.fromisoformat(end))


TIMING = ["Give either `datetime` alone, or exactly two of `start`, `end` and `duration`."]


@pytest.mark.parametrize(
    ("segment", "errors"),
    [
        ({}, {"_schema": TIMING}),
        ({"start": NOON}, {"_schema": TIMING}),
        ({"datetime": NOON, "duration": "PT1H"}, {"_schema": TIMING}),
        ({"start": NOON, "end": NOON, "duration": "PT1H"}, {"_schema": TIMING}),
        ({"datetime": "2024-01-01T00:00:00"}, {"datetime": ["Not a valid aware datetime."]}),
        ({"datetime": "noon"}, {"datetime": ["Not a valid datetime."]}),
        ({"datetime": 12}, {"datetime": ["Not a valid datetime."]}),
        ({"start": NOON, "duration": "1 h"}, {"duration": ["Cannot parse '1 h' as ISO8601 duration."]}),
        ({"start": NOON, "duration": "-PT1H"}, {"duration": ["Must not be negative."]}),
        ({"start": NOON, "duration": "P9990Y"}, {"duration": ["Leads out of the calendar."]}),
        ({"start": NOON, "end": "2024-01-01T00:00:00Z"}, {"end": ["Must not be before `start`."]}),
        ({"datetime": NOON, "until": NOON}, {"until": ["Unknown field."]}),
        ({"datetime": NOON, "value": "5 kW"}, {"value": ["Cannot convert value `5 kW` to 'MWh'"]}),
        ({"datetime": NOON, "value": None}, {"value": ["Field may not be null."]}),
    ],
)
def test_a_segment_without_right_times_is_refused_at_its_position(segment: dict[str, Any], errors: ErrorTree) -> None:
    good = {"value": "5 kWh", "datetime": NOON}
    assert refused(soc_minima=[good, {"value": "5 kWh", **segment}]) == {"soc-minima": {"1": errors}}


ENERGY_EXPECTED = "Cannot convert value `10 kW` to 'MWh'"


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"soc_max": "10 kW"}, {"soc-max": [ENERGY_EXPECTED]}),
        ({"power_capacity": "5 kWh"}, {"power-capacity": ["Cannot convert value `5 kWh` to 'MW'"]}),
        ({"power_capacity": "5"}, {"power-capacity": ["Cannot convert value `5` to 'MW'"]}),
        ({"power_capacity": 5}, {"power-capacity": ["`5` has no unit. Give a quantity such as '10 kW'."]}),
        ({"power_capacity": "5 blub"}, {"power-capacity": ["Unit 'blub' cannot be handled."]}),
        ({"power_capacity": "-5 kW"}, {"power-capacity": ["Must be greater than or equal to 0."]}),
        ({"power_capacity": True}, {"power-capacity": ["Not a valid quantity. Give one such as '10 kW'."]}),
        ({"power_capacity": None}, {"power-capacity": ["Field may not be null."]}),
        ({"power_capacity": {}}, {"power-capacity": {"sensor": ["Missing data for required field."]}}),
        ({"power_capacity": {"sensor": "x"}}, {"power-capacity": {"sensor": ["Not a valid integer."]}}),
        ({"power_capacity": {"sensor": 404}}, {"power-capacity": {"sensor": ["No sensor found with ID 404."]}}),
        ({"power_capacity": {"sensor": PRICE}},
         {"power-capacity": {"sensor": [f"Cannot convert sensor {PRICE} in EUR/MWh to 'MW'"]}}),
        ({"power_capacity": {"sensor": GRID, "from": 1}}, {"power-capacity": {"from": ["Unknown field."]}}),
        ({"power_capacity": {"sensor": GRID, "default": "1 kWh"}},
         {"power-capacity": {"default": ["Cannot convert value `1 kWh` to 'MW'"]}}),
        ({"soc_min": "-1 kWh"}, {"soc-min": ["Must be greater than or equal to 0."]}),
        ({"soc_minima": "-1 kWh"}, {"soc-minima": ["Must be greater than or equal to 0."]}),
        ({"soc_minimum": "1 kWh"}, {"soc-minimum": ["Unknown field."]}),
        ({"roundtrip_efficiency": "120%"}, {"roundtrip-efficiency": ["Must be greater than 0 % and not greater than 100 %."]}),
        ({"roundtrip_efficiency": 0}, {"roundtrip-efficiency": ["Must be greater than 0 % and not greater than 100 %."]}),
        ({"charging_efficiency": "90%", "roundtrip_efficiency": "81%"},
         {"_schema": ["Fields `charging_efficiency` and `roundtrip_efficiency` are mutually exclusive."]}),
        ({"discharging_efficiency": "90%", "roundtrip_efficiency": "81%"},
         {"_schema": ["Fields `discharging_efficiency` and `roundtrip_efficiency` are mutually exclusive."]}),
        ({"state_of_charge": {"sensor": POWER}},
         {"state-of-charge": {"sensor": [f"Cannot convert sensor {POWER} in kW to 'MWh'"]}}),
        ({"state_of_charge": {"sensor": SOLAR}},
         {"state-of-charge": {"sensor": [f"The state of charge needs an instantaneous sensor, which sensor {SOLAR} is not."]}}),
        ({"soc_unit": "Wh"}, {"soc-unit": ["Must be one of: kWh, MWh."]}),
        ({"sensor": PRICE}, {"sensor": [f"Cannot convert sensor {PRICE} in EUR/MWh to 'MW'"]}),
        ({"sensor": True}, {"sensor": ["Not a valid integer."]}),
        ({"consumption": {"sensor": OUT, "sources": [1]}}, {"consumption": {"sources": ["Unknown field."]}}),
        ({"commodity": " "}, {"commodity": ["Field may not be blank."]}),
        ({"prefer_charging_sooner": "yes"}, {"prefer-charging-sooner": ["Not a valid boolean."]}),
        ({"soc_gain": "1 kW"}, {"soc-gain": ["Not a valid list."]}),
        ({"soc_gain": ["1 kW", "1 kWh"]}, {"soc-gain": {"1": ["Cannot convert value `1 kWh` to 'MW'"]}}),
        ({"operation_modes": [{}]}, {"operation-modes": {"0": {"_schema": ["Give a `consumption-range`, a `production-range`, or both."]}}}),
        ({"operation_modes": [{"consumption-range": ["2 kW", "1 kW"]}]},
         {"operation-modes": {"0": {"consumption-range": ["Must begin with the smaller one."]}}}),
        ({"operation_modes": [{"consumption-range": ["1 kW", "2 kW"], "production-range": ["0 kW", "2 kW"]}]},
         {"operation-modes": {"0": {"_schema": ["Where both are given, `consumption-range` and `production-range` must start at 0."]}}}),
        ({"operation_modes": [{"consumption-range": ["1 kW"]}]},
         {"operation-modes": {"0": {"consumption-range": ["Not a list of two quantities."]}}}),
        ({"group": {}}, {"group": {"_schema": ["Give exactly one of `sensor` and `asset`."]}}),
        ({"group": {"sensor": GRID, "asset": 5}}, {"group": {"_schema": ["Give exactly one of `sensor` and `asset`."]}}),
        ({"group": {"sensor": SOC}}, {"group": {"sensor": [f"Cannot convert sensor {SOC} in kWh to 'MW'"]}}),
        ({"coupling_coefficient": 0}, {"coupling-coefficient": ["Must be greater than 0."]}),
        ({"inflexible_consumption": {"sensor": LOAD}, "soc_max": "1 kWh"}, {"soc-max": ["Does not apply to an inflexible device."]}),
        ({"inflexible_consumption": {"sensor": LOAD}, "inflexible_production": {"sensor": SOLAR}},
         {"_schema": ["Fields `inflexible-consumption` and `inflexible-production` are mutually exclusive."]}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field(fields: dict[str, Any], errors: ErrorTree) -> None:
    assert refused(**fields) == errors


def test_all_that_is_wrong_is_told_at_once() -> None:
    errors = refused(soc_max="10 kW", colour=1, power_capacity="1 kWh")
    assert errors == {
        "soc-max": [ENERGY_EXPECTED],
        "power-capacity": ["Cannot convert value `1 kWh` to 'MW'"],
        "colour": ["Unknown field."],
    }


def test_modes_of_both_directions_are_one_band() -> None:
    both = {"consumption-range": ["0 kW", "20 kW"], "production-range": ["0 kW", "10 kW"]}
    modes = read(operation_modes=[both, {"production-range": ["5 kW", "10 kW"]}]).operation_modes
    assert modes == (OperationMode(-0.01, 0.02), OperationMode(-0.01, -0.005))


@pytest.mark.parametrize(
    ("consumption", "production", "sign"),
    [("1 kW", None, 1), ("1 kW", "0 kW", 1), (None, "1 kW", -1), ("0 kW", {"sensor": GRID}, -1), ("1 kW", "1 kW", None),
     (None, None, None), ("0 kW", "0 kW", None)],
)  # fmt: skip
def test_a_converters_device_has_the_direction_of_its_capacity(
    consumption: Any, production: Any, sign: int | None
) -> None:
    given = {"consumption_capacity": consumption, "production_capacity": production}
    assert read(**{name: value for name, value in given.items() if value is not None}).coupling_sign == sign


def test_sources_of_a_sensor_can_be_chosen() -> None:
    reference = {
        "sensor": GRID,
        "source-types": ["forecaster"],
        "exclude-source-types": ["scheduler"],
        "sources": [4],
        "source-account": 7,
    }
    assert read(power_capacity=reference).power_capacity == SensorReference(
        GRID, QuantityKind.POWER, ("forecaster",), ("scheduler",), (4,), (7,)
    )


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"soc_minima": [{"value": "1 kWh", "datetime": NOON}]},
         {"soc-minima": ["A time series is not allowed in a stored configuration."]}),
        ({"state_of_charge": [{"value": "1 kWh", "datetime": NOON}]},
         {"state-of-charge": ["A time series is not allowed in a stored configuration."]}),
        ({"soc_usage": [[{"value": "1 kW", "datetime": NOON}]]},
         {"soc-usage": {"0": ["A time series is not allowed in a stored configuration."]}}),
        ({"power_capacity": "5 kWh"}, {"power-capacity": ["Cannot convert value `5 kWh` to 'MW'"]}),
        ({"soc_max": "5 kW"}, {"soc-max": ["Cannot convert value `5 kW` to 'MWh'"]}),
        ({"asset": 5}, {"asset": ["Unknown field."]}),
    ],
)  # fmt: skip
def test_a_stored_model_holds_no_series_and_the_right_units(fields: dict[str, Any], errors: ErrorTree) -> None:
    assert refused(is_stored=True, **fields) == errors


def test_a_stored_model_is_read_without_its_sensors() -> None:
    entry = read_flex_model({"consumption": {"sensor": 404}, "soc-max": "10 kWh"}, is_stored=True)
    assert (entry.consumption_sensor_id, entry.soc_max_mwh) == (404, 0.01)


def test_a_sensor_of_energy_needs_steps_to_be_one_of_power() -> None:
    assert read(sensor=SOLAR).sensor_id == SOLAR
    assert refused(sensor=SOC) == {"sensor": [f"Cannot convert sensor {SOC} in kWh to 'MW'"]}
    assert read(sensor=STEPLESS).sensor_id == STEPLESS
    assert read(power_capacity={"sensor": SOLAR}).power_capacity == SensorReference(SOLAR, QuantityKind.POWER)
    assert refused(power_capacity={"sensor": SOC}) == {
        "power-capacity": {"sensor": [f"Cannot convert sensor {SOC} in kWh to 'MW'"]}
    }


@pytest.mark.parametrize("raw", [None, [], "battery", 3, [{}]])
def test_a_flex_model_is_an_object(raw: object) -> None:
    with pytest.raises(FlexConfigInvalid) as caught:
        read_flex_model(raw)
    assert caught.value.errors == {"_schema": ["Not a valid mapping type."]}


def test_a_sensor_whose_unit_is_not_known_fits_nowhere() -> None:
    sensors = {POWER: replace(SENSORS[POWER], unit="blub")}
    for document in ({"sensor": POWER}, {"power-capacity": {"sensor": POWER}}):
        with pytest.raises(FlexConfigInvalid, match=f"Cannot convert sensor {POWER} in blub to 'MW'"):
            read_flex_model(document, sensors=sensors)
