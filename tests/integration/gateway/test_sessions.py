from __future__ import annotations

import asyncio

import pytest

from tests.integration.gateway.conftest import Served
from tests.integration.gateway.worker import BEST_DOCUMENT, count_rows
from tests.unit.gateway.http.streams import part

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMANDS = part("demands", b'{"periods": []}', "d.json")
# 2 · 1e6 + 3 · 1e3 + 5 · 1 + 500 · 0.002 + 7 · 1, from the scripted values and the default weights
OBJECTIVE = 2_003_013.0


async def test_a_created_session_answers_with_id_and_location_and_is_listed(served: Served) -> None:
    await served.load("n")
    got = await served.create("My%20session", "n")
    assert (got.status, got.body) == (201, b'{"id":"My session"}')
    assert got.headers["Location"] == "/api/sessions/My%20session"
    assert (await served.call("GET", "/api/sessions/My%20session")).body == (
        b'{"id":"My session","networkId":"n","optimizationIsRunning":false,"bestSolutionValue":2003013.0,'
        b'"bestInfeasibleSolutionValue":null,"solutionIds":["best"]}'
    )
    listed = (await served.call("GET", "/api/server")).json
    assert [(session["id"], session["networkId"]) for session in listed["sessions"]] == [("My session", "n")]


async def test_the_worker_gets_the_documents_as_they_were_uploaded(served: Served) -> None:
    await served.load("n")
    start = part("startConfiguration", b'{"switch_settings": []}', "c.json")
    flag = part("allowUnspecifiedConsumerDemands", "True")
    assert (await served.create("s", "n", start, flag)).status == 201
    uploads = served.worker.script.uploads
    assert uploads["demands"] == b'{"periods": []}'
    assert uploads["start_configuration"] == b'{"switch_settings": []}'


async def test_a_start_configuration_without_a_filename_is_none(served: Served) -> None:
    await served.load("n")
    assert (await served.create("s", "n", part("startConfiguration", "undefined"))).status == 201
    assert served.worker.script.uploads["start_configuration"] == b""
    assert (await count_rows(served.process))["reconfiguration_session_uploads"] == 1


async def test_all_binding_errors_come_together_and_first(served: Served) -> None:
    got = await served.form("/api/sessions/s", part("allowUnspecifiedConsumerDemands", "perhaps"))
    assert (got.status, got.kind) == (400, "application/problem+json; charset=utf-8")
    assert set(got.json["errors"]) == {"networkId", "demands", "allowUnspecifiedConsumerDemands"}
    assert got.json["title"] == "One or more validation errors occurred."


async def test_a_session_id_in_use_is_refused_before_the_network_is_looked_for(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    for network in ("n", "never-was"):
        got = await served.create("s", network)
        assert (got.status, got.kind) == (400, "text/plain; charset=utf-8")
        assert "'s'" in got.text and "already exists" in got.text


async def test_an_unknown_network_is_named(served: Served) -> None:
    got = await served.create("s", "never-was")
    assert got.status == 400
    assert "No network" in got.text and "never-was" in got.text


async def test_of_sessions_created_at_once_one_wins(served: Served) -> None:
    await served.load("n")
    answers = await asyncio.gather(*(served.create("s", "n") for _ in range(6)))
    assert sorted(got.status for got in answers) == [201, 400, 400, 400, 400, 400]


async def test_a_refusal_leaves_nothing_and_the_network_stays(served: Served) -> None:
    await served.load("n")
    served.worker.script.outcome = "refused"
    served.worker.script.body = "An error occurred while parsing the session data: Error in the demands: no periods"
    got = await served.create("s", "n")
    assert (got.status, got.text) == (400, served.worker.script.body)
    rows = await count_rows(served.process)
    assert (rows["reconfiguration_sessions"], rows["reconfiguration_session_uploads"]) == (0, 0)
    assert rows["reconfiguration_networks"] == 1


async def test_a_network_deleted_while_its_session_is_made_is_an_unknown_one(served: Served) -> None:
    await served.load("n")
    served.worker.script.hold, served.worker.script.outcome = asyncio.Event(), "gone"
    creating = asyncio.create_task(served.create("s", "n"))
    while not await served.worker.session_keys():
        await asyncio.sleep(0.01)
    assert (await served.call("GET", "/api/sessions/s")).status == 404
    assert (await served.call("DELETE", "/api/networks/n")).status == 200
    served.worker.script.hold.set()
    got = await creating
    assert got.status == 400
    assert "'n'" in got.text


async def test_an_infeasible_best_shows_its_value_elsewhere(served: Served) -> None:
    await served.load("n")
    served.worker.script.is_feasible = False
    await served.create("s", "n")
    status = await served.status("s")
    assert status["bestSolutionValue"] is None
    assert status["bestInfeasibleSolutionValue"] == OBJECTIVE


async def test_documents_of_a_session_come_as_the_worker_has_written_them(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    demands = await served.call("GET", "/api/sessions/s/demands")
    assert (demands.status, demands.body) == (200, b'{"periods": []}')
    best = await served.call("GET", "/api/sessions/s/bestSolution")
    assert (best.status, best.body) == (200, BEST_DOCUMENT)
    assert demands.kind == best.kind == "application/json; charset=utf-8"


async def test_the_info_of_best_is_complete(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    info = (await served.call("GET", "/api/sessions/s/bestSolutionInfo")).json
    assert list(info)[:6] == [
        "is_feasible",
        "is_optimal",
        "objective_value",
        "objective_components",
        "period_information",
        "violations",
    ]
    assert info["objective_value"] == OBJECTIVE
    assert [component["value"] for component in info["objective_components"]] == [2.0, 3.0, 5.0, 500.0, 7.0]
    assert info["period_information"] == [
        {
            "period": {"id": "Day 1", "start_time": "2019-10-01T00:00:00Z", "end_time": "2019-10-02T00:00:00Z"},
            "changed_switches": 2,
        }
    ]
    assert (info["is_optimal"], info["bound"], info["gap"], info["proof"]) == (False, None, None, "none")


async def test_a_proof_under_the_sessions_weights_makes_the_best_optimal(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    weights = [1_000_000.0, 1_000.0, 1.0, 0.002, 1.0]
    await served.worker.change_best(bound=OBJECTIVE, bound_weights=weights, proof="enumerated")
    info = (await served.call("GET", "/api/sessions/s/bestSolutionInfo")).json
    assert (info["is_optimal"], info["bound"], info["gap"], info["proof"]) == (True, OBJECTIVE, 0.0, "enumerated")
    await served.worker.change_best(bound_weights=[1.0] * 5)
    info = (await served.call("GET", "/api/sessions/s/bestSolutionInfo")).json
    assert (info["is_optimal"], info["bound"], info["gap"], info["proof"]) == (False, None, None, "none")


async def test_the_default_weights_are_listed_in_order(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    got = await served.call("GET", "/api/sessions/s/objectiveWeights")
    assert [(item["objectiveName"], item["weight"]) for item in got.json] == [
        ("Total loss (MWh)", 1_000_000),
        ("IMax violation (Ah)", 1_000),
        ("IMax(50.0%) violation (Ah)", 1),
        ("Switching cost", 0.002),
        ("KILE cost", 1),
    ]


async def test_a_deleted_session_is_gone_and_its_name_free(served: Served) -> None:
    await served.load("n")
    await served.create("s", "n")
    got = await served.call("DELETE", "/api/sessions/s")
    assert (got.status, got.body) == (200, b"")
    assert (await served.call("DELETE", "/api/sessions/s")).status == 404
    assert (await served.call("GET", "/api/server")).json["sessions"] == []
    assert (await served.create("s", "n")).status == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/demands"),
        ("GET", "/bestSolution"),
        ("GET", "/bestSolutionInfo"),
        ("GET", "/objectiveWeights"),
        ("GET", "/solutions/"),
        ("GET", "/solutions/x"),
        ("GET", "/solutions/best"),
        ("GET", "/solutions/x/info"),
        ("DELETE", "/solutions/x"),
        ("DELETE", "/solutions/best"),
        ("POST", "/solutions/x/repair/y"),
    ],
)
async def test_an_unknown_session_is_404(served: Served, method: str, path: str) -> None:
    got = await served.call(method, f"/api/sessions/never-was{path}")
    assert (got.status, got.kind) == (404, "text/plain; charset=utf-8")
    if path != "/solutions/":
        assert "session 'never-was'" in got.text


async def test_users_do_not_see_each_other(database_url: str) -> None:
    from tests.integration.gateway.conftest import serving

    first, second = {"Cookie": "X-PgoUserId=u1"}, {"Cookie": "X-PgoUserId=u2"}
    async with serving(database_url, pgo_multi_user="True") as served:
        await served.load("n", headers=first)
        await served.create("s", "n", headers=first)
        for path in ("/api/networks/n", "/api/networks/n/analysis", "/api/networks/n/connectivityStatus"):
            assert (await served.call("GET", path, headers=second)).status == 400
        for path in ("", "/demands", "/bestSolution", "/bestSolutionInfo", "/objectiveWeights"):
            assert (await served.call("GET", f"/api/sessions/s{path}", headers=second)).status == 404
        assert (await served.call("DELETE", "/api/sessions/s", headers=second)).status == 404
        assert (await served.call("DELETE", "/api/networks/n", headers=second)).status == 404
        for wanted in (True, False):
            path = "/api/sessions/s/runOptimization"
            assert (await served.call("PUT", path, json=wanted, headers=second)).status == 404
        assert (await served.create("t", "n", headers=second)).status == 400
        assert (await served.call("GET", "/api/server", headers=second)).json == {"networks": [], "sessions": []}
        assert (await served.load("n", b"other", headers=second)).status == 201
        assert (await served.call("GET", "/api/networks/n", headers=first)).body == b'{"name": "north"}'
        assert (await served.call("GET", "/api/networks/n", headers=second)).body == b"other"
        newcomer = await served.call("GET", "/api/server")
        assert newcomer.json == {"networks": [], "sessions": []}
        assert newcomer.headers["Set-Cookie"].startswith("X-PgoUserId=")
