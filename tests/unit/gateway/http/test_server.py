from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.gateway.http import bodies, sending
from services.gateway.http.server import CannotListen, _forwarded_for
from tests.support.eventually import eventually
from tests.unit.gateway.http.streams import FORM_TYPE, form_body, part
from tests.unit.gateway.http.wire import Wire, parsed, wire

ORIGIN = {"Origin": "http://grid.example"}
FORM = {"Content-Type": FORM_TYPE}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def served() -> AsyncIterator[Wire]:
    async with wire() as running:
        yield running


# ------------------------------------------------------------------ what a response looks like


async def test_a_text_is_labelled_exactly(served: Wire) -> None:
    answer = await served.request("GET", "/api/things/a%20b?DEPTH=3")
    assert (answer.status, answer.text) == (200, "a b 3 commonUser")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["server"] == "busbar"


async def test_an_empty_200_has_no_content_type(served: Wire) -> None:
    answer = await served.request("PUT", "/api/things/a", b"true", JSON)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert "content-type" not in answer.headers


async def test_the_location_path_is_the_requests_own_without_prefix() -> None:
    async with wire(path_base="/opfsolver") as served:
        body = form_body(part("document", "{}", "d"))
        for target in ("/opfsolver/api/things/a%20b/?x=1", "/api/things/a%20b/"):
            assert (await served.request("POST", target, body, FORM)).text == "/api/things/a%20b/"


@pytest.mark.parametrize("count", [0, 1, 50])
async def test_a_spooled_document_is_sent_whole_and_let_go(served: Wire, count: int) -> None:
    answer = await served.request("GET", f"/api/documents/{count}")
    assert answer.headers["content-length"] == str(count * 100_000)
    assert answer.body == b"x" * 100_000 * count
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert served.things.budget.held_bytes == 0


@pytest.mark.parametrize("target", ["/api/documents/2", "/api/things/a"])
async def test_head_has_the_headers_and_no_body(served: Wire, target: str) -> None:
    whole, head = await served.request("GET", target), await served.request("HEAD", target)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert served.things.budget.held_bytes == 0


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "target", ["/", "/api", "/api/nothing", "/api/things/", "/api/things/a/b", "/api/things/a%2Fb"]
)
async def test_an_unknown_path_is_404(served: Wire, target: str) -> None:
    assert (await served.request("GET", target)).status == 404


async def test_a_wrong_method_is_405_and_names_the_right_ones(served: Wire) -> None:
    answer = await served.request("DELETE", "/api/things/a")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST, PUT")


@pytest.mark.parametrize(("method", "kind"), [("PUT", "text/plain"), ("POST", "application/json")])
async def test_a_wrong_content_type_is_415(served: Wire, method: str, kind: str) -> None:
    assert (await served.request(method, "/api/things/a", b"true", {"Content-Type": kind})).status == 415


async def test_a_body_that_is_too_large_is_413(served: Wire) -> None:
    assert (await served.request("PUT", "/api/things/a", b" " * 2000, JSON)).status == 413


@pytest.mark.parametrize("query", ["depth=x", "depth=", "depth=1e9x"])
async def test_a_wrong_query_is_a_problem_document_that_names_the_parameter(served: Wire, query: str) -> None:
    answer = await served.request("GET", f"/api/things/a?{query}")
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert '"errors":{"depth":[' in answer.text


@pytest.mark.parametrize("target", ["/api/things/%FF", "/api/things/%00"])
async def test_a_path_that_is_no_text_is_400(served: Wire, target: str) -> None:
    assert (await served.request("GET", target)).status == 400


async def test_a_bug_is_a_500_without_internals_and_logged_once_with_its_traceback(served: Wire) -> None:
    with capture_logs() as logs:
        answer = await served.request("GET", "/api/failure")
    assert answer.status == 500
    assert "secret" not in answer.text
    failures = [entry for entry in logs if entry["event"] == "request_failed"]
    assert [entry["route"] for entry in failures] == ["GET /api/failure"]
    assert failures[0]["exc_info"]


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"PUT /api/things/a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /api/things/a HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_http_are_400_and_no_error_of_ours(served: Wire, raw: bytes) -> None:
    with capture_logs() as logs:
        answer = await served.send(raw)
    assert parsed(answer).status == 400
    assert {entry["log_level"] for entry in logs} <= {"info"}


@pytest.mark.parametrize("value", [b"Bearer canary-" + b"y" * 20_000, b"Bearer canary-\x00"])
async def test_a_head_that_cannot_be_read_is_answered_with_an_object_that_repeats_nothing(
    served: Wire, value: bytes
) -> None:
    with capture_logs() as logs:
        answer = parsed(await served.send(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: " + value + b"\r\n\r\n"))
    assert (answer.status, answer.headers["server"]) == (400, "busbar")
    assert answer.headers["content-type"].startswith("application/problem+json")
    said = json.loads(answer.body)
    assert (said["status"], said["message"], said["errors"]) == (400, said["detail"], [said["detail"]])
    assert "canary" not in answer.text
    assert "canary" not in str(logs)


async def test_a_broken_chunked_body_is_refused(served: Wire) -> None:
    head = (
        b"PUT /api/things/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with capture_logs() as logs:
        answer = await served.send(head + b"zz\r\ntrue\r\n0\r\n\r\n")
    assert parsed(answer).status == 400
    assert "error" not in {entry["log_level"] for entry in logs}


# ------------------------------------------------------------------ bodies over a connection


async def test_a_client_that_asks_first_is_told_to_go_on(served: Wire) -> None:
    head = "PUT /api/things/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"true")
    assert parsed(await reader.read()).status == 200
    writer.close()


async def test_a_client_that_asks_first_may_be_refused_at_once(served: Wire) -> None:
    head = (
        "PUT /api/nothing HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404")
    writer.close()


async def test_a_client_that_goes_away_during_its_upload_leaves_nothing(served: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST /api/things/a HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE}\r\nContent-Length: 10000000\r\n\r\n"
    with capture_logs() as logs:
        writer.write(head.encode() + part("document", b"x" * 3_000_000, "d"))
        await eventually(lambda: served.things.budget.held_bytes > 2_000_000)
        writer.transport.abort()
        await eventually(lambda: any(entry["event"] == "request_finished" for entry in logs))
    assert served.things.budget.held_bytes == 0
    assert {entry["log_level"] for entry in logs} == {"info"}, logs
    del reader


async def test_a_client_that_stops_sending_is_refused_with_400(served: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LONGEST_PAUSE_S", 0.1)
    head = f"POST /api/things/a HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE}\r\nContent-Length: 1000\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.encode() + part("document", "some", "d"))
    assert b" 400 " in await reader.readuntil(b"\r\n")
    writer.close()


SENDER = """
import http.client, pathlib, sys
body = pathlib.Path(sys.argv[3]).read_bytes()
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("POST", "/api/things/a", body, {"Content-Type": sys.argv[2]})
print(connection.getresponse().status)
"""


async def test_a_large_upload_passes_through_while_the_loop_stays_free(served: Wire, tmp_path: Path) -> None:
    size = 60_000_000
    (tmp_path / "body").write_bytes(form_body(part("document", b"\x00\r\n-" * (size // 4), "d")))
    turns_s: list[float] = []

    async def watch() -> None:
        while True:
            # The processor time of this thread: that others have the processors for a while is not the loop's doing.
            before = time.thread_time()
            await asyncio.sleep(0.001)
            turns_s.append(time.thread_time() - before)

    sender = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SENDER,
        str(served.port),
        FORM_TYPE,
        str(tmp_path / "body"),
        stdout=asyncio.subprocess.PIPE,
    )
    watching = asyncio.create_task(watch())
    output, _ = await sender.communicate()
    watching.cancel()
    assert output.strip() == b"201"
    assert served.things.uploaded_bytes == size
    assert served.things.budget.held_bytes == 0
    # Relative to all of the work, as processors differ.
    assert max(turns_s) < sum(turns_s) / 6, "to handle the document whole would be one turn of the loop"


async def test_a_client_that_takes_nothing_is_given_up(served: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SEND_PIECE_WITHIN_S", 0.2)
    _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1000)
    with capture_logs() as logs:
        writer.write(b"GET /api/documents/300 HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: [entry["status"] for entry in logs] == [499])
    assert served.things.budget.held_bytes == 0
    writer.transport.abort()


# ------------------------------------------------------------------ origins and cookies


async def test_any_origin_is_echoed_with_credentials(served: Wire) -> None:
    for target in ("/api/things/a", "/api/nothing", "/api/failure"):
        answer = await served.request("GET", target, headers=ORIGIN)
        assert answer.headers["access-control-allow-origin"] == "http://grid.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in (await served.request("GET", "/api/things/a")).headers
    assert "access-control-allow-origin" not in (await served.request("GET", "/x", headers=ORIGIN)).headers


@pytest.mark.parametrize("target", ["/api/things/a", "/api/whatever"])
async def test_a_preflight_is_answered_for_every_path_of_the_api(served: Wire, target: str) -> None:
    asked = ORIGIN | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type, x-y"}
    answer = await served.request("OPTIONS", target, headers=asked)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "http://grid.example"
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-allow-headers"] == "content-type, x-y"


async def test_options_that_is_no_preflight_is_405(served: Wire) -> None:
    assert (await served.request("OPTIONS", "/api/things/a")).status == 405


@pytest.mark.parametrize("target", ["/api/things/a", "/api/nothing", "/api/failure", "/x", "/api/things/%FF"])
async def test_the_cookie_is_set_on_any_response(served: Wire, target: str) -> None:
    assert (
        (await served.request("GET", target))
        .headers["set-cookie"]
        .startswith("X-PgoUserId=commonUser; Domain=127.0.0.1")
    )
    right = await served.request("GET", target, headers={"Cookie": "X-PgoUserId=commonUser"})
    assert "set-cookie" not in right.headers


async def test_a_request_without_a_host_gets_a_cookie_without_a_domain(served: Wire) -> None:
    answer = parsed(await served.send(b"GET /api/things/a HTTP/1.0\r\n\r\n"))
    assert answer.status == 200
    assert answer.headers["set-cookie"] == "X-PgoUserId=commonUser; Path=/; HttpOnly; SameSite=Strict"


async def test_a_trusted_proxy_says_that_the_client_came_over_https(served: Wire) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "grid.example"}
    cookie = (await served.request("GET", "/api/things/a", headers=headers)).headers["set-cookie"]
    assert "; Secure" in cookie and "; Domain=grid.example" in cookie


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:5555", "198.51.100.7"),
        ("[2001:db8::7]:5555", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("203.0.113.9, 198.51.100.7, 127.0.0.1", "198.51.100.7"),
        ("198.51.100.7, nonsense", None),
        ("", None),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(header: str, client: str | None) -> None:
    assert _forwarded_for(header, [IPv4Network("127.0.0.0/8")]) == client


async def test_what_the_client_used_comes_first_where_several_proxies_tell(served: Wire) -> None:
    headers = {"X-Forwarded-Proto": "https, http"}
    assert "; Secure" in (await served.request("GET", "/api/things/a", headers=headers)).headers["set-cookie"]


# ------------------------------------------------------------------ traces, connections, bounds and the end


async def test_a_correlation_id_is_taken_over_or_made(served: Wire) -> None:
    assert (await served.request("GET", "/x", headers={"X-Request-ID": "mine-1"})).headers["x-request-id"] == "mine-1"
    made = (await served.request("GET", "/x", headers={"X-Request-ID": "not usable \u00e4"})).headers["x-request-id"]
    assert len(made) == 32


async def test_a_trace_is_continued(served: Wire) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = await served.request("PUT", "/api/things/a", b"x", headers | JSON)
    assert f'"traceId":"00-{trace}-' in answer.text
    assert "b7ad6b7169203331" not in answer.text


async def test_one_line_is_logged_for_a_request(served: Wire) -> None:
    with capture_logs() as logs:
        await served.request("GET", "/api/things/secret-name?depth=2")
    (line,) = logs
    assert line["event"] == "request_finished"
    assert (line["dialect"], line["route"], line["status"]) == ("things", "GET /api/things/{thing}", 200)
    assert "secret-name" not in str(line)


async def test_a_connection_is_kept_for_further_requests(served: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for number in range(3):
        writer.write(f"GET /api/things/{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(parsed(head).headers["content-length"])
        assert (await reader.readexactly(length)).decode() == f"{number} 1 commonUser"
    writer.close()


async def test_a_handler_that_takes_too_long_is_503() -> None:
    async with wire(handling_deadline_s=0.1) as served:
        answer = await served.request("GET", "/api/slow")
        assert (answer.status, "retry-after" in answer.headers) == (503, True)


async def test_too_many_requests_at_once_are_told_to_come_back() -> None:
    async with wire(max_in_flight=2) as served:
        waiting = [asyncio.create_task(served.request("GET", "/api/slow")) for _ in range(2)]
        await served.things.entered.wait()
        await asyncio.sleep(0.1)
        refused = await served.request("GET", "/api/things/a")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        served.things.go_on.set()
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await served.request("GET", "/api/things/a")).status == 200


async def test_a_stop_lets_a_request_in_flight_end_and_takes_no_new_one(served: Wire) -> None:
    waiting = asyncio.create_task(served.request("GET", "/api/slow"))
    await served.things.entered.wait()
    stopping = asyncio.create_task(served.server.stop(within_s=5.0))
    await asyncio.sleep(0.1)
    with pytest.raises(ConnectionError):
        await served.request("GET", "/api/things/a")
    served.things.go_on.set()
    assert (await waiting).text == "at last"
    await asyncio.wait_for(stopping, 1.0)


async def test_a_stop_ends_what_takes_too_long_with_a_503(served: Wire) -> None:
    waiting = asyncio.create_task(served.request("GET", "/api/slow"))
    await served.things.entered.wait()
    began = asyncio.get_running_loop().time()
    await served.server.stop(within_s=1.0)
    assert asyncio.get_running_loop().time() - began < 2
    answer = await waiting
    assert (answer.status, "retry-after" in answer.headers) == (503, True)


async def test_a_stop_does_not_wait_for_idle_connections(served: Wire) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /api/things/a HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"commonUser")
    began = asyncio.get_running_loop().time()
    await served.server.stop(within_s=5.0)
    assert asyncio.get_running_loop().time() - began < 1
    writer.close()


async def test_an_address_in_use_is_said_so(served: Wire) -> None:
    with pytest.raises(CannotListen, match=str(served.port)):
        async with wire(port=served.port):
            pass
