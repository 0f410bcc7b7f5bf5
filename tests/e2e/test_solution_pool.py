"""The pool and the weights of a session on real services: what is uploaded is evaluated, repaired, and optimised from."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from tests.support.feeders import start_configuration, two_feeders
from tests.support.pgo import Answer, PgoClient, open_lines

SOLUTIONS = "/api/sessions/today/solutions/"
JSON = {"Content-Type": "application/json; charset=utf-8"}


def settings(**is_open: bool) -> bytes:
    entry = {"period": "0", "switch_settings": start_configuration(is_open)["switch_settings"]}
    return orjson.dumps({"period_solutions": [entry], "flows": [{"any": "thing"}], "kile_costs": 3})


async def made(client: PgoClient) -> None:
    """A session in which the line with the higher losses is in use."""
    feeder = two_feeders()
    (await client.load_network("feeder", feeder.network)).expect(201)
    (await client.create_session("today", "feeder", feeder.demands, feeder.start)).expect(201)


async def upload(client: PgoClient, method: str, name: str, document: bytes) -> Answer:
    return await client.request(method, SOLUTIONS + name, data=document, headers=JSON)


async def info(client: PgoClient, name: str) -> Any:  # Any: JSON
    return (await client.request("GET", f"{SOLUTIONS}{name}/info")).expect(200).json()


async def test_solutions_are_added_evaluated_repaired_and_removed(client: PgoClient) -> None:
    await made(client)
    (await upload(client, "POST", "dark", settings(L1=True, L2=True))).expect(200)
    assert [one["name"] for one in (await info(client, "dark"))["violations"]] == ["Connnected consumers"]
    mended = (await client.request("POST", f"{SOLUTIONS}dark/repair/mended")).expect(200)
    assert re.findall(r"\d+", mended.text) == ["0", "1"]
    assert (await info(client, "mended"))["is_feasible"]
    assert open_lines((await client.request("GET", f"{SOLUTIONS}mended")).expect(200).json()) == ["L2"]
    assert (await client.session("today")).json()["solutionIds"] == ["dark", "mended", "best"]
    (await upload(client, "PUT", "dark", settings(L1=False, L2=True))).expect(200)
    assert (await info(client, "dark"))["is_feasible"]
    (await client.request("DELETE", f"{SOLUTIONS}dark")).expect(200)
    (await client.request("GET", f"{SOLUTIONS}dark")).expect(404)
    downloaded = (await client.request("GET", f"{SOLUTIONS}best")).expect(200)
    assert downloaded.json() == (await client.best("today")).json()
    (await upload(client, "POST", "best%20(edited)", downloaded.body)).expect(200)
    assert (await info(client, "best%20(edited)"))["objective_value"] == (await info(client, "best"))["objective_value"]


async def test_a_better_solution_becomes_the_best_when_the_session_is_optimised(client: PgoClient) -> None:
    await made(client)
    before = (await info(client, "best"))["objective_value"]
    (await upload(client, "POST", "better", settings(L1=False, L2=True))).expect(200)
    better = (await info(client, "better"))["objective_value"]
    assert better < before
    assert (await info(client, "best"))["objective_value"] == before
    await client.start("today")
    await client.proven("today", within=60)
    (await client.stop("today")).expect(200)
    assert (await info(client, "best"))["objective_value"] == pytest.approx(better)
    assert (await info(client, "better"))["is_optimal"]


async def test_faulty_solutions_are_told_apart_by_how_they_are_faulty(client: PgoClient) -> None:
    await made(client)
    unknown = (await upload(client, "POST", "x", settings(L1=True, L3=True))).expect(400)
    assert unknown.text == "An error occurred adding the solution: Period '0': settings for unknown lines: L3"
    for document in (b'{"period_solutions": garbage', b'{"period_solutions": null}', b"[]"):
        wrong = (await upload(client, "POST", "best", document)).expect(400)
        assert wrong.headers["Content-Type"] == "application/problem+json; charset=utf-8"
        ((text,),) = wrong.json()["errors"].values()
        assert re.search(r"Path '.*', line 1, position \d+\.$", text)
    assert (await client.session("today")).json()["solutionIds"] == ["best"]


async def test_new_weights_count_at_once_and_for_the_next_optimisation(client: PgoClient) -> None:
    await made(client)
    names = [entry["objectiveName"] for entry in (await client.weights("today")).json()]
    given = [{"objectiveName": name, "weight": 7.0 if name == "Total loss (MWh)" else 0} for name in names]
    path = "/api/sessions/today/objectiveWeights"
    (await client.request("PUT", path, data=orjson.dumps(given), headers=JSON)).expect(200)
    loss_mwh = (await info(client, "best"))["objective_components"][0]["value"]
    assert (await client.session("today")).json()["bestSolutionValue"] == pytest.approx(7 * loss_mwh)
    await client.start("today")
    refused = (await client.request("PUT", path, data=orjson.dumps(given), headers=JSON)).expect(400)
    assert "while the optimisation was running" in refused.text
    found = await client.proven("today", within=60)
    (await client.stop("today")).expect(200)
    assert found["bound"] == pytest.approx(7 * found["objective_components"][0]["value"])
