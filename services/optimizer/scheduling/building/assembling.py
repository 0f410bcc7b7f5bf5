"""Puts a whole problem together: devices, stocks, connections, groups, converters, contracts and preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.optimizer.scheduling.building.commodity_terms import CommodityTerms, breach_prices, terms_of
from services.optimizer.scheduling.building.couplings import couplings_of
from services.optimizer.scheduling.building.device_breaches import (
    DeviceBreachPrices,
    add_device_breaches,
    device_breach_prices,
    with_soft_capacities,
)
from services.optimizer.scheduling.building.devices import FlexibleDevice, fixed_device, flexible_device
from services.optimizer.scheduling.building.filled_terms import FilledTerms, filled_terms
from services.optimizer.scheduling.building.ground import Ground, timezone_of
from services.optimizer.scheduling.building.groups import add_group
from services.optimizer.scheduling.building.numbering import Numbering, numbering_of
from services.optimizer.scheduling.building.parts import Parts
from services.optimizer.scheduling.building.preferences import preference_for_full, price_spread, tiny_prices
from services.optimizer.scheduling.building.process_devices import process_device
from services.optimizer.scheduling.building.site_limits import add_connection, add_internal_node
from services.optimizer.scheduling.building.soc_costs import add_soc_costs, soc_breach_prices
from services.optimizer.scheduling.building.stocks import KnownStock, known_stock
from services.optimizer.scheduling.building.user_commitments import contract_commitment
from services.optimizer.scheduling.problem import Commitment, ScheduleProblem, Stock
from shared.flexibility.collection import Collected


@dataclass(frozen=True)
class BuiltProblem:
    """A problem, and how its numbers lead back to the configuration.

    Attributes:
        terms: of all commodities, electricity first.
        devices: the flexible ones, by number; inflexible ones come after them in the problem.
        stocks: as the problem numbers them.
        cost_names: all commitments to report, also those that bind nothing and are not in the problem.
    """

    problem: ScheduleProblem
    collected: Collected
    terms: tuple[CommodityTerms, ...]
    numbering: Numbering
    devices: tuple[FlexibleDevice, ...]
    stocks: tuple[KnownStock, ...]
    cost_names: tuple[str, ...]


@dataclass(frozen=True)
class _Setting:
    """What all parts of one problem are made from. ``filled`` are the terms of the commodities that are no internal nodes."""

    collected: Collected
    ground: Ground
    clock: str
    numbering: Numbering
    terms: tuple[CommodityTerms, ...]
    filled: Mapping[str, FilledTerms]


def build_problem(collected: Collected, ground: Ground) -> BuiltProblem:
    """The problem of a configuration on its ground, which gathers the warnings.

    Raises:
        PlanImpossible: What is given makes no problem; the message says what is missing or contradicts.
    """
    setting = _setting(collected, ground)
    breach = device_breach_prices(breach_prices(collected.context), ground, setting.clock)
    devices = _devices(setting, breach)
    inflexible = [
        fixed_device(number, one, ground) for number, one in enumerate(collected.inflexible_devices, start=len(devices))
    ]
    known = [known_stock(collected, one, setting.numbering.of_entry, devices, ground) for one in collected.stocks]
    stocks = tuple(one for one in known if one is not None)
    parts = Parts(ground.window.step_h)
    _add_commodities(parts, setting)
    for index, members in setting.numbering.of_group.items():
        add_group(parts, collected.entries[index], members, ground)
    for number, device in enumerate(devices):
        add_device_breaches(parts, number, device, breach)
    solver_stocks = _add_stocks(parts, stocks, setting)
    _add_contracts(parts, setting)
    problem = ScheduleProblem(
        ground.window.step_h,
        ground.window.count,
        (*(one.device for one in devices), *inflexible),
        solver_stocks,
        tuple(parts.limits),
        couplings_of(devices),
        tuple(parts.commitments),
    )
    return BuiltProblem(problem, collected, setting.terms, setting.numbering, devices, stocks, tuple(parts.names))


def _setting(collected: Collected, ground: Ground) -> _Setting:
    # The context's days and months are counted on the clock of the first power sensor.
    clock = timezone_of(next((one.entry.power_sensor_id for one in collected.devices), None), ground.sensors)
    numbering = numbering_of(collected)
    terms = terms_of(collected.context, numbering.commodities)
    for text in (text for one in terms for text in one.warnings):
        ground.warn(text)
    filled = {
        one.commodity: filled_terms(one, ground, clock)
        for one in terms
        if not one.is_internal_node and one.commodity in numbering.of_commodity
    }
    return _Setting(collected, ground, clock, numbering, terms, filled)


def _devices(setting: _Setting, breach: DeviceBreachPrices) -> tuple[FlexibleDevice, ...]:
    devices = []
    for number, one in enumerate(setting.collected.devices):
        if one.entry.process is not None:
            terms = setting.filled.get(one.entry.commodity)
            prices = None if terms is None else terms.consumption.price
            devices.append(process_device(number, one, one.entry.process, prices, setting.ground))
        else:
            devices.append(with_soft_capacities(flexible_device(number, one, setting.ground), breach))
    return tuple(devices)


def _add_commodities(parts: Parts, setting: _Setting) -> None:
    """Adds the connection, or the balance, of each commodity that devices have."""
    for commodity, members in setting.numbering.of_commodity.items():
        terms = setting.filled.get(commodity)
        if terms is None:
            add_internal_node(parts, commodity, members, setting.ground.window.count)
        else:
            add_connection(parts, terms, members)


def _add_stocks(parts: Parts, stocks: Sequence[KnownStock], setting: _Setting) -> tuple[Stock, ...]:
    """Adds the costs of wishes and the preferences; the stocks as the solver sees them."""
    context, ground = setting.collected.context, setting.ground
    first = next(iter(setting.filled.values()), None)
    spread = price_spread(None if first is None else first.consumption.price)
    # Beyond the known prices nothing is preferred.
    weighed = np.full(ground.window.count, fill_value=True) if first is None else first.is_price_known
    solver_stocks = []
    for number, one in enumerate(stocks):
        breach = soc_breach_prices(context, ground, setting.clock, has_off_tick=one.wishes.has_off_tick)
        add_soc_costs(parts, number, one, breach)
        solver_stocks.append(
            one.for_solver(
                minima=breach.minima is None, maxima=breach.maxima is None, targets=not breach.are_targets_soft
            )
        )
        entry = one.description.entry
        if entry.prefer_charging_sooner and one.limits.soc_max_mwh is not None and one.members:
            tiny = weighed * tiny_prices(ground.window.count, spread, falls=entry.prefer_curtailing_later)
            parts.add(preference_for_full(one.members[0], number, one.limits.soc_max_mwh, tiny, parts.step_h))
    return tuple(solver_stocks)


def _add_contracts(parts: Parts, setting: _Setting) -> None:
    internal = set(parts.names)
    for terms in setting.terms:
        for contract in terms.commitments:
            group = setting.collected.groups.get(contract.group) if contract.group is not None else None
            commitment = contract_commitment(
                contract, terms.commodity, group, setting.numbering, setting.ground, setting.clock
            )
            if commitment is not None:
                parts.add(_named_apart(commitment, internal))


def _named_apart(commitment: Commitment, internal: set[str]) -> Commitment:
    """A contract that bears the name of one of ours is reported as custom."""
    if commitment.name not in internal:
        return commitment
    return replace(commitment, name=f"{commitment.name} (custom)")
