"""What is left of a configuration when one device is planned after the other."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.optimizer.tasks.device_steps import one_device
from shared.flexibility.collection import Collected, Trigger, collect
from shared.flexibility.facts import AssetFacts, SensorFacts
from shared.flexibility.roles import Role

SITE, PRICE, LOAD = 1, 90, 91


def collected() -> Collected:
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
        {"sensor": 20, **common},
        {
            "asset": 3,
            "consumption": {"sensor": 30},
            "production": {"sensor": 31},
            "state-of-charge": {"sensor": 32},
            **common,
        },
        {"sensor": 40, **common},
    ]
    context = {"consumption-price": {"sensor": PRICE}, "inflexible-consumption": [{"sensor": LOAD}]}
    return collect(Trigger(SITE, datetime(2024, 1, 1, tzinfo=UTC), model, context), assets, sensors)


def test_the_first_device_knows_of_no_other() -> None:
    step = one_device(collected(), 0)
    assert [one.entry.power_sensor_id for one in step.devices] == [20]
    assert [device.reference.sensor_id for device in step.inflexible_devices] == [LOAD]
    assert [stock.device_indices for stock in step.stocks] == [step.device_indices]


def test_the_last_device_sees_the_others_as_they_were_planned() -> None:
    step = one_device(collected(), 2)
    assert [one.entry.power_sensor_id for one in step.devices] == [40]
    assert [(device.reference.sensor_id, device.is_production) for device in step.inflexible_devices] == [
        (20, None),
        (30, False),
        (31, True),
        (LOAD, False),
    ]
    assert all(device.reference.source_types == ("scheduler",) for device in step.inflexible_devices[:3])
    assert [one.role for one in step.entries] == [Role.INFLEXIBLE, Role.INFLEXIBLE, Role.DEVICE]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_points_to_entries_points_to_the_right_ones(number: int) -> None:
    whole = collected()
    step = one_device(whole, number)
    assert step.devices == (whole.devices[number],)
    (stock,) = step.stocks
    assert step.entries[stock.described_by] == whole.entries[whole.stocks[number].described_by]
    for device in step.inflexible_devices:
        if device.entry_index is not None:
            assert step.entries[device.entry_index].role is Role.INFLEXIBLE
