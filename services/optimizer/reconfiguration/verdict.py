"""The judgement of one solution: its objectives, what is wrong with it, and how many switches it moves. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from services.optimizer.reconfiguration.network import FloatArray


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a solution is infeasible."""

    name: str
    description: str | None


@dataclass(frozen=True)
class Verdict:
    """What an evaluation found. ``values`` is (5,), unweighted, in the order of the objectives in ``problem``."""

    is_feasible: bool  # no violations
    violations: tuple[Violation, ...]
    values: FloatArray  # (5,) positions TOTAL_LOSS ... INTERRUPTION
    violation_amount: float  # compares infeasible solutions; 0 when feasible
    changed_switches: tuple[int, ...]  # per period, against the period before (the first: against the start)
