"""The objective of a reconfiguration, as every service computes it: five values times five weights, the smaller the better.

The order is fixed on the wire: total loss [MWh], current above the limit [Ah], current above half the limit [Ah], switching
cost, cost of interruptions. Here and not in the optimizer, since the gateway weighs too and holds no mathematics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# Of a new session, as PGO has them.
DEFAULT_WEIGHTS = (1_000_000.0, 1_000.0, 1.0, 0.002, 1.0)

# An objective that is so close to a proven bound, relatively, is the optimum: a sum of doubles differs by less when its terms are
# added in another order.
OPTIMAL_WITHIN = 1e-9


def weighted_sum(weights: Sequence[float], values: Sequence[float]) -> float:
    """The objective of (5,) values under (5,) weights. A weight of zero leaves its value out, also an infinite one."""
    return sum((weight * value for weight, value in zip(weights, values, strict=True) if weight), start=0.0)


def is_reached(objective: float, bound: float) -> bool:
    """Whether an objective is as low as its proven bound, which makes it the optimum."""
    return math.isclose(objective, bound, rel_tol=OPTIMAL_WITHIN)


def relative_gap(objective: float, bound: float | None) -> float | None:
    """(objective - bound) / |objective|: the share by which a better solution could be better; None where that is not known."""
    if bound is None or not math.isfinite(objective) or not math.isfinite(bound):
        return None
    if objective == 0.0:
        return 0.0 if is_reached(objective, bound) else None
    return max(0.0, (objective - bound) / abs(objective))
