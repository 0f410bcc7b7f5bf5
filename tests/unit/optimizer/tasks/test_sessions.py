"""Creating sessions: the order of the checks, their words, and the first solution."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from services.optimizer.tasks import sessions
from services.optimizer.tasks.packing import pack, unpack
from services.optimizer.tasks.solutions import read_session
from services.optimizer.tasks.values import NewSession, Refused, SessionInput
from tests.support.feeders import baran_wu_33, two_feeders
from tests.unit.optimizer.tasks.documents import session_input

PREFIX = "An error occurred while parsing the session data: "


def refusal(given: SessionInput) -> str:
    made = sessions.create(given)
    assert isinstance(made, Refused)
    assert made.text.startswith(PREFIX)
    return made.text.removeprefix(PREFIX)


def created(given: SessionInput) -> NewSession:
    made = sessions.create(given)
    assert isinstance(made, NewSession)
    return made


def test_the_first_solution_is_the_start_configuration() -> None:
    # Baran and Wu (1989): the base configuration of the 33-bus feeder loses 202.68 kW; the demands are of one hour.
    best = created(session_input(baran_wu_33())).best
    assert best.is_feasible
    assert best.violation_amount == 0
    assert best.objective_values[0] == pytest.approx(0.20268, rel=1e-4)
    assert best.verdict["is_feasible"]
    settings = orjson.loads(best.document)["period_solutions"][0]["switch_settings"]
    assert sum(setting["open"] for setting in settings) == 5


def test_without_a_start_configuration_every_switch_is_closed() -> None:
    best = created(session_input(baran_wu_33(), with_start=False)).best
    assert not best.is_feasible
    assert "Radial configuration" in {violation["name"] for violation in best.verdict["violations"]}
    settings = orjson.loads(best.document)["period_solutions"][0]["switch_settings"]
    assert not any(setting["open"] for setting in settings)


@pytest.mark.parametrize("empty", [b"", b"null", b" null "])
def test_an_empty_start_configuration_counts_as_none(empty: bytes) -> None:
    given = session_input(two_feeders())
    without = created(replace(given, start_configuration=None))
    assert created(replace(given, start_configuration=empty)) == without


def test_checks_come_in_the_order_that_clients_rely_on() -> None:
    wrong = replace(
        session_input(two_feeders()), connectivity_is_ok=False, demands=b"no demands", start_configuration=b"no start"
    )
    reason = refusal(wrong)
    assert "network connectivity check failed" in reason
    assert "/api/networks/net/connectivityStatus" in reason
    wrong = replace(wrong, connectivity_is_ok=True)
    assert refusal(wrong).startswith("Error in the demands: ")
    too_much = orjson.dumps(_scaled(two_feeders().demands, 1e6))
    wrong = replace(wrong, demands=too_much)
    assert refusal(wrong).startswith("Error in the start configuration: ")
    limited = two_feeders()
    limited.network["nodes"][0] |= {"p_gen_max": 1.0, "q_gen_max": 1.0}
    implausible = replace(session_input(limited), demands=too_much)
    assert "total demand" in refusal(implausible)


def test_a_result_carries_what_it_was_computed_from_and_how_well_it_adds_up() -> None:
    given = session_input(baran_wu_33())
    certificate = created(given).best.verdict["certificate"]
    assert certificate["power_balance_residual"] < 1e-8
    assert certificate["loss_by_balance_mwh"] == pytest.approx(0.20268, rel=1e-4)
    assert certificate["engine"].startswith("busbar ")
    assert len(certificate["network_sha256"]) == len(certificate["demands_sha256"]) == 64
    assert created(given) == created(given), "the same input gives the same bytes"


def test_configurations_survive_packing() -> None:
    session = read_session(session_input(baran_wu_33()))
    configurations = sessions.first_configurations(session)
    assert configurations.sum() == 5
    packed = pack(configurations)
    assert len(packed) == 5  # 37 lines, one period
    assert (unpack(packed, *configurations.shape) == configurations).all()


def _scaled(demands: dict, factor: float) -> dict:  # type: ignore[type-arg]
    loads = [
        {**load, "p_loads": [factor * p for p in load["p_loads"]], "q_loads": [factor * q for q in load["q_loads"]]}
        for load in demands["loads"]
    ]
    return {**demands, "loads": loads}
