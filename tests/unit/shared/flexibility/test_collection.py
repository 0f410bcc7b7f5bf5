from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.flexibility.collection import Role, Trigger, collect, sensors_to_look_up, written_sensors
from shared.flexibility.facts import AssetFacts
from shared.flexibility.flex_model import GroupReference
from shared.flexibility.quantities import Fixed, QuantityKind, SensorReference
from tests.unit.shared.flexibility.places import (
    BATTERY,
    CHARGER,
    CHARGING,
    FAR,
    GRANDPARENT,
    GRID,
    LOAD,
    OUT,
    POWER,
    PRICE,
    SENSORS,
    SHARE_SOC,
    SITE,
    SOC,
    SOLAR,
    START,
    STEPLESS,
    collected,
    refusal,
    site,
)

MISSING = ["Missing data for required field."]


def power(value: float) -> Fixed:
    return Fixed(value, QuantityKind.POWER)


def test_the_request_goes_before_what_is_stored_field_by_field() -> None:
    found = collected(
        [{"sensor": POWER, "power-capacity": "60 kW"}], battery_model={"power-capacity": "100 kW", "soc-max": "50 kWh"}
    )
    (one,) = found.entries
    assert (one.asset_id, one.role, one.path) == (BATTERY, Role.DEVICE, "flex-model.0")
    assert (one.entry.power_capacity, one.entry.soc_max_mwh) == (power(0.06), 0.05)


def test_stored_models_are_scheduled_too_and_come_first() -> None:
    stored = {"consumption": {"sensor": CHARGING}, "soc-max": "50 kWh"}
    found = collected([{"sensor": POWER}], charger_model=stored)
    assert [(one.path, one.asset_id, one.entry.power_sensor_id) for one in found.devices] == [
        (f"flex-model.asset {CHARGER}", CHARGER, CHARGING),
        ("flex-model.0", BATTERY, POWER),
    ]
    assert len(collected(charger_model=stored).devices) == 1


def test_only_the_asset_and_its_offspring_are_scheduled() -> None:
    stored = {"charger_model": {"consumption": {"sensor": CHARGING}}}
    assert len(collected([{"sensor": POWER}], asset_id=BATTERY, **stored).devices) == 1
    assert len(collected([{"sensor": POWER}], asset_id=GRANDPARENT, **stored).devices) == 2


def test_a_stored_model_without_a_sensor_is_not_scheduled() -> None:
    found = collected(
        [{"sensor": POWER}],
        charger_model={"power-capacity": "100 kW", "soc-at-start": 3},
        site_model={"state-of-charge": {"sensor": SHARE_SOC}, "coupling-coefficient": -1},
    )
    assert [one.asset_id for one in found.entries] == [BATTERY]


def test_an_entry_says_by_its_asset_or_a_sensor_what_it_describes() -> None:
    stored = {"battery_model": {"consumption": {"sensor": POWER}, "soc-max": "50 kWh"}}
    for entry in (
        {"asset": BATTERY},
        {"sensor": POWER},
        {"production": {"sensor": OUT}},
        {"state-of-charge": {"sensor": SOC}},
    ):
        found = collected([{"soc-at-start": "1 kWh", **entry}], **stored)
        assert [(one.asset_id, one.entry.soc_max_mwh) for one in found.devices] == [(BATTERY, 0.05)]


def test_a_request_does_away_with_stored_fields_that_its_own_exclude() -> None:
    stored = {"charging-efficiency": "90%", "discharging-efficiency": "80%"}
    (one,) = collected([{"sensor": POWER, "roundtrip-efficiency": "81%"}], battery_model=stored).entries
    assert (one.entry.roundtrip_efficiency, one.entry.charging_efficiency) == (0.81, None)
    (one,) = collected(
        [{"sensor": POWER, "charging-efficiency": 1}], battery_model={"roundtrip-efficiency": "81%"}
    ).entries
    assert one.entry.roundtrip_efficiency is None


def test_entries_that_share_an_asset_share_its_fields_but_not_its_power_sensors() -> None:
    found = collected(
        [{"sensor": POWER}, {"sensor": OUT}], battery_model={"consumption": {"sensor": OUT}, "power-capacity": "5 kW"}
    )
    assert [one.entry.consumption_sensor_id for one in found.entries] == [None, OUT]
    assert [one.entry.power_capacity for one in found.entries] == [power(0.005)] * 2


# --- context


def test_a_context_is_inherited_from_the_nearest_asset_that_has_the_field() -> None:
    context = collected(
        [{"sensor": POWER}],
        {"production-price": "1 EUR/MWh"},
        site_context={"site-power-capacity": "50 kW", "production-price": {"sensor": PRICE}},
        grandparent_context={"site-power-capacity": "90 kW", "consumption-price": {"sensor": PRICE}},
        battery_context={"site-power-capacity": "1 kW"},
    ).context
    assert context.top.site_power_capacity == power(0.05)
    assert context.top.consumption_price == SensorReference(PRICE, QuantityKind.ENERGY_PRICE)
    assert context.top.production_price == Fixed(1.0, QuantityKind.ENERGY_PRICE, "EUR")


def test_fixed_devices_are_one_family_of_the_nearest_asset() -> None:
    farther = {"inflexible-consumption": [{"sensor": LOAD}], "inflexible-production": [{"sensor": SOLAR}]}
    found = collected([{"sensor": POWER}], grandparent_context=farther)
    assert [one.reference.sensor_id for one in found.inflexible_devices] == [LOAD, SOLAR]
    nearer = {"inflexible-device-sensors": [GRID]}
    found = collected([{"sensor": POWER}], site_context=nearer, grandparent_context=farther)
    assert [(one.reference.sensor_id, one.is_production) for one in found.inflexible_devices] == [(GRID, None)]
    found = collected(
        [{"sensor": POWER}], {"inflexible-production": []}, site_context=nearer, grandparent_context=farther
    )
    assert found.inflexible_devices == ()


def test_both_spellings_of_a_price_are_one_family_too() -> None:
    found = collected(
        [{"sensor": POWER}], {"consumption-price": "1 EUR/MWh"}, site_context={"consumption-price-sensor": PRICE}
    )
    assert found.context.top.consumption_price == Fixed(1.0, QuantityKind.ENERGY_PRICE, "EUR")
    assert not found.context.has_price_sensors


def test_a_list_of_contexts_stands_beside_what_is_stored() -> None:
    context = collected(
        [{"sensor": POWER}], [{"commodity": "gas", "consumption-price": "1 EUR/MWh"}, {"commodity": "heat"}],
        site_context={"consumption-price": {"sensor": PRICE}},
    ).context  # fmt: skip
    assert [one.commodity for one in context.commodities] == ["gas", "heat"]
    assert context.top.consumption_price == SensorReference(PRICE, QuantityKind.ENERGY_PRICE)


def test_devices_are_numbered_flexible_ones_first() -> None:
    found = collected(
        [{"inflexible-production": {"sensor": SOLAR}}, {"sensor": POWER}],
        {
            "inflexible-consumption": [{"sensor": LOAD}],
            "commodities": [{"commodity": "heat", "inflexible-production": [{"sensor": GRID}]}],
        },
    )
    assert [one.entry.sensor_id for one in found.devices] == [POWER]
    assert found.device_indices == (1,)
    assert [
        (one.reference.sensor_id, one.is_production, one.commodity, one.entry_index) for one in found.inflexible_devices
    ] == [
        (SOLAR, True, "electricity", 0),
        (LOAD, False, "electricity", None),
        (GRID, True, "heat", None),
    ]


# --- groups and stocks


def test_a_group_is_who_others_belong_to() -> None:
    by_sensor = collected([{"sensor": POWER, "group": {"sensor": GRID}}, {"sensor": GRID, "power-capacity": "50 kW"}])
    assert [one.role for one in by_sensor.entries] == [Role.DEVICE, Role.GROUP]
    by_asset = collected([{"sensor": POWER, "group": {"asset": SITE}}], site_model={"power-capacity": "50 kW"})
    assert [(one.role, one.asset_id) for one in by_asset.entries] == [(Role.GROUP, SITE), (Role.DEVICE, BATTERY)]
    nested = collected([
        {"sensor": POWER, "group": {"sensor": GRID}}, {"sensor": GRID, "power-capacity": "50 kW", "group": {"asset": SITE}},
        {"asset": SITE, "power-capacity": "90 kW"},
    ])  # fmt: skip
    assert [one.role for one in nested.entries] == [Role.DEVICE, Role.GROUP, Role.GROUP]


def test_groups_on_one_asset_are_told_apart() -> None:
    contract = {"name": "shared", "baseline": "0 kW", "up-price": "1 EUR/MW"}
    found = collected(
        [
            {"sensor": POWER, "group": {"asset": SITE}},
            {"sensor": OUT, "group": {"sensor": GRID}},
            {"sensor": GRID, "power-capacity": "50 kW"},
            {"asset": SITE, "power-capacity": "90 kW"},
        ],
        {"commitments": [contract | {"group": {"asset": SITE}}, contract | {"group": {"asset": GRANDPARENT}}]},
    )
    assert found.groups == {GroupReference(sensor_id=GRID): 2, GroupReference(asset_id=SITE): 3}
    assert found.warnings == ("Commitment shared is ignored: nothing that it is about is scheduled.",)


def test_devices_on_one_sensor_of_the_state_of_charge_share_a_stock() -> None:
    on_sensor = {"state-of-charge": {"sensor": SOC}}
    found = collected([
        {"sensor": CHARGING}, {"sensor": POWER, "storage-efficiency": "99%"} | on_sensor, {"sensor": OUT} | on_sensor,
        {"soc-at-start": 0, "soc-max": 100} | on_sensor,
    ])  # fmt: skip
    assert [one.role for one in found.entries] == [Role.DEVICE, Role.DEVICE, Role.DEVICE, Role.STOCK_ONLY]
    alone, shared = found.stocks
    assert (alone.described_by, alone.device_indices, alone.soc_sensor_id) == (0, (0,), None)
    assert (shared.described_by, shared.device_indices, shared.soc_sensor_id) == (3, (1, 2), SOC)
    assert (shared.efficiency_from, shared.efficiency_resolution_s) == (1, 900)
    assert found.entries[3].entry.soc_max_mwh == 0.1


def test_without_an_entry_for_the_stock_the_first_device_describes_it() -> None:
    on_sensor = {"state-of-charge": {"sensor": SOC}}
    (stock,) = collected([{"sensor": POWER} | on_sensor, {"sensor": OUT} | on_sensor]).stocks
    assert (stock.described_by, stock.device_indices) == (0, (0, 1))


def test_the_share_kept_is_per_step_of_what_gives_it() -> None:
    on_sensor = {"state-of-charge": {"sensor": SOC}}
    (stock,) = collected([{"sensor": POWER} | on_sensor, {"storage-efficiency": "99%"} | on_sensor]).stocks
    assert (stock.efficiency_from, stock.efficiency_resolution_s) == (1, 900)
    assert refusal([{"sensor": STEPLESS, "storage-efficiency": "99%"}]) == {
        "flex-model": {"0": {"storage-efficiency": [
            "It is kept per step of a power sensor (or of a sensor that it is read from), and there is none with a resolution."
        ]}}
    }  # fmt: skip


# --- what is filled in


@pytest.mark.parametrize(
    ("asset_type", "fields", "expected"),
    [
        ("battery", {"soc-max": "1 kWh"}, 0.0),
        ("battery", {"soc-minima": "1 kWh"}, 0.0),
        ("battery", {}, None),
        ("building", {"soc-max": "1 kWh"}, None),
    ],
)
def test_a_storage_with_limits_begins_empty(asset_type: str, fields: dict[str, Any], expected: float | None) -> None:
    (one,) = collected([{"sensor": POWER, **fields}], battery_type=asset_type).entries
    assert one.initial_soc_mwh == expected


def test_the_capacity_of_the_site_stands_in_for_one_of_the_device() -> None:
    context = {"site-power-capacity": "50 kW"}
    assert collected([{"sensor": POWER}], context).entries[0].fallback_power_capacity == power(0.05)
    attributes = {"site-power-capacity": "17.25 kVA"}
    assert collected([{"sensor": POWER}], context, battery_attributes=attributes).entries[
        0
    ].fallback_power_capacity == power(0.01725)
    gas = collected([{"sensor": POWER, "commodity": "gas"}], context | {"commodities": [{"commodity": "gas"}]})
    assert gas.entries[0].fallback_power_capacity is None
    assert refusal([{"sensor": POWER}], battery_attributes={"site-power-capacity": "1 kWh"}) == {
        "flex-model": {"0": {"power-capacity": ["Cannot convert value `1 kWh` to 'MW'"]}}
    }
    # Where it is not needed it does not matter either.
    needless = [{"sensor": POWER, "power-capacity": "1 kW"}]
    assert (
        collected(needless, battery_attributes={"site-power-capacity": "1 kWh"}).entries[0].fallback_power_capacity
        is None
    )


OLDER = {"min_soc_in_mwh": 0.01, "max_soc_in_mwh": 0.5, "capacity_in_mw": 0.1, "roundtrip_efficiency": 0.81, "soc_in_mwh": 0.2,
         "soc_datetime": "2024-01-01T01:00:00+01:00"}  # fmt: skip


def test_a_schedule_of_one_sensor_takes_older_attributes() -> None:
    (one,) = collected({"soc-max": "100 kWh"}, sensor_id=POWER, battery_attributes=OLDER).entries
    entry = one.entry
    assert (one.path, entry.sensor_id, one.asset_id) == ("flex-model", POWER, BATTERY)
    assert (entry.soc_min_mwh, entry.soc_max_mwh, entry.soc_at_start_mwh) == (0.01, 0.1, 0.2)
    assert (entry.power_capacity, entry.roundtrip_efficiency) == (power(0.1), 0.81)


def test_older_attributes_do_not_count_where_they_are_not_meant() -> None:
    (one,) = collected(
        {"charging-efficiency": 1}, sensor_id=POWER, battery_attributes=OLDER | {"soc_datetime": "2023-01-01T00:00:00Z"}
    ).entries
    assert (one.entry.roundtrip_efficiency, one.entry.soc_at_start_mwh) == (None, None)
    (one,) = collected([{"sensor": POWER}], battery_attributes=OLDER).entries
    assert one.entry.soc_max_mwh is None


def test_a_process_is_a_device_without_a_stock() -> None:
    fields = {"sensor": POWER, "duration": "PT4H", "power": 0.004}
    found = collected([fields], battery_type="process")
    assert found.devices[0].entry.process is not None
    assert found.stocks == ()
    assert refusal([fields]) == {"flex-model": {"0": {"duration": ["Unknown field."], "power": ["Unknown field."]}}}


# --- refusals

HERE = f"does not belong to asset {SITE} (or to one of its offspring)"
TWO = ["The stock is shared, and another entry gives it another storage efficiency."]
CONVERTER = {"coupling": "chp", "consumption-capacity": "1 kW"}
SHAPE = ["`flex-context` must be an object, or a list of objects."]
ONE_DIRECTION = ["A device of a converter has one direction: give one of `consumption-capacity` and `production-capacity`, and let the "
                 "other be absent or 0."]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "errors"),
    [
        ([{"sensor": FAR}], {"0": {"sensor": [f"Sensor {FAR} {HERE}"]}}),
        ([{"sensor": POWER, "asset": GRANDPARENT}], {"0": {"asset": [f"Asset {GRANDPARENT} {HERE}"]}}),
        ([{"sensor": 404}], {"0": {"sensor": ["No sensor found with ID 404."]}}),
        ([{"sensor": POWER}, {"sensor": POWER}],
         {"_schema": [f"Sensor {POWER} should not occur more than once in the flex-model"]}),
        ([{"sensor": POWER}, {"soc-max": "1 kWh"}], {"1": {"sensor": MISSING}}),
        ([{"asset": BATTERY}], {"0": {"sensor": MISSING}}),
        ([{}], {"0": {"sensor": MISSING}}),
        ([3], {"0": ["Not a valid mapping type."]}),
        ({"sensor": POWER}, ["Not a valid list."]),
        ([], [f"There is nothing to schedule on asset {SITE} and its offspring."]),
        ([{"state-of-charge": {"sensor": SOC}}],
         {"0": {"sensor": [f"No device has its state of charge on sensor {SOC}, and this entry has no power sensor."]}}),
        ([{"sensor": POWER, "group": {"sensor": GRID}}], {"0": {"group": ["The flex-model has no entry that describes this group."]}}),
        ([{"sensor": POWER, "group": {"sensor": POWER}}], {"0": {"group": ["Groups may not contain themselves."]}}),
        ([{"sensor": POWER, "group": {"sensor": GRID}}, {"sensor": GRID}], {"1": {"power-capacity": ["A group needs at least one capacity."]}}),
        ([{"sensor": POWER, "group": {"sensor": GRID}}, {"sensor": GRID, "power-capacity": "1 kW", "soc-max": "1 kWh"}],
         {"1": {"soc-max": ["Does not apply to a group."]}}),
        ([{"sensor": POWER, "power-capacity": "1 kW", "group": {"sensor": GRID}},
          {"sensor": GRID, "power-capacity": "1 kW", "group": {"sensor": POWER}}],
         {"0": {"group": ["Groups may not contain themselves."]}, "1": {"group": ["Groups may not contain themselves."]}}),
        ([{"sensor": POWER, "group": {"sensor": GRID}}, {"sensor": OUT, "commodity": "gas", "group": {"sensor": GRID}},
          {"sensor": GRID, "power-capacity": "1 kW"}],
         {one: {"group": ["Members of a group share one commodity, and not electricity and gas."]} for one in ("0", "1")}),
        ([{"sensor": POWER, **CONVERTER, "production-capacity": "1 kW"}], {"0": {"coupling": ONE_DIRECTION}}),
        ([{"sensor": POWER, "coupling": "chp"}], {"0": {"coupling": ONE_DIRECTION}}),
        ([{"sensor": POWER, "storage-efficiency": 0.9, "state-of-charge": {"sensor": SOC}},
          {"sensor": OUT, "storage-efficiency": 0.8, "state-of-charge": {"sensor": SOC}}], {"1": {"storage-efficiency": TWO}}),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_together_is_refused(model: Any, errors: Any) -> None:
    assert refusal(model) == {"flex-model": errors}


@pytest.mark.parametrize(
    ("context", "errors"),
    [("cheap", SHAPE), (["cheap"], SHAPE), (3, SHAPE), ([{"commodity": "gas", "price": 1}], {"commodities": {"0": {"price": ["Unknown field."]}}}),
     ({"price": 1}, {"price": ["Unknown field."]})],
)  # fmt: skip
def test_a_context_is_an_object_or_a_list_of_objects(context: Any, errors: Any) -> None:
    assert refusal([{"sensor": POWER}], context) == {"flex-context": errors}


def test_what_is_wrong_in_model_and_context_is_told_together() -> None:
    errors = refusal([{"sensor": POWER, "soc-max": "10 kW"}], {"price": 1})
    assert errors == {
        "flex-context": {"price": ["Unknown field."]},
        "flex-model": {"0": {"soc-max": ["Cannot convert value `10 kW` to 'MWh'"]}},
    }


def test_a_stored_model_that_is_wrong_is_told_by_its_asset() -> None:
    errors = refusal([{"sensor": POWER}], charger_model={"consumption": {"sensor": CHARGING}, "soc-max": "1 kW"})
    assert errors == {"flex-model": {f"asset {CHARGER}": {"soc-max": ["Cannot convert value `1 kW` to 'MWh'"]}}}


@pytest.mark.parametrize(
    ("model", "errors"),
    [
        ([{"soc-max": "1 kWh"}], ["Not a valid mapping type."]),
        ({"sensor": OUT}, {"sensor": [f"Must be {POWER}, the sensor that is scheduled."]}),
        ({"group": {"sensor": GRID}}, {"group": ["The flex-model has no entry that describes this group.",
                                                "Groups need a flex-model in the form of a list."]}),
    ],
)  # fmt: skip
def test_a_schedule_of_one_sensor_has_a_model_of_its_own(model: Any, errors: Any) -> None:
    assert refusal(model, sensor_id=POWER) == {"flex-model": errors}


def test_contracts_about_nobody_are_ignored_with_a_warning() -> None:
    contract = {"name": "idle", "baseline": "0 kW", "up-price": "1 EUR/MW", "sensors": [OUT]}
    found = collected([{"sensor": POWER}], {"commitments": [contract]})
    assert found.warnings == ("Commitment idle is ignored: nothing that it is about is scheduled.",)
    assert collected([{"sensor": OUT}], {"commitments": [contract]}).warnings == ()


def test_a_contract_is_about_one_commodity() -> None:
    contract = {"name": "both", "baseline": "0 kW", "up-price": "1 EUR/MW", "sensors": [POWER, OUT]}
    errors = refusal([{"sensor": POWER}, {"sensor": OUT, "commodity": "gas"}], {"commitments": [contract]})
    text = "The devices of a commitment share one commodity, and not electricity and gas."
    assert errors == {"flex-context": {"commitments": {"0": {"sensors": [text]}}}}


# --- what a caller has to look up and to ask for


def test_sensors_of_the_request_and_of_what_is_stored_are_looked_up() -> None:
    assets = site(
        charger_model={"consumption": {"sensor": CHARGING}},
        grandparent_context={"consumption-price": {"sensor": PRICE}},
    )
    trigger = Trigger(
        SITE,
        START,
        {"soc-max": "1 kWh", "state-of-charge": {"sensor": SOC}},
        {"aggregate-power": {"sensor": GRID}},
        POWER,
    )
    assert sensors_to_look_up(trigger, assets) == {CHARGING, PRICE, SOC, GRID, POWER}


def test_every_sensor_that_is_written_is_told() -> None:
    found = collected(
        [
            {
                "sensor": POWER,
                "production": {"sensor": OUT},
                "state-of-charge": {"sensor": SOC},
                "power-capacity": {"sensor": LOAD},
            }
        ],
        {"aggregate-power": {"sensor": GRID}},
    )
    assert written_sensors(found) == (
        ("flex-model.0.sensor", POWER),
        ("flex-model.0.production", OUT),
        ("flex-model.0.state-of-charge", SOC),
        ("flex-context.aggregate-power", GRID),
    )


def test_a_circle_of_parents_ends() -> None:
    assets: dict[int, AssetFacts] = site(battery_context={"site-power-capacity": "1 kW"})
    assets[GRANDPARENT] = replace(assets[GRANDPARENT], parent_asset_id=BATTERY)
    found = collect(Trigger(SITE, START, [{"sensor": POWER}]), assets, SENSORS)
    assert found.context.top.site_power_capacity == power(0.001)
