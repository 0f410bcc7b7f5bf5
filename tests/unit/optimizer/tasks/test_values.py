"""The order of solutions."""

from __future__ import annotations

import math
import pickle

from services.optimizer.tasks.values import Rank


def rank(amount: float, objective: float) -> Rank:
    return Rank(is_feasible=amount == 0.0, violation_amount=amount, objective=objective)


def test_feasible_precedes_less_violation_precedes_lower_objective() -> None:
    ordered = [rank(0, 1.0), rank(0, 2.0), rank(1.0, 0.5), rank(1.0, 0.6), rank(2.0, 0.1), rank(1e100, 0.0)]
    assert [a.precedes(b) for a in ordered for b in ordered] == [i < j for i in range(6) for j in range(6)]


def test_a_solution_whose_amount_is_nothing_may_still_be_infeasible() -> None:
    unserved = Rank(is_feasible=False, violation_amount=0.0, objective=0.1)
    assert rank(0, 5.0).precedes(unserved)
    assert not unserved.precedes(rank(0, 5.0))


def test_infinite_values_compare() -> None:
    diverged = rank(math.inf, math.inf)
    assert rank(1e100, 1.0).precedes(diverged)
    assert not diverged.precedes(diverged)


def test_values_cross_process_boundaries() -> None:
    assert pickle.loads(pickle.dumps(rank(1.0, 2.0))) == rank(1.0, 2.0)
