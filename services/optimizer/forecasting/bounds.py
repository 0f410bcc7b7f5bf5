"""What is done to forecast figures at the end, in the order: not negative, within limits, snapped to a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Snap:
    """Values within [low, high) become ``target``."""

    target: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits in the sensor's unit; None is no limit."""

    is_positive: bool = False
    lower: float | None = None
    upper: float | None = None
    snaps: tuple[Snap, ...] = ()

    def applied_to(self, values: FloatArray) -> FloatArray:
        """The values within the bounds; of overlapping snaps the first one holds."""
        bounded = np.maximum(values, 0.0) if self.is_positive else values
        if self.lower is not None or self.upper is not None:
            bounded = np.clip(bounded, self.lower, self.upper)
        snapped = bounded.copy()
        for snap in reversed(self.snaps):
            snapped[(bounded >= snap.low) & (bounded < snap.high)] = snap.target
        return snapped
