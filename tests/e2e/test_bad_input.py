"""Wrong requests over the wire: the status and the words that clients rely on, never a server error, and nothing left behind."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import psutil
import pytest

from tests.support.feeders import Feeder, consumer, demands, line, network, provider, start_configuration, two_feeders
from tests.support.pgo import Answer, PgoClient
from tests.support.stack import ServiceProcess, Stack

PARSING_NETWORK = "error occurred while parsing the network data"
PARSING_SESSION = "error occurred while parsing the session data"
# How existing clients' tests recognise an error of reading, as opposed to one of meaning.
AT_POSITION = re.compile(r"Path '.*', line \d+, position \d+\.$", re.S)
MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """A document that is refused with 400, and the words that the text must have."""

    name: str
    document: Any  # a JSON document, or bytes as they are
    words: tuple[str, ...]
    is_unreadable: bool = False


def with_line(**more: Any) -> Any:
    return network([provider("G"), consumer("C")], [line("L1", "G", "C", **more)])


def with_node(**more: Any) -> Any:
    return network([provider("G"), consumer("C", **more)], [line("L1", "G", "C")])


TRANSFORMER = {
    "id": "T1",
    "connections": [{"node_id": "G", "end_voltage": 12.66}, {"node_id": "C", "end_voltage": 0.4}],
    "modes": [{"source": "G", "target": "C", "operation": "fixed_ratio", "ratio": 31.65}],
}

NETWORKS = [
    Case("nothing", b"", (), is_unreadable=True),
    Case("not JSON", b"this is no network", (), is_unreadable=True),
    Case("truncated", json.dumps(with_line()).encode()[:-20], (), is_unreadable=True),
    Case("not UTF-8", b'{"@schema_version": 1, "nodes": [{"id": "\xff\xfe"}], "lines": []}', ()),
    Case("a lone surrogate", b'{"@schema_version": 1, "name": "\\ud800", "nodes": [{}], "lines": []}', ()),
    Case("a list", [], ()),
    Case("null", None, ()),
    Case("no lists", {"@schema_version": 1}, ("nodes",)),
    Case("a list that is null", {"@schema_version": 1, "nodes": None, "lines": []}, ("nodes",)),
    Case("a null in a list", {"@schema_version": 1, "nodes": [None], "lines": []}, ("nodes",)),
    Case("another version", network([], []) | {"@schema_version": 2}, ("@schema_version", "1")),
    Case("a text for a number", with_line(imax="wide"), ("imax",), is_unreadable=True),
    Case("a list for a number", with_line(imax=[1]), ("imax",), is_unreadable=True),
    Case("a number for a truth", with_line(breaker=7), ("breaker",), is_unreadable=True),
    Case("NaN", json.dumps(with_line(imax=float("nan"))).encode(), (), is_unreadable=True),
    Case("NaN as text", with_line(imax="NaN"), (), is_unreadable=True),
    Case("an impossible kind of node", with_node() | {"nodes": [{"id": "G", "type": "windmill"}]}, ("windmill",)),
    Case(
        "an unknown source", network([provider("G")], [line("L1", "nowhere", "G")]), ("Line 'L1'", "source", "nowhere")
    ),
    Case(
        "an unknown target", network([provider("G")], [line("L1", "G", "nowhere")]), ("Line 'L1'", "target", "nowhere")
    ),
    Case("a node twice", network([provider("G"), consumer("C"), consumer("C")], []), ("'C'",)),
    Case("a line twice", network([provider("G"), consumer("C")], [line("L1", "G", "C")] * 2), ("'L1'",)),
    Case("an empty id", network([provider("")], []), ("id",)),
    Case("a self loop", network([provider("G")], [line("L1", "G", "G")]), ("Line 'L1'",)),
    Case("a negative resistance", with_line(r=-1.0), ("Line 'L1'", "r")),
    Case("limits the wrong way round", with_node(v_min=2.0, v_max=1.0), ("Node 'C'", "v_min")),
    Case("a provider without voltage", network([{"id": "G", "type": "provider"}], []), ("Node 'G'", "v_gen")),
    Case(
        "a transformer without modes",
        with_line() | {"transformers": [TRANSFORMER | {"modes": []}]},
        ("Transformer 'T1'", "modes"),
    ),
    Case(
        "fault data without a category of the consumer",
        network(
            [provider("G"), consumer("C")],
            [line("L1", "G", "C", fault_frequency=0.5, repair_time="PT1H", sectioning_time="PT10M")],
        ),
        ("Node 'C'", "consumer_type"),
    ),
    Case("100,000 nested brackets", b"[" * 100_000, (), is_unreadable=True),
    Case(
        "100,000 nested objects under a name that is ignored",
        b'{"@schema_version": 1, "nodes": [], "lines": [], "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        (),
    ),
    Case("a number beyond all bounds", with_line(imax=-1) | {"x": 1}, ("Line 'L1'", "imax")),
    Case("ten megabytes of one name", network([provider("x" * 10_000_000), provider("x" * 10_000_000)], []), ()),
]

FEEDER = two_feeders(imax=400.0)


def demand_with(**more: Any) -> Any:
    return FEEDER.demands | more


LOAD = FEEDER.demands["loads"][0]
PERIOD = FEEDER.demands["periods"][0]

DEMANDS = [
    Case("not JSON", b"{", ("Error in the demands:",), is_unreadable=True),
    Case("no periods", demand_with(periods=[]), ("Error in the demands:",)),
    Case("an unknown consumer", demand_with(loads=[LOAD, LOAD | {"node_id": "nobody"}]), ("nobody",)),
    Case("a provider as consumer", demand_with(loads=[LOAD, LOAD | {"node_id": "G"}]), ("'G'",)),
    Case("a consumer twice", demand_with(loads=[LOAD, LOAD]), ("'C'",)),
    Case("no load for a consumer", demand_with(loads=[]), ("C",)),
    Case("too many values", demand_with(loads=[LOAD | {"p_loads": [1.0, 2.0]}]), ("'C'",)),
    Case("a negative load", demand_with(loads=[LOAD | {"p_loads": [-1.0]}]), ("'C'",)),
    Case(
        "a period that ends before it starts",
        demand_with(periods=[PERIOD | {"end_time": PERIOD["start_time"]}]),
        ("'0'",),
    ),
    Case("no time", demand_with(periods=[PERIOD | {"start_time": "yesterday"}]), ("yesterday",)),
    Case("more than all lines can carry", demands({"C": (1000.0, 0.0)}), ()),
]

STARTS = [
    Case("not JSON", b"{", ("Error in the start configuration:",), is_unreadable=True),
    Case("an unknown line", start_configuration({"L1": True, "L2": True, "L9": True}), ("L9",)),
    Case("a switch missing", start_configuration({"L1": True}), ("L2",)),
    Case(
        "a line twice",
        {"switch_settings": [{"line_id": "L1", "open": True}] * 2 + [{"line_id": "L2", "open": True}]},
        ("L1",),
    ),
    Case("no truth", {"switch_settings": [{"line_id": "L1", "open": "perhaps"}, {"line_id": "L2", "open": True}]}, ()),
]


def name_of(case: Case) -> str:
    return case.name


@pytest.fixture
async def loaded(server_client: PgoClient) -> Feeder:
    """A network with two switches, under the name 'two'."""
    (await server_client.load_network("two", FEEDER.network)).expect(201)
    return FEEDER


@pytest.fixture
async def unchanged(server_client: PgoClient, stack: Stack) -> AsyncIterator[None]:
    """Afterwards the server knows what it knew before, also where clients cannot look."""
    yield
    connection = await asyncpg.connect(stack.database_url)
    try:
        pending = [
            await connection.fetchval(f"SELECT count(*) FROM reconfiguration_{table} WHERE state = 'pending'")
            for table in ("networks", "sessions")
        ]
        uploads = await connection.fetchval(
            "SELECT count(*) FROM reconfiguration_network_uploads u"
            " WHERE NOT EXISTS (SELECT FROM reconfiguration_networks n WHERE n.network_key = u.network_key)"
        )
    finally:
        await connection.close()
    assert (pending, uploads) == ([0, 0], 0)


def expect_refusal(answer: Answer, prefix: str, case: Case) -> None:
    answer.expect(400)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert prefix in answer.text, answer.text[:500]
    for word in case.words:
        assert word in answer.text, answer.text[:500]
    if case.is_unreadable:
        assert AT_POSITION.search(answer.text), answer.text[-500:]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("case", NETWORKS, ids=name_of)
async def test_a_wrong_network_is_refused_with_what_is_wrong(case: Case, server_client: PgoClient) -> None:
    expect_refusal(await server_client.load_network("wrong", case.document), PARSING_NETWORK, case)
    assert (await server_client.server()).json() == {"networks": [], "sessions": []}
    # The name is free again.
    (await server_client.load_network("wrong", FEEDER.network)).expect(201)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("case", DEMANDS, ids=name_of)
async def test_wrong_demands_are_refused_with_what_is_wrong(
    case: Case, server_client: PgoClient, loaded: Feeder
) -> None:
    expect_refusal(await server_client.create_session("wrong", "two", case.document), PARSING_SESSION, case)
    assert (await server_client.server()).json()["sessions"] == []
    (await server_client.create_session("wrong", "two", loaded.demands)).expect(201)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("case", STARTS, ids=name_of)
async def test_a_wrong_start_configuration_is_refused_with_what_is_wrong(
    case: Case, server_client: PgoClient, loaded: Feeder
) -> None:
    answer = await server_client.create_session("wrong", "two", loaded.demands, case.document)
    expect_refusal(answer, PARSING_SESSION, case)
    assert "Error in the start configuration:" in answer.text
    assert (await server_client.server()).json()["sessions"] == []


@pytest.mark.usefixtures("unchanged")
async def test_demand_that_no_switch_can_connect_is_refused_at_the_session(server_client: PgoClient) -> None:
    island = network([provider("G"), consumer("C"), consumer("island")], [line("L1", "G", "C")])
    (await server_client.load_network("island", island)).expect(201)
    status = (await server_client.connectivity("island")).expect(200).json()
    assert status["ok"] and status["unconnectable_buses"] == ["island"]
    both = {"C": (0.1, 0.0), "island": (0.1, 0.0)}
    answer = (await server_client.create_session("s", "island", demands(both))).expect(400)
    assert PARSING_SESSION in answer.text and "island" in answer.text
    # Without demand the island harms nobody.
    (await server_client.create_session("s", "island", demands(both | {"island": (0.0, 0.0)}))).expect(201)


@pytest.mark.usefixtures("unchanged")
async def test_a_network_without_a_radial_configuration_takes_no_sessions(server_client: PgoClient) -> None:
    ring = network(
        [provider("G"), consumer("A"), consumer("B")],
        [line(f"L{k}", *ends, switchable=False) for k, ends in enumerate([("G", "A"), ("A", "B"), ("B", "G")])],
    )
    (await server_client.load_network("ring", ring)).expect(201)
    status = (await server_client.connectivity("ring")).expect(200).json()
    assert not status["ok"] and sorted(status["unbreakable_cycle"]) == ["L0", "L1", "L2"]
    answer = await server_client.create_session("s", "ring", demands({"A": (0.1, 0.0), "B": (0.1, 0.0)}))
    assert "network connectivity check failed" in answer.expect(400).text
    assert "/api/networks/ring/connectivityStatus" in answer.text


@pytest.mark.usefixtures("unchanged")
async def test_a_session_on_no_network_and_names_that_are_taken(server_client: PgoClient, loaded: Feeder) -> None:
    assert "'nowhere'" in (await server_client.create_session("s", "nowhere", loaded.demands)).expect(400).text
    (await server_client.create_session("s", "two", loaded.demands)).expect(201)
    taken = (await server_client.create_session("s", "two", loaded.demands)).expect(400).text
    assert "'s'" in taken and "already exists" in taken
    taken = (await server_client.load_network("two", loaded.network)).expect(400).text
    assert "'two'" in taken and "already loaded" in taken


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/api/networks/none", 400, "none"),
        ("GET", "/api/networks/none/analysis", 400, "none"),
        ("GET", "/api/networks/none/connectivityStatus", 400, "none"),
        ("DELETE", "/api/networks/none", 404, "none"),
        ("GET", "/api/sessions/none", 404, "none"),
        ("GET", "/api/sessions/none/bestSolution", 404, "none"),
        ("GET", "/api/sessions/none/bestSolutionInfo", 404, "none"),
        ("GET", "/api/sessions/none/demands", 404, "none"),
        ("GET", "/api/sessions/none/objectiveWeights", 404, "none"),
        ("DELETE", "/api/sessions/none", 404, "none"),
        ("GET", "/api/nothing", 404, ""),
        ("GET", "/api/networks/", 404, ""),
        ("PATCH", "/api/networks/none", 405, ""),
        ("POST", "/api/server", 405, ""),
        ("GET", "/api/networks/%00", 400, ""),
        ("GET", "/api/sessions/%FF%FE", 400, ""),
        ("GET", "/api/networks/" + "x" * 5000, 400, ""),
    ],
)
async def test_what_is_not_there(server_client: PgoClient, method: str, path: str, status: int, word: str) -> None:
    answer = (await server_client.request(method, path)).expect(status)
    assert word in answer.text


async def test_missing_parts_are_named_all_at_once(server_client: PgoClient) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("allowUnspecifiedConsumerDemands", "perhaps")
    answer = (await server_client.request("POST", "/api/sessions/s", data=form)).expect(400)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == 400 and problem["title"] == "One or more validation errors occurred."
    assert {"networkId", "demands"} <= set(problem["errors"])
    as_text = aiohttp.FormData(default_to_multipart=True)
    as_text.add_field("networkDescription", json.dumps(FEEDER.network))
    as_text.add_field("another", "part")
    answer = (await server_client.request("POST", "/api/networks/n", data=as_text)).expect(400)
    assert "networkDescription" in answer.json()["errors"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_a_form_must_be_multipart(server_client: PgoClient, content_type: str) -> None:
    answer = await server_client.request("POST", "/api/networks/n", data=b"{}", headers={"Content-Type": content_type})
    answer.expect(415)


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
async def test_a_json_body_must_say_that_it_is_json(
    server_client: PgoClient, loaded: Feeder, content_type: str
) -> None:
    (await server_client.create_session("s", "two", loaded.demands)).expect(201)
    path = "/api/sessions/s/runOptimization"
    (await server_client.request("PUT", path, data=b"true", headers={"Content-Type": content_type})).expect(415)
    assert not await server_client.is_running("s")


@pytest.mark.parametrize(
    "body",
    [b"", b"1", b'"true"', b"null", b"{}", b"tru", b"true false", b"\xff", b"[" * 100_000, b"NaN"],
    ids=lambda body: body[:10].decode(errors="replace") or "nothing",
)
async def test_starting_takes_true_or_false_and_nothing_else(
    server_client: PgoClient, loaded: Feeder, body: bytes
) -> None:
    (await server_client.create_session("s", "two", loaded.demands)).expect(201)
    path = "/api/sessions/s/runOptimization"
    answer = await server_client.request("PUT", path, data=body, headers={"Content-Type": "application/json"})
    assert answer.expect(400).headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["errors"]
    assert not await server_client.is_running("s")


@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (b"", "b"),
        (b"--b\r\n", "b"),
        (b'--b\r\nContent-Disposition: form-data; name="networkDescription"; filename="n"\r\n\r\n{', "b"),
        (b"--b--\r\n", "b"),
        (b"no multipart at all", "b"),
        (b"--b\r\nContent-Disposition: nonsense\r\n\r\nx\r\n--b--\r\n", "b"),
        (b"x" * 100_000, "b"),
    ],
    ids=["nothing", "only a boundary", "cut off", "no parts", "no multipart", "a nameless part", "a long line"],
)
@pytest.mark.usefixtures("unchanged")
async def test_a_broken_form_is_the_clients_fault(server_client: PgoClient, body: bytes, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    (await server_client.request("POST", "/api/networks/n", data=body, headers=headers)).expect(400)
    assert (await server_client.server()).json()["networks"] == []


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("unchanged")
async def test_200_megabytes_are_read_without_holding_them(
    server_client: PgoClient, on_servers: ServiceProcess, stack: Stack
) -> None:
    gateway = psutil.Process(on_servers.process.pid)
    before = gateway.memory_info().rss
    peak = before

    async def body() -> AsyncIterator[bytes]:
        nonlocal peak
        yield b'--b\r\nContent-Disposition: form-data; name="networkDescription"; filename="n"\r\n\r\n{"name": "'
        for _ in range(200):
            yield b"x" * MIB
            peak = max(peak, gateway.memory_info().rss)
        yield b'"}\r\n--b--\r\n'

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await server_client.request("POST", "/api/networks/large", data=body(), headers=headers)
    # In time, or not: a worker that needs longer than a client is made to wait is no fault of the document.
    answer.expect(400, 503)
    if answer.status == 400:
        assert PARSING_NETWORK in answer.text and "nodes" in answer.text
    peak = max(peak, gateway.memory_info().rss)
    assert peak - before < 60 * MIB
    assert (await server_client.server()).json()["networks"] == []
    (await server_client.load_network("large", FEEDER.network)).expect(201)


async def test_a_json_body_beyond_its_bound_is_refused_before_it_is_read(
    server_client: PgoClient, loaded: Feeder
) -> None:
    (await server_client.create_session("s", "two", loaded.demands)).expect(201)
    path = "/api/sessions/s/runOptimization"
    body = io.BytesIO(b" " * (2 * MIB) + b"true")
    try:
        answer = await server_client.request("PUT", path, data=body, headers={"Content-Type": "application/json"})
    except aiohttp.ClientConnectionError:
        pass  # the server hung up on what it will not read
    else:
        answer.expect(413)
    assert not await server_client.is_running("s")


def test_no_process_was_lost_to_any_of_this(stack: Stack, server_errors: list[str]) -> None:
    for service in stack.services:
        assert service.process.is_running, service.name
    assert server_errors == []


@pytest.fixture
def server_errors(stack: Stack) -> list[str]:
    """Lines of the gateway's log about requests that ended with 500."""
    return [
        entry
        for service in stack.services
        for entry in service.log.read_text("utf-8").splitlines()
        if '"status": 500' in entry or '"status":500' in entry
    ]
