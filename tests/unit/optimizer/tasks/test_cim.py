"""Networks, sessions and solutions of the CIM API as tasks work on them."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from services.optimizer.tasks import networks, pool, sessions
from services.optimizer.tasks.solutions import read_session
from services.optimizer.tasks.values import (
    EvaluatedSolution,
    LoadedNetwork,
    Malformed,
    NewSession,
    Refused,
    RepairedSolution,
    RepairInput,
    SessionInput,
    SolutionUpload,
)
from tests.support.cim import DROP, Json, Objects, json_ld, network_upload, session_upload, steady_state, with_changes


def loaded(**options: Json) -> LoadedNetwork:
    found = networks.load_cim(network_upload(options=options), "a test")
    assert isinstance(found, LoadedNetwork)
    return found


def given(*states: Objects, start: Objects | None = None) -> SessionInput:
    network = loaded()
    return SessionInput(
        network_id="net",
        network=network.document,
        connectivity_is_ok=bool(network.connectivity["ok"]),
        demands=session_upload("net", *states, start=start),
        start_configuration=None,
        allow_unspecified_demands=False,
        is_cim=True,
    )


def test_a_network_is_loaded_with_its_size() -> None:
    network = loaded()
    assert network.bus_count == 7 + 1 + 3 + 1  # nodes, providers, consumers, transformers
    assert network.connectivity["ok"]


def test_what_is_wrong_with_a_network_is_refused_with_the_phrase() -> None:
    refused = networks.load_cim(network_upload({"segment1/ACLineSegment.r": DROP}), "a test")
    assert isinstance(refused, Refused)
    assert refused.text.startswith("An error occurred while parsing the network data: ACLineSegment (MRID segment1)")
    absurd = networks.load_cim(network_upload({"segment1/ACLineSegment.r": 1e20}), "a test")
    assert isinstance(absurd, Refused)
    assert "Line 'segment1'" in absurd.text


def test_what_has_the_wrong_form_is_malformed() -> None:
    for body in (b"{", b"{}", orjson.dumps({"network": {}})):
        assert isinstance(networks.load_cim(body, "a test"), Malformed)


def test_the_analysis_has_the_warnings() -> None:
    report = networks.analyse(loaded().document, verbose=False, is_cim=True)
    assert "Number of nodes = 12" in report
    assert "Warnings of the conversion from CIM:\n  " in report
    assert "LinearShuntCompensator (MRID shunt): it is ignored" in report


def test_a_session_begins_with_its_start_configuration_as_cim() -> None:
    made = sessions.create(given(steady_state(), steady_state(), start=steady_state()))
    assert isinstance(made, NewSession)
    assert made.best.is_feasible
    document = orjson.loads(made.best.document)
    first, second = document["periodSolutions"]
    assert first["dcterms:creator"] == "a test"
    assert first["@id"] != second["@id"]
    assert {entry["@id"]: entry["cim:Switch.open"] for entry in first["@graph"]} == {
        "urn:uuid:breaker": False,
        "urn:uuid:disconnector": True,
        "urn:uuid:fuse": False,
        "urn:uuid:ground": False,
        "urn:uuid:switch3": False,
    }
    assert orjson.loads(made.demands)["loads"][0]["p_loads"] == [1.0, 1.0]


def test_without_a_start_configuration_all_is_closed() -> None:
    made = sessions.create(given())
    assert isinstance(made, NewSession)
    assert not made.best.is_feasible
    assert b'"cim:Switch.open":true' not in made.best.document


@pytest.mark.parametrize(
    ("session", "phrase"),
    [
        (given(with_changes(steady_state(), {"load": DROP})), "Error in the demands: Period 'hour 0': ConformLoad (MRID load)"),
        (given(start=with_changes(steady_state(), {"breaker": DROP})), "Error in the start configuration: Breaker (MRID breaker)"),
        (given(steady_state(100.0)), "demand"),
        (replace(given(), connectivity_is_ok=False), "see /api/cim/networks/net/connectivityStatus"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_session_is_refused_with_the_phrases(session: SessionInput, phrase: str) -> None:
    refused = sessions.create(session)
    assert isinstance(refused, Refused)
    assert refused.text.startswith("An error occurred while parsing the session data: ")
    assert phrase in refused.text


@pytest.mark.parametrize("body", [b"{", b'{"networkId": "net"}', b'{"networkId": "net", "periodsAndDemands": [{"period": {"id": "a"}, "demands": {}}]}'])  # fmt: skip
def test_a_session_of_the_wrong_form_is_malformed(body: bytes) -> None:
    assert isinstance(sessions.create(replace(given(), demands=body)), Malformed)


def test_solutions_are_evaluated_and_repaired() -> None:
    session = given(steady_state())
    settings = orjson.dumps({"periodSolutions": [json_ld(steady_state())]})
    evaluated = pool.evaluate(SolutionUpload(session, settings))
    assert isinstance(evaluated, EvaluatedSolution)
    assert evaluated.is_feasible
    assert isinstance(pool.evaluate(SolutionUpload(session, b"{}")), Malformed)
    refused = pool.evaluate(SolutionUpload(session, b'{"periodSolutions": []}'))
    assert isinstance(refused, Refused)
    closed = sessions.create(session)
    assert isinstance(closed, NewSession)
    repaired = pool.repaired(RepairInput(session, closed.best.configuration))
    assert isinstance(repaired, RepairedSolution)
    assert (repaired.opened, repaired.closed) == (1, 0)


def test_a_session_can_be_read_again() -> None:
    session = read_session(given(steady_state(), start=steady_state()))
    assert session.start is not None
    assert session.directory is not None
    assert session.start.sum() == 1
