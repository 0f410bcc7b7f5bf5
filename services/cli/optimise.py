"""``busbar optimise``: the optimisation that the service runs in its children, run here on documents from files."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from services.cli.optimise_inputs import Documents, Files, open_session, read_documents
from services.cli.optimise_progress import Display, State, display_on
from services.cli.optimise_result import Timing, result_of, text_of
from services.cli.usage import WrongUsage
from services.cli.whole_files import write_whole
from services.optimizer.reconfiguration.optimise import Progress
from services.optimizer.reconfiguration.warm import warm
from services.optimizer.tasks.certificate import CertificateFailed
from services.optimizer.tasks.runs import optimise_in_steps
from services.optimizer.tasks.sessions import first_configurations
from services.optimizer.tasks.solutions import Session, evaluate_in, rendered
from services.optimizer.tasks.values import (
    Bounded,
    Discarded,
    EvaluatedSolution,
    Improved,
    RunJob,
    RunMessage,
    Started,
    Weights,
)
from shared.errors import BusbarError
from shared.objective import relative_gap


class ResultUnsound(BusbarError):
    """The start does not stand up to the check of its own figures; exit status 1."""

    code = "result_unsound"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, how sure, and with what the search is done."""

    minutes: float
    gap: float  # a fraction of the objective
    seed: int
    threads: int  # at most


class Run:
    """What a run has found so far, and whether it shall end: the other side of the line on which the optimiser reports."""

    def __init__(self, first: EvaluatedSolution, weights: Weights, limits: Limits, read_at: float) -> None:
        self.best = first
        self.bound: Bounded | None = None
        self.trials = 0
        self.threads = 1  # that have worked at a time
        self.remarks: list[str] = []
        self.is_interrupted = False
        self._weights = weights
        self._limits = limits
        self._read_at = read_at
        self.best_at_s = self._seen_at_s = self.elapsed_s

    @property
    def elapsed_s(self) -> float:
        """Time since the documents were read."""
        return time.monotonic() - self._read_at

    @property
    def objective(self) -> float:
        """Of the best solution so far."""
        return self.best.rank(self._weights).objective

    @property
    def gap(self) -> float | None:
        """By which share a better solution could be better at most; None where nothing is known."""
        if self.bound is None or not self.best.is_feasible:
            return None
        return relative_gap(self.objective, self.bound.bound)

    @property
    def state(self) -> State:
        """What people see of it."""
        bound = None if self.bound is None else self.bound.bound
        return State(self.elapsed_s, self.best.is_feasible, self.objective, bound, self.gap, self.trials)

    @property
    def is_stopping(self) -> bool:
        """Whether the run shall end: interrupted, out of time, or sure enough."""
        return self.is_interrupted or self.elapsed_s >= 60.0 * self._limits.minutes or self._is_sure

    @property
    def _is_sure(self) -> bool:
        if self.bound is None or self.gap is None:
            return False
        return self.bound.is_optimal or self.gap <= self._limits.gap

    def send(self, message: RunMessage) -> None:
        """Take in what was found."""
        match message:
            case Started(solution) | Improved(solution):
                if solution.rank(self._weights).precedes(self.best.rank(self._weights)):
                    self.best, self.best_at_s = solution, self._seen_at_s
            case Bounded():
                self.bound = message
            case Discarded(reason):
                self.remarks.append(f"a solution was discarded: {reason}")

    def note(self, progress: Progress) -> None:
        """Take in how the search stands, before what is new of it is evaluated and sent."""
        self.trials, self.threads = progress.trials, progress.threads
        if progress.is_open is not None:
            self._seen_at_s = self.elapsed_s


def run_optimise(files: Files, limits: Limits, enumeration_limit: int, out: Path | None, *, as_json: bool) -> None:
    """Optimise, print the result, write the solution.

    Raises:
        WrongUsage: documents are wrong, or there is no place for the solution.
        ResultUnsound: the start's own figures do not add up; FileNotWritten: its file could not be written after all.
    """
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise WrongUsage(f"{out}: --out wants a file in a folder that is there")
    warm()  # loads what set-up has compiled, so that times are those of the work
    gc.freeze()  # all that stays; looking through it again and again makes a third of the reading of ten thousand buses
    documents = read_documents(files)
    read_at = time.monotonic()
    session = open_session(documents)
    run = Run(_first(session), documents.weights, limits, read_at)
    with display_on(sys.stderr) as display, _interruptible(run):
        _follow(session, documents, limits, enumeration_limit, run, display)
        if out is not None:  # before anything is printed, as whoever should see that may have gone
            write_whole({out: run.best.document})
    with contextlib.suppress(OSError):
        sys.stderr.writelines(f"busbar: {remark}\n" for remark in run.remarks)
    timing = Timing(run.best_at_s, run.elapsed_s, run.trials, limits.seed, run.threads)
    result = result_of(session, documents.weights, run.best, run.bound, timing)
    period_ids = [period.id for period in session.demands.periods]
    sys.stdout.write(result.model_dump_json(indent=2) + "\n" if as_json else text_of(result, period_ids))
    sys.stdout.flush()


def _first(session: Session) -> EvaluatedSolution:
    """The solution that a new session has."""
    configurations = first_configurations(session)
    try:
        return rendered(session, configurations, evaluate_in(session, configurations))
    except CertificateFailed as err:
        raise ResultUnsound(f"the start does not stand up to its own check: {err}") from err


def _follow(
    session: Session, documents: Documents, limits: Limits, enumeration_limit: int, run: Run, display: Display
) -> None:
    """Run to the end. As in the service an infeasible start gives way to all switches closed."""
    first = run.best
    job = RunJob(
        documents.given,
        documents.weights,
        limits.seed,
        first.configuration if first.is_feasible else None,
        first.rank(documents.weights),
        enumeration_limit,
        limits.threads,
    )
    for progress in optimise_in_steps(run, session, job):
        run.note(progress)
        display.show(run.state)
    display.show(run.state, is_last=True)


@contextlib.contextmanager
def _interruptible(run: Run) -> Iterator[None]:
    """Have Ctrl-C, and what ends a process from outside, end the run; a second time it ends at once.

    What is ignored stays so: nohup is there to go on without its terminal.
    """
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def interrupt(number: int, _: FrameType | None) -> None:
        run.is_interrupted = True
        signal.signal(number, before[number])

    wanted = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for number in (one for one in wanted if signal.getsignal(one) != signal.SIG_IGN):
        before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
