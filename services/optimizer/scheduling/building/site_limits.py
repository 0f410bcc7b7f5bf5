"""What the connection of a commodity costs and allows: its energy, its peaks, its contracted and its physical capacities."""

from __future__ import annotations

import numpy as np

from services.optimizer.scheduling.building.filled_terms import Direction, FilledTerms
from services.optimizer.scheduling.building.parts import Parts, SoftLimit, soften
from services.optimizer.scheduling.problem import Commitment, FloatArray, Flow, Kind, Limit


def add_connection(parts: Parts, terms: FilledTerms, devices: tuple[int, ...]) -> None:
    """Adds all that is bound by the net power of a commodity's devices."""
    name, step_h, over = terms.commodity, parts.step_h, Flow(devices)
    energy = Commitment(
        f"{name} net energy",
        Kind.EACH,
        over,
        np.zeros_like(terms.consumption.price),
        terms.consumption.price * step_h,
        terms.production.price * step_h,
    )
    parts.add(energy)
    consumption = np.minimum(terms.consumption.capacity_mw, terms.power_capacity_mw)
    production = np.minimum(terms.production.capacity_mw, terms.power_capacity_mw)
    _add_direction(parts, name, "consumption", over, terms.consumption, consumption)
    _add_direction(parts, name, "production", over, terms.production, production)
    lower = terms.power_capacity_mw if terms.production.breach_price is not None else production
    upper = terms.power_capacity_mw if terms.consumption.breach_price is not None else consumption
    parts.add_limit(Limit(f"the site's capacity for {name}", devices, -lower, upper))


def add_internal_node(parts: Parts, commodity: str, devices: tuple[int, ...], step_count: int) -> None:
    """Adds that what some devices give of a commodity is what the others take."""
    nothing = np.zeros(step_count)
    parts.add_limit(Limit(f"the balance of {commodity}", devices, nothing, nothing))


def _add_direction(
    parts: Parts, name: str, which: str, over: Flow, direction: Direction, capacity_mw: FloatArray
) -> None:
    is_upper = which == "consumption"
    sign = 1.0 if is_upper else -1.0
    if direction.peak_price is not None:
        prices = (direction.peak_price, None) if is_upper else (None, -direction.peak_price)
        parts.add(Commitment(f"{name} {which} peak", Kind.ANY, over, sign * direction.peak_mw, *prices))
    if direction.breach_price is not None:
        any_name, all_name = f"{name} any {which} breach", f"{name} all {which} breaches"
        soften(parts, SoftLimit(any_name, all_name, over, sign * capacity_mw, direction.breach_price, is_upper))
