"""Every row of the error catalogue of PGO's JSON API on real services, and which of several errors is told.

Faulty documents of all kinds are in ``test_bad_input``; what is beyond quotas in ``test_user_quotas``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest

from tests.support.feeders import (
    Document,
    consumer,
    demands,
    line,
    network,
    provider,
    solution_of,
    start_configuration,
    two_feeders,
)
from tests.support.pgo import Answer, PgoClient

TEXT, PROBLEM = "text/plain; charset=utf-8", "application/problem+json; charset=utf-8"
LABELLED = {"Content-Type": "application/json; charset=utf-8"}
PARSING_SESSION = "error occurred while parsing the session data"
FEEDER = two_feeders()
PLAN = solution_of(FEEDER)
GARBAGE = b"no document"
SESSION, POOL = "/api/sessions/today", "/api/sessions/today/solutions"
WEIGHTS, RUN = f"{SESSION}/objectiveWeights", f"{SESSION}/runOptimization"


async def made(client: PgoClient) -> None:
    """A session with one solution in its pool."""
    (await client.load_network("two", FEEDER.network)).expect(201)
    (await client.create_session("today", "two", FEEDER.demands, FEEDER.start)).expect(201)
    (await client.request("POST", f"{POOL}/mine", data=orjson.dumps(PLAN), headers=LABELLED)).expect(200)


def expect(answer: Answer, status: int, kind: str, *words: str) -> None:
    answer.expect(status)
    assert answer.headers["Content-Type"] == kind
    assert [word for word in words if word not in answer.text] == [], answer.text


def settings(**is_open: bool) -> Document:
    return {
        "period_solutions": [
            {"period": "0", "switch_settings": start_configuration(is_open)["switch_settings"]},
        ]
    }


def weight(name: str, value: float) -> list[Document]:
    return [{"objectiveName": "Switching cost", "weight": 1}, {"objectiveName": name, "weight": value}]


# ------------------------------------------------------------------ rows about what is there


@dataclass(frozen=True)
class Case:
    """A request that is refused while there is a network, a session and a solution, with the words that the text must have."""

    name: str
    method: str
    path: str
    body: Any  # JSON, or None for none
    status: int
    words: tuple[str, ...]
    kind: str = TEXT


ADDING, UPDATING = "error occurred adding the solution", "error occurred while evaluating the solution"
NO_SETTINGS = {"period_solutions": [{"period": "0", "switch_settings": None}]}
REPAIRING = "error occurred repairing the solution"
CASES = (
    Case("an unknown network", "GET", "/api/networks/none", None, 400, ("'none'",)),
    Case("its analysis", "GET", "/api/networks/none/analysis", None, 400, ("'none'",)),
    Case("its connectivity", "GET", "/api/networks/none/connectivityStatus", None, 400, ("'none'",)),
    Case("a network in another case", "GET", "/api/networks/Two", None, 400, ("'Two'",)),
    Case("its deletion", "DELETE", "/api/networks/none", None, 404, ("'none'",)),
    Case("a flag", "GET", "/api/networks/two/analysis?verbose=perhaps", None, 400, ("verbose", "perhaps"), PROBLEM),
    Case("an unknown objective", "PUT", WEIGHTS, weight("comfort", -1), 400, ("'comfort'",)),
    Case("a negative weight", "PUT", WEIGHTS, weight("KILE cost", -1), 400, ("'KILE cost'", "negative")),
    Case("an objective in another case", "PUT", WEIGHTS, weight("kile cost", 1), 400, ("'kile cost'",)),
    Case("no weight", "PUT", WEIGHTS, [{"objectiveName": "KILE cost"}], 400, ("$[0].weight",), PROBLEM),
    Case("an unknown line", "POST", f"{POOL}/x", settings(L9=True), 400, (ADDING, "Period '0': ", "L9")),
    Case("a switch left out", "PUT", f"{POOL}/mine", settings(L1=True), 400, (UPDATING, "Period '0': ", "L2")),
    Case("an id in use", "POST", f"{POOL}/mine", PLAN, 400, (ADDING, "'mine'", "already")),
    Case("adding best", "POST", f"{POOL}/best", PLAN, 400, (ADDING, "'best'", "reserved")),
    Case("adding a faulty best", "POST", f"{POOL}/best", settings(L9=True), 400, (ADDING, "L9")),
    Case("updating best", "PUT", f"{POOL}/best", PLAN, 400, (UPDATING, "'best'", "can not be updated")),
    Case("updating a faulty unknown one", "PUT", f"{POOL}/none", settings(L9=True), 400, (UPDATING, "L9")),
    Case("updating an unknown one", "PUT", f"{POOL}/none", PLAN, 400, (UPDATING, "'none'")),
    Case("no solution document", "POST", f"{POOL}/x", {}, 400, ("period_solutions",), PROBLEM),
    Case("no period", "POST", f"{POOL}/x", {"period_solutions": [{}]}, 400, (ADDING, "'period'")),
    Case("null for a period", "PUT", f"{POOL}/mine", {"period_solutions": [None]}, 400, (UPDATING, "null")),
    Case("null for settings", "POST", f"{POOL}/x", NO_SETTINGS, 400, (ADDING, "Period '0': ", "'switch_settings'")),
    Case("removing best", "DELETE", f"{POOL}/best", None, 400, ("'best'", "removed")),
    Case("removing an unknown one", "DELETE", f"{POOL}/none", None, 404, ("solution 'none'",)),
    Case("reading an unknown one", "GET", f"{POOL}/none", None, 404, ("solution 'none'", "'today'")),
    Case("its info", "GET", f"{POOL}/none/info", None, 404, ("solution 'none'",)),
    Case("repairing an unknown one", "POST", f"{POOL}/none/repair/x", None, 404, ("solution 'none'",)),
    Case("repairing an unknown one into best", "POST", f"{POOL}/none/repair/best", None, 404, ("solution 'none'",)),
    Case("repairing into best", "POST", f"{POOL}/mine/repair/best", None, 400, (REPAIRING, "'best'", "reserved")),
    Case("repairing into itself", "POST", f"{POOL}/best/repair/mine", None, 400, (REPAIRING, "'mine'", "already")),
    Case("no truth", "PUT", RUN, "true", 400, ("validation errors",), PROBLEM),
    Case("no route", "GET", f"{SESSION}/nothing", None, 404, ()),
    Case("an empty id", "GET", "/api/sessions/", None, 404, ()),
    Case("an empty id within", "GET", "/api/sessions//solutions/best", None, 404, ()),
    Case("another method", "PATCH", f"{POOL}/mine", {}, 405, ()),
)
OF_SESSIONS = (
    ("GET", "", None),
    ("DELETE", "", None),
    ("PUT", "/runOptimization", True),
    ("PUT", "/runOptimization", False),
    ("GET", "/demands", None),
    ("GET", "/bestSolution", None),
    ("GET", "/bestSolutionInfo", None),
    ("GET", "/objectiveWeights", None),
    ("PUT", "/objectiveWeights", weight("comfort", -1)),
    ("GET", "/solutions/best", None),
    ("GET", "/solutions/best/info", None),
    ("POST", "/solutions/x", PLAN),
    ("PUT", "/solutions/x", PLAN),
    ("DELETE", "/solutions/best", None),
    ("POST", "/solutions/best/repair/best", None),
)


async def ask(client: PgoClient, method: str, path: str, body: object) -> Answer:
    if body is None:
        return await client.request(method, path)
    return await client.request(method, path, data=orjson.dumps(body), headers=LABELLED)


async def test_each_error_has_its_status_and_names_what_is_wrong(server_client: PgoClient) -> None:
    await made(server_client)
    before = (await server_client.server()).json()
    weights = (await server_client.weights("today")).json()
    for case in CASES:
        answer = await ask(server_client, case.method, case.path, case.body)
        try:
            expect(answer, case.status, case.kind, *case.words)
        except AssertionError as error:
            raise AssertionError(f"{case.name}: {error}") from error
    assert (await server_client.server()).json() == before
    assert (await server_client.weights("today")).json() == weights


@pytest.mark.parametrize(("method", "path", "body"), OF_SESSIONS)
async def test_an_unknown_session_is_404_whatever_else_is_wrong(
    server_client: PgoClient, method: str, path: str, body: object
) -> None:
    answer = await ask(server_client, method, f"/api/sessions/never%20was{path}", body)
    expect(answer, 404, TEXT, "session 'never was'")


async def test_weights_stay_while_the_session_is_optimised(server_client: PgoClient) -> None:
    await made(server_client)
    (await server_client.start("today")).expect(200)
    refused = await ask(server_client, "PUT", WEIGHTS, weight("comfort", 1))
    expect(refused, 400, TEXT, "weights", "while the optimisation was running")
    (await server_client.stop("today")).expect(200)
    expect(await ask(server_client, "PUT", WEIGHTS, weight("comfort", 1)), 400, TEXT, "'comfort'")


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", "/api/networks/x", "application/json"),
        ("POST", "/api/sessions/x", "application/json"),
        ("PUT", RUN, "text/plain"),
        ("PUT", WEIGHTS, "multipart/form-data; boundary=b"),
        ("POST", f"{POOL}/x", "text/plain"),
        ("PUT", f"{POOL}/mine", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_of_another_kind_is_415(
    server_client: PgoClient, method: str, path: str, content_type: str
) -> None:
    await made(server_client)
    answer = await server_client.request(method, path, data=b"{}", headers={"Content-Type": content_type})
    expect(answer, 415, TEXT, "Content-Type")


@pytest.mark.parametrize("content_type", ["text/json", "application/problem+json", "Application/JSON; Charset=UTF-8"])
async def test_what_is_labelled_as_json_in_another_way_is_read(server_client: PgoClient, content_type: str) -> None:
    await made(server_client)
    headers = {"Content-Type": content_type}
    (await server_client.request("PUT", f"{POOL}/mine", data=orjson.dumps(PLAN), headers=headers)).expect(200)
    (await server_client.request("PUT", RUN, data=b"false", headers=headers)).expect(200)


# ------------------------------------------------------------------ demands that the network cannot meet


def fed_by(source: Document, *consumers: Document, **of_lines: Any) -> Document:  # Any: members of a JSON document
    return network([source, *consumers], [line(f"to {c['id']}", "G", c["id"], **of_lines) for c in consumers])


HALF = demands({"C": (0.5, 0.1)}, periods=2)
IMPLAUSIBLE = (
    # As complex numbers in VA, in each period.
    (
        fed_by(provider("G") | {"p_gen_max": 0.25, "q_gen_max": 0.125}, consumer("C")),
        HALF,
        ("Period 0", "Period 1", "<500000; 100000>", "<250000; 125000>"),
    ),
    # |0.5 + 0.1j| MVA is 509,902 VA; 2 A at 12.66 kV are 25,320 VA.
    (fed_by(provider("G"), consumer("C"), imax=2.0), HALF, ("Period 0", "Period 1", "509901.95", "25320 VA")),
    (fed_by(provider("G"), consumer("C", v_min=0.2, v_max=0.4)), HALF, ("12660 V", "'C'", "200 V", "400 V")),
    (
        network(
            [provider("G"), consumer("C"), *(consumer(f"island-{k:02}") for k in range(12))], [line("L", "G", "C")]
        ),
        demands({"C": (0.5, 0.1)} | {f"island-{k:02}": (0.001, 0.0) for k in range(12)}),
        (" 12 consumers", *(f"island-{k:02}" for k in range(10))),
    ),
    (
        fed_by(provider("G"), consumer("C", consumer_type="industry"), fault_frequency=0.5),
        HALF,
        ("'to C'", "'G'", "breaker"),
    ),
)


@pytest.mark.parametrize(
    ("grid", "given", "words"), IMPLAUSIBLE, ids=["generation", "lines", "voltages", "islands", "no breaker"]
)
async def test_demands_that_the_network_cannot_meet_are_refused(
    server_client: PgoClient, grid: Document, given: Document, words: tuple[str, ...]
) -> None:
    (await server_client.load_network("n", grid)).expect(201)
    answer = await server_client.create_session("s", "n", given)
    expect(answer, 400, TEXT, PARSING_SESSION, *words)
    assert "island-10" not in answer.text, "no more than ten are named"
    assert (await server_client.server()).json()["sessions"] == []


# ------------------------------------------------------------------ which of several errors is told


async def test_of_several_errors_in_an_upload_the_first_check_tells(server_client: PgoClient) -> None:
    await made(server_client)
    ring = network(
        [provider("G"), consumer("A"), consumer("B")],
        [line(name, *name, switchable=False, r=1.0) for name in ("GA", "AB", "BG")],
    )
    frail = fed_by(
        provider("G") | {"p_gen_max": 0.01, "q_gen_max": 0.01}, consumer("C", consumer_type="public"), fault_frequency=1
    )
    (await server_client.load_network("ring", ring)).expect(201)
    (await server_client.load_network("frail", frail)).expect(201)
    start = start_configuration({"to C": False})
    expect(await server_client.load_network("two", GARBAGE), 400, TEXT, "'two'", "already loaded")
    for session, grid, given, configuration, words in (
        ("today", "none", GARBAGE, GARBAGE, ("'today'", "already exists")),
        ("s", "none", GARBAGE, GARBAGE, ("'none'",)),
        ("s", "ring", GARBAGE, GARBAGE, (PARSING_SESSION, "network connectivity check failed", "'ring'")),
        ("s", "frail", GARBAGE, GARBAGE, (PARSING_SESSION, "Error in the demands: ")),
        ("s", "frail", HALF, GARBAGE, (PARSING_SESSION, "Error in the start configuration: ")),
        ("s", "frail", HALF, start, (PARSING_SESSION, "'to C'", "'G'", "breaker")),
    ):
        expect(await server_client.create_session(session, grid, given, configuration), 400, TEXT, *words)
    incomplete = aiohttp.FormData(default_to_multipart=True)
    incomplete.add_field("allowUnspecifiedConsumerDemands", "perhaps")
    answer = await server_client.request("POST", SESSION, data=incomplete)
    expect(answer, 400, PROBLEM)
    assert set(answer.json()["errors"]) == {"networkId", "demands", "allowUnspecifiedConsumerDemands"}
