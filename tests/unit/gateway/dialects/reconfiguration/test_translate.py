from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from services.gateway.dialects.reconfiguration.pool_store import SolutionRow
from services.gateway.dialects.reconfiguration.schemas import SolutionInfo
from services.gateway.dialects.reconfiguration.session_store import SessionRow
from services.gateway.dialects.reconfiguration.translate import (
    connectivity_status_of,
    objective_weights_of,
    session_status_of,
    solution_info_of,
)

WEIGHTS = [1_000_000.0, 1_000.0, 1.0, 0.002, 1.0]
SESSION = SessionRow("s", "n", True, WEIGHTS, True, [2.0, 3.0, 5.0, 500.0, 7.0], ["b", "a"])
VERDICT: dict[str, object] = {
    "violations": [{"description": "in period 1", "name": "Radial configuration"}],
    "period_information": [
        {
            "changed_switches": 4,
            "period": {"start_time": "2020-01-01T00:00:00Z", "end_time": "2020-01-02T00:00:00Z", "id": "1"},
        }
    ],
}
# 2 · 1e6 + 3 · 1e3 + 5 · 1 + 500 · 0.002 + 7 · 1
OBJECTIVE = 2_003_013.0
SOLUTION = SolutionRow(True, [2.0, 3.0, 5.0, 500.0, 7.0], VERDICT, None, None, "none", WEIGHTS)


def proven(bound: float, **changes: object) -> SolutionInfo:
    row = replace(SOLUTION, bound=bound, bound_weights=WEIGHTS, proof="enumerated")
    return solution_info_of(replace(row, **changes))  # type: ignore[arg-type]  # by field name


def test_a_status_shows_the_objective_under_the_value_that_applies() -> None:
    feasible, infeasible = session_status_of(SESSION), session_status_of(replace(SESSION, best_is_feasible=False))
    assert (feasible.best_solution_value, feasible.best_infeasible_solution_value) == (OBJECTIVE, None)
    assert (infeasible.best_solution_value, infeasible.best_infeasible_solution_value) == (None, OBJECTIVE)


def test_a_status_on_the_wire_has_its_properties_in_order_and_best_last() -> None:
    assert session_status_of(SESSION).model_dump_json(by_alias=True) == (
        '{"id":"s","networkId":"n","optimizationIsRunning":true,"bestSolutionValue":2003013.0,'
        '"bestInfeasibleSolutionValue":null,"solutionIds":["b","a","best"]}'
    )


def test_an_info_on_the_wire_has_its_properties_in_order() -> None:
    wire = orjson.loads(solution_info_of(replace(SOLUTION, is_feasible=False)).model_dump_json())
    assert list(wire) == [
        "is_feasible",
        "is_optimal",
        "objective_value",
        "objective_components",
        "period_information",
        "violations",
        "bound",
        "gap",
        "proof",
    ]
    assert wire["objective_value"] == OBJECTIVE
    assert [list(component) for component in wire["objective_components"]] == [["name", "value", "weight"]] * 5
    assert wire["objective_components"][3] == {"name": "Switching cost", "value": 500.0, "weight": 0.002}
    assert list(wire["period_information"][0]) == ["period", "changed_switches"]
    assert list(wire["period_information"][0]["period"]) == ["id", "start_time", "end_time"]
    assert list(wire["violations"][0]) == ["name", "description"]
    assert (wire["bound"], wire["gap"], wire["proof"]) == (None, None, "none")


def test_a_weight_of_zero_leaves_even_an_infinite_objective_out() -> None:
    row = replace(SOLUTION, values=[float("inf"), 1.0, 0.0, 0.0, 0.0], weights=[0.0, 2.0, 1.0, 1.0, 1.0])
    assert solution_info_of(row).objective_value == 2.0


def test_infinity_is_a_text_on_the_wire() -> None:
    row = replace(SOLUTION, values=[float("inf"), 0.0, 0.0, 0.0, 0.0])
    assert orjson.loads(solution_info_of(row).model_dump_json())["objective_value"] == "Infinity"


def test_a_solution_at_its_bound_is_optimal() -> None:
    for bound in (OBJECTIVE, OBJECTIVE * (1 - 5e-10), OBJECTIVE * (1 + 5e-10)):
        info = proven(bound)
        assert info.is_optimal
        assert info.gap == pytest.approx(0.0, abs=1e-9)
        assert info.gap is not None and info.gap >= 0


def test_a_solution_above_its_bound_has_a_gap() -> None:
    info = proven(2_003_013.0 * 0.99)
    assert not info.is_optimal
    assert info.gap == pytest.approx(0.01, rel=1e-12)
    assert info.proof == "enumerated"


def test_a_bound_under_other_weights_says_nothing() -> None:
    info = proven(OBJECTIVE, bound_weights=[1.0, 1.0, 1.0, 1.0, 1.0])
    assert (info.is_optimal, info.bound, info.gap, info.proof) == (False, None, None, "none")


def test_a_bound_without_proof_says_nothing() -> None:
    info = proven(OBJECTIVE, proof="none")
    assert (info.is_optimal, info.bound, info.gap, info.proof) == (False, None, None, "none")


def test_an_infeasible_solution_is_never_optimal_and_has_no_gap() -> None:
    info = proven(OBJECTIVE, is_feasible=False)
    assert (info.is_optimal, info.gap) == (False, None)


def test_an_objective_of_zero_is_optimal_at_a_bound_of_zero() -> None:
    at_zero, below = proven(0.0, values=[0.0] * 5), proven(-1.0, values=[0.0] * 5)
    assert (at_zero.is_optimal, at_zero.gap) == (True, 0.0)
    assert (below.is_optimal, below.gap) == (False, None)


def test_all_five_weights_are_listed_in_order() -> None:
    listed = [item.model_dump(by_alias=True) for item in objective_weights_of(WEIGHTS)]
    assert listed == [
        {"objectiveName": "Total loss (MWh)", "weight": 1_000_000.0},
        {"objectiveName": "IMax violation (Ah)", "weight": 1_000.0},
        {"objectiveName": "IMax(50.0%) violation (Ah)", "weight": 1.0},
        {"objectiveName": "Switching cost", "weight": 0.002},
        {"objectiveName": "KILE cost", "weight": 1.0},
    ]


def test_a_connectivity_status_has_all_properties_in_order() -> None:
    status = connectivity_status_of({"unconnectable_buses": ["a"], "ok": True})
    assert status.model_dump_json() == (
        '{"ok":true,"unbreakable_cycle":null,"unconnectable_buses":["a"],"invalid_transformers":null}'
    )
