"""What a schedule writes: units, signs, resolutions, parts, and every sensor once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.planning import Planned
from tests.support.schedules import BASE, Site, segments

ZIGZAG = {"consumption-price": segments([10, 50, 20, 60], "EUR/MWh")}
BEST = [100, -100, 100, -100]


def battery(unit: str = "kW", step_s: int = 3600, *, positive: bool = True) -> Site:
    site = Site()
    asset_id = site.asset("battery")
    site.sensor("power", unit, step_s, asset_id=asset_id, consumption_is_positive=positive)
    site.sensor("use", "kW", 3600, asset_id=asset_id, consumption_is_positive=True)
    site.sensor("make", "kW", 3600, asset_id=asset_id)
    return site


def plan_of(site: Site, more: dict[str, Any] | None = None, **asked: Any) -> Planned:
    return site.plan([{"sensor": "$power", **BASE, **(more or {})}], ZIGZAG, **asked)


@pytest.mark.parametrize(("unit", "factor"), [("MW", 1e-3), ("W", 1e3), ("kVA", 1), ("kWh", 1), ("MWh", 1e-3)])
def test_powers_are_written_in_the_unit_of_the_sensor(unit: str, factor: float) -> None:
    site = battery(unit)
    np.testing.assert_allclose(site.output(plan_of(site), "power").values, np.array(BEST) * factor, rtol=1e-6)


def test_energy_is_that_of_each_of_the_sensors_steps() -> None:
    site = battery("kWh", 900)
    np.testing.assert_allclose(
        site.output(plan_of(site, resolution="PT1H"), "power").values, np.repeat(BEST, 4) / 4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("step_s", "resolution", "expected"),
    [
        (900, "PT1H", np.repeat(BEST, 4)),
        (3600, "PT15M", BEST),
        (7200, "PT1H", [0, 0]),
        (0, "PT1H", BEST),
    ],
)
def test_values_are_as_far_apart_as_the_sensors(step_s: int, resolution: str, expected: list[float]) -> None:
    site = battery(step_s=step_s)
    output = site.output(plan_of(site, resolution=resolution), "power")
    np.testing.assert_allclose(output.values, expected, atol=1e-4)
    assert (output.step_s, output.resolution_s) == (step_s or 3600, step_s)


def test_a_sensor_of_production_stores_the_opposite_sign() -> None:
    site = battery(positive=False)
    output = site.output(plan_of(site), "power")
    np.testing.assert_allclose(output.values, BEST, atol=1e-4)
    np.testing.assert_allclose(output.stored_values, [-100, 100, -100, 100], atol=1e-4)


@pytest.mark.parametrize(
    ("outputs", "stored"),
    [
        ({"consumption": "use"}, {"use": BEST}),
        ({"production": "make"}, {"make": [-100, 100, -100, 100]}),
        ({"consumption": "use", "production": "make"}, {"use": [100, 0, 100, 0], "make": [0, 100, 0, 100]}),
        ({"consumption": "power"}, {"power": BEST}),
    ],
)
def test_outputs_get_the_whole_profile_or_each_its_part(
    outputs: dict[str, str], stored: dict[str, list[float]]
) -> None:
    site = battery(positive=False)
    planned = plan_of(site, {field: {"sensor": f"${name}"} for field, name in outputs.items()})
    for name, values in stored.items():
        np.testing.assert_allclose(site.output(planned, name).stored_values, values, atol=1e-4)
    written = [one.sensor_id for one in planned.outputs]
    assert sorted(written) == sorted({site.names["power"], *(site.names[name] for name in outputs.values())})
    assert planned.num_beliefs == 4 * len(written)


def test_values_are_rounded_and_never_minus_nought() -> None:
    site = battery(positive=False)
    planned = plan_of(site, {"roundtrip-efficiency": "77.7%"})
    values = site.output(planned, "power").values
    assert list(values) == [round(value, 6) for value in values]
    flat = site.plan([{"sensor": "$power", **BASE, "power-capacity": "0 kW"}], ZIGZAG)
    assert [str(value) for value in site.output(flat, "power").stored_values] == ["0.0"] * 4


def test_the_net_power_of_each_commodity_is_written() -> None:
    site = battery()
    site.sensor("boiler", "kW", 3600, asset_id=site.asset("boiler", "process"), consumption_is_positive=True)
    site.sensor("gas", "kW", 3600, consumption_is_positive=True)
    site.sensor("net", "MW", 3600)
    boiler = {"sensor": "$boiler", "commodity": "gas", "operation-modes": [{"consumption-range": ["7 kW", "9 kW"]}]}
    boiler |= {"power-capacity": "9 kW", "production-capacity": "0 kW"}
    context = ZIGZAG | {
        "aggregate-power": {"sensor": "$net"},
        "commodities": [
            {"commodity": "gas", "consumption-price": "5 EUR/MWh", "aggregate-consumption": {"sensor": "$gas"}}
        ],
    }
    planned = site.plan([{"sensor": "$power", **BASE}, boiler], context)
    np.testing.assert_allclose(site.output(planned, "gas").stored_values, [7] * 4, atol=1e-4)
    # Stored production positive, as the sensor has no attribute.
    np.testing.assert_allclose(site.output(planned, "net").stored_values, [-0.1, 0.1, -0.1, 0.1], atol=1e-6)


def test_a_state_of_charge_has_one_value_more_than_there_are_steps() -> None:
    site = battery()
    site.sensor("soc", "MWh", 0)
    planned = plan_of(site, {"state-of-charge": {"sensor": "$soc"}})
    np.testing.assert_allclose(site.output(planned, "soc").stored_values, [0, 0.1, 0, 0.1, 0], atol=1e-6)
    assert planned.num_beliefs == 9


def test_a_state_of_charge_in_per_cent_needs_a_size() -> None:
    site = battery()
    site.sensor("soc", "%", 0)
    model = {"sensor": "$power", "soc-at-start": "10 kWh", "soc-min": "0 kWh", "power-capacity": "10 kW"}
    planned = site.plan([model | {"state-of-charge": {"sensor": "$soc"}}], ZIGZAG)
    assert site.names["soc"] not in [one.sensor_id for one in planned.outputs]
    assert any("needs soc-max" in warning for warning in planned.warnings)
