"""Which of a session's solutions a run starts from, and how findings that could not be written yet add up."""

from __future__ import annotations

from services.optimizer.run_records import Findings, choose_start
from services.optimizer.run_store import Candidate
from services.optimizer.tasks.values import Bounded, EvaluatedSolution

WEIGHTS = (1.0, 0.0, 0.0, 0.0, 2.0)


def candidate(name: str, loss: float, *, cost: float = 0.0, is_feasible: bool = True) -> Candidate:
    return Candidate(name, is_feasible, 0.0 if is_feasible else 1.0, (loss, 0.0, 0.0, 0.0, cost))


def chosen(*candidates: Candidate, resumes: bool = False) -> str | None:
    start = choose_start(candidates, WEIGHTS, resumes=resumes)
    return None if start is None else start.solution_id


def test_the_feasible_solution_with_the_lowest_objective_under_the_weights_is_chosen() -> None:
    pool = (candidate("a", 3.0), candidate("b", 1.0, cost=1.5), candidate("c", 0.1, is_feasible=False))
    assert chosen(*pool, candidate("best", 5.0)) == "a"


def test_of_equal_ones_it_is_the_best_solution() -> None:
    assert chosen(candidate("a", 2.0), candidate("best", 2.0)) == "best"


def test_without_a_feasible_solution_a_run_starts_anew_and_a_resumed_one_goes_on() -> None:
    pool = (candidate("a", 1.0, is_feasible=False), candidate("best", 2.0, is_feasible=False))
    assert chosen(*pool) is None
    assert chosen(*pool, resumes=True) == "best"


def test_findings_keep_what_is_newest_and_that_there_was_a_start() -> None:
    def solution(loss: float) -> EvaluatedSolution:
        return EvaluatedSolution(
            b"", is_feasible=True, violation_amount=0.0, objective_values=(loss,), verdict={}, document=b""
        )

    bound = Bounded(1.0, "enumerated", is_optimal=True, trials=7)
    start, later = Findings(solution(5.0), is_start=True, trials=1), Findings(solution(4.0), trials=6)
    together = Findings(bound=bound, trials=7).after(later.after(start))
    assert together == Findings(solution(4.0), is_start=True, bound=bound, trials=7)
    assert together.are_worth_writing
    assert not Findings(trials=9).are_worth_writing
