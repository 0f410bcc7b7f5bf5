"""An optimisation run in its child: from the start of the search to the proof, and what is reported on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.optimise import Progress
from services.optimizer.reconfiguration.optimise import optimise as search
from services.optimizer.reconfiguration.problem import SWITCHING
from services.optimizer.reconfiguration.reduction import build_problem, expand_configuration, reduce_configuration
from services.optimizer.reconfiguration.repair import repair
from services.optimizer.tasks.certificate import TOLERANCE, CertificateFailed
from services.optimizer.tasks.packing import unpack
from services.optimizer.tasks.solutions import Session, evaluate_in, rank_of, read_session, rendered
from services.optimizer.tasks.values import (
    Bounded,
    Discarded,
    EvaluatedSolution,
    Improved,
    Rank,
    RunJob,
    RunMessage,
    Started,
    Weights,
)
from shared.objective import is_reached

SHORTEST_BETWEEN_REPORTS_S = 0.1
# A solution of ten thousand buses takes a good part of a second to evaluate, write and send: reporting gets a fifth of the time.
REST_PER_REPORT = 4.0


class ToService(Protocol):
    """The line to the service, as far as a run needs it."""

    def send(self, message: RunMessage) -> None:
        """Hand a message over."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether the run shall end."""
        ...


def optimise(channel: ToService, job: RunJob) -> None:
    """Search until asked to stop, or until nothing better can exist."""
    for _ in optimise_in_steps(channel, read_session(job.session), job):
        pass


def optimise_in_steps(channel: ToService, session: Session, job: RunJob) -> Iterator[Progress]:
    """The same on a session that was read from the job's documents, step by step: what the search says, before it is reported."""
    given, repaired = _starts(session, job)
    reporter = _Reporter(channel, session, job)
    reporter.report_start([repaired] if job.start is None else [given, repaired])
    steps = search(
        build_problem(session.reduction, session.demands, job.weights, session.start),
        reduce_configuration(session.reduction, repaired),
        seed=job.seed,
        should_stop=lambda: channel.is_stopping,
        now=time.monotonic,
        enumeration_limit=job.enumeration_limit,
        threads=job.threads,
    )
    for progress in steps:
        yield progress
        reporter.note(progress)
    reporter.report_last()


def _starts(session: Session, job: RunJob) -> tuple[BoolArray, BoolArray]:
    """The configurations (T, L) that were given to start from, or all switches closed; and the same made radial."""
    shape = (len(session.demands.periods), len(session.grid.lines))
    given: BoolArray = np.zeros(shape, dtype=bool) if job.start is None else unpack(job.start, *shape)
    return given, repair(session.grid, session.reduction, given).configurations


class _Reporter:
    """Sends what is better than everything before, by exact evaluation and not by the figures of the search."""

    def __init__(self, channel: ToService, session: Session, job: RunJob) -> None:
        self._channel = channel
        self._session = session
        self._weights = job.weights
        self._best = job.best
        self._unreported: BoolArray | None = None  # (T, m) the newest that the search found
        self._trials = 0
        self._due_at = time.monotonic()
        self._last: Progress | None = None
        self._said_of_bound: Bounded | Discarded | None = None

    def report_start(self, candidates: list[BoolArray]) -> None:
        """Send the best of the configurations (T, L) from which the run starts, better than the best known or not."""
        evaluations = [evaluate_in(self._session, configurations) for configurations in candidates]
        ranks = [rank_of(evaluation.verdict, self._weights) for evaluation in evaluations]
        first = 0
        for k, rank in enumerate(ranks):
            if rank.precedes(ranks[first]):
                first = k
        try:
            self._channel.send(Started(rendered(self._session, candidates[first], evaluations[first])))
        except CertificateFailed as err:
            self._channel.send(Discarded(str(err)))
        else:
            self._note_sent(ranks[first])

    def note(self, progress: Progress) -> None:
        """Take in what the search says, and report when it is time."""
        self._last = progress
        self._trials = progress.trials
        if progress.is_open is not None:
            self._unreported = progress.is_open
        if time.monotonic() >= self._due_at:
            self._report()

    def report_last(self) -> None:
        """Report what is left, and the proof if there is one."""
        self._report()

    def _report(self) -> None:
        begun = time.monotonic()
        has_looked = self._report_solution()
        if self._report_bound() or has_looked:
            now = time.monotonic()
            self._due_at = now + max(SHORTEST_BETWEEN_REPORTS_S, REST_PER_REPORT * (now - begun))

    def _report_solution(self) -> bool:
        """Send the newest solution where it is better than all before; whether there was one to look at."""
        if self._unreported is None:
            return False
        solution = self._better_solution(self._unreported)
        self._unreported = None
        if solution is not None:
            self._channel.send(Improved(solution, self._trials))
        return True

    def _report_bound(self) -> bool:
        """Send what is proven, where that is news; whether it was."""
        found = self._found_bound()
        if found is None or found == self._said_of_bound:
            return False
        self._said_of_bound = found
        self._channel.send(replace(found, trials=self._trials) if isinstance(found, Bounded) else found)
        return True

    def _found_bound(self) -> Bounded | Discarded | None:
        """What is proven, without the trials that it took."""
        last, objective = self._last, self._best.objective
        if last is None or last.bound is None:
            return None
        bound = last.bound
        if self._best.is_feasible:
            if not bound <= objective + TOLERANCE * abs(objective):
                return Discarded(
                    f"a solution has the objective {objective:.12g}, which is below the bound {bound:.12g}"
                )
            # The search adds up the same sums in another order; the bound is not above a solution that is known.
            bound = min(bound, objective)
        bound += _gain_beside_the_search(self._session, self._weights)
        is_optimal = self._best.is_feasible and is_reached(objective, bound)
        return Bounded(bound, last.proof, is_optimal, trials=0)

    def _better_solution(self, is_open: BoolArray) -> EvaluatedSolution | None:
        """The solution if it is better than all before and its figures add up."""
        session = self._session
        configurations = expand_configuration(session.reduction, is_open, session.start)
        evaluation = evaluate_in(session, configurations)
        rank = rank_of(evaluation.verdict, self._weights)
        if not rank.precedes(self._best):
            return None
        try:
            solution = rendered(session, configurations, evaluation)
        except CertificateFailed as err:
            self._channel.send(Discarded(str(err)))
            return None
        self._note_sent(rank)
        return solution

    def _note_sent(self, rank: Rank) -> None:
        if rank.precedes(self._best):
            self._best = rank


def _gain_beside_the_search(session: Session, weights: Weights) -> float:
    """What switches of which the search knows nothing could earn at most, 0 or below: those that lead nowhere stay as they
    are, although one with a negative price would pay for being moved before every period.
    """
    grid = session.grid
    is_beside = session.reduction.reduced_line_of_line < 0
    moves = len(session.demands.periods) - 1 + (session.start is not None)
    return weights[SWITCHING] * moves * float(np.minimum(grid.switching_cost[is_beside], 0.0).sum())
