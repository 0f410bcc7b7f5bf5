"""Messages of network reconfiguration. The documents they speak of are in Postgres under the keys they carry."""

from __future__ import annotations

from typing import ClassVar, Literal

from shared.contracts.asks import Question
from shared.contracts.message import Message, Queue
from shared.ids import NetworkKey, RunId, SessionKey, SolutionKey

# Questions that a client waits for, and long runs, do not queue behind each other.
QUESTIONS = Queue("busbar.optimizer.reconfiguration.questions")
RUNS = Queue("busbar.optimizer.reconfiguration.runs")


class NetworkLoadRequested(Question):
    """A network document was uploaded: read it, find what is wrong with it, keep its normalised form."""

    name = "reconfiguration.network.load.requested"
    queue: ClassVar[Queue | None] = QUESTIONS
    network_key: NetworkKey


class NetworkAnalysisRequested(Question):
    """Somebody wants the analysis report of a loaded network."""

    name = "reconfiguration.network.analysis.requested"
    queue: ClassVar[Queue | None] = QUESTIONS
    network_key: NetworkKey
    verbose: bool = False


class SessionCreationRequested(Question):
    """Demands and perhaps a start configuration were uploaded for a network: check them, evaluate the first solution."""

    name = "reconfiguration.session.creation.requested"
    queue: ClassVar[Queue | None] = QUESTIONS
    session_key: SessionKey


class SolutionEvaluationRequested(Question):
    """A solution was uploaded for the pool of a session: check it, evaluate it."""

    name = "reconfiguration.solution.evaluation.requested"
    queue: ClassVar[Queue | None] = QUESTIONS
    solution_key: SolutionKey


class SolutionRepairRequested(Question):
    """A solution of the pool shall be a radial copy of another one, or of the best where no source is named."""

    name = "reconfiguration.solution.repair.requested"
    queue: ClassVar[Queue | None] = QUESTIONS
    solution_key: SolutionKey
    source_key: SolutionKey | None = None


class RunRequested(Message):
    """An optimisation was started; whoever gets the lease of the run works on it until it is stopped."""

    name = "reconfiguration.run.requested"
    queue: ClassVar[Queue | None] = RUNS
    run_id: RunId
    session_key: SessionKey


class RunProgressed(Message):
    """The best solution of a session was replaced during a run."""

    name = "reconfiguration.run.progressed"
    run_id: RunId
    session_key: SessionKey


class RunFinished(Message):
    """A run has ended: stopped as asked, or failed again and again."""

    name = "reconfiguration.run.finished"
    run_id: RunId
    session_key: SessionKey
    outcome: Literal["stopped", "failed"]
