"""When a run of ``busbar optimise`` is sure enough to end, which solution counts, and how plain progress is paced."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console
from rich.live import Live

from services.cli.optimise import Limits, Run
from services.cli.optimise_progress import Changing, Lines, State, display_on
from services.optimizer.tasks.values import Bounded, Discarded, EvaluatedSolution, Improved, Started

LOSS_ONLY = (1.0, 0.0, 0.0, 0.0, 0.0)


def solution(objective: float, *, is_feasible: bool = True) -> EvaluatedSolution:
    return EvaluatedSolution(
        configuration=b"",
        is_feasible=is_feasible,
        violation_amount=0.0 if is_feasible else 1.0,
        objective_values=(objective, 0.0, 0.0, 0.0, 0.0),
        verdict={},
        document=b"",
    )


def run_of(first: EvaluatedSolution, *, gap: float, minutes: float = 60.0) -> Run:
    return Run(first, LOSS_ONLY, Limits(minutes, gap, seed=0, threads=1), time.monotonic())


def bounded(bound: float, *, is_optimal: bool = False) -> Bounded:
    return Bounded(bound, "relaxation", is_optimal, trials=1)


def test_it_ends_when_the_gap_is_small_enough_and_not_before() -> None:
    run = run_of(solution(100.0), gap=0.05)
    run.send(bounded(94.0))
    assert run.gap == pytest.approx(0.06)
    assert not run.is_stopping
    run.send(Improved(solution(98.0), trials=2))
    assert run.gap == pytest.approx(4 / 98)
    assert run.is_stopping


def test_a_bound_under_an_infeasible_solution_ends_nothing() -> None:
    run = run_of(solution(100.0, is_feasible=False), gap=0.5)
    run.send(bounded(100.0))
    assert run.gap is None
    assert not run.is_stopping


def test_without_a_gap_asked_for_only_the_optimum_ends_it() -> None:
    run = run_of(solution(100.0), gap=0.0)
    run.send(bounded(99.999))
    assert not run.is_stopping
    run.send(bounded(100.0 * (1 - 1e-12), is_optimal=True))
    assert run.is_stopping


def test_it_ends_when_time_is_over_or_it_is_interrupted() -> None:
    assert run_of(solution(100.0), gap=0.0, minutes=0.0).is_stopping
    run = run_of(solution(100.0), gap=0.0)
    assert not run.is_stopping
    run.is_interrupted = True
    assert run.is_stopping


def test_the_start_gives_way_only_to_better_solutions() -> None:
    run = run_of(solution(100.0, is_feasible=False), gap=0.0)
    run.send(Started(solution(200.0)))
    assert run.objective == 200.0
    run.send(Started(solution(300.0)))
    assert run.objective == 200.0
    run.send(Discarded("its figures do not add up"))
    assert run.objective == 200.0 and len(run.remarks) == 1


def test_plain_progress_has_news_once_a_second_and_always_the_end() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for tenths in range(25):
        lines.show(State(tenths / 10, True, 100.0 - tenths, None, None, tenths))
    lines.show(State(2.5, True, 75.0, 75.0, 0.0, 25), is_last=True)
    shown = stream.getvalue().splitlines()
    assert [text.split("  ")[0] for text in shown] == ["time 0.0 s", "time 1.0 s", "time 2.0 s", "time 2.5 s"]
    assert shown[-1] == "time 2.5 s  objective 75  bound 75  gap 0.0000 %  trials 25"


def test_plain_progress_without_news_is_a_sign_of_life_now_and_then() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for second in range(65):
        lines.show(State(float(second), False, 100.0, None, None, second))
    shown = stream.getvalue().splitlines()
    assert [text.split("  ")[0] for text in shown] == ["time 0.0 s", "time 30.0 s", "time 60.0 s"]
    assert "100 (infeasible)" in shown[0]


def test_a_terminal_is_drawn_on_five_times_a_second_and_always_at_the_end() -> None:
    stream = io.StringIO()
    with Live(console=Console(file=stream, force_terminal=True, width=100), auto_refresh=False) as live:
        display = Changing(live)
        for hundredths in range(100):
            display.show(State(hundredths / 100, True, 100.0, None, None, hundredths))
        display.show(State(1.0, True, 75.0, 75.0, 0.0, 100), is_last=True)
    # Once more when the display ends.
    assert stream.getvalue().count("objective") == 5 + 2
    assert stream.getvalue().count("0.0000 %") == 2


class Gone(io.StringIO):
    """A pipe or a terminal that nobody has at the other end."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.tries = 0
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, _: str) -> int:
        self.tries += 1
        raise OSError("nobody reads")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_run_goes_on_when_nobody_can_see_it_any_more(is_terminal: bool) -> None:
    stream = Gone(is_terminal=is_terminal)
    with display_on(stream) as display:
        for second in range(10):
            display.show(State(float(second), True, 100.0 - second, None, None, second))
    assert 0 < stream.tries < 5
