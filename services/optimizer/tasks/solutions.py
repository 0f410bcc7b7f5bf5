"""A session as arrays, and the exact evaluation of a solution of it as it is stored."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from services.optimizer.documents import (
    read_demands,
    read_power_grid,
    read_start_configuration,
    verdict_document,
    write_solution,
)
from services.optimizer.documents.cim import (
    CimDirectory,
    read_cim_demands,
    read_cim_session,
    read_cim_start_configuration,
    write_cim_solution,
)
from services.optimizer.reconfiguration.evaluation import Evaluation, evaluate
from services.optimizer.reconfiguration.network import BoolArray, Demands, PowerGrid
from services.optimizer.reconfiguration.reduction import Reduction, reduce_network
from services.optimizer.reconfiguration.verdict import Verdict
from services.optimizer.tasks.certificate import certify
from services.optimizer.tasks.packing import pack
from services.optimizer.tasks.values import EvaluatedSolution, Rank, SessionInput, Weights
from shared.clock import SystemClock
from shared.objective import weighted_sum


@dataclass(frozen=True)
class Session:
    """What a session's documents say."""

    grid: PowerGrid
    reduction: Reduction
    demands: Demands
    start: BoolArray | None  # (L,)
    provenance: dict[str, str]
    directory: CimDirectory | None = None  # of a session on a CIM network


def read_session(given: SessionInput) -> Session:
    """A session whose documents were found right before."""
    grid = read_power_grid(given.network)
    if given.is_cim:
        return _read_cim_session(given, grid)
    demands = read_demands(given.demands, grid, allow_unspecified=given.allow_unspecified_demands)
    start = None if given.start_configuration is None else read_start_configuration(given.start_configuration, grid)
    return Session(grid, reduce_network(grid), demands, start, provenance_of(given))


def _read_cim_session(given: SessionInput, grid: PowerGrid) -> Session:
    directory = CimDirectory.of_network(given.network)
    upload = read_cim_session(given.demands)
    demands = read_cim_demands(upload, grid, directory)
    settings = upload.start_configuration
    start = None if settings is None else read_cim_start_configuration(settings, grid, directory)
    return Session(grid, reduce_network(grid), demands, start, provenance_of(given), directory)


def provenance_of(given: SessionInput) -> dict[str, str]:
    """What a result was computed from, and by what."""
    return {
        "engine": f"busbar {version('busbar')}",
        "network_sha256": hashlib.sha256(given.network).hexdigest(),
        "demands_sha256": hashlib.sha256(given.demands).hexdigest(),
    }


def evaluate_in(session: Session, configurations: BoolArray) -> Evaluation:
    """The exact evaluation of (T, L) configurations."""
    return evaluate(session.grid, session.reduction, session.demands, configurations, session.start)


def rank_of(verdict: Verdict, weights: Weights) -> Rank:
    """Where a solution stands."""
    return Rank(verdict.is_feasible, _comparable(verdict.violation_amount), weighted_sum(weights, _values(verdict)))


def rendered(session: Session, configurations: BoolArray, evaluation: Evaluation) -> EvaluatedSolution:
    """An evaluated solution with everything that is stored of it.

    Raises:
        CertificateFailed: the result does not stand up to its own check.
    """
    verdict = evaluation.verdict
    certificate = certify(session.grid, session.demands, evaluation.flows, verdict)
    shown: dict[str, Any] = verdict_document(verdict, session.demands.periods)  # Any: JSON
    return EvaluatedSolution(
        configuration=pack(configurations),
        is_feasible=verdict.is_feasible,
        violation_amount=_comparable(verdict.violation_amount),
        objective_values=_values(verdict),
        verdict={**shown, "certificate": {**asdict(certificate), **session.provenance}},
        document=_document(session, configurations, evaluation),
    )


def _document(session: Session, configurations: BoolArray, evaluation: Evaluation) -> bytes:
    if session.directory is None:
        return write_solution(
            session.grid, session.demands, configurations, evaluation.flows, evaluation.expected_costs
        )
    ids = [uuid4() for _ in session.demands.periods]
    now = SystemClock().now()
    return write_cim_solution(session.grid, session.directory, configurations, ids=ids, generated_at=now)


def _values(verdict: Verdict) -> tuple[float, ...]:
    return tuple(_comparable(value) for value in verdict.values.tolist())


def _comparable(value: float) -> float:
    """What a diverged flow leaves may be no number; nothing is worse, and so it compares."""
    return math.inf if math.isnan(value) else value
