"""Limits and commitments as they are gathered, and the pair of commitments that makes a limit soft."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services.optimizer.scheduling.problem import Commitment, FloatArray, Flow, Kind, Level, Limit


@dataclass
class Parts:
    """What has been gathered. ``names`` are all commitments to report, in order; those that bind no step are not in the problem."""

    step_h: float
    limits: list[Limit] = field(default_factory=list)
    commitments: list[Commitment] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)

    def add(self, commitment: Commitment) -> None:
        """Adds a commitment; one whose quantity is NaN in every step costs nothing and is only named."""
        self.names.setdefault(commitment.name)
        if not np.isnan(commitment.quantity).all():
            self.commitments.append(commitment)

    def add_limit(self, limit: Limit) -> None:
        """Adds a hard limit where it bounds anything."""
        if limit.devices and (np.isfinite(limit.lower_mw).any() or np.isfinite(limit.upper_mw).any()):
            self.limits.append(limit)


@dataclass(frozen=True)
class SoftLimit:
    """A quantity [MW or MWh] that may be passed upward or downward for a price, once for the highest breach, and in every step.

    ``price`` is that of the highest breach [currency/MW, or currency/MWh·h of a level]; a step costs ``price · step_h``. Infinite
    quantities bind nothing.
    """

    any_name: str
    all_name: str
    over: Flow | Level
    quantity: FloatArray
    price: FloatArray
    is_upper: bool


def soften(parts: Parts, soft: SoftLimit) -> None:
    """Adds both commitments of a soft limit."""
    quantity = np.where(np.isfinite(soft.quantity), soft.quantity, np.nan)
    sign = 1.0 if soft.is_upper else -1.0
    for name, kind, price in (
        (soft.any_name, Kind.ANY, sign * soft.price),
        (soft.all_name, Kind.EACH, sign * soft.price * parts.step_h),
    ):
        up, down = (price, None) if soft.is_upper else (None, price)
        parts.add(Commitment(name, kind, soft.over, quantity, up, down))
