"""The customer's own contracts: a baseline for the net power of some devices, and prices for deviating from it."""

from __future__ import annotations

from dataclasses import replace

from services.optimizer.scheduling.building.errors import PlanImpossible
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.building.numbering import Numbering
from services.optimizer.scheduling.building.series_filling import filled
from services.optimizer.scheduling.problem import Commitment, FloatArray, Flow, Kind
from shared.flexibility.flex_context import Commitment as Contract
from shared.flexibility.quantities import (
    Filling,
    Fixed,
    Gap,
    Overlap,
    QuantityKind,
    Segments,
    SensorReference,
    VariableQuantity,
)
from shared.units import UnitKind, kind_of

# Neither baseline nor prices are extended: where one is missing, nothing is owed.
_CONTRACT_FILLING = Filling(Overlap.FIRST, Gap.UNBOUND)


def contract_commitment(
    contract: Contract, commodity: str, group: int | None, numbering: Numbering, ground: Ground, timezone: str
) -> Commitment | None:
    """The commitment of a contract; None where its scope names nothing of this schedule (which collecting warns of).

    Args:
        commodity: of the context that holds the contract.
        group: position of the entry of the contract's group, None where there is no such group.
    Raises:
        PlanImpossible: The scope spans two commodities.
    """
    devices = _scope(contract, commodity, group, numbering)
    if devices is None:
        return None
    if len({numbering.commodities[number] for number in devices}) > 1:
        raise PlanImpossible(f"The commitment '{contract.name}' is about devices of more than one commodity.")
    baseline = filled(contract.baseline, _CONTRACT_FILLING, ground, timezone)
    up, down = (_price(quantity, ground, timezone) for quantity in (contract.up_price, contract.down_price))
    return Commitment(contract.name, Kind.EACH, Flow(devices), baseline, up, down)


def _scope(contract: Contract, commodity: str, group: int | None, numbering: Numbering) -> tuple[int, ...] | None:
    if contract.group is not None:
        return numbering.of_group.get(group) or None if group is not None else None
    if not contract.sensor_ids:
        return numbering.of_commodity.get(commodity)
    named = {number for one in contract.sensor_ids for number in numbering.of_sensor.get(one, ())}
    return tuple(sorted(named)) or None


def _price(quantity: VariableQuantity | None, ground: Ground, timezone: str) -> FloatArray | None:
    """(N,) price of each MW in a step: as given per power, times the step where given per energy."""
    step_h = ground.window.step_h
    if quantity is None:
        return None
    if isinstance(quantity, SensorReference):
        per_power = kind_of(ground.sensors[quantity.sensor_id].unit) is UnitKind.POWER_PRICE
        return filled(quantity, _CONTRACT_FILLING, ground, timezone) * (1.0 if per_power else step_h)
    if isinstance(quantity, Fixed):
        quantity = _per_step(quantity, step_h)
    else:
        segments = tuple(replace(one, value=_per_step(one.value, step_h)) for one in quantity.segments)
        quantity = Segments(segments, quantity.kind)
    return filled(quantity, _CONTRACT_FILLING, ground, timezone)


def _per_step(price: Fixed, step_h: float) -> Fixed:
    return price if price.kind is QuantityKind.POWER_PRICE else replace(price, value=price.value * step_h)
