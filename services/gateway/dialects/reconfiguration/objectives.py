"""The five objectives as this API names them, in the order in which clients plot them."""

from __future__ import annotations

OBJECTIVE_NAMES = (
    "Total loss (MWh)",
    "IMax violation (Ah)",
    "IMax(50.0%) violation (Ah)",
    "Switching cost",
    "KILE cost",
)
