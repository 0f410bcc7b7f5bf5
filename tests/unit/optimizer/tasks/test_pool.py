"""Solutions of the pool as their tasks make them: uploaded ones of any worth, and radial copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from services.optimizer.tasks import pool
from services.optimizer.tasks.packing import pack
from services.optimizer.tasks.values import (
    EvaluatedSolution,
    Malformed,
    Refused,
    RepairedSolution,
    RepairInput,
    SolutionUpload,
)
from tests.support.feeders import Feeder, baran_wu_33, solution_of, start_configuration, two_feeders
from tests.unit.optimizer.tasks.documents import session_input


def upload(feeder: Feeder, document: object) -> SolutionUpload:
    return SolutionUpload(session_input(feeder), orjson.dumps(document))


def settings(**is_open: bool) -> Any:  # Any: JSON
    entry = {"period": "0", "switch_settings": start_configuration(is_open)["switch_settings"]}
    return {"period_solutions": [entry]}


def evaluated(feeder: Feeder, document: object) -> EvaluatedSolution:
    found = pool.evaluate(upload(feeder, document))
    assert isinstance(found, EvaluatedSolution)
    return found


def test_an_uploaded_solution_is_evaluated_exactly() -> None:
    # Baran and Wu (1989): the base configuration of the 33-bus feeder loses 202.68 kW; the demands are of one hour.
    found = evaluated(baran_wu_33(), solution_of(baran_wu_33()))
    assert found.is_feasible
    assert found.objective_values[0] == pytest.approx(0.20268, rel=1e-4)


def test_what_was_downloaded_is_the_same_again() -> None:
    first = evaluated(baran_wu_33(), solution_of(baran_wu_33()))
    assert evaluated(baran_wu_33(), orjson.loads(first.document)) == first


@pytest.mark.parametrize("closed", [True, False])
def test_cyclic_and_disconnected_solutions_are_taken(closed: bool) -> None:
    found = evaluated(two_feeders(), settings(L1=not closed, L2=not closed))
    assert not found.is_feasible
    names = {violation["name"] for violation in found.verdict["violations"]}
    assert ("Cyclic power flow" if closed else "Connnected consumers") in names
    document = orjson.loads(found.document)
    assert len(document["period_solutions"]) == 1
    assert len(document["flows"]) == (0 if closed else 1)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"period_solutions": []}, "periods without settings: 0"),
        (settings(L1=True, L3=False), "Period '0': settings for unknown lines: L3"),
        (settings(L1=True), "Period '0': no setting for switchable lines: L2"),
    ],
)
def test_what_means_nothing_is_refused_with_the_bare_reason(document: object, reason: str) -> None:
    assert pool.evaluate(upload(two_feeders(), document)) == Refused(reason)


def test_what_has_the_wrong_form_says_where() -> None:
    found = pool.evaluate(upload(two_feeders(), {"period_solutions": None}))
    assert isinstance(found, Malformed)
    assert found.path == "period_solutions"
    assert "'period_solutions'" in found.text and "Path 'period_solutions', line 1, position" in found.text
    not_json = pool.evaluate(SolutionUpload(session_input(two_feeders()), b'{"period_solutions": garbage'))
    assert isinstance(not_json, Malformed)


@pytest.mark.parametrize(("is_open", "changes"), [([1, 1], (0, 1)), ([0, 0], (1, 0)), ([1, 0], (0, 0))])
def test_a_repair_changes_as_little_as_it_can(is_open: list[int], changes: tuple[int, int]) -> None:
    given = RepairInput(session_input(two_feeders()), pack(np.array([is_open], dtype=bool)))
    made = pool.repaired(given)
    assert isinstance(made, RepairedSolution)
    assert (made.opened, made.closed) == changes
    assert made.solution.is_feasible
    assert pool.repaired(given) == made, "the same input gives the same solution"
