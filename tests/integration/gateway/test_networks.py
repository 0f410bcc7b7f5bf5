from __future__ import annotations

import asyncio

import pytest

from shared.errors import WorkerDied
from tests.integration.gateway.conftest import Served
from tests.integration.gateway.worker import count_rows
from tests.unit.gateway.http.streams import part

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def nothing_is_left(served: Served) -> None:
    assert {name: count for name, count in (await count_rows(served.process)).items() if count} == {}


async def test_an_upload_answers_with_id_and_location_and_is_listed(served: Served) -> None:
    got = await served.load("Demo%20(1)")
    assert (got.status, got.body) == (201, b'{"id":"Demo (1)"}')
    assert got.kind == "application/json; charset=utf-8"
    assert got.headers["Location"] == "/api/networks/Demo%20%281%29"
    assert served.worker.script.uploads["network"] == b'{"name": "north"}'
    assert (await served.call("GET", "/api/server")).body == b'{"networks":["Demo (1)"],"sessions":[]}'


async def test_a_network_comes_back_as_the_worker_has_written_it(served: Served) -> None:
    document = b'{"name": "' + b"x" * 3_000_000 + b'"}'
    await served.load("big", document)
    got = await served.call("GET", "/API/Networks/big/")
    assert (got.status, got.kind) == (200, "application/json; charset=utf-8")
    assert got.body == document


async def test_an_id_that_is_loaded_is_refused_and_the_network_stays(served: Served) -> None:
    await served.load("a", b"first")
    got = await served.load("a", b"second")
    assert (got.status, got.kind) == (400, "text/plain; charset=utf-8")
    assert "'a'" in got.text and "already loaded" in got.text
    assert (await served.call("GET", "/api/networks/a")).body == b"first"


async def test_of_uploads_at_once_one_wins(served: Served) -> None:
    answers = await asyncio.gather(*(served.load("a", b"x" * 100_000) for _ in range(6)))
    assert sorted(got.status for got in answers) == [201, 400, 400, 400, 400, 400]


async def test_a_refusal_is_told_in_the_workers_words_and_leaves_nothing(served: Served) -> None:
    served.worker.script.outcome = "refused"
    served.worker.script.body = "An error occurred while parsing the network data: Node 'α' …"
    got = await served.load("a")
    assert (got.status, got.kind) == (400, "text/plain; charset=utf-8")
    assert got.text == "An error occurred while parsing the network data: Node 'α' …"
    await nothing_is_left(served)
    served.worker.script.outcome = "done"
    assert (await served.load("a")).status == 201


async def test_a_document_that_kills_the_worker_is_a_client_error(served: Served) -> None:
    served.worker.script.outcome, served.worker.script.body = "failed", WorkerDied.code
    got = await served.load("a")
    assert got.status == 400
    assert "An error occurred while parsing the network data" in got.text
    assert "limits of time and memory" in got.text
    await nothing_is_left(served)


async def test_a_bug_of_the_worker_is_a_server_error(served: Served) -> None:
    served.worker.script.outcome, served.worker.script.body = "failed", "internal_error"
    assert (await served.load("a")).status == 500
    await nothing_is_left(served)


async def test_a_form_without_the_file_is_a_binding_error(served: Served) -> None:
    got = await served.form("/api/networks/a", part("networkDescription", "{}"))
    assert (got.status, got.kind) == (400, "application/problem+json; charset=utf-8")
    assert got.json["errors"] == {"networkDescription": ["The networkDescription field is required."]}


async def test_another_content_type_is_415(served: Served) -> None:
    assert (await served.call("POST", "/api/networks/a", json={})).status == 415


@pytest.mark.parametrize("path", ["", "/analysis", "/connectivityStatus"])
async def test_an_unknown_network_is_400_naming_it_where_it_is_read(served: Served, path: str) -> None:
    got = await served.call("GET", f"/api/networks/never%20was{path}")
    assert (got.status, got.kind) == (400, "text/plain; charset=utf-8")
    assert "'never was'" in got.text


async def test_an_unknown_network_is_404_where_it_is_deleted(served: Served) -> None:
    got = await served.call("DELETE", "/api/networks/never-was")
    assert got.status == 404
    assert "'never-was'" in got.text


async def test_the_analysis_is_a_text(served: Served) -> None:
    await served.load("a")
    for query in ("", "?verbose=true", "?verbose=False", "?Verbose=TRUE&x=1"):
        got = await served.call("GET", f"/api/networks/a/analysis{query}")
        assert (got.status, got.kind, got.text) == (200, "text/plain; charset=utf-8", "Number of nodes = 3")
    assert served.worker.script.analyses == [False, True, False, True]


@pytest.mark.parametrize("value", ["perhaps", "1", ""])
async def test_another_flag_than_true_or_false_is_a_binding_error(served: Served, value: str) -> None:
    got = await served.call("GET", f"/api/networks/a/analysis?verbose={value}")
    assert got.status == 400
    assert got.json["errors"] == {"verbose": [f"The value '{value}' is not valid: true or false."]}


async def test_an_analysis_of_a_network_deleted_meanwhile_is_that_of_an_unknown_one(served: Served) -> None:
    await served.load("a")
    served.worker.script.outcome = "gone"
    got = await served.call("GET", "/api/networks/a/analysis")
    assert got.status == 400
    assert "'a'" in got.text


async def test_the_connectivity_status_has_its_properties_in_order(served: Served) -> None:
    await served.load("a")
    got = await served.call("GET", "/api/networks/a/connectivityStatus")
    assert got.body == (
        b'{"ok":true,"unbreakable_cycle":null,"unconnectable_buses":["far"],"invalid_transformers":null}'
    )


async def test_a_deleted_network_is_gone_with_its_sessions(served: Served) -> None:
    for name in ("a", "b"):
        await served.load(name)
        await served.create(f"s{name}", name)
    got = await served.call("DELETE", "/api/networks/a")
    assert (got.status, got.body) == (200, b"")
    assert "Content-Type" not in got.headers
    status = (await served.call("GET", "/api/server")).json
    assert status["networks"] == ["b"]
    assert [session["id"] for session in status["sessions"]] == ["sb"]
    assert (await served.call("DELETE", "/api/networks/a")).status == 404
    assert (await served.load("a")).status == 201


async def test_networks_are_listed_in_order_of_creation(served: Served) -> None:
    for name in ("z", "a", "m"):
        await served.load(name)
    assert (await served.call("GET", "/api/server")).json["networks"] == ["z", "a", "m"]


async def test_a_network_that_is_being_loaded_is_not_there_yet(served: Served) -> None:
    served.worker.script.hold = asyncio.Event()
    loading = asyncio.create_task(served.load("a"))
    while not (await count_rows(served.process))["reconfiguration_networks"]:
        await asyncio.sleep(0.01)
    assert (await served.call("GET", "/api/server")).json["networks"] == []
    assert (await served.call("GET", "/api/networks/a")).status == 400
    assert (await served.call("DELETE", "/api/networks/a")).status == 404
    assert (await served.create("s", "a")).status == 400
    refused = await served.load("a")
    assert refused.status == 400
    assert "already loaded" in refused.text
    served.worker.script.hold.set()
    assert (await loading).status == 201


async def test_an_overlong_id_is_refused(served: Served) -> None:
    assert (await served.load("x" * 1024)).status == 201
    got = await served.load("x" * 1025)
    assert got.status == 400
    assert "1024 bytes" in got.text
