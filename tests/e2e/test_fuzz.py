"""Requests made up from the OpenAPI document, and real ones spoiled: never a server error, never a hang, never a lost process."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
import urllib.request
from typing import Any

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans
from schemathesis.core.result import Ok

from tests.support.feeders import baran_wu_33
from tests.support.pgo import PgoClient
from tests.support.seeds import new_seed
from tests.support.stack import ServiceProcess, Stack

EXAMPLES_PER_OPERATION = 25
HANG_S = 5.0
SPOILED = 300
"""How many spoiled documents are sent: the short form; a long soak sends as many as it has time for."""


@pytest.fixture(scope="module")
def steady(on_servers: ServiceProcess, stack: Stack) -> Any:  # Any: a generator fixture
    """Afterwards the same processes run, hardly larger than before, and without a server error in their logs."""
    gateway = psutil.Process(on_servers.process.pid)
    pids = [service.process.pid for service in stack.services]
    yield
    assert [service.process.pid for service in stack.services] == pids
    assert all(service.process.is_running for service in stack.services)
    errors = [line for line in on_servers.log.read_text("utf-8").splitlines() if '"status":500' in line]
    assert errors == []
    # What many requests leave behind in caches and pools is bounded; a leak would go on.
    assert gateway.memory_info().rss < 512 << 20


def operations(url: str) -> list[Any]:  # Any: schemathesis's operations
    schema = schemathesis.openapi.from_url(f"{url}/swagger/v1_json/swagger.json")
    schema.config.update(base_url=url)
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


@pytest.mark.timeout(280)
@pytest.mark.usefixtures("steady")
async def test_requests_made_up_from_the_openapi_document_are_answered(
    server_client: PgoClient, on_servers: ServiceProcess
) -> None:
    feeder = baran_wu_33()
    (await server_client.load_network("there", feeder.network)).expect(201)
    (await server_client.create_session("there", "there", feeder.demands, feeder.start)).expect(201)
    statuses = await asyncio.to_thread(_ask_everything, on_servers.url)
    assert statuses >= {200, 400, 404}
    (await server_client.network("there")).expect(200)
    (await server_client.session("there")).expect(200)


def _ask_everything(url: str) -> set[int]:
    statuses: set[int] = set()
    found = operations(url)
    assert len(found) > 10
    for operation in found:

        @given(case=operation.as_strategy(), is_there=booleans())
        @settings(
            max_examples=EXAMPLES_PER_OPERATION,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any, is_there: bool) -> None:  # Any: schemathesis's case
            if is_there and case.method != "DELETE":
                case.path_parameters = dict.fromkeys(case.path_parameters or {}, "there")
            response = case.call(base_url=url, timeout=30)
            statuses.add(response.status_code)
            assert response.status_code < 500, f"{case.as_curl_command()}\n{response.status_code} {response.text}"
            assert response.elapsed < HANG_S, case.as_curl_command()

        ask()
    return statuses


@pytest.mark.timeout(280)
@pytest.mark.usefixtures("steady")
async def test_spoiled_documents_are_refused_or_taken_but_never_crash_anything(server_client: PgoClient) -> None:
    chance = random.Random(new_seed("spoiled documents"))
    network = json.dumps(baran_wu_33().network)

    async def send(number: int) -> None:
        body = spoil(network, chance)
        answer = await server_client.load_network(f"n{number}", body)
        assert answer.status in {201, 400, 403}, (answer.status, answer.text, body[:300])
        assert answer.seconds < HANG_S, body[:300]
        if answer.status == 201:
            (await server_client.network(f"n{number}")).expect(200).json()
            (await server_client.analysis(f"n{number}")).expect(200)
            (await server_client.connectivity(f"n{number}")).expect(200)
            (await server_client.delete_network(f"n{number}")).expect(200)

    for start in range(0, SPOILED, 4):
        await asyncio.gather(*(send(number) for number in range(start, start + 4)))


RAW: dict[str, bytes] = {
    "nothing but a line": b"\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown version": b"GET /api/server HTTP/9.9\r\nHost: x\r\n\r\n",
    "no host": b"GET /api/server HTTP/1.1\r\n\r\n",
    "a header without end": b"GET /api/server HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000,
    "ten thousand headers": b"GET / HTTP/1.1\r\nHost: x\r\n"
    + b"".join(b"X-%d: 1\r\n" % n for n in range(10_000))
    + b"\r\n",
    "a negative length": b"POST /api/networks/n HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /api/networks/n HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": (
        b"POST /api/networks/n HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a chunk without end": b"POST /api/networks/n HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    "a NUL in a header": b"GET /api/server HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
    "a gzip bomb that is none": (
        b"POST /api/networks/n HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5\r\n\r\n--b--"
    ),
    "an absolute address": b"GET http://elsewhere.example/api/server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "dots in the path": b"GET /api/../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an expectation": b"POST /api/networks/n HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", RAW)
def test_raw_bytes_at_the_socket_get_an_answer_or_a_closed_connection(on_servers: ServiceProcess, kind: str) -> None:
    port = int(on_servers.url.rpartition(":")[2])
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_S) as connection:
        try:
            connection.sendall(RAW[kind])
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        except (ConnectionError, BrokenPipeError):
            answer = b""
    assert time.monotonic() - began < HANG_S
    if answer:
        status = int(answer.split(b" ", 2)[1])
        assert 200 <= status < 500, answer[:200]
    with urllib.request.urlopen(f"{on_servers.url}/health/live", timeout=5) as alive:
        assert alive.status == 200


def test_a_client_that_sends_a_byte_a_second_costs_nobody_else_anything(on_servers: ServiceProcess) -> None:
    port = int(on_servers.url.rpartition(":")[2])
    slow = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(b"POST /api/networks/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nX-")
        for _ in range(20):
            began = time.monotonic()
            with urllib.request.urlopen(f"{on_servers.url}/api/server", timeout=5) as answer:
                assert answer.status == 200
            assert time.monotonic() - began < 1.0
    finally:
        for connection in slow:
            connection.close()


WORDS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-0.0",
    "null",
    "true",
    "[]",
    "{}",
    '""',
    '"\\u0000"',
    '"\\ud800"',
    "9" * 400,
]


def spoil(text: str, chance: random.Random) -> bytes:
    """A valid document with one to three things wrong in it."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text))
        kind = chance.randrange(7)
        if kind == 0:
            text = text[:at]
        elif kind == 1:
            text = text[:at] + text[at + chance.randint(1, 30) :]
        elif kind == 2:
            text = text[:at] + chance.choice(WORDS) + text[at:]
        elif kind == 3:
            text = _replace_a_value(text, chance)
        elif kind == 4:
            text = text[:at] + chr(chance.randrange(0x20, 0x2000)) + text[at + 1 :]
        elif kind == 5:
            text = text[:at] + text[at : at + 200] * 3 + text[at:]
        else:
            text = text.replace('"id"', chance.choice(['"ID"', '"id": 1, "id"', '"di"']), chance.randint(1, 3))
        text = text or "{}"
    return text.encode("utf-8", "replace")


def _replace_a_value(text: str, chance: random.Random) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return text
    member: Any = document
    while isinstance(member, dict | list) and member:
        parent = member
        key: Any = chance.choice(list(parent)) if isinstance(parent, dict) else chance.randrange(len(parent))
        member = parent[key]
    if not isinstance(document, dict | list) or not document:
        return text
    parent[key] = chance.choice([None, True, "", "x" * 1000, -1, 1e308, [], {}, [[]], {"a": 1}, "\u202e\u0000", 2**70])
    return json.dumps(document)
