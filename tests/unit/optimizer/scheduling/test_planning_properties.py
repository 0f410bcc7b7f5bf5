"""What must not change a plan: units, the form of a configuration, the time of year, the order of devices, finer steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.optimizer.scheduling.planning import Planned
from tests.support.schedules import START, Site, hour, segments

SEEDS = range(8)
# Relative; costs of some euros. The preferences, which may differ with the form, are smaller by far.
COST = 1e-6


@dataclass(frozen=True)
class Household:
    """A random battery and charger with prices, a load and wishes for eight hours."""

    buying: list[float]
    selling: list[float]
    load_kw: list[float]
    battery_kw: float
    battery_kwh: float
    wish_kwh: float
    site_kw: float

    @classmethod
    def of(cls, seed: int) -> Household:
        chance = np.random.default_rng(seed)
        buying = chance.uniform(20, 300, 8).round(3)
        return cls(
            buying=list(buying),
            selling=list((buying * chance.uniform(0.2, 0.9)).round(3)),
            load_kw=list(chance.uniform(0, 5, 8).round(3)),
            battery_kw=round(chance.uniform(1, 8), 3),
            battery_kwh=round(chance.uniform(4, 20), 3),
            wish_kwh=round(chance.uniform(5, 30), 3),
            site_kw=round(chance.uniform(12, 20), 3),
        )


@dataclass(frozen=True)
class Form:
    """How a household is written down."""

    power_unit: str = "kW"
    scale: float = 1.0  # kilowatts in that unit
    start: datetime = START
    step_minutes: int = 60
    is_reversed: bool = False
    has_segments: bool = False
    stores_production: bool = False


def planned(home: Household, form: Form) -> tuple[Site, Planned]:
    site = Site(start=form.start)
    step_s = 60 * form.step_minutes
    for name, asset_type in (("battery", "battery"), ("car", "one-way_evse")):
        asset_id = site.asset(name, asset_type)
        site.sensor(
            name, form.power_unit, step_s, asset_id=asset_id, consumption_is_positive=not form.stores_production
        )
    site.sensor("load", form.power_unit, 3600)
    site.store(site.names["load"], [value * form.scale for value in home.load_kw])
    for name, values in (("buying", home.buying), ("selling", home.selling)):
        site.sensor(name, "EUR/MWh", 3600)
        site.store(site.names[name], values)

    def power(kw: float) -> str:
        return f"{kw * form.scale} {form.power_unit}"

    battery = {
        "sensor": "$battery",
        "soc-at-start": "0 kWh",
        "soc-min": "0 kWh",
        "soc-max": f"{home.battery_kwh} kWh",
        "power-capacity": power(home.battery_kw),
        "roundtrip-efficiency": "90%",
        "prefer-charging-sooner": False,
    }
    car = {
        "sensor": "$car",
        "soc-at-start": "2 kWh",
        "soc-min": "0 kWh",
        "soc-max": "40 kWh",
        "power-capacity": power(7),
        "production-capacity": power(0),
        "soc-minima": [{"value": f"{home.wish_kwh} kWh", "datetime": hour(6, form.start)}],
        "prefer-charging-sooner": False,
    }
    context: dict[str, Any] = {
        "consumption-price": segments(home.buying, "EUR/MWh", form.start)
        if form.has_segments
        else {"sensor": "$buying"},
        "production-price": segments(home.selling, "EUR/MWh", form.start)
        if form.has_segments
        else {"sensor": "$selling"},
        "inflexible-consumption": [{"sensor": "$load"}],
        "site-power-capacity": power(home.site_kw),
        "relax-constraints": False,
    }
    entries = [car, battery] if form.is_reversed else [battery, car]
    return site, site.plan(entries, context, "PT8H")


def energy_cost(home: Household, form: Form) -> float:
    return planned(home, form)[1].commitment_costs["electricity net energy"]


FORMS = {
    "megawatts": Form(power_unit="MW", scale=1e-3),
    "watts": Form(power_unit="W", scale=1e3),
    "half a year later": Form(start=START + timedelta(days=180, minutes=7)),
    "another day of clock change": Form(start=datetime(2026, 3, 28, 22, tzinfo=UTC)),
    "devices the other way round": Form(is_reversed=True),
    "lists instead of sensors": Form(has_segments=True),
    "production stored as positive": Form(stores_production=True),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("form", FORMS)
def test_the_least_cost_does_not_depend_on_the_form(seed: int, form: str) -> None:
    home = Household.of(seed)
    assert energy_cost(home, FORMS[form]) == pytest.approx(energy_cost(home, Form()), rel=COST)


@pytest.mark.parametrize("seed", SEEDS)
def test_finer_steps_cost_no_more(seed: int) -> None:
    home = Household.of(seed)
    assert energy_cost(home, Form(step_minutes=15)) <= energy_cost(home, Form()) * (1 + COST)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cost_told_is_that_of_the_powers_written(seed: int) -> None:
    home = Household.of(seed)
    site, outcome = planned(home, Form())
    net = np.array(home.load_kw) + sum(site.output(outcome, name).values for name in ("battery", "car"))
    cost = (np.maximum(net, 0) * home.buying + np.minimum(net, 0) * home.selling).sum() / 1000
    assert outcome.commitment_costs["electricity net energy"] == pytest.approx(cost, rel=1e-5)
    assert (net <= home.site_kw + 1e-4).all()
    # The wish for the car is met.
    assert 2 + site.output(outcome, "car").values[:6].sum() >= home.wish_kwh - 1e-4
