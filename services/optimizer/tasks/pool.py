"""Solutions of the pool: those that clients upload, and radial copies of others."""

from __future__ import annotations

from services.optimizer.documents import DocumentError, UnreadableDocumentError, read_solution
from services.optimizer.documents.cim import read_cim_solution
from services.optimizer.reconfiguration.repair import RepairImpossible, repair
from services.optimizer.tasks.packing import unpack
from services.optimizer.tasks.solutions import evaluate_in, read_session, rendered
from services.optimizer.tasks.values import (
    EvaluatedSolution,
    Malformed,
    Refused,
    RepairedSolution,
    RepairInput,
    SolutionUpload,
)


def evaluate(given: SolutionUpload) -> EvaluatedSolution | Refused | Malformed:
    """Read an uploaded solution and evaluate it; it need not be feasible, nor radial. Says the bare reason where it is no good."""
    session = read_session(given.session)
    try:
        if session.directory is None:
            configurations = read_solution(given.document, session.grid, session.demands)
        else:
            configurations = read_cim_solution(given.document, session.grid, session.demands, session.directory)
    except UnreadableDocumentError as err:
        return Malformed(err.path, err.message)
    except DocumentError as err:
        return Refused(err.message)
    return rendered(session, configurations, evaluate_in(session, configurations))


def repaired(given: RepairInput) -> RepairedSolution | Refused:
    """The radial solution with the fewest changes to another one. Says the bare reason where there is none."""
    session = read_session(given.session)
    shape = (len(session.demands.periods), len(session.grid.lines))
    try:
        made = repair(session.grid, session.reduction, unpack(given.configuration, *shape))
    except RepairImpossible as err:
        return Refused(err.message)
    solution = rendered(session, made.configurations, evaluate_in(session, made.configurations))
    return RepairedSolution(solution, made.opened, made.closed)
