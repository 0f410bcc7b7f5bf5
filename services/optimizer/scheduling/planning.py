"""The one call for a child process: from a collected configuration and the series that were read to schedules and their costs.

Whoever calls it first asks ``building.needed_series.needs_of`` for the window and for the series to read. Request and outcome are
plain values that can be pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.optimizer.scheduling.building.assembling import build_problem
from services.optimizer.scheduling.building.contradictions import refuse_contradictions
from services.optimizer.scheduling.building.ground import Ground
from services.optimizer.scheduling.building.input_series import InputSeries, SeriesKey
from services.optimizer.scheduling.building.window import Window
from services.optimizer.scheduling.errors import Infeasible, ProblemMalformed, SolverFailed
from services.optimizer.scheduling.results.costs import costs_by_name
from services.optimizer.scheduling.results.outputs import SensorOutput, outputs_of
from services.optimizer.scheduling.results.wishes import WishItem, wishes_met
from services.optimizer.scheduling.solver import solve
from shared.errors import BusbarError
from shared.flexibility.collection import Collected
from shared.flexibility.facts import Assets, Sensors


@dataclass(frozen=True)
class PlanRequest:
    """What a schedule is made from.

    ``window`` and ``warnings`` are those of ``needs_of``; ``inputs`` has what was found for each needed key (a key without any
    event may be left out). ``sensors`` and ``assets`` hold all that the configuration refers to: every sensor and asset named in
    it, and the ancestors of the asset.
    """

    collected: Collected
    window: Window
    sensors: Sensors
    assets: Assets
    inputs: Mapping[SeriesKey, InputSeries]
    warnings: tuple[str, ...] = ()
    time_limit_s: float = 60.0
    mip_gap: float = 0.0


@dataclass(frozen=True)
class Planned:
    """A schedule.

    Outputs are one for each sensor at most; ``resolved`` and ``unresolved`` are the job result's lists as JSON. Costs are in
    ``currency`` by the commitments' names. ``is_proven`` is False where time ran out before the best schedule was proven.
    """

    outputs: tuple[SensorOutput, ...]
    resolved: tuple[WishItem, ...]
    unresolved: tuple[WishItem, ...]
    commitment_costs: Mapping[str, float]
    currency: str
    gap: float
    is_proven: bool
    warnings: tuple[str, ...]

    @property
    def num_beliefs(self) -> int:
        """How many values are to be stored."""
        return sum(len(output.values) for output in self.outputs)


@dataclass(frozen=True)
class PlanFailed:
    """No schedule. The API says "Scheduling job failed with <error_type>: <message>"; ``detail`` is for whoever looks closer."""

    error_type: str
    message: str
    detail: str | None = None
    warnings: tuple[str, ...] = ()


def plan(request: PlanRequest) -> Planned | PlanFailed:
    """The least-cost schedule of all devices, or why there is none. What is wrong with the input never raises; bugs do."""
    collected = request.collected
    ground = Ground(request.window, request.inputs, request.sensors, request.assets, collected.context.currency)
    for text in (*request.warnings, *collected.warnings):
        ground.warn(text)
    try:
        return _planned(request, ground)
    except (ProblemMalformed, SolverFailed):
        raise
    except Infeasible as infeasible:
        # The type is what clients of this API know an infeasible problem by.
        return PlanFailed("str", "infeasible", _detail(infeasible, request.window), tuple(ground.warnings))
    except BusbarError as error:
        return PlanFailed(type(error).__name__, error.message, None, tuple(ground.warnings))


def _detail(infeasible: Infeasible, window: Window) -> str:
    """Which constraint cannot be kept, and when: some hold throughout a step, those of stocks at its end."""
    start, end = window.moment(infeasible.step), window.moment(infeasible.step + 1)
    return (
        f"No schedule keeps {infeasible.constraint} in step {infeasible.step + 1}, "
        f"from {start.isoformat()} to {end.isoformat()}."
    )


def _planned(request: PlanRequest, ground: Ground) -> Planned:
    built = build_problem(request.collected, ground)
    refuse_contradictions(built.problem, ground.window)
    solution = solve(built.problem, time_limit_s=request.time_limit_s, mip_gap=request.mip_gap)
    outputs = outputs_of(built, solution, ground)
    resolved, unresolved = wishes_met(built.stocks, solution.level_mwh, ground.window)
    if not solution.is_proven:
        ground.warn(
            f"Time ran out: the schedule is the best that was found, within {100 * solution.gap:.3g} % of the best."
        )
    return Planned(
        outputs,
        resolved,
        unresolved,
        costs_by_name(built, solution),
        ground.currency,
        solution.gap,
        solution.is_proven,
        tuple(ground.warnings),
    )
