"""What is left of a configuration when one device is planned after the other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.optimizer.scheduling.building.numbering import numbering_of
from services.optimizer.tasks.device_steps import one_step, steps_of
from shared.flexibility.collection import Collected, Trigger, collect
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.roles import Role

SITE, PRICE, LOAD = 1, 90, 91


def collected(more: tuple[dict[str, Any], ...] = ({}, {}, {}), *others: dict[str, Any], **context: Any) -> Collected:
    """Three batteries on a site with a fixed load; the second has two output sensors, and a stock of its own sensor."""
    assets = {
        SITE: AssetFacts(SITE, None, "site", "building"),
        **{number: AssetFacts(number, SITE, f"battery {number}", "battery") for number in (2, 3, 4)},
    }
    units = {PRICE: "EUR/MWh", LOAD: "kW", 20: "kW", 30: "kW", 31: "kW", 32: "kWh", 40: "kW"}
    sensors = {
        number: SensorFacts(
            number, number // 10 if number < 90 else SITE, str(number), unit, 0 if unit == "kWh" else 3600
        )
        for number, unit in units.items()
    }
    common = {"soc-at-start": "0 kWh", "soc-min": "0 kWh", "soc-max": "10 kWh", "power-capacity": "5 kW"}
    model = [
        {"sensor": 20, **common, **more[0]},
        {
            "asset": 3,
            "consumption": {"sensor": 30},
            "production": {"sensor": 31},
            "state-of-charge": {"sensor": 32},
            **common,
            **more[1],
        },
        {"sensor": 40, **common, **more[2]},
        *others,
    ]
    context |= {"consumption-price": {"sensor": PRICE}, "inflexible-consumption": [{"sensor": LOAD}]}
    return collect(Trigger(SITE, datetime(2024, 1, 1, tzinfo=UTC), model, context), assets, sensors)


def test_the_first_device_knows_of_no_other() -> None:
    step = one_step(collected(), 0)
    assert [one.entry.power_sensor_id for one in step.devices] == [20]
    assert [device.reference.sensor_id for device in step.inflexible_devices] == [LOAD]
    assert [stock.device_indices for stock in step.stocks] == [step.device_indices]


def test_the_last_device_sees_the_others_as_they_were_planned() -> None:
    step = one_step(collected(), 2)
    assert [one.entry.power_sensor_id for one in step.devices] == [40]
    assert [(device.reference.sensor_id, device.is_production) for device in step.inflexible_devices] == [
        (20, None),
        (30, False),
        (31, True),
        (LOAD, False),
    ]
    assert all(device.reference.source_types == ("scheduler",) for device in step.inflexible_devices[:3])
    assert [one.role for one in step.entries] == [Role.INFLEXIBLE, Role.INFLEXIBLE, Role.INFLEXIBLE, Role.DEVICE]
    assert [device.entry_index for device in step.inflexible_devices] == [0, 1, 2, None]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_points_to_entries_points_to_the_right_ones(number: int) -> None:
    whole = collected()
    step = one_step(whole, number)
    assert step.devices == (whole.devices[number],)
    (stock,) = step.stocks
    assert step.entries[stock.described_by] == whole.entries[whole.stocks[number].described_by]
    for device in step.inflexible_devices:
        if device.entry_index is not None:
            assert step.entries[device.entry_index].role is Role.INFLEXIBLE


def test_each_device_is_a_step_unless_it_means_nothing_without_another() -> None:
    assert steps_of(collected()) == ((0,), (1,), (2,))
    stock: dict[str, Any] = {"state-of-charge": {"sensor": 32}}
    assert steps_of(collected((stock, {}, {}))) == ((0, 1), (2,)), "devices that share a stock"
    taking = {"coupling": "x", "consumption-capacity": "5 kW", "production-capacity": "0 kW"}
    giving = {"coupling": "x", "consumption-capacity": "0 kW", "production-capacity": "5 kW"}
    assert steps_of(collected((taking, {}, giving))) == ((0, 2), (1,)), "parts of a converter"
    heat = {"commodity": "heat"}
    assert steps_of(collected(({}, heat, heat))) == ((0,), (1, 2)), "what balances at an internal node"
    sold = {"commodities": [{"commodity": "heat", "consumption-price": "1 EUR/MWh"}]}
    assert steps_of(collected(({}, heat, heat), **sold)) == ((0,), (1,), (2,))
    assert steps_of(collected((stock | heat, {}, heat | stock))) == ((0, 1, 2),)


def test_devices_of_one_step_keep_what_they_share() -> None:
    stock = {"state-of-charge": {"sensor": 32}}
    whole = collected(({}, {}, stock))
    step = one_step(whole, 1)
    assert [one.entry.power_sensor_id for one in step.devices] == [30, 40]
    (shared,) = step.stocks
    assert shared.device_indices == step.device_indices
    assert step.entries[shared.described_by].entry.power_sensor_id == 30


@pytest.mark.parametrize("number", [0, 1, 2])
def test_groups_hold_what_is_in_them_in_every_step(number: int) -> None:
    member = {"group": {"asset": SITE}}
    whole = collected((member, member, member), {"asset": SITE, "power-capacity": "7 kW"})
    numbers = numbering_of(one_step(whole, number))
    # The second device has two sensors, which are two fixed devices in later steps.
    assert [len(members) for members in numbers.of_group.values()] == [(1, 2, 4)[number]]
