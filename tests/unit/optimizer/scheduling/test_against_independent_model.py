"""The solver against the independent model, on random problems with everything that problems can have."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.scheduling.errors import Infeasible
from services.optimizer.scheduling.solver import solve
from tests.unit.optimizer.scheduling.independent_model import least_cost, schedule_cost, schedule_faults
from tests.unit.optimizer.scheduling.random_problems import random_problem

PROBLEMS = 200
AT_ONCE = 20
COST = 1e-6  # relative, as asked of every schedule


@pytest.mark.parametrize("first", range(0, PROBLEMS, AT_ONCE))
def test_the_least_cost_is_that_of_the_independent_model(first: int) -> None:
    feasible = 0
    for seed in range(first, first + AT_ONCE):
        problem = random_problem(seed)
        expected = least_cost(problem)
        if expected is None:
            with pytest.raises(Infeasible):
                solve(problem)
            continue
        feasible += 1
        found = solve(problem)
        assert found.is_proven, seed
        assert found.objective == pytest.approx(expected, rel=COST, abs=1e-7), seed
        assert schedule_faults(problem, found.power_mw, found.level_mwh) == [], seed
        own = schedule_cost(problem, found.power_mw, found.level_mwh)
        # Breach prices of 1e6 make a rounding of 1e-12 MW a rounding of 1e-6 of money.
        assert np.allclose(found.costs, own, rtol=COST, atol=1e-5), (seed, found.costs, own)
    assert feasible > AT_ONCE // 2
