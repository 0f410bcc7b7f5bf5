"""Which wishes for states of charge are soft, and what missing them costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.optimizer.scheduling.building.commodity_terms import SOC_BREACH_PRICE_PER_MWH, breach_prices
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.building.parts import Parts, SoftLimit, soften
from services.optimizer.scheduling.building.series_filling import prices
from services.optimizer.scheduling.building.stocks import KnownStock
from services.optimizer.scheduling.problem import Commitment, FloatArray, Kind, Level
from shared.flexibility.flex_context import FlexContext


@dataclass(frozen=True)
class SocBreachPrices:
    """(N,) what missing a wish costs [currency/MWh]; None where it is hard. Targets are soft if both are."""

    minima: FloatArray | None
    maxima: FloatArray | None

    @property
    def are_targets_soft(self) -> bool:
        """Whether a target may be missed."""
        return self.minima is not None and self.maxima is not None


def soc_breach_prices(context: FlexContext, ground: Ground, timezone: str, *, has_off_tick: bool) -> SocBreachPrices:
    """The breach prices of wishes on the steps.

    Args:
        has_off_tick: whether the stock has wishes between two steps, which relax it unless ``relax-soc-constraints`` is said to be
            false.
    """
    breach = breach_prices(context)
    default = None
    if has_off_tick and context.relax_soc_constraints is None and not context.has_price_sensors:
        default = np.full(ground.window.count, SOC_BREACH_PRICE_PER_MWH)
    minima, maxima = (
        default if quantity is None else prices(quantity, ground, name, timezone).values
        for quantity, name in (
            (breach.soc_minima, "soc-minima-breach-price"),
            (breach.soc_maxima, "soc-maxima-breach-price"),
        )
    )
    return SocBreachPrices(minima, maxima)


def add_soc_costs(parts: Parts, stock: int, known: KnownStock, breach: SocBreachPrices) -> None:
    """Adds the commitments of the soft wishes of a stock."""
    over, bounds = Level(stock), known.wishes.bounds
    # The price of the highest breach: that of a step's is per MWh, and step_h times it.
    minima, maxima = (None if one is None else one / parts.step_h for one in (breach.minima, breach.maxima))
    if minima is not None and not np.isnan(bounds.minima).all():
        soften(parts, SoftLimit("any soc minima", "all soc minima", over, bounds.minima[1:], minima, is_upper=False))
    if maxima is not None and not np.isnan(bounds.maxima).all():
        soften(parts, SoftLimit("any soc maxima", "all soc maxima", over, bounds.maxima[1:], maxima, is_upper=True))
    if minima is not None and maxima is not None and not np.isnan(bounds.targets).all():
        targets, h = bounds.targets[1:], parts.step_h
        parts.add(Commitment("any soc targets", Kind.ANY, over, targets, maxima, -minima))
        parts.add(Commitment("all soc targets", Kind.EACH, over, targets, maxima * h, -minima * h))
