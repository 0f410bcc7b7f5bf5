"""Every figure and every violation of random sessions against a slow judge that has only the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from services.optimizer.reconfiguration.constraints import (
    CONNECTED,
    CONSISTENT_FLOW,
    CONSUMER_VOLTAGE,
    CYCLIC,
    LINE_VOLTAGE,
    PROVIDER_CAPACITY,
    RADIAL,
    TRANSFORMER_MODES,
    TRANSFORMER_TERMINALS,
)
from services.optimizer.reconfiguration.evaluation import evaluate
from services.optimizer.reconfiguration.reduction import reduce_network
from shared.objective import DEFAULT_WEIGHTS
from tests.support.grids import Winding, case
from tests.support.random_sessions import small_session
from tests.support.seeds import new_seed
from tests.support.slow_evaluator import judge

EXACT = 1e-9  # relative, of everything that is reported
SESSIONS = 40
AT_TRANSFORMERS = {TRANSFORMER_MODES, TRANSFORMER_TERMINALS}  # where there are cycles it matters where the walk begins
EVERY_VIOLATION = (
    CONNECTED,
    CONSISTENT_FLOW,
    CONSUMER_VOLTAGE,
    CYCLIC,
    LINE_VOLTAGE,
    PROVIDER_CAPACITY,
    RADIAL,
    TRANSFORMER_MODES,
    TRANSFORMER_TERMINALS,
)


@pytest.fixture(scope="module")
def first_seed() -> int:
    return new_seed("definitions")


@pytest.mark.parametrize("number", range(SESSIONS))
def test_what_is_reported_of_a_solution_is_what_the_definitions_say(first_seed: int, number: int) -> None:
    given = small_session(first_seed + number)
    grid, demands = given.grid, given.demands
    evaluation = evaluate(grid, reduce_network(grid), demands, given.solution, given.start)
    verdict = evaluation.verdict
    expected = judge(grid, demands, given.solution, given.start)

    assert verdict.values == pytest.approx(expected.values, rel=EXACT, abs=1e-12)
    assert np.dot(DEFAULT_WEIGHTS, verdict.values) == pytest.approx(np.dot(DEFAULT_WEIGHTS, expected.values), rel=EXACT)
    assert verdict.violation_amount == pytest.approx(expected.amount, rel=EXACT, abs=1e-9)
    assert verdict.changed_switches == expected.changed_switches
    assert evaluation.expected_costs == pytest.approx(expected.costs, rel=EXACT)
    for flow, slow in zip(evaluation.flows, expected.flows, strict=True):
        assert (flow is None) == (slow is None)
        if flow is not None and slow is not None:
            assert flow.voltage_v == pytest.approx(np.abs(slow.voltage_v), rel=EXACT)
            assert flow.current_a == pytest.approx(np.abs(slow.current_a), rel=EXACT, abs=1e-9)
            assert flow.loss_w == pytest.approx(slow.loss_w, rel=EXACT, abs=1e-9)

    described = {violation.name: violation.description or "" for violation in verdict.violations}
    ambiguous = AT_TRANSFORMERS if CYCLIC in expected.violated else set()
    assert set(described) - ambiguous == set(expected.violated) - ambiguous
    for name in set(described) - ambiguous:
        if "…" not in described[name]:  # long lists are cut short
            assert {element for element in expected.violated[name] if element not in described[name]} == set()
    assert verdict.is_feasible == (not expected.violated)


@pytest.mark.parametrize("opened", [["S1"], ["S2"], ["S3"], [], ["S1", "S2"], ["S2", "S3"]])
def test_transformers_at_providers_and_consumers_are_judged_alike(opened: list[str]) -> None:
    given = case(
        "G 100V cap=60 | L0 r=0.5 | A 5W",
        "B 20W vmin=49 | L1 | C 10W | S1 sw cost=3 | D 4W | L2 imax=0.1 | E",
        "H 45V | S2 sw | D",
        "A | S3 sw | F 3W vmax=99",
        "K | L4 | I 2W",
        transformers={
            "T": Winding({"G": 100.0, "B": 50.0}, [("G", "B", 2.0, 0.9)]),
            "U": Winding(
                {"F": 100.0, "E": 50.0, "K": 25.0}, [("F", "E", None, 1.0), ("F", "K", 4.0, 1.0)], is_one_way=True
            ),
        },
        factors=(1.0, 1.5),
        hours=2.0,
    )
    solution = given.opened(opened, opened)
    verdict = evaluate(given.grid, reduce_network(given.grid), given.demands, solution, None).verdict
    expected = judge(given.grid, given.demands, solution, None)
    assert verdict.values == pytest.approx(expected.values, rel=EXACT, abs=1e-12)
    assert verdict.violation_amount == pytest.approx(expected.amount, rel=EXACT)
    assert {violation.name for violation in verdict.violations} >= set(expected.violated) - AT_TRANSFORMERS
    assert verdict.is_feasible == (not expected.violated)


def test_random_sessions_break_every_rule_and_keep_them() -> None:
    judged = [judge(given.grid, given.demands, given.solution, given.start) for given in map(small_session, range(60))]
    assert {name for worth in judged for name in worth.violated} == set(EVERY_VIOLATION)
    assert any(not worth.violated for worth in judged)
    assert all(sum(worth.values[k] != 0 for worth in judged) > 20 for k in range(5))
