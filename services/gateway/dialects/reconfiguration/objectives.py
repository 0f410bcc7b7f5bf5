"""The five objectives as this API names them, in the order in which clients plot them, and what a client may have them weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import InvalidInput

OBJECTIVE_NAMES = (
    "Total loss (MWh)",
    "IMax violation (Ah)",
    "IMax(50.0%) violation (Ah)",
    "Switching cost",
    "KILE cost",
)


class BadWeight(InvalidInput):
    """There is no such objective, or the weight is none that it can have."""

    code = "bad_weight"


@dataclass(frozen=True, slots=True)
class WeightOf:
    """What one objective shall weigh."""

    name: str
    weight: float


def changed_weights(before: Sequence[float], given: Sequence[WeightOf]) -> list[float]:
    """(5,) the weights after a change; of several for one objective the last counts.

    Raises:
        BadWeight: no such objective, or a negative weight.
    """
    weights = list(before)
    for one in given:
        if one.name not in OBJECTIVE_NAMES:
            known = ", ".join(f"'{name}'" for name in OBJECTIVE_NAMES)
            raise BadWeight(f"The objective '{one.name}' is unknown; there are {known}.")
        if one.weight < 0.0:
            raise BadWeight(f"The weight {one.weight:g} of the objective '{one.name}' is negative.")
        weights[OBJECTIVE_NAMES.index(one.name)] = one.weight
    return weights
