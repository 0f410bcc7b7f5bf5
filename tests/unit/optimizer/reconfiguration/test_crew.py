"""Several threads: what the searches find depends on the seed alone, what is reported only gets better, and no thread is left."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from services.optimizer.reconfiguration import optimise as module
from services.optimizer.reconfiguration.crew import Crew, SideSearch, seed_of
from services.optimizer.reconfiguration.network import BoolArray
from services.optimizer.reconfiguration.optimise import Progress, optimise
from services.optimizer.reconfiguration.problem import ReconfigurationProblem
from services.optimizer.reconfiguration.reduction import build_problem, reduce_configuration, reduce_network
from services.optimizer.reconfiguration.search import Search
from services.optimizer.reconfiguration.tables import lay_out
from tests.support.grids import Winding, case
from tests.support.random_problems import Kind, random_problem
from tests.support.slow_radial import best_solution, judge

LARGE = Kind(providers=3, buses=60, ties=30)
HARD = Kind(providers=2, buses=150, ties=60)  # so that the search is not soon at its end
PIECE = 20_000
A_WHILE_S = 0.4


class Recorded(Search):
    """A search that keeps what it finds, in order."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]  # handed through
        self.found = [self.best.tobytes()]

    def advance(self, work: int) -> bool:
        is_better = super().advance(work)
        if is_better:
            self.found.append(self.best.tobytes())
        return is_better


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(1.0)
        assert not thread.is_alive(), thread.name


def within(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def run(
    problem: ReconfigurationProblem, start: BoolArray, *, threads: int, seconds: float = 5.0, limit: int = 0
) -> list[Progress]:
    should_stop = within(seconds)
    steps = optimise(
        problem,
        start,
        seed=3,
        should_stop=should_stop,
        now=time.monotonic,
        enumeration_limit=limit,
        threads=threads,
    )
    return list(steps)


def is_prefix(one: list[bytes], other: list[bytes]) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))


class Hired:
    """The searches that a run makes, recorded; and when all have done enough."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
        self.searches: list[Recorded] = []
        self._threads = threads
        monkeypatch.setattr(module, "Search", self._make)

    def _make(self, *given: object) -> Recorded:
        self.searches.append(Recorded(*given))
        return self.searches[-1]

    def have_weighed(self, trials: int) -> Callable[[], bool]:
        """A stop flag that is raised when all that work have weighed so many exchanges, or after much too long a time."""
        is_late = within(60.0)

        def is_enough() -> bool:
            weighed = [search.trials for search in self.searches]
            return is_late() or (len(weighed) == self._threads and min(weighed[: max(self._threads - 1, 1)]) >= trials)

        return is_enough


@pytest.mark.parametrize("threads", [2, 3])
def test_what_each_search_finds_does_not_depend_on_time(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    problem, start = random_problem(6, HARD)
    sequences: list[list[list[bytes]]] = []
    for trials in (40_000, 80_000):
        hired = Hired(monkeypatch, threads)
        for _ in optimise(
            problem,
            start,
            seed=3,
            should_stop=hired.have_weighed(trials),
            now=time.monotonic,
            enumeration_limit=0,
            threads=threads,
        ):
            pass
        sequences.append([search.found for search in hired.searches])
    for one, other in zip(*sequences, strict=True):
        assert is_prefix(one, other)
    assert len(sequences[0][0]) > 3


def test_the_first_search_finds_what_it_finds_alone() -> None:
    problem, start = random_problem(6, HARD)
    tables = lay_out(problem)
    alone, beside = (Recorded(problem.network, tables, start, 5) for _ in range(2))
    crew = Crew([beside, Search(problem.network, tables, start, 6)], PIECE)
    assert crew.go_on(beside_a_proof=True)
    while beside.trials < 20_000:
        sum(range(10_000))  # somebody else holds the interpreter's lock
    crew.rest()
    while alone.trials < beside.trials:
        alone.advance(PIECE)
    assert alone.trials == beside.trials
    assert alone.found == beside.found


def test_reports_only_get_better_and_say_what_is_so() -> None:
    problem, start = random_problem(5, LARGE)
    reports = run(problem, start, threads=3, seconds=3.0)
    for before, after in itertools.pairwise(reports):
        assert (after.violation_amount, after.objective) <= (before.violation_amount, before.objective)
        assert after.trials >= before.trials
        assert after.threads >= before.threads
        if before.bound is not None:
            assert after.bound is not None and after.bound >= before.bound
    for report in reports:
        if report.is_open is not None:
            assert report.objective == pytest.approx(judge(problem, report.is_open).objective, rel=1e-8)
        if report.bound is not None:
            assert report.gap == pytest.approx((report.objective - report.bound) / report.objective)
    assert (reports[0].threads, reports[-1].threads) == (1, 3)


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("limit", [0, 2_000_000])
@pytest.mark.parametrize("number", range(4))
def test_proofs_end_at_the_optimum(number: int, limit: int, threads: int) -> None:
    problem, start = random_problem(number, Kind(buses=7, ties=3, providers=2, zero_demand=0.0, limits=True))
    _, best = best_solution(problem)
    last = run(problem, start, threads=threads, seconds=60.0 if limit else 1.0, limit=limit)[-1]
    assert last.objective == pytest.approx(best.objective, rel=2e-6)
    if last.bound is not None and best.violation == 0.0:
        assert last.bound <= best.objective * (1.0 + 1e-9)
    if limit:
        assert (last.is_finished, last.proof) == (True, "enumerated")


def test_a_stop_does_not_wait() -> None:
    problem, start = random_problem(6, HARD)
    asked_at: list[float] = []
    end = time.monotonic() + A_WHILE_S

    def should_stop() -> bool:
        if time.monotonic() >= end:
            asked_at.append(time.monotonic())
        return bool(asked_at)

    for _ in optimise(problem, start, seed=1, should_stop=should_stop, now=time.monotonic, threads=3):
        pass
    assert time.monotonic() - asked_at[0] < 0.5


def test_a_run_that_is_left_alone_has_no_threads_any_more() -> None:
    problem, start = random_problem(6, HARD)
    running = optimise(problem, start, seed=1, should_stop=within(60.0), now=time.monotonic, threads=3)
    assert any(report.threads == 3 for report in running)
    assert len([thread for thread in threading.enumerate() if thread.name == "search"]) == 2
    running.close()  # type: ignore[attr-defined]  # it is a generator


def test_without_anything_to_prove_all_threads_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "may_be_relaxed", lambda _: False)
    problem, start = random_problem(6, HARD)
    hired = Hired(monkeypatch, 2)
    enough = hired.have_weighed(60_000)

    def should_stop() -> bool:
        return enough() and hired.searches[1].trials > 10_000

    *_, last = optimise(
        problem, start, seed=3, should_stop=should_stop, now=time.monotonic, enumeration_limit=0, threads=2
    )
    assert last.threads == 2
    assert last.bound is None
    assert last.trials == sum(search.trials for search in hired.searches)


def test_what_ends_a_search_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, start = random_problem(6, HARD)

    class Failing(Search):
        def advance(self, work: int) -> bool:
            if threading.current_thread() is not threading.main_thread():
                raise MemoryError
            return super().advance(work)

    monkeypatch.setattr(module, "Search", Failing)
    with pytest.raises(MemoryError):
        run(problem, start, threads=2)


def test_where_no_thread_is_to_be_had_search_and_proof_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, start = random_problem(5, LARGE)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    reports = run(problem, start, threads=4, seconds=A_WHILE_S)
    assert reports[-1].threads == 1
    assert reports[-1].bound is not None


def test_a_network_with_transformers_is_searched_in_one_thread() -> None:
    """By a search that is the interpreter's work, of which only one thread has a part at a time."""
    given = case(
        "G 100V | L1 r=1 | A",
        "B | L2 sw | C 5W",
        "B | L3 sw r=2 | D 5W",
        "C | L4 sw open | D",
        transformers={"T": Winding({"A": 100.0, "B": 50.0}, [("A", "B", 2.0, 1.0)])},
    )
    reduction = reduce_network(given.grid)
    problem = build_problem(reduction, given.demands, (1.0, 0.0, 0.0, 0.0, 0.0), None)
    last = run(problem, reduce_configuration(reduction, given.opened()), threads=4, seconds=0.2)[-1]
    assert last.trials > 0
    assert last.threads == 1


def test_a_search_that_has_to_wait_for_a_processor_pauses_but_ends_at_once() -> None:
    problem, start = random_problem(6, HARD)
    worked: list[float] = []

    class Waiting(Search):
        def advance(self, work: int) -> bool:  # it does none
            time.sleep(0.01)
            worked.append(time.monotonic())
            return False

    side = SideSearch(Waiting(problem.network, lay_out(problem), start, 1), PIECE)
    began_at = time.monotonic()
    assert side.go_on()
    time.sleep(1.0)
    pieces, took_s = len(worked), time.monotonic() - began_at
    called_off_at = time.monotonic()
    side.rest()
    assert time.monotonic() - called_off_at < 0.2
    assert 0.01 * pieces < 0.3 * took_s  # without pauses it would be nearly all of it


def test_a_search_that_was_called_off_can_go_on_at_once() -> None:
    problem, start = random_problem(6, HARD)
    search = Search(problem.network, lay_out(problem), start, 1)
    side = SideSearch(search, PIECE)
    for _ in range(20):
        assert side.go_on()
        side.call_off()
    assert side.go_on()
    before = side.trials
    deadline = time.monotonic() + 10.0
    while side.trials == before and time.monotonic() < deadline:
        time.sleep(0.01)
    side.rest()
    assert side.trials > before
    assert not side.is_going_on


def test_seeds_of_a_crew_differ_and_begin_with_the_runs() -> None:
    seeds = [seed_of(seed, number) for seed in (0, 1, 2**63 - 1) for number in range(4)]
    assert len(set(seeds)) == len(seeds)
    assert [seed_of(seed, 0) for seed in (0, 1, 2**63 - 1)] == [0, 1, 2**63 - 1]
