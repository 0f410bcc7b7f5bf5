"""What a user of the CIM API does, against real processes."""

from __future__ import annotations

import orjson
import pytest

from tests.support.cim import json_ld, network_upload, session_upload, steady_state
from tests.support.eventually import eventually
from tests.support.hub import joined_to
from tests.support.pgo import Answer, Document, PgoClient, as_body
from tests.support.shared_data import shared_data

JSON = {"Content-Type": "application/json"}


class Cim:
    """The CIM API of a server."""

    def __init__(self, client: PgoClient) -> None:
        self._client = client

    async def send(self, method: str, path: str, body: Document | bytes | None = None) -> Answer:
        data = None if body is None else as_body(body)
        return await self._client.request(method, f"/api/cim{path}", data=data, headers=JSON if data else None)

    async def get(self, path: str) -> Answer:
        return await self.send("GET", path)


@pytest.fixture
async def cim(client: PgoClient) -> Cim:
    return Cim(client)


async def test_from_a_network_to_an_optimised_solution(cim: Cim, client: PgoClient) -> None:
    try:
        created = (await cim.send("POST", "/networks/town 1".replace(" ", "%20"), network_upload())).expect(201)
        assert (created.json(), created.headers["Location"]) == ({"id": "town 1"}, "/api/cim/networks/town%201")
        again = (await cim.send("POST", "/networks/town%201", network_upload())).expect(400)
        assert "'town 1' is already loaded" in again.text
        assert (await cim.get("/networks/town%201/connectivityStatus")).expect(200).json()["ok"] is True
        assert "Warnings of the conversion from CIM:" in (await cim.get("/networks/town%201/analysis")).expect(200).text
        (await cim.get("/networks/town%201")).expect(405)
        (await client.network("town 1")).expect(400)  # the other API has networks of its own
        assert (await client.server()).json() == {"networks": [], "sessions": []}

        upload = session_upload("town 1", steady_state(), steady_state(2.0), start=steady_state())
        created = (await cim.send("POST", "/sessions/winter", upload)).expect(201)
        assert created.headers["Location"] == "/api/cim/sessions/winter"
        status = (await cim.get("/server")).expect(200).json()
        assert status["networks"] == ["town 1"]
        assert [session["id"] for session in status["sessions"]] == ["winter"]
        (await cim.get("/sessions/winter/demands")).expect(404)
        best = (await cim.get("/sessions/winter/bestSolution")).expect(200)
        assert best.headers["Content-Type"] == "application/json; charset=utf-8"
        assert [entry["dcterms:creator"] for entry in best.json()["periodSolutions"]] == ["SINTEF PGO"] * 2
        info = (await cim.get("/sessions/winter/bestSolutionInfo")).expect(200).json()
        assert info["is_feasible"] is True
        before = info["objective_value"]

        solution = {"periodSolutions": [json_ld(steady_state()), json_ld(steady_state())]}
        (await cim.send("POST", "/sessions/winter/solutions/mine", solution)).expect(200)
        kept = (await cim.get("/sessions/winter/solutions/mine")).expect(200).json()
        assert len(kept["periodSolutions"]) == 2
        repaired = (await cim.send("POST", "/sessions/winter/solutions/mine/repair/mended")).expect(200)
        assert "0" in repaired.text

        (await cim.send("PUT", "/sessions/winter/runOptimization", b"true")).expect(200)

        assert (await cim.get("/sessions/winter")).json()["optimizationIsRunning"] is True
        (await cim.send("PUT", "/sessions/winter/runOptimization", b"false")).expect(200)
        assert (await cim.get("/sessions/winter")).json()["optimizationIsRunning"] is False
        assert (await cim.get("/sessions/winter/bestSolutionInfo")).json()["objective_value"] <= before
    finally:
        (await cim.send("DELETE", "/networks/town%201")).expect(200)
    assert (await cim.get("/server")).json() == {"networks": [], "sessions": []}


async def test_the_hub_tells_of_cim_sessions(cim: Cim, client: PgoClient) -> None:
    """Without a start configuration the network is a loop, so that a run finds something feasible, and better than its start."""
    try:
        (await cim.send("POST", "/networks/town", network_upload())).expect(201)
        (await cim.send("POST", "/sessions/winter", session_upload("town"))).expect(201)
        assert (await cim.get("/sessions/winter/bestSolutionInfo")).json()["is_feasible"] is False
        async with joined_to(f"{client.url}/solutionStatusHub", "winter") as hub:
            (await cim.send("PUT", "/sessions/winter/runOptimization", b"true")).expect(200)
            await eventually(lambda: hub.statuses, within=30)
            (await cim.send("PUT", "/sessions/winter/runOptimization", b"false")).expect(200)
            best = (await cim.get("/sessions/winter/bestSolutionInfo")).expect(200)
            await eventually(lambda: hub.statuses[-1] == best.json())
            assert hub.statuses[-1]["is_feasible"] is True
            assert (await cim.get("/sessions/winter")).json()["bestSolutionValue"] == best.json()["objective_value"]
    finally:
        (await cim.send("DELETE", "/networks/town")).expect(200)


def published(part: str) -> Document:
    return orjson.loads(shared_data(f"pgo/digin10/{part}.jsonld").read_bytes().removeprefix(b"\xef\xbb\xbf"))


async def test_the_published_network_is_analysed_and_optimised(cim: Cim) -> None:
    """DIGIN10 with the figures that are published of it; its impedances are a thousand times too large."""
    network, state = published("CombinedNetwork"), published("CombinedSsh")
    upload = {
        "network": network,
        "parsingOptions": {"unitsProfile": "digin"},
        "conversionOptions": {"lineImpedanceScaleFactor": 0.001},
    }
    period = {"id": "hour", "start_time": "2023-03-24T00:00:00Z", "end_time": "2023-03-24T01:00:00Z"}
    session = {
        "networkId": "digin10",
        "periodsAndDemands": [{"period": period, "demands": state}],
        "startConfiguration": state,
    }
    try:
        (await cim.send("POST", "/networks/digin10", upload)).expect(201)
        report = (await cim.get("/networks/digin10/analysis?verbose=true")).expect(200).text
        assert f"Number of nodes = {97 + 18 + 1 + 4}" in report
        assert "Number of switches = 31" in report
        assert "Number of breakers = 29" in report
        (await cim.send("POST", "/sessions/hour", session)).expect(201)
        start = (await cim.get("/sessions/hour/bestSolutionInfo")).json()
        assert start["is_feasible"] is True
        assert start["objective_value"] == pytest.approx(1222.477505, rel=1e-6)
        (await cim.send("PUT", "/sessions/hour/runOptimization", b"true")).expect(200)
        (await cim.send("PUT", "/sessions/hour/runOptimization", b"false")).expect(200)
        best = (await cim.get("/sessions/hour/bestSolutionInfo")).json()
        assert best["is_feasible"] is True
        assert best["objective_value"] <= start["objective_value"]
        (written,) = (await cim.get("/sessions/hour/bestSolution")).json()["periodSolutions"]
        assert len(written["@graph"]) == 60
        assert sum(switch["cim:Switch.open"] for switch in written["@graph"]) == 2
        (await cim.send("POST", "/sessions/hour/solutions/again", {"periodSolutions": [written]})).expect(200)
        again = (await cim.get("/sessions/hour/solutions/again/info")).json()
        assert again["objective_value"] == best["objective_value"]
    finally:
        (await cim.send("DELETE", "/networks/digin10")).expect(200)


async def test_what_is_wrong_is_said(cim: Cim) -> None:
    form = (await cim.send("POST", "/networks/n", {"network": {}, "parsingOptions": {"unitsProfile": "si"}})).expect(
        400
    )
    assert form.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert "conversionOptions" in str(form.json()["errors"])
    broken = (await cim.send("POST", "/networks/n", b'{"network": ')).expect(400)
    assert broken.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    wrong = (await cim.send("POST", "/networks/n", network_upload({"fuse/IdentifiedObject.mRID": ""}))).expect(400)
    assert wrong.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert wrong.text.startswith("An error occurred while parsing the network data: Fuse (IRI urn:uuid:fuse)")
    unnamed = (await cim.send("POST", "/sessions/s", {"periodsAndDemands": []})).expect(400)
    assert "networkId" in unnamed.json()["errors"]
    unknown = (await cim.send("POST", "/sessions/s", session_upload("nowhere"))).expect(400)
    assert "'nowhere'" in unknown.text
    try:
        (await cim.send("POST", "/networks/n", network_upload())).expect(201)
        shapeless = (await cim.send("POST", "/sessions/s", {"networkId": "n"})).expect(400)
        assert "periodsAndDemands" in str(shapeless.json()["errors"])
        refused = (await cim.send("POST", "/sessions/s", session_upload("n", {}))).expect(400)
        assert "Error in the demands: Period 'hour 0': " in refused.text
        (await cim.get("/sessions/s")).expect(404)
    finally:
        (await cim.send("DELETE", "/networks/n")).expect(200)
    (await cim.send("DELETE", "/networks/n")).expect(404)
