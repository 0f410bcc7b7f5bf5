"""Puts a whole problem together: devices, stocks, connections, groups, converters, contracts and preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.optimizer.scheduling.building.commodity_terms import CommodityTerms, breach_prices, terms_of
from services.optimizer.scheduling.building.couplings import couplings_of
from services.optimizer.scheduling.building.device_breaches import (
    add_device_breaches,
    device_breach_prices,
    with_soft_capacities,
)
from services.optimizer.scheduling.building.devices import FlexibleDevice, fixed_device, flexible_device
from services.optimizer.scheduling.building.filled_terms import FilledTerms, filled_terms
from services.optimizer.scheduling.building.ground import Ground, timezone_of
from services.optimizer.scheduling.building.groups import add_group, groups_of, named_group
from services.optimizer.scheduling.building.parts import Parts
from services.optimizer.scheduling.building.preferences import preference_for_full, price_spread, tiny_prices
from services.optimizer.scheduling.building.site_limits import add_connection, add_internal_node
from services.optimizer.scheduling.building.soc_costs import add_soc_costs, soc_breach_prices
from services.optimizer.scheduling.building.stocks import KnownStock, known_stock
from services.optimizer.scheduling.building.user_commitments import Scopes, contract_commitment
from services.optimizer.scheduling.problem import Commitment, Device, ScheduleProblem, Stock
from shared.flexibility.collection import Collected
from shared.flexibility.flex_model import ELECTRICITY


@dataclass(frozen=True)
class BuiltProblem:
    """A problem, and how its numbers lead back to the configuration.

    Attributes:
        devices: the flexible ones, by number; inflexible ones come after them in the problem.
        numbers: number of the device that an entry (by position) describes, inflexible ones included.
        of_commodity: the devices of each commodity, inflexible ones included.
        of_group: the devices of each group, by the position of its entry.
        stocks: as the problem numbers them.
        cost_names: all commitments to report, also those that bind nothing and are not in the problem.
    """

    problem: ScheduleProblem
    collected: Collected
    terms: tuple[CommodityTerms, ...]
    devices: tuple[FlexibleDevice, ...]
    numbers: Mapping[int, int]
    of_commodity: Mapping[str, tuple[int, ...]]
    of_group: Mapping[int, tuple[int, ...]]
    stocks: tuple[KnownStock, ...]
    cost_names: tuple[str, ...]


def build_problem(collected: Collected, ground: Ground) -> BuiltProblem:
    """The problem of a configuration on its ground, which gathers the warnings.

    Raises:
        PlanImpossible: What is given makes no problem; the message says what is missing or contradicts.
    """
    clock = _clock(collected, ground)
    breach = device_breach_prices(breach_prices(collected.context), ground, clock)
    devices = tuple(
        with_soft_capacities(flexible_device(number, one, ground), breach)
        for number, one in enumerate(collected.devices)
    )
    inflexible = [
        fixed_device(len(devices) + number, one, ground) for number, one in enumerate(collected.inflexible_devices)
    ]
    numbers = _numbers(collected)
    of_commodity, commodities = _by_commodity(collected)
    groups = groups_of(collected, numbers)
    parts = Parts(ground.window.step_h)
    all_terms = terms_of(collected.context, commodities)
    for text in (text for one in all_terms for text in one.warnings):
        ground.warn(text)
    terms = _add_commodities(parts, all_terms, of_commodity, ground, clock)
    for index, members in groups.items():
        add_group(parts, collected.entries[index], members, ground)
    for number, device in enumerate(devices):
        add_device_breaches(parts, number, device, breach)
    known = [known_stock(collected, one, numbers, devices, ground) for one in collected.stocks]
    stocks = tuple(one for one in known if one is not None)
    solver_stocks = _add_stocks(parts, stocks, collected, terms, ground, clock)
    scopes = Scopes(of_commodity, _by_sensor(collected, groups), groups, commodities)
    _add_contracts(parts, collected, all_terms, scopes, ground, clock)
    problem = ScheduleProblem(
        ground.window.step_h,
        ground.window.count,
        tuple(_solver_devices(devices, inflexible)),
        solver_stocks,
        tuple(parts.limits),
        couplings_of(devices),
        tuple(parts.commitments),
    )
    return BuiltProblem(
        problem, collected, all_terms, devices, numbers, of_commodity, groups, stocks, tuple(parts.names)
    )


def _solver_devices(devices: Sequence[FlexibleDevice], inflexible: Sequence[Device]) -> list[Device]:
    return [one.device for one in devices] + list(inflexible)


def _clock(collected: Collected, ground: Ground) -> str:
    """The clock that the context's days and months are counted on: that of the first power sensor."""
    return timezone_of(next((one.entry.power_sensor_id for one in collected.devices), None), ground.sensors)


def _numbers(collected: Collected) -> dict[int, int]:
    numbers = {index: number for number, index in enumerate(collected.device_indices)}
    for number, one in enumerate(collected.inflexible_devices, start=len(numbers)):
        if one.entry_index is not None:
            numbers[one.entry_index] = number
    return numbers


def _by_commodity(collected: Collected) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    commodities = [one.entry.commodity for one in collected.devices]
    commodities += [one.commodity for one in collected.inflexible_devices]
    named = dict.fromkeys(sorted(commodities, key=lambda name: name != ELECTRICITY))
    of_commodity = {name: tuple(i for i, one in enumerate(commodities) if one == name) for name in named}
    return of_commodity, tuple(commodities)


def _by_sensor(collected: Collected, groups: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """The devices that each sensor stands for: those whose power it holds, and all of a group."""
    of_sensor: dict[int, tuple[int, ...]] = {}
    for index, members in groups.items():
        sensor_id = collected.entries[index].entry.sensor_id
        if sensor_id is not None:
            of_sensor[sensor_id] = members
    for number, one in enumerate(collected.devices):
        for sensor_id in (one.entry.sensor_id, one.entry.consumption_sensor_id, one.entry.production_sensor_id):
            if sensor_id is not None:
                of_sensor[sensor_id] = (number,)
    for number, inflexible in enumerate(collected.inflexible_devices, start=len(collected.devices)):
        of_sensor.setdefault(inflexible.reference.sensor_id, (number,))
    return of_sensor


def _add_commodities(
    parts: Parts,
    all_terms: Sequence[CommodityTerms],
    of_commodity: Mapping[str, tuple[int, ...]],
    ground: Ground,
    clock: str,
) -> list[FilledTerms]:
    """Adds the connection, or the balance, of each commodity that devices have; the terms of those that have one."""
    filled = []
    for one in all_terms:
        members = of_commodity.get(one.commodity, ())
        if not members:
            continue
        if one.is_internal_node:
            add_internal_node(parts, one.commodity, members, ground.window.count)
        else:
            terms = filled_terms(one, ground, clock)
            add_connection(parts, terms, members)
            filled.append(terms)
    return filled


def _add_stocks(
    parts: Parts,
    stocks: Sequence[KnownStock],
    collected: Collected,
    terms: Sequence[FilledTerms],
    ground: Ground,
    clock: str,
) -> tuple[Stock, ...]:
    """Adds the costs of wishes and the preferences; the stocks as the solver sees them."""
    spread = price_spread(terms[0].consumption.price if terms else None)
    weighed = terms[0].is_price_known if terms else np.full(ground.window.count, fill_value=True)
    solver_stocks = []
    for number, one in enumerate(stocks):
        breach = soc_breach_prices(collected.context, ground, clock, has_off_tick=one.wishes.has_off_tick)
        add_soc_costs(parts, number, one, breach)
        solver_stocks.append(
            one.for_solver(
                minima=breach.minima is None, maxima=breach.maxima is None, targets=not breach.are_targets_soft
            )
        )
        entry = one.description.entry
        if entry.prefer_charging_sooner and one.limits.soc_max_mwh is not None and one.members:
            # Beyond the known prices nothing is preferred.
            tiny = weighed * tiny_prices(ground.window.count, spread, falls=entry.prefer_curtailing_later)
            parts.add(preference_for_full(one.members[0], number, one.limits.soc_max_mwh, tiny, parts.step_h))
    return tuple(solver_stocks)


def _add_contracts(
    parts: Parts,
    collected: Collected,
    all_terms: Sequence[CommodityTerms],
    scopes: Scopes,
    ground: Ground,
    clock: str,
) -> None:
    internal = set(parts.names)
    for terms in all_terms:
        for contract in terms.commitments:
            group = named_group(contract.group, collected) if contract.group is not None else None
            commitment = contract_commitment(contract, terms.commodity, group, scopes, ground, clock)
            if commitment is not None:
                parts.add(_named_apart(commitment, internal))


def _named_apart(commitment: Commitment, internal: set[str]) -> Commitment:
    """A contract that bears the name of one of ours is reported as custom."""
    if commitment.name not in internal:
        return commitment
    return replace(commitment, name=f"{commitment.name} (custom)")
