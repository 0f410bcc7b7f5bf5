"""The functions that the service has children run. Each imports its work when called: in a child that is already there."""

from __future__ import annotations

from services.optimizer.tasks.flexibility_values import (
    Events,
    ForecastInput,
    FoundForecast,
    FoundSchedule,
    NoSchedule,
    PreparedSchedule,
    ScheduleInput,
    SolverLimits,
)
from services.optimizer.tasks.values import (
    EvaluatedSolution,
    LoadedNetwork,
    Malformed,
    NewSession,
    Refused,
    RepairedSolution,
    RepairInput,
    RunJob,
    SessionInput,
    SolutionUpload,
)
from shared.workers import Channel

# What the launcher of children imports before the first of them.
PRELOAD = ("services.optimizer.tasks.preload",)


def load_network(document: bytes) -> LoadedNetwork | Refused:
    """Read a network document, or say what is wrong with it."""
    from services.optimizer.tasks import networks

    return networks.load(document)


def load_cim_network(document: bytes, creator: str) -> LoadedNetwork | Refused | Malformed:
    """Read a CIM network, or say what is wrong with it."""
    from services.optimizer.tasks import networks

    return networks.load_cim(document, creator)


def analyse_network(document: bytes, verbose: bool, is_cim: bool) -> str:
    """The analysis report of a network document."""
    from services.optimizer.tasks import networks

    return networks.analyse(document, verbose=verbose, is_cim=is_cim)


def create_session(given: SessionInput) -> NewSession | Refused | Malformed:
    """Check what a session is made from and evaluate its first solution, or say what is wrong."""
    from services.optimizer.tasks import sessions

    return sessions.create(given)


def evaluate_solution(given: SolutionUpload) -> EvaluatedSolution | Refused | Malformed:
    """Evaluate an uploaded solution, or say what is wrong with it."""
    from services.optimizer.tasks import pool

    return pool.evaluate(given)


def repair_solution(given: RepairInput) -> RepairedSolution | Refused:
    """Make a copy of a solution radial, or say why that is impossible."""
    from services.optimizer.tasks import pool

    return pool.repaired(given)


def optimise_run(channel: Channel, job: RunJob) -> None:
    """Search until asked to stop or nothing better can exist; sends ``RunMessage`` values."""
    from services.optimizer.tasks import runs

    runs.optimise(channel, job)


def prepare_schedule(given: ScheduleInput) -> PreparedSchedule:
    """Collect the configuration of a schedule and say which series it needs."""
    from services.optimizer.tasks import schedules

    return schedules.prepare(given)


def plan_first_schedule() -> None:
    """Plan something small, so that the next schedule of this child takes no longer than others."""
    from services.optimizer.tasks import first_schedule

    first_schedule.first_schedule()


def plan_schedule(
    prepared: PreparedSchedule, series: tuple[Events, ...], limits: SolverLimits
) -> FoundSchedule | NoSchedule:
    """Find the least-cost schedule, or say why there is none."""
    from services.optimizer.tasks import schedules

    return schedules.plan(prepared, series, limits)


def make_forecast(given: ForecastInput) -> FoundForecast:
    """Learn from the past and look ahead."""
    from services.optimizer.tasks import forecasts

    return forecasts.make(given)
