"""Runs as the child sees them: what is reported, in which order, how often, and that stopping is prompt."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import orjson
import pytest

from services.optimizer.tasks import runs, sessions
from services.optimizer.tasks.packing import pack
from services.optimizer.tasks.solutions import evaluate_in, read_session, rendered
from services.optimizer.tasks.values import (
    Bounded,
    Improved,
    NewSession,
    Rank,
    RunJob,
    RunMessage,
    SessionInput,
    Started,
    Weights,
)
from tests.support.feeders import Feeder, baran_wu_33, lattice, line, long_feeders, start_configuration, two_feeders
from tests.unit.optimizer.tasks.documents import session_input

WEIGHTS: Weights = (1_000_000.0, 1000.0, 1.0, 0.002, 1.0)
# Best known loss of the 33-bus feeder, in agreement of many publications since Goswami and Basu (1992).
BEST_KNOWN_33_KW = 139.55


class Line:
    """Takes messages down, and asks to stop after a time or a number of them.

    ``stopped_at`` is time of this thread on a processor: how long others keep it waiting is not the run's.
    """

    def __init__(self, *, seconds: float = 60.0, messages: int = 10**9) -> None:
        self.sent: list[RunMessage] = []
        self.times: list[float] = []
        self._give_up = time.monotonic() + seconds
        self._messages = messages
        self.stopped_at: float | None = None

    def send(self, message: RunMessage) -> None:
        self.sent.append(message)
        self.times.append(time.monotonic())

    @property
    def is_stopping(self) -> bool:
        if self.stopped_at is None and (time.monotonic() > self._give_up or len(self.sent) >= self._messages):
            self.stopped_at = time.thread_time()
        return self.stopped_at is not None


def first_rank(given: SessionInput) -> Rank:
    made = sessions.create(given)
    assert isinstance(made, NewSession)
    return made.best.rank(WEIGHTS)


def job_of(feeder: Feeder, *, with_start: bool = True, limit: int = 2_000_000) -> RunJob:
    given = session_input(feeder, with_start=with_start)
    return RunJob(given, WEIGHTS, seed=1, start=None, best=first_rank(given), enumeration_limit=limit, threads=1)


def test_a_small_network_is_optimised_and_proven() -> None:
    line = Line()
    runs.optimise(line, job_of(baran_wu_33()))
    started, *improved, bounded = line.sent
    assert isinstance(started, Started)
    assert started.solution.is_feasible
    assert all(isinstance(message, Improved) for message in improved)
    assert isinstance(bounded, Bounded)
    assert (bounded.proof, bounded.is_optimal) == ("enumerated", True)
    last = improved[-1]
    assert isinstance(last, Improved)
    assert last.solution.objective_values[0] * 1000 == pytest.approx(BEST_KNOWN_33_KW, abs=0.01)
    assert bounded.bound == pytest.approx(last.solution.rank(WEIGHTS).objective, rel=1e-9)
    settings = orjson.loads(last.solution.document)["period_solutions"][0]["switch_settings"]
    assert sum(setting["open"] for setting in settings) == 5


def test_every_report_is_better_than_the_one_before_and_than_the_best_known() -> None:
    job = job_of(baran_wu_33(), limit=0)
    line = Line(seconds=1.5)
    runs.optimise(line, job)
    _, *improved = line.sent
    best = job.best
    solutions = [message for message in improved if not isinstance(message, Bounded)]
    assert solutions
    for message in solutions:
        assert isinstance(message, Improved)
        rank = message.solution.rank(WEIGHTS)
        assert rank.precedes(best)
        best = rank


def test_the_start_is_all_switches_closed_made_radial_where_nothing_else_is_given() -> None:
    line = Line(messages=1)
    runs.optimise(line, job_of(baran_wu_33(), with_start=False))
    assert isinstance(line.sent[0], Started)
    settings = orjson.loads(line.sent[0].solution.document)["period_solutions"][0]["switch_settings"]
    assert sum(setting["open"] for setting in settings) == 5
    assert line.sent[0].solution.is_feasible


def test_a_run_begins_with_the_solution_that_it_is_given() -> None:
    job = job_of(two_feeders())
    session = read_session(job.session)
    configurations = sessions.first_configurations(session)
    given = rendered(session, configurations, evaluate_in(session, configurations))
    line = Line(messages=1)
    runs.optimise(line, replace(job, start=pack(configurations)))
    assert line.sent[0] == Started(given)


def test_the_start_is_reported_and_nothing_worse_than_the_best_known_after_it() -> None:
    job = replace(job_of(two_feeders()), best=Rank(is_feasible=True, violation_amount=0.0, objective=0.0))
    line = Line()
    runs.optimise(line, job)
    assert [type(message).__name__ for message in line.sent] == ["Started", "Discarded"]


@pytest.mark.parametrize("seconds", [0.0, 0.7])
def test_stopping_a_long_search_is_prompt_and_leaves_its_best(seconds: float) -> None:
    line = Line(seconds=seconds)
    runs.optimise(line, job_of(lattice(20, 20, seed=3), limit=0))
    assert line.stopped_at is not None
    assert time.thread_time() - line.stopped_at < 0.5
    assert isinstance(line.sent[0], Started)


def test_reports_of_a_large_network_leave_most_of_the_time_to_the_search() -> None:
    job = job_of(long_feeders(feeders=20, length=150, ties=60, seed=5), limit=0)
    line = Line(seconds=3.0)
    runs.optimise(line, job)
    assert line.stopped_at is not None
    assert time.thread_time() - line.stopped_at < 1.0
    *before, last = (at for message, at in zip(line.sent, line.times, strict=True) if isinstance(message, Improved))
    assert last
    assert all(later - earlier > 0.1 for earlier, later in itertools.pairwise(before))


def test_an_empty_network_has_its_only_solution_proven() -> None:
    empty = Feeder(
        {"@schema_version": 1, "nodes": [], "lines": []},
        {
            "@schema_version": 1,
            "periods": [{"id": "0", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T01:00:00Z"}],
            "loads": [],
        },
        {"switch_settings": []},
    )
    line = Line()
    runs.optimise(line, job_of(empty))
    assert isinstance(line.sent[0], Started)
    assert line.sent[-1] == Bounded(0.0, "enumerated", is_optimal=True, trials=0)


def test_a_bound_reckons_with_switches_that_would_pay_for_being_moved_and_that_the_search_leaves_alone() -> None:
    feeder = two_feeders()
    feeder.network["nodes"].append({"id": "T", "type": "transition"})
    feeder.network["lines"].append(line("stub", "C", "T", switching_cost=-5_000_000.0))
    feeder = replace(feeder, start=start_configuration({"L1": True, "L2": False, "stub": False}))
    sent = Line()
    runs.optimise(sent, job_of(feeder))
    *_, best, bounded = sent.sent
    assert isinstance(best, (Started, Improved))
    assert isinstance(bounded, Bounded)
    objective = best.solution.rank(WEIGHTS).objective
    # One move, 0.002 for each unit of its price, as opening the stub changes nothing else.
    assert bounded.bound == pytest.approx(objective - 10_000.0, rel=1e-9)
    assert not bounded.is_optimal


def test_a_line_that_leads_nowhere_has_its_voltage_limit_kept() -> None:
    feeder = two_feeders()
    feeder.network["nodes"].append({"id": "T", "type": "transition"})
    # 0.5 MW at 12.66 kV over 0.1 ohm costs 4 V, over 0.2 ohm 8 V: only the longer way keeps C below the limit.
    feeder.network["lines"].append(line("stub", "C", "T", switchable=False, vmax=12.654))
    sent = Line()
    runs.optimise(sent, job_of(feeder, with_start=False))
    *_, best, bounded = sent.sent
    assert isinstance(best, Improved)
    assert best.solution.is_feasible
    assert orjson.loads(best.solution.document)["period_solutions"][0]["switch_settings"] == [
        {"line_id": "L2", "open": False},
        {"line_id": "L1", "open": True},
    ]
    assert isinstance(bounded, Bounded)
    assert bounded.is_optimal
