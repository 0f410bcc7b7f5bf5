"""Contracts of the customer: whom they are about, in which units their prices are, and how they are named."""

from __future__ import annotations

from typing import Any

import pytest

from services.optimizer.scheduling.planning import Planned
from tests.support.schedules import BASE, Site, hour, segments

FIXED = {
    "power-capacity": "50 kW",
    "consumption-capacity": "50 kW",
    "production-capacity": "0 kW",
    "prefer-charging-sooner": False,
}


def planned(commitments: list[dict[str, Any]], step_minutes: int = 60) -> Planned:
    """Two chargers that have to take 20 kW and 30 kW in every step, and a load of 5 kW in the first."""
    site = Site()
    entries = []
    for name, power in (("one", 20), ("two", 30)):
        site.sensor(name, "kW", 60 * step_minutes, asset_id=site.asset(name), consumption_is_positive=True)
        full = {"soc-targets": [{"value": f"{power * k} kWh", "datetime": hour(k)} for k in range(1, 5)]}
        entries.append({"sensor": f"${name}", **BASE, "soc-max": "500 kWh", **FIXED, **full})
    site.sensor("load", "kW", 3600)
    site.store(site.names["load"], [5.0, 0.0, 0.0, 0.0])
    site.sensor("toll", "EUR/kW", 3600)
    site.store(site.names["toll"], [0.01, 0.01, 0.01, 0.01])
    site.sensor("fee", "EUR/MWh", 3600)
    site.store(site.names["fee"], [40.0, None, 20.0, None])
    context = {
        "consumption-price": "10 EUR/MWh",
        "inflexible-consumption": [{"sensor": "$load"}],
        "commitments": commitments,
        "relax-constraints": False,
    }
    return site.plan(entries, context)


def contract(**fields: Any) -> dict[str, Any]:
    return {"name": "contract", "baseline": "0 kW"} | {name.replace("_", "-"): value for name, value in fields.items()}


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        # 200 kWh and 5 kWh.
        ({"up_price": "100 EUR/MWh"}, 20.5),
        ({"up_price": "100 EUR/MW"}, 20.5),
        ({"up_price": "100 EUR/MWh", "baseline": "30 kW"}, 0.1 * (25 + 3 * 20)),
        ({"up_price": "100 EUR/MWh", "down_price": "-10 EUR/MWh", "baseline": "60 kW"}, 0.01 * (5 + 3 * 10)),
        ({"up_price": "100 EUR/MWh", "sensors": ["$one"]}, 8),
        ({"up_price": "100 EUR/MWh", "sensors": ["$one", "$two"]}, 20),
        ({"up_price": "100 EUR/MWh", "sensors": ["$load"]}, 0.5),
        # A price without value is none, and a baseline without value binds nothing.
        ({"up_price": {"sensor": "$fee"}}, 0.04 * 55 + 0.02 * 50),
        ({"up_price": segments([100, 0], "EUR/MWh")}, 5.5),
        ({"up_price": segments([100, 0], "EUR/MW")}, 5.5),
        ({"up_price": "100 EUR/MWh", "baseline": [{"value": "0 kW", "start": hour(1), "end": hour(2)}]}, 5),
    ],
)
def test_deviating_from_the_baseline_costs_what_was_agreed(fields: dict[str, Any], cost: float) -> None:
    assert planned([contract(**fields)]).commitment_costs["contract"] == pytest.approx(cost, rel=1e-6)


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        # As with hours, where the price is of energy; four times as much, where it is of power.
        ({"sensor": "$fee"}, 0.04 * 55 + 0.02 * 50),
        ({"sensor": "$toll"}, 4 * 0.01 * 205),
        (segments([100, 0], "EUR/MWh"), 5.5),
        (segments([100, 0], "EUR/MW"), 4 * 5.5),
    ],
)
def test_prices_of_sensors_and_lists_count_by_their_units_at_quarters_of_an_hour(price: Any, cost: float) -> None:
    costs = planned([contract(up_price=price)], step_minutes=15).commitment_costs
    assert costs["contract"] == pytest.approx(cost, rel=1e-6)


def test_a_price_of_power_counts_in_every_step_whatever_its_length() -> None:
    at_quarters = planned([contract(up_price="100 EUR/MW")], step_minutes=15).commitment_costs["contract"]
    assert at_quarters == pytest.approx(4 * 20.5, rel=1e-6)


def test_a_contract_about_nobody_is_ignored_with_a_warning() -> None:
    outcome = planned([contract(up_price="100 EUR/MWh", sensors=["$fee"])])
    assert "contract" not in outcome.commitment_costs
    assert any("contract is ignored" in warning for warning in outcome.warnings)


def test_contracts_of_one_name_are_summed_and_names_of_ours_are_marked() -> None:
    costs = planned(
        [
            contract(up_price="100 EUR/MWh"),
            contract(up_price="100 EUR/MWh", sensors=["$one"]),
            contract(name="electricity net energy", up_price="1000 EUR/MWh"),
        ]
    ).commitment_costs
    assert costs["contract"] == pytest.approx(28.5, rel=1e-6)
    assert costs["electricity net energy"] == pytest.approx(2.05, rel=1e-6)
    assert costs["electricity net energy (custom)"] == pytest.approx(205, rel=1e-6)
