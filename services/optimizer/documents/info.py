"""Verdicts and connectivity as objects ready for JSON: dictionaries, lists, strings and finite numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.optimizer.documents.demand import period_document
from services.optimizer.documents.element import wire_number
from services.optimizer.reconfiguration.connectivity_status import ConnectivityStatus
from services.optimizer.reconfiguration.network import Period
from services.optimizer.reconfiguration.verdict import Verdict


def verdict_document(verdict: Verdict, periods: Sequence[Period]) -> dict[str, object]:
    """What a verdict says about a solution over these periods; the values are unweighted and may be ``"Infinity"``."""
    return {
        "is_feasible": verdict.is_feasible,
        "values": [_value(value) for value in verdict.values.tolist()],
        "period_information": [
            {"period": period_document(period), "changed_switches": changed}
            for period, changed in zip(periods, verdict.changed_switches, strict=True)
        ],
        "violations": [
            {"name": violation.name, "description": violation.description} for violation in verdict.violations
        ],
    }


def _value(value: float) -> float | str:
    """A flow that diverged can leave a value that is no number; nothing is worse, so it counts as infinite."""
    return wire_number(math.inf if math.isnan(value) else value)


def connectivity_document(status: ConnectivityStatus) -> dict[str, object]:
    """The connectivity status of a network, with ``None`` for lists that have nothing to say."""
    return {
        "ok": status.ok,
        "unbreakable_cycle": status.unbreakable_cycle,
        "unconnectable_buses": status.unconnectable_buses,
        "invalid_transformers": status.invalid_transformers,
    }
